// Text to a model's tokens and back, from any of the files that models come with.
//
// The client alone tokenizes; nothing here runs on a validator. Unlike the originals, a special
// token's name in a text ("[PAD]", "<s>") is text: a sender cannot forge one. Bytes that are not
// UTF-8 become U+FFFD, as Python's errors="replace" does (WordPiece drops that character). All
// beyond the first MiB is dropped.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "proto/base/bytes.h"
#include "proto/base/result.h"

namespace mpc {

inline constexpr std::size_t kTextBytesMax = 1 << 20;
inline constexpr std::size_t kVocabularyPiecesMax = 1 << 20;

// One algorithm with its vocabulary.
class TokenizerModel {
 public:
  virtual ~TokenizerModel() = default;
  // With the special tokens that the model wants around a text.
  virtual std::vector<std::uint32_t> Encode(std::string_view text) const = 0;
  // Special tokens and ids beyond the vocabulary are left out.
  virtual std::string Decode(std::span<const std::uint32_t> ids) const = 0;
  virtual std::uint32_t size() const = 0;
  // What no text yields; none where the files name none.
  virtual std::optional<std::uint32_t> pad() const { return std::nullopt; }
};

// Files by name, as in a model's directory; the first found counts:
//
//   tokenizer.model           SentencePiece's BPE and Unigram
//   tokenizer.json            WordPiece, byte-level BPE, BPE with byte fallback, Unigram
//   vocab.txt                 WordPiece
//   vocab.json, merges.txt    byte-level BPE
//   tok512.bin, tokenizer.bin llama2.c's: BPE by scores
//   none                      numbers: a text is ids in decimal
//
// tokenizer_config.json says of WordPiece whether it is cased, and of tokenizer.model which of the
// begin and end tokens go around a text. "family" may name the architecture's family where the
// files do not say which special tokens they take ("roberta", "llama", "gpt2").
using TokenizerFiles = std::map<std::string, proto::Bytes>;

// The names looked for, in that order.
std::vector<std::string> TokenizerFileNames();

class Tokenizer {
 public:
  static proto::Result<Tokenizer> From(const TokenizerFiles& files);
  static proto::Result<Tokenizer> FromVocab(proto::ByteSpan vocab_txt);

  std::vector<std::uint32_t> Encode(std::string_view text) const;
  std::string Decode(std::span<const std::uint32_t> ids) const { return model_->Decode(ids); }
  std::uint32_t size() const { return model_->size(); }
  std::optional<std::uint32_t> pad() const { return model_->pad(); }

 private:
  explicit Tokenizer(std::shared_ptr<const TokenizerModel> model) : model_(std::move(model)) {}
  std::shared_ptr<const TokenizerModel> model_;
};

// All files in one, for the ledger's manifest to name by one hash. Of files that From does not look
// at, none are kept.
proto::Bytes PackTokenizer(const TokenizerFiles& files);
proto::Result<TokenizerFiles> UnpackTokenizer(proto::ByteSpan bytes);

}  // namespace mpc
