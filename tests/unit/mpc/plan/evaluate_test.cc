#include "mpc/plan/evaluate.h"

#include <cmath>
#include <numbers>

#include <gtest/gtest.h>

#include "tests/unit/mpc/plan/small_plan.h"

namespace mpc {
namespace {

const std::vector<std::uint32_t> kIds = {4, 0, 2};

// SmallPlan by hand: the third row of (embed * weight + bias), through the series, times embed.
std::vector<double> SmallPlanByHand(double e0, double e1) {
  const double y[2] = {e0 * 1.0 + e1 * -0.25 + 1000.0 / 65536,
                       e0 * 0.5 + e1 * 2.0 - 1000.0 / 65536};
  const double embedded[2] = {e0, e1};
  std::vector<double> out;
  for (int i = 0; i < 2; ++i) {
    const double f = 1 + y[i] / 2 + 0.25 * std::cos(2 * std::numbers::pi * y[i] / 8);
    out.push_back(f * embedded[i]);
  }
  return out;
}

TEST(Evaluate, FloatFollowsThePlan) {
  const Plan plan = SmallPlan();
  const auto outputs = EvaluateFloat(plan, kIds);
  const auto expected = SmallPlanByHand(-50 / 256.0, 60 / 256.0);
  ASSERT_EQ(outputs.size(), 2u);
  for (int i = 0; i < 2; ++i) EXPECT_NEAR(outputs[i], expected[i], 1e-9);
}

TEST(Evaluate, FixedStaysWithinTruncationNoise) {
  const Plan plan = SmallPlan();
  const auto expected = EvaluateFloat(plan, kIds);
  for (std::uint64_t seed = 0; seed < 50; ++seed) {
    const auto fixed = EvaluateFixed(plan, kIds, seed);
    EXPECT_TRUE(fixed.excesses.empty()) << "seed " << seed;
    // Two truncations to 8 bits lie on the way; each is off by three units at most.
    for (int i = 0; i < 2; ++i) EXPECT_NEAR(fixed.outputs[i], expected[i], 6.0 / 256) << seed;
    EXPECT_EQ(fixed.outputs, EvaluateFixed(plan, kIds, seed).outputs);
  }
}

TEST(Evaluate, TokensBeyondTheVocabularyStandForRowOne) {
  const Plan plan = SmallPlan();
  EXPECT_EQ(EvaluateFloat(plan, std::vector<std::uint32_t>{0, 0, 7}),
            EvaluateFloat(plan, std::vector<std::uint32_t>{0, 0, 1}));
}

// embed -> open with 16 bits dropped -> sharing -> output.
Plan TruncationPlan(std::uint32_t tokens) {
  Plan plan;
  plan.architecture = "truncation";
  plan.tokens = tokens;
  plan.vocabulary = 1;
  plan.constants.push_back({1, 1, 16, {1234567}});
  plan.constants.push_back({1, 1, 0, {1}});
  plan.ops.resize(4);
  for (Op& op : plan.ops) {
    op.rows = tokens;
    op.cols = 1;
    op.bits = 21;
  }
  plan.ops[0].kind = OpKind::kEmbed;
  plan.ops[0].weight = 0;
  plan.ops[0].frac = 16;
  plan.ops[1].kind = OpKind::kOpen;
  plan.ops[1].inputs = {0};
  plan.ops[1].wire = true;
  plan.ops[1].drop = 16;
  plan.ops[2].kind = OpKind::kLinear;
  plan.ops[2].inputs = {1};
  plan.ops[2].weight = 1;
  plan.ops[3].kind = OpKind::kOutput;
  plan.ops[3].inputs = {2};
  return plan;
}

TEST(Evaluate, TruncationIsUnbiasedWithTheDesignsDeviation) {
  constexpr std::uint32_t kValues = 20000;
  const Plan plan = TruncationPlan(kValues);
  ASSERT_TRUE(Validate(plan)) << Validate(plan).error().message;
  const std::vector<std::uint32_t> ids(kValues, 0);
  const std::pair<unsigned, double> cases[] = {{4, 0.64}, {21, 1.4}, {120, 3.2}, {715, 7.7}};
  for (const auto& [sets, deviation] : cases) {
    double sum = 0, squares = 0;
    for (const double value : EvaluateFixed(plan, ids, 11, sets).outputs) {
      const double error = value - 1234567.0 / 65536;
      sum += error;
      squares += error * error;
    }
    EXPECT_NEAR(sum / kValues, 0, 4 * deviation / std::sqrt(kValues) + 0.005) << sets;
    EXPECT_NEAR(std::sqrt(squares / kValues), deviation, 0.05 * deviation) << sets;
  }
}

TEST(Evaluate, ReportsABoundThatDoesNotHold) {
  Plan plan = SmallPlan();
  plan.ops[2].bits = 14;  // The linear map's result needs 15.
  const auto fixed = EvaluateFixed(plan, kIds, 1);
  ASSERT_EQ(fixed.excesses.size(), 1u);
  EXPECT_EQ(fixed.excesses[0].op, 2u);
  EXPECT_GT(fixed.excesses[0].bits, 14);
  EXPECT_LT(fixed.excesses[0].bits, 16);
}

// Every operation that SmallPlan lacks, against sums written out.
TEST(Evaluate, AttentionsOperations) {
  Plan plan;
  plan.tokens = 2;
  plan.vocabulary = 1;
  const std::vector<std::uint32_t> ids = {0, 0};
  const auto run = [&](OpKind kind, std::uint32_t rows, std::uint32_t cols, std::uint32_t heads,
                       const std::vector<std::vector<double>>& tensors) {
    Op op;
    op.kind = kind;
    op.rows = rows;
    op.cols = cols;
    op.heads = heads;
    op.scale = {3, -2};
    op.shift = 5;
    op.token = 0;
    std::vector<const std::vector<double>*> inputs;
    for (const auto& tensor : tensors) inputs.push_back(&tensor);
    return EvaluateOp(plan, op, inputs, ids);
  };
  using Values = std::vector<double>;
  // q [1 x 4], k [2 x 4], two heads: rows (head, query).
  EXPECT_EQ(run(OpKind::kScores, 2, 2, 2, {{1, 2, 3, 4}, {1, 1, 1, 1, 2, 0, 0, 5}}),
            (Values{3, 2, 7, 20}));
  // p [2 x 2] of two heads, v [2 x 4].
  EXPECT_EQ(run(OpKind::kMix, 1, 4, 2, {{1, 2, 3, 4}, {1, 2, 3, 4, 5, 6, 7, 8}}),
            (Values{11, 14, 37, 44}));
  EXPECT_EQ(run(OpKind::kMul, 2, 2, 0, {{1, 2, 3, 4}, {10, 100}}), (Values{10, 20, 300, 400}));
  EXPECT_EQ(run(OpKind::kRowDot, 2, 1, 0, {{1, 2, 3, 4}, {1, 10, 1, 10}}), (Values{21, 43}));
  EXPECT_EQ(run(OpKind::kAdd, 2, 2, 0, {{1, 2, 3, 4}, {1, 10}}), (Values{6, 9, -6, -3}));
  EXPECT_EQ(run(OpKind::kAdd, 2, 2, 0, {{1, 2, 3, 4}, {1}}), (Values{6, 9, 12, 15}));
  EXPECT_EQ(run(OpKind::kAddPerColumn, 2, 2, 0, {{1, 2, 3, 4}, {1, 10}}), (Values{4, 32, 6, 34}));
  EXPECT_EQ(run(OpKind::kRowSum, 2, 1, 0, {{1, 2, 3, 4}}), (Values{3, 7}));
  EXPECT_EQ(run(OpKind::kTokenIs, 2, 1, 0, {}), (Values{1, 1}));
}

}  // namespace
}  // namespace mpc
