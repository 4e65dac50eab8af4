// Random checkpoints of every architecture against NumPy's forward passes
// (tests/vectors/models/make.py): the float model, and the compiled plan in the protocol's
// integers.

#include <algorithm>
#include <filesystem>
#include <fstream>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "mpc/model/compile.h"
#include "mpc/model/load.h"
#include "mpc/plan/evaluate.h"
#include "proto/base/check.h"

namespace mpc {
namespace {

using nlohmann::json;
using Ids = std::vector<std::uint32_t>;

std::string Path(const std::string& name) {
  return SOURCE_DIR "/tests/vectors/models/" + name + "/";
}
proto::Bytes FileAt(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

std::vector<proto::Bytes> FilesOf(const std::string& name) {
  std::vector<std::string> paths;
  for (const auto& entry : std::filesystem::directory_iterator(Path(name))) {
    if (entry.path().extension() == ".safetensors") paths.push_back(entry.path());
  }
  std::sort(paths.begin(), paths.end());
  std::vector<proto::Bytes> files;
  for (const std::string& path : paths) files.push_back(FileAt(path));
  return files;
}

FloatModel Load(const std::string& name) {
  const std::vector<proto::Bytes> files = FilesOf(name);
  const proto::Bytes config = FileAt(Path(name) + "config.json");
  auto model = LoadFloatModel({config, {files.begin(), files.end()}});
  EXPECT_TRUE(model) << model.error().message;
  if (name == "bert-first") model->config.pooling = Pooling::kFirst;
  return std::move(*model);
}

struct Example {
  Ids ids;
  std::vector<double> outputs;
};
std::vector<Example> Expected(const std::string& name) {
  const proto::Bytes bytes = FileAt(Path(name) + "expected.json");
  std::vector<Example> examples;
  for (const json& one : json::parse(proto::AsText(bytes))) {
    examples.push_back({one[0].get<Ids>(), one[1].get<std::vector<double>>()});
  }
  EXPECT_FALSE(examples.empty());
  return examples;
}

// Texts of the checkpoint's 24 tokens.
std::vector<Ids> Calibration(std::size_t length) {
  std::vector<Ids> texts;
  for (std::uint32_t i = 0; i < 48; ++i) {
    Ids text = {2};
    for (std::uint32_t j = 0; j < 1 + i % 6 + length - 8; ++j) text.push_back((i * 7 + j * j) % 24);
    text.push_back(3);
    texts.push_back(std::move(text));
  }
  return texts;
}

// The plan up to its first logits, which are its result.
Plan UpToLogits(Plan plan) {
  const auto logits = std::ranges::find_if(plan.ops, [](const Op& op) {
    return op.kind == OpKind::kOpen && op.name == "logits logits";
  });
  CHECK(logits != plan.ops.end());
  Op output = *logits;
  output.kind = OpKind::kOutput;
  output.wire = false;
  output.drop = 0;
  output.inputs = {static_cast<TensorId>(logits - plan.ops.begin())};
  plan.ops.erase(logits + 1, plan.ops.end());
  plan.ops.push_back(output);
  plan.steps = 1;
  plan.flags = 0;
  plan.ends.clear();
  EXPECT_TRUE(Validate(plan));
  return plan;
}

void ExpectNear(const std::vector<double>& got, const std::vector<double>& want, double bound,
                const std::string& what) {
  ASSERT_EQ(got.size(), want.size()) << what;
  for (std::size_t i = 0; i < got.size(); ++i) EXPECT_NEAR(got[i], want[i], bound) << what << i;
}

class Architectures : public testing::TestWithParam<const char*> {};

TEST_P(Architectures, FloatModelEqualsNumPy) {
  const FloatModel model = Load(GetParam());
  for (const Example& example : Expected(GetParam())) {
    ExpectNear(model.Logits(example.ids), example.outputs, 1e-4, GetParam());
  }
}

TEST_P(Architectures, PlanEqualsNumPy) {
  const FloatModel model = Load(GetParam());
  const bool writes = model.config.decoder();
  const Length length{8, writes ? 3u : 0u};
  auto plan = Compile(model, length, Calibration(writes ? 10 : 8));
  ASSERT_TRUE(plan) << plan.error().message;
  const Plan judged = writes ? UpToLogits(*plan) : *plan;
  std::uint64_t seed = 1;
  for (const Example& example : Expected(GetParam())) {
    const Ids padded = PadText(example.ids, 8, PadToken(model.config), writes).value();
    FixedEvaluation got = EvaluateFixed(judged, padded, seed++);
    EXPECT_TRUE(got.excesses.empty()) << judged.ops[got.excesses[0].op].name;
    if (judged.architecture.ends_with("-mean")) {
      for (double& value : got.outputs) value /= static_cast<double>(example.ids.size());
    }
    ExpectNear(got.outputs, example.outputs, 0.02, judged.architecture);
    if (!writes) continue;
    const std::vector<double> tokens = EvaluateFixed(*plan, padded, seed++).outputs;
    const Continuation want = ContinueGreedily(model, example.ids, 3);
    for (std::size_t i = 0; i < 3 && want.gaps[i] > 0.02; ++i) {
      EXPECT_EQ(tokens[i], want.ids[i]) << GetParam() << " token " << i;
    }
  }
}

// Untrained attention: all scores lie near 0, at one end of what calibration saw.
TEST(GeneratorRangeFlags, StayDownWhereScoresAreSmall) {
  for (const char* name : {"gpt2", "llama"}) {
    FloatModel model = Load(name);
    for (auto& layer : model.layers) {
      for (float& value : layer.query.weight) value *= 1e-3F;
      for (float& value : layer.query.bias) value *= 1e-3F;
    }
    const std::vector<Ids> texts = Calibration(10);
    const auto plan = Compile(model, Length{8, 2}, texts);
    ASSERT_TRUE(plan) << plan.error().message;
    for (std::size_t i = 0; i < 6; ++i) {
      const Ids ids(texts[i].begin(), texts[i].begin() + 3 + static_cast<std::ptrdiff_t>(i % 5));
      const Ids padded = PadText(ids, 8, PadToken(model.config), true).value();
      EXPECT_TRUE(InRange(EvaluateFixed(*plan, padded, i).flags)) << name << " text " << i;
    }
  }
}

// What a model writes and reads again is not like its calibration texts.
TEST(GeneratorRangeFlags, StayDownInTheModelsOwnWords) {
  for (const char* name : {"gpt2", "llama", "qwen2"}) {
    const FloatModel model = Load(name);
    std::vector<Ids> texts;
    for (std::uint32_t i = 0; i < 12; ++i) texts.push_back(Ids(24, 4 + i % 3));
    const auto plan = Compile(model, Length{3, 10}, texts);
    ASSERT_TRUE(plan) << plan.error().message;
    for (std::uint32_t i = 0; i < 3; ++i) {
      const Ids padded = PadText({4 + i}, 3, PadToken(model.config), true).value();
      EXPECT_TRUE(InRange(EvaluateFixed(*plan, padded, i).flags)) << name << " token " << 4 + i;
    }
  }
}

// The logits leave room for noise that is larger than they are.
TEST(Sampling, HasRoomForItsNoise) {
  const FloatModel model = Load("qwen2");
  for (const double temperature : {0.3, 1.5, 40.0}) {
    CompileOptions options;
    options.temperature = temperature;
    const auto plan = Compile(model, Length{4, 1}, Calibration(10), options);
    EXPECT_TRUE(plan) << temperature << ": " << plan.error().message;
  }
}

// A decoder whose matrices stay in the files: the same model, the same plan.
TEST_P(Architectures, AreTheSameOutOfMemory) {
  const FloatModel held = Load(GetParam());
  if (!held.config.decoder()) return;
  const std::vector<proto::Bytes> files = FilesOf(GetParam());
  const proto::Bytes config = FileAt(Path(GetParam()) + "config.json");
  const auto left = LoadFloatModel({config, {files.begin(), files.end()}, true});
  ASSERT_TRUE(left) << left.error().message;
  EXPECT_TRUE(left->words.empty());
  EXPECT_TRUE(left->layers[0].query.weight.empty());
  EXPECT_EQ(left->Logits({1, 2, 3}), held.Logits({1, 2, 3}));
  // One whose matrices are cut out of larger ones, and one of two shards.
  if (GetParam() != std::string("gpt2") && GetParam() != std::string("qwen2")) return;
  const auto plan = Compile(held, {8, 1}, Calibration(10));
  const auto other = Compile(*left, {8, 1}, Calibration(10));
  ASSERT_TRUE(plan && other);
  EXPECT_EQ(EncodePlan(*plan), EncodePlan(*other));
}

INSTANTIATE_TEST_SUITE_P(Random, Architectures,
                         testing::Values("bert", "bert-mean", "bert-first", "roberta", "distilbert",
                                         "gpt2", "llama", "mistral", "qwen2", "llama-linear"),
                         [](const auto& name) {
                           std::string text = name.param;
                           std::erase(text, '-');
                           return text;
                         });

}  // namespace
}  // namespace mpc
