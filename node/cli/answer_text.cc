#include "node/cli/answer_text.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "mpc/online/client.h"
#include "proto/base/check.h"

namespace node {

using proto::ErrorCode;
using proto::Fail;
using proto::Result;

namespace {

// Bytes of the text but for a character at its end that may still become whole.
std::size_t WholeCharacters(const std::string& text) {
  const std::size_t from = text.size() - std::min<std::size_t>(text.size(), 3);
  for (std::size_t i = text.size(); i-- > from;) {
    const auto byte = static_cast<unsigned char>(text[i]);
    if (byte >> 6 == 2) continue;  // Of a character that began before.
    const std::size_t size = byte >= 0xf0 ? 4 : byte >= 0xe0 ? 3 : byte >= 0xc0 ? 2 : 1;
    return text.size() - i < size ? i : text.size();
  }
  return text.size();
}

}  // namespace

std::string TextPieces::Add(std::uint32_t token) {
  tokens_.push_back(token);
  std::string all = text();
  all.resize(WholeCharacters(all));
  if (!all.starts_with(given_)) return "";
  std::string piece = all.substr(given_.size());
  given_ = std::move(all);
  return piece;
}

std::string TextPieces::Finish() const {
  const std::string all = text();
  return all.starts_with(given_) ? all.substr(given_.size()) : "";
}

AnswerForm::~AnswerForm() {
  proto::SecureErase(masks.data(), masks.size() * sizeof(mpc::Fp));
}

double AnswerForm::Real(mpc::Int128 value) const {
  return std::ldexp(static_cast<double>(value), -static_cast<int>(frac));
}

AnswerText::AnswerText(AnswerForm form, mpc::Tokenizer tokenizer, OnToken on_token)
    : form_(std::move(form)), text_(std::move(tokenizer)), on_token_(std::move(on_token)) {
  CHECK(form_.flags < form_.group && form_.masks.size() == form_.group * form_.steps);
}

Result<> AnswerText::Take(std::span<const mpc::Fp> masked) {
  CHECK(masked.size() == form_.group && steps_ < form_.steps);
  const std::span<const mpc::Fp> masks = form_.masks;
  const std::uint32_t step = steps_++;
  if (ended_) return {};  // The validators were not told, and went on.
  const auto values = mpc::UnmaskOutput(masked, masks.subspan(step * form_.group, form_.group));
  const std::size_t tokens = form_.group - form_.flags;
  for (std::size_t i = tokens; i < values.size(); ++i) flags_.push_back(form_.Real(values[i]));
  for (std::size_t i = 0; i < tokens && !ended_; ++i) {
    const mpc::Int128 number = values[i] >> form_.frac;  // Exact.
    if (number < 0 || number >= form_.vocabulary) {
      return Fail(ErrorCode::kCorrupt, "the answer holds what is no token");
    }
    const auto token = static_cast<std::uint32_t>(number);
    ended_ = std::ranges::find(form_.ends, token) != form_.ends.end();
    if (ended_) break;
    std::string piece = text_.Add(token);
    if (on_token_) on_token_({step, token, std::move(piece)});
  }
  return {};
}

}  // namespace node
