// Config and weights together: a model's files to a float model.
#pragma once

#include <span>
#include <vector>

#include "mpc/model/float_model.h"
#include "proto/base/bytes.h"
#include "proto/base/result.h"

namespace mpc {

struct ModelFiles {
  proto::ByteSpan config_json;
  std::vector<proto::ByteSpan> safetensors;  // One file, or the shards.
  // A decoder's matrices are checked and left in the files, whose bytes must then live as long as
  // the model: it takes the memory of one of them.
  bool leave = false;
};

// Every tensor of the architecture must be there, once, with the shape that the config gives and
// finite values; tensors that the architecture does not have are refused, but for buffers and heads
// that an evaluation does not use (position_ids, masked_bias, inv_freq, the pooler of an embedding,
// BERT's pre-training heads). The names' prefix ("bert.", "transformer.", "model.") may be absent.
proto::Result<FloatModel> LoadFloatModel(const ModelFiles& files);

}  // namespace mpc
