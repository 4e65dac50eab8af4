#include "mpc/model/unigram.h"

#include <algorithm>
#include <cstdio>
#include <limits>

namespace mpc {

namespace {

constexpr char kSpaceMark[] = "\xe2\x96\x81";  // U+2581
constexpr double kUnknownPenalty = 10;         // SentencePiece's.

std::string ByteName(std::uint8_t byte) {
  char name[8];
  std::snprintf(name, sizeof name, "<0x%02X>", byte);
  return name;
}

}  // namespace

proto::Result<Unigram> Unigram::From(std::vector<Piece> pieces, bool byte_fallback,
                                     BpeOptions options, const std::vector<bool>& text) {
  const auto bad = [](const std::string& what) {
    return proto::Fail(proto::ErrorCode::kInvalidArgument, "tokenizer: " + what);
  };
  Unigram model;
  if (pieces.empty() || pieces.size() > kVocabularyPiecesMax) {
    return bad("the vocabulary is empty or has more than 2^20 pieces");
  }
  if (!options.unknown || *options.unknown >= pieces.size()) return bad("no unknown piece");
  double least = std::numeric_limits<double>::infinity();
  for (std::uint32_t id = 0; id < pieces.size(); ++id) {
    const Piece& piece = pieces[id];
    if (!(piece.score > -1e9 && piece.score < 1e9)) return bad("a score is no number");
    const bool byte = piece.text.size() == 6 && piece.text.starts_with("<0x");
    if (!text.empty() && !text[id] && !byte) continue;
    (text.empty() || text[id] ? model.ids_ : model.bytes_).emplace(piece.text, id);
    model.longest_ = std::max(model.longest_, piece.text.size());
    least = std::min(least, piece.score);
  }
  model.unknown_score_ = least - kUnknownPenalty;
  model.pieces_ = std::move(pieces);
  model.byte_fallback_ = byte_fallback;
  model.options_ = std::move(options);
  return model;
}

void Unigram::Cut(std::string_view text, std::vector<std::uint32_t>& ids) const {
  struct Best {
    double score = -std::numeric_limits<double>::infinity();
    std::size_t from = 0;
    std::uint32_t id = 0;
  };
  std::vector<Best> best(text.size() + 1);
  best[0].score = 0;
  const std::uint32_t unknown = *options_.unknown;
  std::size_t at = 0;
  for (const std::string_view character : Characters(text)) {
    const double so_far = best[at].score;
    bool single = false;
    for (std::size_t size = 1; size <= std::min(longest_, text.size() - at); ++size) {
      const auto found = ids_.find(text.substr(at, size));
      if (found == ids_.end() || found->second == unknown) continue;
      single = single || size == character.size();
      const double score = so_far + pieces_[found->second].score;
      if (score > best[at + size].score) best[at + size] = {score, at, found->second};
    }
    if (!single) {
      Best& next = best[at + character.size()];
      if (so_far + unknown_score_ > next.score) next = {so_far + unknown_score_, at, unknown};
    }
    at += character.size();
  }
  std::vector<std::pair<std::uint32_t, std::string_view>> cut;
  for (std::size_t end = text.size(); end > 0; end = best[end].from) {
    cut.emplace_back(best[end].id, text.substr(best[end].from, end - best[end].from));
  }
  bool last_unknown = false;
  for (auto piece = cut.rbegin(); piece != cut.rend(); ++piece) {
    const bool is_unknown = piece->first == unknown;
    if (is_unknown && byte_fallback_) {
      for (const char c : piece->second) {
        const std::string name = ByteName(static_cast<std::uint8_t>(c));
        const auto own = bytes_.find(name), any = ids_.find(name);
        ids.push_back(own != bytes_.end() ? own->second
                      : any != ids_.end() ? any->second
                                          : unknown);
      }
    } else if (!is_unknown || !last_unknown) {
      ids.push_back(piece->first);
    }
    last_unknown = is_unknown;
  }
}

std::vector<std::uint32_t> Unigram::Encode(std::string_view text) const {
  std::vector<std::uint32_t> ids = options_.first;
  for (const std::string& piece : Pieces(text, options_)) Cut(piece, ids);
  ids.insert(ids.end(), options_.last.begin(), options_.last.end());
  return ids;
}

std::string Unigram::Decode(std::span<const std::uint32_t> ids) const {
  std::string text;
  for (const std::uint32_t id : ids) {
    if (id >= size() || std::ranges::find(options_.special, id) != options_.special.end()) continue;
    text += pieces_[id].text;
  }
  text = ReplacedAll(std::move(text), kSpaceMark, " ");
  return text.starts_with(' ') ? text.substr(1) : text;
}

}  // namespace mpc
