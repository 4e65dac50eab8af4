// Reader of Hugging Face's config.json for the architectures that can be compiled to a plan.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "proto/base/bytes.h"
#include "proto/base/result.h"

namespace mpc {

struct BertConfig {
  std::uint32_t vocab_size = 0;
  std::uint32_t hidden_size = 0;
  std::uint32_t num_hidden_layers = 0;
  std::uint32_t num_attention_heads = 0;
  std::uint32_t intermediate_size = 0;
  std::uint32_t max_position_embeddings = 0;
  std::uint32_t type_vocab_size = 0;
  std::uint32_t pad_token_id = 0;
  double layer_norm_eps = 0;
  std::vector<std::string> labels;  // id2label in order; "LABEL_0", ... where it is absent.
};

// BertForSequenceClassification with hidden_act "gelu" and absolute positions. Another architecture
// or variant is refused by its name, with what is supported; so is a size outside its limits.
// Fields that do not change an evaluation (dropout, initialisation, ...) are ignored.
proto::Result<BertConfig> ParseBertConfig(proto::ByteSpan config_json);

}  // namespace mpc
