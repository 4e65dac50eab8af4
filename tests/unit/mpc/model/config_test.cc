#include "mpc/model/config.h"

#include <gtest/gtest.h>

#include "tests/unit/mpc/model/files.h"

namespace mpc {
namespace {

const char kGood[] = R"({"architectures": ["BertForSequenceClassification"], "vocab_size": 100,
  "hidden_size": 8, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 16,
  "max_position_embeddings": 32, "type_vocab_size": 2, "hidden_act": "gelu",
  "layer_norm_eps": 1e-12, "id2label": {"0": "bad", "1": "good"}, "hidden_dropout_prob": 0.1})";

std::string Changed(std::string_view from, std::string_view to) {
  std::string text = kGood;
  const std::size_t at = text.find(from);
  EXPECT_NE(at, std::string::npos) << from;
  return text.replace(at, from.size(), to);
}

std::string ErrorOf(const std::string& text) {
  const auto config = ParseConfig(proto::AsBytes(text));
  return config ? "" : config.error().message;
}

TEST(Config, ReadsBert) {
  const auto config = ParseConfig(proto::AsBytes(kGood));
  ASSERT_TRUE(config) << config.error().message;
  EXPECT_EQ(config->vocab_size, 100u);
  EXPECT_EQ(config->intermediate_size, 16u);
  EXPECT_EQ(config->layer_norm_eps, 1e-12);
  EXPECT_EQ(config->labels, (std::vector<std::string>{"bad", "good"}));
}

TEST(Config, NamesWhatItDoesNotSupport) {
  const std::string other =
      ErrorOf(Changed("BertForSequenceClassification", "T5ForConditionalGeneration"));
  EXPECT_NE(other.find("T5ForConditionalGeneration"), std::string::npos);
  EXPECT_NE(other.find("supported: BertForSequenceClassification"), std::string::npos);
  EXPECT_NE(ErrorOf(Changed("\"gelu\"", "\"relu\"")).find("relu"), std::string::npos);
  EXPECT_NE(
      ErrorOf(Changed("\"hidden_act\"", "\"position_embedding_type\": \"relative_key\", \"x\""))
          .find("relative_key"),
      std::string::npos);
}

TEST(Config, RefusesBadFields) {
  for (const auto& [from, to] : std::vector<std::pair<const char*, const char*>>{
           {"\"vocab_size\": 100", "\"vocab_size\": 0"},
           {"\"vocab_size\": 100", "\"vocab_size\": -1"},
           {"\"vocab_size\": 100", "\"vocab_size\": 1e3"},
           {"\"vocab_size\": 100", "\"vocab_size\": \"100\""},
           {"\"vocab_size\": 100", "\"vocab_size\": 99999999999"},
           {"\"vocab_size\": 100,", ""},
           {"\"num_attention_heads\": 2", "\"num_attention_heads\": 3"},
           {"\"vocab_size\": 100", "\"vocab_size\": 100, \"pad_token_id\": 100"},
           {"1e-12", "0"},
           {"1e-12", "\"1e-12\""},
           {"1e-12", "-1"},
           {"{\"0\": \"bad\", \"1\": \"good\"}", "{\"0\": \"bad\", \"2\": \"good\"}"},
           {"{\"0\": \"bad\", \"1\": \"good\"}", "{\"0\": 1, \"1\": 2}"},
           {"\"id2label\"", "\"num_labels\": 3, \"id2label\""},
           {"[\"BertForSequenceClassification\"]", "[]"},
           {"}", "}}"}}) {
    EXPECT_NE(ErrorOf(Changed(from, to)), "") << to;
  }
  EXPECT_NE(ErrorOf(""), "");
  EXPECT_NE(ErrorOf("[]"), "");
  EXPECT_NE(ErrorOf(std::string(2000, '[')), "");
}

// What copies or prints a value calls itself for each level of it.
TEST(Config, RefusesDeepNesting) {
  constexpr std::size_t kDepth = 1 << 18;
  const std::string deep = std::string(kDepth, '[') + std::string(kDepth, ']');
  for (const char* name : {"position_embedding_type", "architectures", "anything"}) {
    std::string text = kGood;
    text.insert(1, "\"" + std::string(name) + "\": " + deep + ",");
    EXPECT_NE(ErrorOf(text).find("nested too deeply"), std::string::npos) << name;
  }
  std::string quoted = kGood;
  quoted.insert(1, "\"a\\\"b\": \"" + std::string(kDepth, '[') + "\",");
  EXPECT_EQ(ErrorOf(quoted), "");
}

const char kLlama[] = R"({"architectures": ["LlamaForCausalLM"], "vocab_size": 100,
  "hidden_size": 8, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 16,
  "max_position_embeddings": 32, "pad_token_id": -1, "rope_parameters": PARAMETERS})";

std::string RopeError(const std::string& parameters) {
  std::string text = kLlama;
  const std::string hole = "PARAMETERS";
  return ErrorOf(text.replace(text.find(hole), hole.size(), parameters));
}

TEST(Config, ReadsRotaryPositions) {
  for (const char* good :
       {"null", R"({"rope_type": "default", "rope_theta": 500000.0})",
        R"({"type": "linear", "factor": 2})", R"({"rope_type": "llama3", "factor": 8})",
        R"({"rope_type": "yarn", "factor": 4, "truncate": false})"}) {
    EXPECT_EQ(RopeError(good), "") << good;
  }
  EXPECT_NE(RopeError(R"({"rope_type": "longrope"})").find("longrope"), std::string::npos);
  for (const char* bad :
       {"[]", R"({"rope_type": 5})", R"({"rope_theta": "10000"})", R"({"rope_theta": 0})",
        R"({"partial_rotary_factor": 0.5})", R"({"type": "linear", "factor": "2"})",
        R"({"type": "llama3", "low_freq_factor": 4, "high_freq_factor": 4})",
        R"({"type": "llama3", "low_freq_factor": 0})", R"({"type": "yarn", "beta_slow": 0})",
        R"({"type": "yarn", "original_max_position_embeddings": []})"}) {
    EXPECT_NE(RopeError(bad), "") << bad;
  }
}

}  // namespace
}  // namespace mpc
