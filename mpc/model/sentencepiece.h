// tokenizer.model, read by Google's SentencePiece library: BPE and Unigram with the file's own
// normalisation.
#pragma once

#include <memory>
#include <string_view>

#include "mpc/model/tokenizer.h"

namespace mpc {

// `family`: "roberta" for XLM-RoBERTa, whose ids are shifted by one and whose texts stand between
// <s> and </s>; else a text follows <s>.
proto::Result<std::shared_ptr<const TokenizerModel>> ParseSentencePiece(proto::ByteSpan bytes,
                                                                        std::string_view family);

}  // namespace mpc
