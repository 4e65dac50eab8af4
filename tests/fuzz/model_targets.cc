// The files of a model, and the plan made from them.

#include <algorithm>
#include <string>

#include "mpc/model/config.h"
#include "mpc/model/safetensors.h"
#include "mpc/model/tokenizer.h"
#include "mpc/plan/plan.h"
#include "proto/base/check.h"
#include "tests/fuzz/targets.h"
#include "tests/unit/mpc/counting_plan.h"
#include "tests/unit/mpc/plan/small_plan.h"

namespace fuzz {

namespace {

using proto::Bytes;
using proto::ByteSpan;

void RunSafetensors(ByteSpan input) {
  const auto file = mpc::Safetensors::Parse(input);
  if (!file) return;
  for (const std::string& name : file->names()) {
    CHECK(file->Has(name));
    (void)file->Read(name, {2, 2});
    (void)file->Read(name, {1});
  }
}

std::vector<Bytes> SafetensorsSeeds() {
  const std::string header =
      R"({"w":{"dtype":"F32","shape":[2,2],"data_offsets":[0,16]},"b":{"dtype":"BF16","shape":[1],"data_offsets":[16,18]}})";
  Bytes seed;
  proto::PutU64(seed, header.size());
  const ByteSpan text = proto::AsBytes(header);
  seed.insert(seed.end(), text.begin(), text.end());
  seed.resize(seed.size() + 18, 1);
  return {seed};
}

// The vocabulary up to a zero byte, then a text.
void RunTokenizer(ByteSpan input) {
  const auto middle = std::ranges::find(input, 0);
  const auto split = static_cast<std::size_t>(middle - input.begin());
  const auto tokenizer = mpc::Tokenizer::FromVocab(input.first(split));
  if (!tokenizer) return;
  const ByteSpan text = input.subspan(std::min(split + 1, input.size()));
  for (const std::uint32_t id : tokenizer->Encode(proto::AsText(text))) {
    CHECK(id < tokenizer->size());
  }
}

std::vector<Bytes> TokenizerSeeds() {
  Bytes seed = AsSeed("[PAD]\n[UNK]\n[CLS]\n[SEP]\nwarm\n##th\n,\n\xe6\x98\xa0\n");
  seed.push_back(0);
  const Bytes text = AsSeed("Warmth, w\xc3\xa4rm \xe6\x98\xa0\xff");
  seed.insert(seed.end(), text.begin(), text.end());
  return {seed};
}

// One file of those a tokenizer may come as, chosen by the first byte.
void RunTokenizerFile(ByteSpan input) {
  static const std::vector<std::string> names = mpc::TokenizerFileNames();
  Script script(input);
  const std::string& name = names[script.Below(names.size())];
  const ByteSpan bytes = script.Rest();
  const auto tokenizer = mpc::Tokenizer::From({{name, Bytes(bytes.begin(), bytes.end())}});
  if (!tokenizer) return;
  for (const std::uint32_t id : tokenizer->Encode("Warmth, w\xc3\xa4rm \xe6\x98\xa0 \xff 12")) {
    CHECK(id < tokenizer->size());
  }
  (void)tokenizer->Decode(std::vector<std::uint32_t>{0, 1, 0xffffffff});
}

std::vector<Bytes> TokenizerFileSeeds() {
  const std::string json =
      R"({"model":{"type":"BPE","vocab":{"a":0,"b":1,"ab":2},"merges":["a b"]},"pre_tokenizer":{"type":"ByteLevel","add_prefix_space":false},"decoder":{"type":"ByteLevel"}})";
  std::vector<Bytes> seeds;
  for (std::uint8_t i = 0; i < mpc::TokenizerFileNames().size(); ++i) {
    Bytes seed = AsSeed(json);
    seed.insert(seed.begin(), i);
    seeds.push_back(std::move(seed));
  }
  return seeds;
}

void RunModelConfig(ByteSpan input) {
  (void)mpc::ParseConfig(input);
}

std::vector<Bytes> ModelConfigSeeds() {
  return {AsSeed(
      R"({"model_type":"bert","architectures":["BertForSequenceClassification"],"hidden_size":8,"num_hidden_layers":1,"num_attention_heads":2,"intermediate_size":16,"vocab_size":10,"max_position_embeddings":16,"type_vocab_size":2,"layer_norm_eps":1e-12,"hidden_act":"gelu","id2label":{"0":"a","1":"b"}})")};
}

void RunPlan(ByteSpan input) {
  const auto plan = mpc::DecodePlan(input);
  if (plan) CHECK(std::ranges::equal(mpc::EncodePlan(*plan), input));
}

std::vector<Bytes> PlanSeeds() {
  return {mpc::EncodePlan(mpc::SmallPlan()), mpc::EncodePlan(mpc::CountingPlan(3, {2, 5}))};
}

}  // namespace

std::vector<Target> ModelTargets() {
  return {{"safetensors", RunSafetensors, SafetensorsSeeds},
          {"tokenizer", RunTokenizer, TokenizerSeeds},
          {"tokenizer_file", RunTokenizerFile, TokenizerFileSeeds},
          {"model_config", RunModelConfig, ModelConfigSeeds},
          {"plan", RunPlan, PlanSeeds}};
}

}  // namespace fuzz
