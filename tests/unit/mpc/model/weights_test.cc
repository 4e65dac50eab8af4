// How many bytes a plan's weights take, and where they go.

#include <cmath>
#include <random>

#include <gtest/gtest.h>

#include "mpc/model/builder.h"

namespace mpc {
namespace {

constexpr std::uint32_t kSide = 80;  // Matrices of more than a page.

std::vector<double> Normal(std::size_t count, double deviation, std::uint64_t seed) {
  std::mt19937_64 random(seed);
  std::vector<double> values(count);
  for (double& value : values) {
    value = -6;  // Twelve uniform numbers.
    for (int i = 0; i < 12; ++i) value += std::ldexp(static_cast<double>(random() >> 11), -53);
    value *= deviation;
  }
  return values;
}

// The plan of one matrix, on a table that stays in 19 bits.
proto::Result<Plan> PlanOf(const std::vector<double>& matrix, const BuilderOptions& options) {
  Plan head;
  head.architecture = "weights";
  head.tokens = 2;
  head.vocabulary = 4;
  head.digit_bits_high = head.digit_bits_low = 1;
  PlanBuilder b(head, {{0, 1}, {2, 3}}, options);
  const TensorId words = b.Embed(Normal(4 * kSide, 1.0 / 3, 1), kSide, 16, "words");
  const TensorId y = b.Linear(
      words,
      [&] {
        return Affine{matrix, std::vector<double>(kSide)};
      },
      2, "product");
  b.Output(y, "result");
  return b.Finish();
}

std::vector<double> OnGrid(std::vector<double> values, double unit) {
  for (double& value : values) value = std::nearbyint(value / unit) * unit;
  return values;
}

unsigned WidthOf(const std::vector<double>& matrix, double error) {
  BuilderOptions options;
  options.weight_error = error;
  return PlanOf(matrix, options).value().constants[1].values.width();
}

TEST(Weights, TakeAsManyBytesAsTheErrorAsks) {
  const auto matrix = Normal(kSide * kSide, 3, 2);
  EXPECT_EQ(WidthOf(matrix, 0.02), 1u);
  EXPECT_EQ(WidthOf(matrix, 1.0 / 8192), 2u);
  EXPECT_EQ(WidthOf(matrix, 1e-7), 4u);
  EXPECT_EQ(WidthOf(matrix, 0), 4u);
}

// What is rounded is measured: a checkpoint of 8-bit weights stays one.
TEST(Weights, OnAGridAreExact) {
  const auto matrix = OnGrid(Normal(kSide * kSide, 0.05, 3), std::ldexp(1.0, -8));
  EXPECT_EQ(WidthOf(matrix, 1.0 / 8192), 1u);
  const auto plan = PlanOf(matrix, {}).value();
  const Constant& kept = plan.constants[1];
  for (std::size_t i = 0; i < matrix.size(); ++i) {
    EXPECT_EQ(std::ldexp(kept.values[i], -int{kept.frac}), matrix[i]);
  }
}

TEST(Weights, GoWhereTheyAreKept) {
  const auto matrix = Normal(kSide * kSide, 0.05, 4);
  BuilderOptions options;
  const auto plan = PlanOf(matrix, options).value();
  std::vector<proto::SharedBytes> kept;
  options.keep = [&](proto::ByteSpan bytes) -> proto::Result<proto::SharedBytes> {
    kept.emplace_back(proto::Bytes(bytes.begin(), bytes.end()));
    return kept.back();
  };
  const auto other = PlanOf(matrix, options).value();
  ASSERT_EQ(kept.size(), 1u);  // The table is smaller than a page.
  EXPECT_EQ(other.constants[1].values.bytes().data(), kept[0].span().data());
  EXPECT_EQ(EncodePlan(plan), EncodePlan(other));
  options.keep = [](proto::ByteSpan) -> proto::Result<proto::SharedBytes> {
    return proto::Fail(proto::ErrorCode::kExhausted, "no room");
  };
  const auto refused = PlanOf(matrix, options);
  ASSERT_FALSE(refused);
  EXPECT_NE(refused.error().message.find("no room"), std::string::npos);
}

}  // namespace
}  // namespace mpc
