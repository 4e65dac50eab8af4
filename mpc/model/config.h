// Reader of Hugging Face's config.json for the architectures that can be compiled to a plan.
//
// All are one transformer (mpc/model/float_model.h) with the differences named here; a reader of an
// architecture translates its fields' names and refuses, by name, what this transformer lacks.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "proto/base/bytes.h"
#include "proto/base/result.h"

namespace mpc {

// Whose names the tensors have. kRoberta has XLM-RoBERTa's too, kLlama Mistral's and Qwen2's.
enum class Family : std::uint8_t { kBert, kRoberta, kDistilbert, kGpt2, kLlama };
// What comes out: a logit a label, a sentence's vector, or text.
enum class Task : std::uint8_t { kClassify, kEmbed, kGenerate };
// kQuad: MPCFormer's x^2 / 8 + x / 4 + 1/2.
enum class Activation : std::uint8_t { kGelu, kGeluTanh, kSilu, kQuad };
enum class Pooling : std::uint8_t { kFirst, kMean };

// Rotary positions: what angle position p turns pair i of a head by is p * frequencies[i].
struct Rope {
  std::vector<double> frequencies;  // Of head_width / 2 pairs; empty: none.
  double scale = 1;                 // Of queries' and keys' products' sines and cosines (YaRN).
};

struct ModelConfig {
  std::string architecture;  // As in config.json.
  Family family = Family::kBert;
  Task task = Task::kClassify;
  Activation activation = Activation::kGelu;
  bool quad_softmax = false;         // MPCFormer's 2Quad: (s + 5)^2 in place of exp(s).
  Pooling pooling = Pooling::kMean;  // kEmbed
  std::uint32_t vocab_size = 0;
  std::uint32_t hidden_size = 0;
  std::uint32_t num_hidden_layers = 0;
  std::uint32_t num_attention_heads = 0;
  std::uint32_t num_key_value_heads = 0;
  std::uint32_t head_width = 0;
  std::uint32_t intermediate_size = 0;
  std::uint32_t max_position_embeddings = 0;  // Tokens that a text may have.
  std::uint32_t type_vocab_size = 0;          // 0: no segments.
  std::uint32_t position_offset = 0;          // The position of the first token.
  std::uint32_t pad_token_id = 0;             // Encoders.
  double layer_norm_eps = 0;
  bool query_bias = true;   // Of query, key and value.
  bool output_bias = true;  // Of attention's output.
  bool mlp_bias = true;
  bool tied = false;  // The logits' matrix is the embedding table.
  Rope rope;
  std::vector<std::uint32_t> eos_token_ids;  // kGenerate: a text ends after one of these.
  std::vector<std::string> labels;  // kClassify: id2label in order; "LABEL_0", ... where absent.

  // Gated, RMSNorm, rotary positions; else LayerNorm and learned positions.
  bool llama() const { return family == Family::kLlama; }
  // Causal, norms before the layers, text out; else both ways, norms after, pads.
  bool decoder() const { return task == Task::kGenerate; }
};

// What can be imported, for error messages and the documentation.
std::vector<std::string> SupportedArchitectures();

// An architecture, activation or variant that is not supported is refused by its name, with what
// is; so is a size outside its limits. Fields that do not change an evaluation (dropout,
// initialisation, ...) are ignored.
proto::Result<ModelConfig> ParseConfig(proto::ByteSpan config_json);

}  // namespace mpc
