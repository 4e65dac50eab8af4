// SentencePiece's Unigram (Kudo 2018) from a tokenizer.json: the cut of the greatest sum of scores,
// found by dynamic programming over the text's characters.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "mpc/model/bpe.h"
#include "mpc/model/tokenizer.h"

namespace mpc {

class Unigram final : public TokenizerModel {
 public:
  using Piece = ScoredPiece;
  // Of `options`: what Pieces reads, first, last, special, pad, unknown. Needs an unknown piece.
  // `text`: which pieces may be found in a text; none given: all.
  static proto::Result<Unigram> From(std::vector<Piece> pieces, bool byte_fallback,
                                     BpeOptions options, const std::vector<bool>& text = {});

  std::vector<std::uint32_t> Encode(std::string_view text) const override;
  std::string Decode(std::span<const std::uint32_t> ids) const override;
  std::uint32_t size() const override { return static_cast<std::uint32_t>(pieces_.size()); }
  std::optional<std::uint32_t> pad() const override { return options_.pad; }

 private:
  void Cut(std::string_view text, std::vector<std::uint32_t>& ids) const;

  std::vector<Piece> pieces_;
  std::map<std::string, std::uint32_t, std::less<>> ids_;
  std::map<std::string, std::uint32_t, std::less<>> bytes_;  // Of pieces that are no text.
  std::size_t longest_ = 0;                                  // Bytes.
  double unknown_score_ = 0;
  bool byte_fallback_ = false;
  BpeOptions options_;
};

}  // namespace mpc
