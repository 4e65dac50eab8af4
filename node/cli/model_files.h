// A model's directory as Hugging Face writes it: config.json, model.safetensors or its shards, the
// tokenizer's files, and what sentence-transformers adds.
#pragma once

#include <string>
#include <vector>

#include "mpc/model/float_model.h"
#include "mpc/model/tokenizer.h"
#include "proto/base/bytes.h"
#include "proto/base/shared_bytes.h"

namespace node {

// A model in clear, as its vendor has it.
struct LocalModel {
  std::string name;
  // Mapped: a large model's reference reads them.
  std::vector<proto::SharedBytes> weights;
  mpc::FloatModel reference;
  mpc::Tokenizer tokenizer;
  // As packed for the ledger: the tokenizer's files, and beside them "pad", the id that fills a
  // text up to a plan's length, and "eos", the ids that end a generated text, in decimal.
  mpc::TokenizerFiles tokenizer_files;
  std::vector<std::string> calibration;  // Sentences; may be empty.
  std::string doubt;                     // What looks wrong and need not be; may be empty.
};

// `vocabulary`: another path of vocab.txt; empty: the directory's files. `sample`: text to measure
// value ranges on, a sentence a line; empty: the directory's calibration.txt, else the text that
// ships with the project. Errors name the file and what is wrong, or what is not supported and what
// is.
proto::Result<LocalModel> ReadModel(const std::string& directory, const std::string& vocabulary,
                                    const std::string& sample);

std::vector<std::string> Lines(proto::ByteSpan bytes);

}  // namespace node
