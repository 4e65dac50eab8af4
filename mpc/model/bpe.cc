#include "mpc/model/bpe.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdio>
#include <queue>

namespace mpc {

namespace {

using proto::ErrorCode;
using proto::Fail;
using proto::Result;

constexpr char kSpaceMark[] = "\xe2\x96\x81";  // U+2581
constexpr std::size_t kPieceBytesMax = 512;

tl::unexpected<proto::Error> Bad(const std::string& what) {
  return Fail(ErrorCode::kInvalidArgument, "tokenizer: " + what);
}

// Of two spaces and more.
std::string RunsOfSpaces(std::string_view text, std::string_view instead) {
  std::string out;
  for (std::size_t i = 0; i < text.size();) {
    const std::size_t end = std::min(text.find_first_not_of(' ', i), text.size());
    if (end > i + 1) {
      out += instead;
      i = end;
    } else {
      out += text[i++];
    }
  }
  return out;
}

std::string ByteName(unsigned byte) {
  char name[8];
  std::snprintf(name, sizeof name, "<0x%02X>", byte);
  return name;
}

}  // namespace

std::string Cleaned(std::string_view text, const BpeOptions& options) {
  std::string clean = ReplaceBadUtf8(text);
  if (options.charsmap) {
    clean = options.charsmap_of_graphemes ? options.charsmap->ApplyToGraphemes(clean)
                                          : options.charsmap->Apply(clean);
  }
  if (options.left_stripped || options.right_stripped) {
    clean = Stripped(clean, options.left_stripped, options.right_stripped);
  }
  if (options.runs_marked) clean = RunsOfSpaces(clean, kSpaceMark);
  if (options.words_spaced) {
    // Where a word begins with a mark, none goes before it.
    clean = ReplacedAll(WordsSpaced(clean), std::string(" ") + kSpaceMark, kSpaceMark);
  }
  if (options.normal) clean = Normalized(clean, *options.normal);
  if (options.spaces_collapsed) {
    std::string single;
    for (const char c : clean) {
      if (c != ' ' || (!single.empty() && single.back() != ' ')) single += c;
    }
    // At the end the mark goes as well, as in SentencePiece.
    const auto ends = [&](std::string_view space) { return single.ends_with(space); };
    while (ends(" ") || (options.spaces_marked && ends(kSpaceMark))) {
      single.resize(single.size() - (ends(" ") ? 1 : sizeof kSpaceMark - 1));
    }
    clean = std::move(single);
  }
  if (clean.empty()) return clean;
  const bool spaced =
      clean.starts_with(' ') || (options.spaces_marked && clean.starts_with(kSpaceMark));
  if (options.prefix_space && !spaced) clean = " " + clean;
  clean = options.prepend + clean;
  return options.spaces_marked ? ReplacedAll(std::move(clean), " ", kSpaceMark) : clean;
}

std::vector<std::string> Pieces(std::string_view text, const BpeOptions& options) {
  std::vector<std::string> pieces = {Cleaned(text, options)};
  for (const Cutter& cutter : options.cutters) {
    std::vector<std::string> cut;
    for (const std::string& piece : pieces) {
      for (std::string& part : cutter.Cut(piece)) cut.push_back(std::move(part));
    }
    pieces = std::move(cut);
  }
  return pieces;
}

const std::array<std::string, 256>& ByteCharacters() {
  static const std::array<std::string, 256> kCharacters = [] {
    std::array<std::string, 256> characters;
    char32_t next = 256;
    for (unsigned byte = 0; byte < 256; ++byte) {
      const bool visible = (byte >= '!' && byte <= '~') || (byte >= 0xA1 && byte <= 0xAC) ||
                           (byte >= 0xAE && byte <= 0xFF);
      AppendUtf8(characters[byte], visible ? byte : next++);
    }
    return characters;
  }();
  return kCharacters;
}

Result<Bpe> Bpe::From(Vocabulary vocabulary, const Merges& merges, BpeOptions options) {
  Bpe bpe;
  bpe.options_ = std::move(options);
  bpe.ids_ = std::move(vocabulary);
  if (bpe.ids_.empty() || bpe.ids_.size() > kVocabularyPiecesMax) {
    return Bad("the vocabulary is empty or has more than 2^20 pieces");
  }
  std::uint32_t most = 0;
  for (const auto& [piece, id] : bpe.ids_) most = std::max(most, id);
  if (most >= kVocabularyPiecesMax) return Bad("an id is beyond 2^20");
  bpe.pieces_.resize(most + 1);
  for (const auto& [piece, id] : bpe.ids_) {
    if (!bpe.pieces_[id].empty()) return Bad("two pieces have id " + std::to_string(id));
    bpe.pieces_[id] = piece;
  }
  double rank = 0;
  for (const auto& [left, right] : merges) {
    const auto a = bpe.ids_.find(left), b = bpe.ids_.find(right), ab = bpe.ids_.find(left + right);
    if (a == bpe.ids_.end() || b == bpe.ids_.end() || ab == bpe.ids_.end()) {
      return Bad("merge " + std::to_string(static_cast<std::size_t>(rank)) +
                 " is of or to a piece that is not in the vocabulary");
    }
    bpe.merges_.emplace(std::pair{a->second, b->second}, Merge{rank, ab->second});
    rank += 1;
  }
  const bool bytes = bpe.options_.byte_level || bpe.options_.bytes_for_unknown;
  for (unsigned byte = 0; bytes && byte < 256; ++byte) {
    const auto found =
        bpe.ids_.find(bpe.options_.byte_level ? ByteCharacters()[byte] : ByteName(byte));
    if (found != bpe.ids_.end()) bpe.bytes_[byte] = found->second;
  }
  return bpe;
}

Result<Bpe> Bpe::FromScores(proto::ByteSpan file) {
  constexpr std::uint32_t kFirstByte = 3;
  Bpe bpe;
  bpe.options_.byte_level = false;
  bpe.options_.prepend = " ";
  bpe.options_.first = {1};
  bpe.options_.special = {0, 1, 2};
  bpe.options_.unknown = 0;
  bpe.bytes_merge_ = true;
  if (file.size() < 4) return Bad("tokenizer.bin: shorter than its header");
  for (file = file.subspan(4); !file.empty();) {
    if (file.size() < 8) return Bad("tokenizer.bin: truncated");
    const float score = std::bit_cast<float>(proto::GetU32(file));
    const std::uint32_t length = proto::GetU32(file.subspan(4));
    if (length > kPieceBytesMax || length > file.size() - 8 || !std::isfinite(score)) {
      return Bad("tokenizer.bin: a piece is too long, or its score no number");
    }
    if (bpe.pieces_.size() == kVocabularyPiecesMax) return Bad("more than 2^20 pieces");
    std::string piece(proto::AsText(file.subspan(8, length)));
    const auto id = static_cast<std::uint32_t>(bpe.pieces_.size());
    if (id >= kFirstByte + 256 || id < kFirstByte) bpe.ids_.emplace(piece, id);
    if (id >= kFirstByte && id < kFirstByte + 256) {
      bpe.bytes_[id - kFirstByte] = id;
      piece = ByteName(id - kFirstByte);
    }
    bpe.pieces_.push_back(std::move(piece));
    bpe.scores_.push_back(score);
    file = file.subspan(8 + length);
  }
  if (bpe.size() < kFirstByte + 256) return Bad("tokenizer.bin: no pieces for the bytes");
  return bpe;
}

Result<Bpe> Bpe::FromScoredPieces(const std::vector<ScoredPiece>& pieces,
                                  const std::vector<bool>& text, BpeOptions options) {
  Bpe bpe;
  bpe.options_ = std::move(options);
  for (std::uint32_t id = 0; id < pieces.size(); ++id) {
    const ScoredPiece& piece = pieces[id];
    if (!std::isfinite(piece.score)) return Bad("a score is no number");
    if (text[id]) bpe.ids_.emplace(piece.text, id);
    bpe.pieces_.push_back(piece.text);
    bpe.scores_.push_back(piece.score);
  }
  for (unsigned byte = 0; byte < 256; ++byte) {
    const auto found = std::ranges::find(bpe.pieces_, ByteName(byte));
    const auto id = static_cast<std::uint32_t>(found - bpe.pieces_.begin());
    if (found != bpe.pieces_.end() && !text[id]) bpe.bytes_[byte] = id;
  }
  return bpe;
}

std::optional<Bpe::Merge> Bpe::MergeOf(std::uint32_t left, std::uint32_t right) const {
  if (scores_.empty()) {
    const auto found = merges_.find({left, right});
    return found == merges_.end() ? std::nullopt : std::optional(found->second);
  }
  const auto text = [this](std::uint32_t id) {
    const auto byte = std::ranges::find(bytes_, id);
    if (byte == bytes_.end()) return pieces_[id];
    return std::string(bytes_merge_ ? 1 : 0, static_cast<char>(byte - bytes_.begin()));
  };
  const std::string first = text(left), second = text(right);
  if (first.empty() || second.empty()) return std::nullopt;
  const auto found = ids_.find(first + second);
  if (found == ids_.end()) return std::nullopt;
  return Merge{-scores_[found->second], found->second};
}

// A piece's characters as pieces, or their bytes.
std::vector<std::uint32_t> Bpe::Symbols(std::string_view piece) const {
  std::vector<std::uint32_t> symbols;
  bool unknown = false;
  for (const std::string_view character : Characters(piece)) {
    const auto found = ids_.find(character);
    if (found != ids_.end() && !options_.byte_level) {
      symbols.push_back(found->second);
      unknown = false;
      continue;
    }
    const bool by_bytes = std::ranges::all_of(
        character, [this](char c) { return bytes_[static_cast<std::uint8_t>(c)].has_value(); });
    if (by_bytes) {
      for (const char c : character) symbols.push_back(*bytes_[static_cast<std::uint8_t>(c)]);
      unknown = false;
    } else if (options_.unknown) {
      if (!unknown || !options_.unknown_fused) symbols.push_back(*options_.unknown);
      unknown = true;
    }
  }
  return symbols;
}

void Bpe::Merged(std::vector<std::uint32_t> symbols, std::vector<std::uint32_t>& ids) const {
  struct Candidate {
    double priority;
    std::size_t left, right;          // Positions of the symbols,
    std::uint32_t left_id, right_id;  // and what they were.
    std::uint32_t id;
    bool operator>(const Candidate& other) const {
      return std::pair(priority, left) > std::pair(other.priority, other.left);
    }
  };
  constexpr std::uint32_t kGone = 0xffffffff;
  const std::size_t count = symbols.size();
  std::vector<std::size_t> next(count), previous(count);
  std::priority_queue<Candidate, std::vector<Candidate>, std::greater<>> queue;
  const auto consider = [&](std::size_t left, std::size_t right) {
    if (const auto merge = MergeOf(symbols[left], symbols[right])) {
      queue.push({merge->priority, left, right, symbols[left], symbols[right], merge->id});
    }
  };
  for (std::size_t i = 0; i < count; ++i) {
    next[i] = i + 1;
    previous[i] = i == 0 ? count : i - 1;
    if (i + 1 < count) consider(i, i + 1);
  }
  while (!queue.empty()) {
    const Candidate best = queue.top();
    queue.pop();
    if (symbols[best.left] != best.left_id || symbols[best.right] != best.right_id ||
        next[best.left] != best.right) {
      continue;
    }
    symbols[best.left] = best.id;
    symbols[best.right] = kGone;
    next[best.left] = next[best.right];
    if (next[best.left] < count) {
      previous[next[best.left]] = best.left;
      consider(best.left, next[best.left]);
    }
    if (previous[best.left] < count) consider(previous[best.left], best.left);
  }
  for (const std::uint32_t id : symbols) {
    if (id != kGone) ids.push_back(id);
  }
}

std::vector<std::uint32_t> Bpe::Encode(std::string_view text) const {
  std::vector<std::uint32_t> ids = options_.first;
  for (const std::string& piece : Pieces(text, options_)) {
    if (options_.whole_first) {
      std::string written;
      for (const char c : piece) {
        written += options_.byte_level ? ByteCharacters()[static_cast<std::uint8_t>(c)]
                                       : std::string(1, c);
      }
      const auto found = ids_.find(written);
      if (found != ids_.end()) {
        ids.push_back(found->second);
        continue;
      }
    }
    Merged(Symbols(piece), ids);
  }
  ids.insert(ids.end(), options_.last.begin(), options_.last.end());
  return ids;
}

std::string Bpe::Decode(std::span<const std::uint32_t> ids) const {
  static const std::map<std::string, char, std::less<>> kBytes = [] {
    std::map<std::string, char, std::less<>> bytes;
    for (unsigned b = 0; b < 256; ++b) bytes[ByteCharacters()[b]] = static_cast<char>(b);
    return bytes;
  }();
  std::string text;
  for (const std::uint32_t id : ids) {
    if (id >= size() || std::ranges::find(options_.special, id) != options_.special.end()) continue;
    const std::string& piece = pieces_[id];
    if (options_.byte_level) {
      for (const std::string_view character : Characters(piece)) {
        const auto found = kBytes.find(character);
        if (found != kBytes.end()) text += found->second;
      }
    } else if (const auto byte = std::ranges::find(bytes_, id); byte != bytes_.end()) {
      text += static_cast<char>(byte - bytes_.begin());
    } else {
      text += piece;
    }
  }
  if (options_.spaces_marked) text = ReplacedAll(std::move(text), kSpaceMark, " ");
  // The space that encoding put before the text.
  const bool prepended = !options_.prepend.empty() || options_.prefix_space;
  return prepended && text.starts_with(' ') ? text.substr(1) : text;
}

}  // namespace mpc
