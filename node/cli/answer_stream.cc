#include "node/cli/answer_stream.h"

#include <algorithm>
#include <set>
#include <utility>

#include "node/inference/answer_step.h"

namespace node {

using proto::ErrorCode;
using proto::Fail;
using proto::PartyId;
using proto::Result;

namespace {

Result<std::vector<mpc::Fp>> ReadShares(const proto::Bytes& bytes, std::size_t count) {
  if (bytes.size() != count * mpc::Fp::kBytes) {
    return Fail(ErrorCode::kCorrupt, "a step has the wrong number of shares");
  }
  auto shares = mpc::DecodeElements(bytes);
  if (!shares) return Fail(ErrorCode::kCorrupt, "a step's shares are not of the field");
  return std::move(*shares);
}

}  // namespace

AnswerStream::AnswerStream(Members members, const proto::Digest& chain, std::uint64_t request,
                           std::uint32_t steps, std::size_t group)
    : members_(std::move(members)),
      chain_(chain),
      request_(request),
      group_(group),
      decoders_(steps, mpc::RobustDecoder(members_.committee, group)),
      received_(members_.keys.size()) {}

Result<> AnswerStream::Add(PartyId party, const nlohmann::json& answer) {
  const auto list = answer.is_object() ? answer.find("steps") : answer.end();
  if (list == answer.end() || !list->is_array()) {
    return Fail(ErrorCode::kCorrupt, "the answer has no steps");
  }
  for (const nlohmann::json& entry : *list) {
    const std::uint32_t step = received_[Index(party)];
    if (step == decoders_.size()) {
      return Fail(ErrorCode::kCorrupt, "the answer has more steps than the model");
    }
    const auto text = [&](const char* name) {
      const auto field = entry.is_object() ? entry.find(name) : entry.end();
      return field != entry.end() && field->is_string() ? field->get<std::string>() : "";
    };
    const auto bytes = proto::FromHex(text("shares"));
    const auto signature = proto::FromHex(text("signature"));
    if (!bytes || !signature || signature->size() != 64) {
      return Fail(ErrorCode::kCorrupt, "a step is malformed");
    }
    if (!proto::Verify(members_.keys[Index(party)],
                       AnswerStepDigest(chain_, request_, step, *bytes),
                       *proto::Signature::From(*signature))) {
      return Fail(ErrorCode::kCorrupt, "a step is not signed by its validator as this step");
    }
    auto shares = ReadShares(*bytes, group_);
    if (!shares) return tl::unexpected(shares.error());
    ++received_[Index(party)];
    decoders_[step].Add(party, std::move(*shares));
  }
  for (; steps_decoded_ < decoders_.size() && decoders_[steps_decoded_].decoded();
       ++steps_decoded_) {
    const std::vector<mpc::Fp>& values = decoders_[steps_decoded_].values();
    decoded_.insert(decoded_.end(), values.begin(), values.end());
  }
  return {};
}

std::vector<PartyId> AnswerStream::wrong() const {
  std::set<PartyId> wrong;
  for (const mpc::RobustDecoder& decoder : decoders_) {
    wrong.insert(decoder.wrong().begin(), decoder.wrong().end());
  }
  return {wrong.begin(), wrong.end()};
}

}  // namespace node
