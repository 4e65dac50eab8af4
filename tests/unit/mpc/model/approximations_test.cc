#include "mpc/model/approximations.h"

#include <algorithm>
#include <cmath>

#include <gtest/gtest.h>

#include "mpc/model/encoder_plan.h"
#include "mpc/plan/evaluate.h"
#include "tests/unit/mpc/model/small_model.h"
#include "tests/unit/mpc/model/table_head.h"

namespace mpc {
namespace {

using Ids = std::vector<std::uint32_t>;

// As the paper writes it.
double PublishedGelu(double x) {
  if (x < -4) return 0;
  if (x < -1.95) {
    return -0.011034134030615728 * x * x * x - 0.11807612951181953 * x * x -
           0.42226581151983866 * x - 0.5054031199708174;
  }
  if (x >= 3) return x;
  return 0.0018067462606141187 * std::pow(x, 6) - 0.037688200365904236 * std::pow(x, 4) +
         0.3603292692789629 * x * x + 0.5 * x + 0.008526321541038084;
}

struct Table {
  static constexpr std::uint32_t kRows = 16;
  std::vector<double> values;
  PlanBuilder builder;
  CompileOptions options;
  Blocks blocks;
  TensorId x;

  static Ids All() {
    Ids ids(kRows);
    for (std::uint32_t i = 0; i < kRows; ++i) ids[i] = i;
    return ids;
  }
  explicit Table(std::vector<double> from)
      : values(std::move(from)),
        builder(TableHead(kRows, kRows, 2), {All()}, {}),
        blocks(builder, options),
        x(builder.Open(
            builder.Embed(values, static_cast<std::uint32_t>(values.size() / kRows), 20, "table"),
            16, "x")) {}
  FixedEvaluation Run(TensorId y) {
    if (builder.op(y).cols > 1) {
      y = builder.Reshape(y, static_cast<std::uint32_t>(builder.op(y).size()), 1, "column");
    }
    blocks.ranges().Output(y, "output");
    const auto plan = builder.Finish();
    EXPECT_TRUE(plan) << plan.error().message;
    return EvaluateFixed(*plan, All(), 1);
  }
};

TEST(Approximations, PumasGeluIsThePublishedOne) {
  std::vector<double> values;
  for (int i = 0; i < 64; ++i) values.push_back(-12 + i * 24.0 / 63);
  Table table(values);
  const auto got = table.Run(PumaGelu(table.builder, table.blocks, table.x, "GELU"));
  ASSERT_EQ(got.outputs.size(), values.size());
  for (std::size_t i = 0; i < values.size(); ++i) {
    EXPECT_NEAR(got.outputs[i], PublishedGelu(values[i]), 2e-3) << values[i];
  }
  EXPECT_TRUE(InRange(got.flags));
}

TEST(Approximations, QuadIsThePublishedOne) {
  std::vector<double> values;
  for (int i = 0; i < 32; ++i) values.push_back(-8 + i * 0.5);
  Table table(values);
  const auto got = table.Run(QuadGelu(table.builder, table.x, "Quad"));
  for (std::size_t i = 0; i < values.size(); ++i) {
    const double x = values[i];
    EXPECT_NEAR(got.outputs[i], 0.125 * x * x + 0.25 * x + 0.5, 1e-3) << x;
  }
}

TEST(Approximations, PumasReciprocalConverges) {
  std::vector<double> values;
  for (int i = 0; i < 16; ++i) values.push_back(1 + i * 30.9 / 15);
  Table table(values);
  const auto got =
      table.Run(PumaReciprocal(table.builder, table.blocks, table.x, {0.9, 32}, "1/z"));
  for (std::size_t i = 0; i < values.size(); ++i) {
    EXPECT_NEAR(got.outputs[i] * values[i], 1, 2e-4) << values[i];
  }
}

std::vector<Ids> Texts() {
  std::vector<Ids> texts;
  for (std::uint32_t a = 4; a < 11; ++a) {
    texts.push_back({2, a, 3});
    texts.push_back({2, a, 14 - a, 3});
    texts.push_back({2, a, 4, 14 - a, 5 + a % 6, 3});
  }
  return texts;
}

double Worst(const FloatModel& model, Approximation approximation, const std::string& name) {
  CompileOptions options;
  options.approximation = approximation;
  const auto plan = CompileEncoder(model, 6, Texts(), options);
  EXPECT_TRUE(plan) << plan.error().message;
  if (!plan) return INFINITY;
  EXPECT_EQ(plan->architecture, name);
  double worst = 0;
  for (const Ids& ids : Texts()) {
    const auto got = EvaluateFixed(*plan, PadText(ids, 6, 0).value(), ids.size());
    EXPECT_TRUE(InRange(got.flags));
    const auto want = model.Logits(ids);
    for (std::size_t i = 0; i < want.size(); ++i) {
      worst = std::max(worst, std::abs(got.outputs[i] - want[i]));
    }
  }
  return worst;
}

TEST(Approximations, PumaComesNearTheModel) {
  const FloatModel model = LoadFloatModel(SmallModelFiles().files()).value();
  const double worst = Worst(model, Approximation::kPuma, "puma-bert-classifier");
  EXPECT_LT(worst, 0.15);
  EXPECT_GT(worst, 1e-4);  // It is an approximation.
}

TEST(Approximations, MpcformersFormsAreThoseOfADistilledModel) {
  SmallModelFiles files;
  const std::string act = "\"hidden_act\": \"gelu\"";
  files.config.replace(files.config.find(act), act.size(),
                       R"("hidden_act": "quad", "softmax_act": "2quad")");
  const FloatModel distilled = LoadFloatModel(files.files()).value();
  EXPECT_LT(Worst(distilled, Approximation::kMpcformer, "mpcformer-bert-classifier"), 0.01);
  EXPECT_LT(Worst(distilled, Approximation::kExact, "bert-classifier"), 0.01);
  // To a model that was not distilled they are strangers.
  const FloatModel model = LoadFloatModel(SmallModelFiles().files()).value();
  EXPECT_GT(Worst(model, Approximation::kMpcformer, "mpcformer-bert-classifier"), 0.02);
}

TEST(Approximations, AreNamed) {
  EXPECT_EQ(ParseApproximation("puma").value(), Approximation::kPuma);
  EXPECT_FALSE(ParseApproximation("fast"));
  SmallModelFiles files;
  const std::string act = "\"hidden_act\": \"gelu\"";
  files.config.replace(files.config.find(act), act.size(),
                       R"("hidden_act": "quad", "softmax_act": "sparsemax")");
  const auto refused = LoadFloatModel(files.files());
  ASSERT_FALSE(refused);
  EXPECT_NE(refused.error().message.find("sparsemax"), std::string::npos);
}

}  // namespace
}  // namespace mpc
