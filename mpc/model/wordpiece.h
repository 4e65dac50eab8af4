// BERT's WordPiece tokenizer, equal to Hugging Face's BertTokenizer (do_lower_case, strip_accents,
// tokenize_chinese_chars).
//
// Control characters go; white space, CJK characters and punctuation cut; words are lowered and
// lose their accents (NFD, category Mn) unless the vocabulary is a cased one; each word is matched
// greedily, the longest piece first, pieces inside a word carry "##", and a word that does not
// match, or has more than 100 characters, is [UNK]. Unlike the original, a special token's name in
// a text ("[PAD]") is text: a sender cannot forge padding. Bytes that are not UTF-8 are dropped,
// and so is all beyond the first MiB.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "mpc/model/tokenizer.h"
#include "proto/base/bytes.h"
#include "proto/base/result.h"

namespace mpc {

struct WordPieceOptions {
  bool lowered = true;
  bool accents_stripped = true;
  bool cjk_alone = true;  // Each CJK character is a word.
};

class WordPiece final : public TokenizerModel {
 public:
  // vocab.txt: a piece a line, its id the line's number. Must have [PAD], [UNK], [CLS] and [SEP].
  static proto::Result<WordPiece> FromVocab(proto::ByteSpan vocab_txt,
                                            const WordPieceOptions& options = {});

  // [CLS], the text's pieces, [SEP]; of any length.
  std::vector<std::uint32_t> Encode(std::string_view text) const override;
  // Words joined by spaces; the special pieces are left out.
  std::string Decode(std::span<const std::uint32_t> ids) const override;
  std::uint32_t size() const override { return static_cast<std::uint32_t>(pieces_.size()); }
  const std::string& piece(std::uint32_t id) const { return pieces_.at(id); }
  std::optional<std::uint32_t> pad() const override { return pad_; }

 private:
  void EncodeWord(std::u32string_view word, std::vector<std::uint32_t>& ids) const;

  WordPieceOptions options_;
  std::vector<std::string> pieces_;
  std::map<std::string, std::uint32_t, std::less<>> ids_;
  std::uint32_t pad_ = 0, unknown_ = 0, first_ = 0, last_ = 0;
};

}  // namespace mpc
