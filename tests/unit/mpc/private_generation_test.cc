// Text that nobody but the client reads: a LLaMA and a GPT-2 compiled, preprocessed and run on
// shares; the tokens chosen inside are the float model's.

#include <fstream>

#include <gtest/gtest.h>

#include "mpc/model/compile.h"
#include "mpc/model/load.h"
#include "tests/unit/mpc/private_run.h"

namespace mpc {
namespace {

using Ids = std::vector<std::uint32_t>;

proto::Bytes FileAt(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

class PrivateGeneration : public testing::TestWithParam<const char*> {};

TEST_P(PrivateGeneration, WritesWhatTheFloatModelWrites) {
  const std::string path = SOURCE_DIR "/tests/vectors/models/" + std::string(GetParam()) + "/";
  const proto::Bytes config = FileAt(path + "config.json");
  const proto::Bytes weights = FileAt(path + "model.safetensors");
  const auto model = LoadFloatModel({config, {weights}});
  ASSERT_TRUE(model) << model.error().message;
  std::vector<Ids> calibration;
  for (std::uint32_t i = 0; i < 24; ++i) {
    calibration.push_back({i, (i * 5 + 1) % 24, (i * 7 + 3) % 24, (i * 11) % 24, 23 - i});
  }
  const auto plan = Compile(*model, {3, 2}, calibration);
  ASSERT_TRUE(plan) << plan.error().message;
  const Ids prompt = {5, 9};  // One shorter than the plan's.
  const Continuation want = ContinueGreedily(*model, prompt, 2);
  ASSERT_GT(std::min(want.gaps[0], want.gaps[1]), 0.02);
  const Ids padded = PadText(prompt, 3, PadToken(model->config), true).value();
  const std::vector<Int128> got = RunPrivately(*plan, padded, 4, 1);
  ASSERT_EQ(plan->steps, 2u);
  const std::size_t group = plan->group();
  ASSERT_EQ(group, 1 + plan->flags);
  ASSERT_EQ(got.size(), 2 * group);
  ASSERT_GT(plan->flags, 0u);
  const unsigned frac = plan->ops.back().frac;
  for (std::size_t i = 0; i < got.size(); ++i) {
    if (i % group == 0) {
      EXPECT_EQ(static_cast<std::uint32_t>(got[i] >> frac), want.ids[i / group]);
    } else {
      EXPECT_LE(got[i], Int128{1} << frac);
    }
  }
}

// With the token that it writes first as its end token, a model stops there if it may.
TEST(PrivateGeneration, StopsAfterTheEndToken) {
  const std::string path = SOURCE_DIR "/tests/vectors/models/gpt2/";
  const proto::Bytes weights = FileAt(path + "model.safetensors");
  auto model = LoadFloatModel({FileAt(path + "config.json"), {weights}});
  ASSERT_TRUE(model) << model.error().message;
  std::vector<Ids> calibration;
  for (std::uint32_t i = 0; i < 24; ++i) {
    calibration.push_back({i, (i * 5 + 1) % 24, (i * 7 + 3) % 24, (i * 11) % 24, 23 - i});
  }
  const Ids prompt = {5, 9};
  const std::uint32_t first = ContinueGreedily(*model, prompt, 1).ids[0];
  model->config.eos_token_ids = {first == 3 ? 4u : 3u, first};
  const auto plan = Compile(*model, {2, 2}, calibration);
  ASSERT_TRUE(plan) << plan.error().message;
  ASSERT_EQ(plan->ends.size(), 1u);
  const std::vector<Int128> got = RunPrivately(*plan, prompt, 4, 2, true);
  ASSERT_EQ(got.size(), plan->group());
  EXPECT_EQ(static_cast<std::uint32_t>(got[0] >> plan->ops.back().frac), first);
  EXPECT_EQ(RunPrivately(*plan, prompt, 4, 2, false).size(), 2 * plan->group());
}

INSTANTIATE_TEST_SUITE_P(Models, PrivateGeneration, testing::Values("llama", "gpt2"),
                         [](const auto& name) { return std::string(name.param); });

}  // namespace
}  // namespace mpc
