#include "mpc/model/ranges.h"

#include <cmath>
#include <random>

#include <gtest/gtest.h>

#include "mpc/model/blocks.h"
#include "mpc/model/encoder_plan.h"
#include "mpc/plan/cost.h"
#include "mpc/plan/evaluate.h"
#include "tests/unit/mpc/model/small_model.h"
#include "tests/unit/mpc/model/table_head.h"

namespace mpc {
namespace {

using Ids = std::vector<std::uint32_t>;

constexpr std::uint32_t kOrdinary = 32;  // Tokens of values from -2 to 1; those beyond lie outside.
constexpr std::uint32_t kVocabulary = 64;
constexpr std::uint32_t kTokens = 4;
constexpr std::uint32_t kWidth = 8;

Plan Head() {
  return TableHead(kTokens, kVocabulary, 3);
}

// tanh of what a table says of the tokens, watched.
struct TablePlan {
  std::vector<double> table;
  Plan plan;
  Range interval;

  explicit TablePlan(unsigned sets) {
    std::mt19937_64 random(5);
    for (std::uint32_t i = 0; i < kVocabulary * kWidth; ++i) {
      const std::uint32_t token = i / kWidth;
      const double ordinary = std::ldexp(static_cast<double>(random() % 3001), -10) - 2;
      // From 2.2 to 700 and back from -2.2, in one column only.
      const double size = 2.2 * std::pow(1.45, (token - kOrdinary) / 2);
      const bool odd = token >= kOrdinary && i % kWidth == token % kWidth;
      table.push_back(odd ? (token % 2 == 0 ? size : -size) : ordinary);
    }
    std::vector<Ids> texts;
    for (std::uint32_t i = 0; i < 40; ++i) {
      texts.push_back({i % kOrdinary, (i + 7) % kOrdinary, (3 * i) % kOrdinary, 5 * i % kOrdinary});
    }
    BuilderOptions options;
    options.sets = sets;
    PlanBuilder builder(Head(), texts, options);
    CompileOptions compile;
    compile.builder = options;
    Blocks blocks(builder, compile);
    const TensorId x = builder.Open(builder.Embed(table, kWidth, 20, "table"), 16, "x");
    interval = blocks.ranges().Around(x).interval();
    SeriesGoal goal;
    goal.function = [](double v) { return std::tanh(v); };
    const TensorId y = blocks.Function(x, goal, "tanh");
    blocks.ranges().Output(builder.RowSum(builder.Reshape(y, 1, kTokens * kWidth, "row"), "sum"),
                           "output");
    plan = builder.Finish().value();
  }

  bool Within(const Ids& ids) const {
    for (const std::uint32_t id : ids) {
      for (std::uint32_t c = 0; c < kWidth; ++c) {
        const double value = table[id * kWidth + c];
        if (value < interval.low || value > interval.high) return false;
      }
    }
    return true;
  }
};

class RangeFlags : public testing::TestWithParam<unsigned> {};

TEST_P(RangeFlags, AreRaisedByEveryValueOutsideAndByNoneThatCalibrationSaw) {
  const TablePlan table(GetParam());
  ASSERT_EQ(table.plan.flags, 1u);
  ASSERT_GT(table.interval.high, 1);
  ASSERT_LT(table.interval.low, -2);
  std::size_t outside = 0;
  for (std::uint32_t token = 0; token < kVocabulary; ++token) {
    for (std::uint32_t at = 0; at < kTokens; ++at) {
      Ids ids = {1, 12, 23, 31};
      ids[at] = token;
      const auto got = EvaluateFixed(table.plan, ids, token * kTokens + at, GetParam());
      ASSERT_EQ(got.flags.size(), 1u);
      ASSERT_EQ(got.outputs.size(), 1u);
      if (token < kOrdinary) {
        EXPECT_TRUE(InRange(got.flags)) << token << ": " << got.flags[0];
      }
      if (!table.Within(ids)) {
        ++outside;
        EXPECT_FALSE(InRange(got.flags)) << token << ": " << got.flags[0];
      }
    }
  }
  EXPECT_GT(outside, 100u);
}

INSTANTIATE_TEST_SUITE_P(Parts, RangeFlags, testing::Values(4, 21, 120));

// More values than a tensor has rows, all of them at the ends of what calibration sees: no sum of a
// few neighbours stays below 1.
TEST(LargeTensors, AreWatchedHoweverTheirValuesCrowd) {
  constexpr std::uint32_t kColumns = kSideMax / kTokens + 1000;
  std::vector<double> table;
  for (std::uint32_t i = 0; i < kVocabulary * kColumns; ++i) table.push_back(i % 3 == 0 ? -2 : 2);
  const std::uint32_t odd = kVocabulary - 1;
  table[odd * kColumns + 77] = 7;
  PlanBuilder measured(Head(), {{1, 2, 3, 4}, {9, 8, 7, 6}}, {});
  const auto build = [&](PlanBuilder& builder) {
    builder.Begin("large ");
    Blocks blocks(builder, {});
    const TensorId x = builder.Open(builder.Embed(table, kColumns, 20, "table"), 16, "x");
    SeriesGoal goal;
    goal.function = [](double v) { return std::tanh(v); };
    const TensorId y = blocks.Function(x, goal, "tanh");
    blocks.ranges().Output(builder.Rows(builder.RowSum(y, "sums"), 0, 1, "row"), "output");
    return builder.Finish();
  };
  const auto check = [&](const proto::Result<Plan>& plan) {
    ASSERT_TRUE(plan) << plan.error().message;
    EXPECT_TRUE(InRange(EvaluateFixed(*plan, Ids{1, 2, 3, 4}, 1).flags));
    EXPECT_TRUE(InRange(EvaluateFixed(*plan, Ids{11, 12, 13, 14}, 2).flags));
    EXPECT_FALSE(InRange(EvaluateFixed(*plan, Ids{11, odd, 13, 14}, 3).flags));
  };
  check(build(measured));
  // A plan that repeats it watches by the same guards.
  PlanBuilder repeated(Head(), measured.decisions(), measured.maps(), {});
  check(build(repeated));
}

// Steps of a generator watch by what was judged on all positions at once. Where nothing divides
// these, nothing was joined, and a step of another size joins nothing either.
TEST(Guards, JoinNoMoreThanWasJudged) {
  const auto guard_of = [](std::uint32_t columns) {
    std::vector<double> table;
    for (std::uint32_t i = 0; i < kVocabulary * columns; ++i) {
      table.push_back(i % columns == 0 ? 1 : 0.4);
    }
    PlanBuilder builder(Head(), {{1, 2, 3, 4}, {9, 8, 7, 6}}, {});
    const TensorId x = builder.Open(builder.Embed(table, columns, 20, "table"), 16, "x");
    return Ranges(builder).Within(x, {-1.5, 1.5});
  };
  const Guard divides = guard_of(80), prime = guard_of(79);
  EXPECT_GT(divides.levels, 1);
  EXPECT_GT(divides.join, 1u);
  EXPECT_GT(prime.levels, 1);
  EXPECT_LE(prime.join, 2u);
}

struct SmallBert {
  FloatModel model = LoadFloatModel(SmallModelFiles().files()).value();
  std::vector<Ids> texts;
  Plan plan;

