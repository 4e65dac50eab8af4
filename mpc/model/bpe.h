// Byte-pair encoding (Sennrich et al. 2016) in its three forms.
//
//   byte-level (GPT-2)   a text is cut by a regular expression; each piece's bytes, written as 256
//                        visible characters, are merged by the merges' ranks
//   byte fallback        (LLaMA's tokenizer.json) spaces are U+2581; the text's characters, or the
//                        bytes <0x00>.. of one that is no piece, are merged by ranks
//   scores               (SentencePiece, llama2.c's tokenizer.bin) likewise, the merged piece of
//   the best score first
//
// Of equal candidates the leftmost merges first. A piece of n symbols takes O(n log n).
#pragma once

#include <array>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "mpc/model/charsmap.h"
#include "mpc/model/tokenizer.h"
#include "mpc/model/unicode.h"

namespace mpc {

// GPT-2's cuts.
inline constexpr char kGpt2Pattern[] =
    "'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+";

struct BpeOptions {
  bool byte_level = true;
  std::vector<Cutter> cutters;               // One after another, each on the others' pieces.
  std::shared_ptr<const CharsMap> charsmap;  // Before all else,
  bool charsmap_of_graphemes = false;        // as `tokenizers` applies it.
  bool left_stripped = false, right_stripped = false;  // Of white space.
  bool runs_marked = false;                            // Two spaces and more become one U+2581.
  bool words_spaced = false;                           // White space to one space between words.
  bool spaces_collapsed = false;                       // Runs of spaces to one, none at the ends.
  std::optional<NormalForm> normal;
  std::string prepend;                     // Before a text that is not empty.
  bool prefix_space = false;               // A space before a text without one.
  bool spaces_marked = false;              // Spaces become U+2581.
  bool whole_first = false;                // A piece that is in the vocabulary is not cut.
  std::vector<std::uint32_t> first, last;  // Around a text.
  std::optional<std::uint32_t> unknown;    // Of a character with no piece.
  bool unknown_fused = false;              // Several in a row are one.
  bool bytes_for_unknown = true;           // Its bytes' pieces, <0x00>.., where they are there.
  std::optional<std::uint32_t> pad;
  std::vector<std::uint32_t> special;  // Left out of decoded text.
};

struct ScoredPiece {
  std::string text;
  double score = 0;
};

class Bpe final : public TokenizerModel {
 public:
  using Vocabulary = std::map<std::string, std::uint32_t, std::less<>>;
  using Merges = std::vector<std::pair<std::string, std::string>>;  // By rank.

  // Errors name what is wrong: a merge of or to a piece that is not there, bytes without a piece.
  static proto::Result<Bpe> From(Vocabulary vocabulary, const Merges& merges, BpeOptions options);
  // llama2.c's file: u32 longest piece, then f32 score, u32 length and bytes of each piece. Ids 0,
  // 1, 2 are unknown, begin and end, 3 to 258 the bytes.
  static proto::Result<Bpe> FromScores(proto::ByteSpan tokenizer_bin);
  // SentencePiece's: pieces with scores; only those of `text` may be made by merges. Pieces
  // <0x00>.. stand for bytes.
  static proto::Result<Bpe> FromScoredPieces(const std::vector<ScoredPiece>& pieces,
                                             const std::vector<bool>& text, BpeOptions options);

  std::vector<std::uint32_t> Encode(std::string_view text) const override;
  std::string Decode(std::span<const std::uint32_t> ids) const override;
  std::uint32_t size() const override { return static_cast<std::uint32_t>(pieces_.size()); }
  std::optional<std::uint32_t> pad() const override { return options_.pad; }

 private:
  struct Merge {
    double priority;  // The least goes first.
    std::uint32_t id;
  };
  std::optional<Merge> MergeOf(std::uint32_t left, std::uint32_t right) const;
  std::vector<std::uint32_t> Symbols(std::string_view piece) const;
  void Merged(std::vector<std::uint32_t> symbols, std::vector<std::uint32_t>& ids) const;

  BpeOptions options_;
  Vocabulary ids_;
  std::vector<std::string> pieces_;
  std::map<std::pair<std::uint32_t, std::uint32_t>, Merge> merges_;
  std::vector<double> scores_;  // Empty unless by scores.
  bool bytes_merge_ = false;    // llama2.c's: a byte's piece merges as that byte.
  std::array<std::optional<std::uint32_t>, 256> bytes_;
};

// A text as the options want it before it is cut, and its pieces.
std::string Cleaned(std::string_view text, const BpeOptions& options);
std::vector<std::string> Pieces(std::string_view text, const BpeOptions& options);

// The characters that stand for bytes in byte-level vocabularies, in UTF-8.
const std::array<std::string, 256>& ByteCharacters();

}  // namespace mpc
