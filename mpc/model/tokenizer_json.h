// Reader of Hugging Face's tokenizer.json.
//
// Supported: models WordPiece (uncased BERT's), BPE, Unigram; normalizers NFC, NFD, NFKC, NFKD,
// Prepend, Replace of spaces, Sequence; pre-tokenizers BertPreTokenizer, ByteLevel, Split by a
// pattern, Metaspace, Sequence; post-processors that put special tokens around a text. Anything
// else is refused by its name. "truncation" and "padding" are ignored: lengths are the plan's.
#pragma once

#include <memory>

#include "mpc/model/tokenizer.h"

namespace mpc {

proto::Result<std::shared_ptr<const TokenizerModel>> ParseTokenizerJson(proto::ByteSpan bytes);

}  // namespace mpc