  SmallBert() {
    for (std::uint32_t a = 4; a < 11; ++a) {
      texts.push_back({2, a, 3});
      texts.push_back({2, a, 14 - a, 3});
      texts.push_back({2, a, 4, 14 - a, 5 + a % 6, 3});
    }
    plan = CompileEncoder(model, 6, texts).value();
  }
  bool Flagged(const Plan& changed) const {
    bool flagged = true;  // By every text.
    for (const Ids& ids : texts) {
      const Ids padded = PadText(ids, 6, 0).value();
      flagged = flagged && !InRange(EvaluateFixed(changed, padded, 3).flags);
    }
    return flagged;
  }
};

TEST(BertRangeFlags, StayDownInRangeAndCostLittle) {
  const SmallBert bert;
  ASSERT_GE(bert.plan.flags, 1u);
  for (const Ids& ids : bert.texts) {
    const auto got = EvaluateFixed(bert.plan, PadText(ids, 6, 0).value(), 3);
    EXPECT_TRUE(InRange(got.flags));
    EXPECT_EQ(got.outputs.size(), 3u);
  }
}

// A model whose weights drive values out of the ranges that another's calibration found.
TEST(BertRangeFlags, AreRaisedWhereverAValueLeavesItsRange) {
  const SmallBert bert;
  const auto scaled = [&](const std::string& name, std::int64_t weight, double bias) {
    Plan changed = bert.plan;
    for (const Op& op : bert.plan.ops) {
      if (op.name != name || op.weight == kNone) continue;
      std::vector<std::int32_t> values = changed.constants[op.weight].values.ToVector();
      for (auto& value : values) value = static_cast<std::int32_t>(value * weight);
      changed.constants[op.weight].values = values;
      if (op.bias == kNone || bias == 0) continue;
      changed.wide_constants[op.bias].values[0] +=
          std::llround(std::ldexp(bias, static_cast<int>(op.frac)));
    }
    EXPECT_NE(EncodePlan(changed), EncodePlan(bert.plan)) << name;
    return changed;
  };
  EXPECT_TRUE(bert.Flagged(scaled("embedding words", 12, 0)));  // A variance.
  EXPECT_TRUE(bert.Flagged(scaled("layer 0 query", 40, 0)));    // Scores, so exponents.
  EXPECT_TRUE(bert.Flagged(scaled("layer 1 key", 40, 0)));
  for (const double bias : {-1000.0, -80.0, -25.0, 25.0, 80.0, 1000.0}) {
    EXPECT_TRUE(bert.Flagged(scaled("layer 0 intermediate", 1, bias))) << bias;  // One GELU of 12.
    EXPECT_TRUE(bert.Flagged(scaled("layer 1 intermediate", 1, bias))) << bias;
    EXPECT_TRUE(bert.Flagged(scaled("pooler dense", 1, bias))) << bias;  // tanh.
  }
  EXPECT_TRUE(bert.Flagged(scaled("layer 1 value", 200, 0)));  // The next norm's variance.
}

}  // namespace
}  // namespace mpc
