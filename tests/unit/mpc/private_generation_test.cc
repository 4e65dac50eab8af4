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
  ASSERT_EQ(got.size(), 2u + plan->flags);
  const unsigned frac = plan->ops.back().frac;
  EXPECT_EQ(static_cast<std::uint32_t>(got[0] >> frac), want.ids[0]);
  EXPECT_EQ(static_cast<std::uint32_t>(got[1] >> frac), want.ids[1]);
  ASSERT_GT(plan->flags, 0u);
  for (std::size_t i = 2; i < got.size(); ++i) EXPECT_LE(got[i], Int128{1} << frac);
}

INSTANTIATE_TEST_SUITE_P(Models, PrivateGeneration, testing::Values("llama", "gpt2"),
                         [](const auto& name) { return std::string(name.param); });

}  // namespace
}  // namespace mpc
