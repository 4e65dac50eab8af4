// Plans of generators: the tokens that come out are the float model's, wherever it is not of two
// minds.

#include "mpc/model/decoder_plan.h"

#include <algorithm>

#include <gtest/gtest.h>

#include "mpc/model/load.h"
#include "mpc/model/select.h"
#include "mpc/plan/cost.h"
#include "mpc/plan/evaluate.h"
#include "tests/unit/mpc/model/files.h"

namespace mpc {
namespace {

using Ids = std::vector<std::uint32_t>;

std::optional<FloatModel> Model(const std::string& name) {
  const auto config = ReadData("models/" + name + "/config.json");
  const auto weights = ReadData("models/" + name + "/model.safetensors");
  if (!config || !weights) return std::nullopt;
  auto model = LoadFloatModel({*config, {*weights}});
  EXPECT_TRUE(model) << model.error().message;
  return *model;
}

// How many of the tokens agree until the float model's two best are within `gap`; -1 when one
// before that differs.
int Agreeing(const FloatModel& model, const Plan& plan, const Ids& prompt, std::uint64_t seed,
             double gap = 0.02) {
  const Ids padded = PadText(prompt, plan.tokens, PadToken(model.config), true).value();
  const FixedEvaluation got = EvaluateFixed(plan, padded, seed);
  for (const auto& excess : got.excesses) {
    ADD_FAILURE() << plan.ops[excess.op].name << ": " << excess.bits << " bits, not "
                  << int{plan.ops[excess.op].bits};
    break;
  }
  const Continuation want = ContinueGreedily(model, prompt, got.outputs.size());
  for (std::size_t i = 0; i < want.ids.size(); ++i) {
    if (want.gaps[i] < gap) return static_cast<int>(i);
    if (got.outputs[i] != want.ids[i]) {
      ADD_FAILURE() << "token " << i << " is " << got.outputs[i] << ", not " << want.ids[i]
                    << ", gap " << want.gaps[i];
      return -1;
    }
  }
  return static_cast<int>(want.ids.size());
}

TEST(DecoderPlan, Gpt2Sorts) {
  const auto model = Model("gpt2-nano-sort");
  if (!model) GTEST_SKIP() << "needs models/gpt2-nano-sort under WAXSEAL_DATA";
  std::vector<Ids> inputs;
  for (std::uint32_t i = 0; i < 729; ++i) {
    Ids digits;
    for (std::uint32_t rest = i, d = 0; d < 6; ++d, rest /= 3) digits.push_back(rest % 3);
    inputs.push_back(digits);
  }
  std::vector<Ids> calibration;
  for (std::size_t i = 0; i < inputs.size(); i += 31) {
    Ids whole = inputs[i];
    Ids sorted = whole;
    std::ranges::sort(sorted);
    whole.insert(whole.end(), sorted.begin(), sorted.end());
    calibration.push_back(whole);
  }
  const auto plan = CompileDecoder(*model, {6, 6}, calibration);
  ASSERT_TRUE(plan) << plan.error().message;
  for (std::size_t i = 0; i < inputs.size(); i += 7) {
    const FixedEvaluation got = EvaluateFixed(*plan, inputs[i], i);
    Ids sorted = inputs[i];
    std::ranges::sort(sorted);
    EXPECT_EQ(Ids(got.outputs.begin(), got.outputs.end()), sorted) << i;
  }
}

TEST(DecoderPlan, LlamaTellsTheSameStory) {
  const auto model = Model("llama-stories260K");
  if (!model) GTEST_SKIP() << "needs models/llama-stories260K under WAXSEAL_DATA";
  const Continuation story = ContinueGreedily(*model, {1}, 60);
  Ids text = story.ids;
  text.insert(text.begin(), 1);
  const auto plan = CompileDecoder(*model, {6, 12}, {text});
  ASSERT_TRUE(plan) << plan.error().message;
  for (std::uint32_t length = 1; length <= 6; ++length) {
    EXPECT_GE(Agreeing(*model, *plan, Ids(text.begin(), text.begin() + length), length), 6);
  }
}

}  // namespace
}  // namespace mpc
