// tokenizer.model: SentencePiece's own file (Kudo, Richardson 2018), BPE and Unigram with the
// file's normalisation.
//
// Read here, not by Google's library: Debian's build of it carries a Protocol Buffers runtime of
// its own, which cannot live in one process with another.
#pragma once

#include <memory>
#include <string_view>

#include "mpc/model/tokenizer.h"

namespace mpc {

// Which of <s> and </s> go around a text.
struct SentencePieceEnds {
  bool begin = true;
  bool end = false;
};

// `family`: "roberta" for XLM-RoBERTa, whose ids are shifted by one and whose texts stand between
// <s> and </s>; else as `ends` says.
proto::Result<std::shared_ptr<const TokenizerModel>> ParseSentencePiece(
    proto::ByteSpan bytes, std::string_view family, const SentencePieceEnds& ends);

}  // namespace mpc
