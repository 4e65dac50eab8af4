// BERT for sequence classification in floating point: the reference that plans are built from and
// compared with (Devlin, Chang, Lee, Toutanova 2019; parameter names as Hugging Face's).
//
// Exact GELU (erf), softmax and LayerNorm, in double precision on the file's weights. One text, no
// padding, segment 0.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "mpc/model/config.h"
#include "mpc/model/tokenizer.h"
#include "proto/base/bytes.h"
#include "proto/base/result.h"

namespace mpc {

struct ModelFiles {
  proto::ByteSpan config_json;
  proto::ByteSpan safetensors;
  proto::ByteSpan vocab_txt;
  proto::ByteSpan calibration_txt;  // A sentence a line.
};

// y = x * weight + bias; weight row-major [in x out].
struct DenseWeights {
  std::uint32_t in = 0;
  std::uint32_t out = 0;
  std::vector<float> weight;
  std::vector<float> bias;
};

struct NormWeights {
  std::vector<float> gamma;
  std::vector<float> beta;
};

struct BertLayerWeights {
  DenseWeights query, key, value, attention_output, intermediate, output;
  NormWeights attention_norm, output_norm;
};

struct FloatModel {
  BertConfig config;
  std::vector<float> words;      // [vocab_size x hidden_size]
  std::vector<float> positions;  // [max_position_embeddings x hidden_size], segment 0 added.
  NormWeights embeddings_norm;
  std::vector<BertLayerWeights> layers;
  DenseWeights pooler, classifier;

  // One logit for each label. 1 <= ids.size() <= max_position_embeddings and ids < vocab_size are
  // CHECKed.
  std::vector<double> Logits(const std::vector<std::uint32_t>& ids) const;
};

// Config and safetensors together; every tensor must be there with the shape the config gives.
proto::Result<FloatModel> LoadFloatModel(const ModelFiles& files);

}  // namespace mpc
