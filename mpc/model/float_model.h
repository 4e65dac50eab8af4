// The transformer in floating point: the reference that plans are built from and compared with.
//
// One structure for all families (mpc/model/config.h): BERT and its kin (Devlin et al. 2019; Liu et
// al. 2019; Sanh et al. 2019), GPT-2 (Radford et al. 2019), LLaMA (Touvron et al. 2023; grouped
// queries: Ainslie et al. 2023). Exact GELU or SiLU, softmax and norms, in double precision on the
// file's weights. One text, no padding, segment 0.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "mpc/model/config.h"
#include "proto/base/bytes.h"
#include "proto/base/result.h"

namespace mpc {

// Values that a model holds, or that are read or made anew each time they are asked for: a large
// model is never in memory as a whole.
using Floats = std::shared_ptr<const std::vector<float>>;
using FloatSource = std::function<std::vector<float>()>;

// y = x * weight + bias; weight row-major [in x out]. in = 0: absent.
struct DenseWeights {
  std::uint32_t in = 0;
  std::uint32_t out = 0;
  std::vector<float> weight;  // Empty where `source` gives it.
  std::vector<float> bias;    // Zeros where the model has none.
  FloatSource source = nullptr;

  // Not to be kept longer than this object.
  Floats Weight() const;
};

// beta: zeros for RMSNorm.
struct NormWeights {
  std::vector<float> gamma;
  std::vector<float> beta;
};

struct LayerWeights {
  DenseWeights query, key, value, attention_output;
  DenseWeights gate;  // LLaMA: what the activation is of; `intermediate` is multiplied by it.
  DenseWeights intermediate, output;
  // Encoders: after attention and after the feed-forward part. Decoders: before them.
  NormWeights attention_norm, output_norm;
};

struct FloatModel {
  ModelConfig config;
  std::vector<float> words;  // [vocab_size x hidden_size]; empty where `words_source` gives them.
  FloatSource words_source = nullptr;
  std::vector<float> positions;  // [max_position_embeddings x hidden_size], segment 0 added; LLaMA:
                                 // empty.
  NormWeights embeddings_norm;   // Encoders.
  std::vector<LayerWeights> layers;
  NormWeights final_norm;           // Decoders.
  DenseWeights pooler, classifier;  // kClassify: tanh (DistilBERT: ReLU) between them.
                                    // kGenerate: classifier is the logits' matrix.

  Floats Words() const;  // As DenseWeights::Weight.

  // What the model says: a logit a label, the sentence's vector, or the next token's logits.
  // 1 <= ids.size() <= max_position_embeddings and ids < vocab_size are CHECKed.
  std::vector<double> Logits(const std::vector<std::uint32_t>& ids) const;
};

// The greedy continuation of `ids` by `count` tokens; gaps[i] is by how much the best logit of
// token i exceeded the second.
struct Continuation {
  std::vector<std::uint32_t> ids;
  std::vector<double> gaps;
};
Continuation ContinueGreedily(const FloatModel& model, std::vector<std::uint32_t> ids,
                              std::size_t count);

}  // namespace mpc
