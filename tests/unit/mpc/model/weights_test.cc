// How many bytes a plan's weights take, and where they go.

#include <algorithm>
#include <cmath>
#include <random>

#include <gtest/gtest.h>

#include "mpc/field/gemm.h"
#include "mpc/model/builder.h"
#include "mpc/model/columns.h"
#include "mpc/plan/evaluate.h"
#include "tests/unit/mpc/private_run.h"

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

// Inputs as transformers have them: few directions explain most of them.
std::vector<double> Correlated(std::size_t rows, std::size_t inner, std::uint64_t seed) {
  const std::size_t directions = inner / 4;
  const auto factors = Normal(rows * directions, 1, seed);
  const auto basis = Normal(directions * inner, 1, 99);
  std::vector<double> inputs = Normal(rows * inner, 0.3, seed + 1);
  for (std::size_t row = 0; row < rows; ++row) {
    for (std::size_t k = 0; k < directions; ++k) {
      for (std::size_t i = 0; i < inner; ++i) {
        inputs[row * inner + i] += factors[row * directions + k] * basis[k * inner + i];
      }
    }
  }
  return inputs;
}

// The relative error of a matrix' results on inputs.
double ErrorOn(const std::vector<double>& inputs, const std::vector<double>& exact,
               const std::vector<double>& rounded, std::size_t cols) {
  const std::size_t inner = exact.size() / cols;
  double moved = 0, all = 0;
  for (std::size_t row = 0; row < inputs.size() / inner; ++row) {
    for (std::size_t c = 0; c < cols; ++c) {
      double y = 0, change = 0;
      for (std::size_t i = 0; i < inner; ++i) {
        y += inputs[row * inner + i] * exact[i * cols + c];
        change += inputs[row * inner + i] * (rounded[i * cols + c] - exact[i * cols + c]);
      }
      all += y * y;
      moved += change * change;
    }
  }
  return std::sqrt(moved / all);
}

std::vector<double> ValuesOf(const ByteColumns& bytes, unsigned frac) {
  std::vector<double> values;
  for (std::size_t i = 0; i < bytes.integers.size(); ++i) {
    values.push_back(std::ldexp(bytes.integers[i] * bytes.factors[i % bytes.factors.size()],
                                -static_cast<int>(frac)));
  }
  return values;
}

// Columns of very different sizes, more inputs than a block has, on inputs nobody has seen.
TEST(ByteColumns, RoundWithWhatTheInputsSee) {
  constexpr std::size_t kInner = 600, kCols = 24;
  constexpr unsigned kFrac = 16;
  auto weight = Normal(kInner * kCols, 0.05, 5);
  for (std::size_t i = 0; i < weight.size(); ++i) weight[i] /= static_cast<double>(1 + i % kCols);
  weight[7] = 0.49;  // An outlier.
  for (std::size_t i = 0; i < kInner; ++i) weight[i * kCols + 3] = 0;
  const auto bytes = RoundToByteColumns(weight, kCols, kFrac, Correlated(900, kInner, 6));
  ASSERT_EQ(bytes.integers.size(), weight.size());
  for (const std::int32_t q : bytes.integers) EXPECT_TRUE(q >= -128 && q <= 127);
  for (std::size_t c = 0; c < kCols; ++c) {
    EXPECT_TRUE(bytes.factors[c] >= 1 && bytes.factors[c] < 1 << 9) << bytes.factors[c];
    EXPECT_TRUE(c != 3 || bytes.integers[5 * kCols + c] == 0);
  }
  // The same units without looking at the inputs.
  ByteColumns plain = bytes;
  for (std::size_t i = 0; i < weight.size(); ++i) {
    plain.integers[i] = static_cast<std::int32_t>(std::clamp(
        std::nearbyint(std::ldexp(weight[i], kFrac) / plain.factors[i % kCols]), -128.0, 127.0));
  }
  const auto unseen = Correlated(40, kInner, 7);
  const double error = ErrorOn(unseen, weight, ValuesOf(bytes, kFrac), kCols);
  const double plain_error = ErrorOn(unseen, weight, ValuesOf(plain, kFrac), kCols);
  EXPECT_LT(error, 0.6 * plain_error);
  EXPECT_LT(error, 0.01);
  EXPECT_NEAR(bytes.error, error, 0.3 * error);
}

// Products by bytes, multiplied by the columns' integers, are those of the 16-bit matrix that the
// two stand for, bit by bit, on every path.
TEST(ByteColumns, AreAMatrixOfSixteenBits) {
  constexpr std::size_t kRows = 5, kInner = 70, kCols = 67;
  const auto weight = Normal(kInner * kCols, 0.1, 8);
  const auto bytes = RoundToByteColumns(weight, kCols, 15, Correlated(50, kInner, 9));
  std::vector<std::int32_t> wide;
  for (std::size_t i = 0; i < weight.size(); ++i) {
    wide.push_back(bytes.integers[i] * bytes.factors[i % kCols]);
  }
  const PackedIntegers narrow(bytes.integers), whole(wide);
  ASSERT_EQ(narrow.width(), 1u);
  ASSERT_EQ(whole.width(), 2u);
  std::mt19937_64 random(10);
  std::vector<Fp> shares;
  for (std::size_t i = 0; i < kRows * kInner; ++i) {
    shares.push_back(Fp::FromUnsigned((UInt128{random()} << 63) | random() >> 1));
  }
  std::vector<Fp> want(kRows * kCols);
  AddProduct(shares, whole, kRows, kInner, kCols, want, GemmPath::kPortable);
  for (const GemmPath path :
       {GemmPath::kPortable, GemmPath::kAvx2, GemmPath::kIfma, GemmPath::kBytes}) {
    if (!Supported(path)) continue;
    std::vector<Fp> got(kRows * kCols);
    AddProduct(shares, narrow, kRows, kInner, kCols, got, path);
    for (std::size_t i = 0; i < got.size(); ++i) {
      EXPECT_EQ(got[i] * Fp(bytes.factors[i % kCols]), want[i]);
    }
  }
}

Plan ColumnsPlan(double byte_error, std::size_t maps = 1) {
  Plan head;
  head.architecture = "weights";
  head.tokens = 64;
  head.vocabulary = 64;
  head.digit_bits_high = head.digit_bits_low = 3;
  std::vector<std::uint32_t> ids(64);
  for (std::uint32_t i = 0; i < 64; ++i) ids[i] = i;
  BuilderOptions options;
  options.byte_error = byte_error;
  PlanBuilder b(head, {ids}, options);
  const TensorId words = b.Embed(Correlated(64, kSide, 11), kSide, 16, "words");
  const auto map = [] { return Affine{Normal(kSide * kSide, 0.05, 12), Normal(kSide, 1, 13)}; };
  TensorId y = 0;
  for (std::size_t i = 0; i < maps; ++i) y = b.Linear(words, map, 2, "product");
  b.Output(y, "result");
  return b.Finish().value();
}

std::size_t BytesIn(const Plan& plan) {
  return static_cast<std::size_t>(std::ranges::count_if(
      plan.constants, [](const Constant& c) { return c.rows == kSide && c.values.width() == 1; }));
}

TEST(ByteColumns, ComeWithTheirFactors) {
  const Plan plan = ColumnsPlan(0.02), wide = ColumnsPlan(0);
  ASSERT_EQ(plan.ops.size(), wide.ops.size() + 1);
  const Op& product = plan.ops[1];
  const Op& scaled = plan.ops[2];
  EXPECT_EQ(plan.constants[product.weight].values.width(), 1u);
  EXPECT_EQ(product.bias, kNone);
  EXPECT_EQ(scaled.kind, OpKind::kScaleColumns);
  EXPECT_EQ(scaled.frac, wide.ops[1].frac);
  EXPECT_EQ(scaled.bits, wide.ops[1].bits);
  EXPECT_LT(product.bits, scaled.bits);
  // Fixed point keeps to both bounds (EvaluateFixed looks), and says the same as the wide plan.
  std::vector<std::uint32_t> ids(64);
  for (std::uint32_t i = 0; i < 64; ++i) ids[i] = 63 - i;
  const auto got = EvaluateFixed(plan, ids, 1, 4), want = EvaluateFixed(wide, ids, 1, 4);
  double differences = 0, squares = 0;
  for (std::size_t i = 0; i < want.outputs.size(); ++i) {
    differences += std::pow(got.outputs[i] - want.outputs[i], 2);
    squares += std::pow(want.outputs[i], 2);
  }
  EXPECT_LT(std::sqrt(differences / squares), 0.01);
  EXPECT_GT(differences, 0);
}

// On shares, from masked tokens to the client's result: to the last bit, as nothing here is
// dropped.
TEST(ByteColumns, AreExactOnShares) {
  const Plan plan = ColumnsPlan(0.02);
  std::vector<std::uint32_t> ids(64);
  for (std::uint32_t i = 0; i < 64; ++i) ids[i] = (7 * i + 1) % 64;
  const auto want = EvaluateFixed(plan, ids, 1, 4).outputs;
  const auto got = RunPrivately(plan, ids, 4, 1);
  ASSERT_EQ(got.size(), want.size());
  for (std::size_t i = 0; i < got.size(); ++i) {
    EXPECT_EQ(static_cast<double>(got[i]), std::ldexp(want[i], plan.ops.back().frac));
  }
}

// Maps share what they may change: one that takes more than its part leaves the next without.
TEST(ByteColumns, StayWithinTheMean) {
  const double error = [] {
    const auto bytes =
        RoundToByteColumns(Normal(kSide * kSide, 0.05, 12), kSide, 16, Correlated(64, kSide, 11));
    return bytes.error;
  }();
  EXPECT_EQ(BytesIn(ColumnsPlan(1.3 * error, 6)), 6u);
  EXPECT_EQ(BytesIn(ColumnsPlan(0.72 * error, 6)), 3u);  // Of half the squares.
  EXPECT_EQ(BytesIn(ColumnsPlan(0.4 * error, 6)), 0u);   // Beyond twice the mean.
  EXPECT_EQ(BytesIn(ColumnsPlan(0, 6)), 0u);
}

TEST(ByteColumns, TravelAsBytesAndNotOtherwise) {
  const Plan plan = ColumnsPlan(0.02);
  const proto::Bytes bytes = EncodePlan(plan);
  EXPECT_LT(bytes.size(), EncodePlan(ColumnsPlan(0)).size());
  const auto back = DecodePlan(bytes);
  ASSERT_TRUE(back.has_value());
  EXPECT_EQ(EncodePlan(*back), bytes);
  Plan bad = plan;
  bad.constants[bad.ops[2].weight].cols -= 1;
  EXPECT_FALSE(Validate(bad));
  bad = plan;
  bad.ops[2].weight = bad.ops[1].weight;  // As many columns, but no rows that would repeat.
  EXPECT_FALSE(Validate(bad));
  bad = plan;
  bad.ops[2].weight = static_cast<ConstantId>(bad.constants.size());
  EXPECT_FALSE(Validate(bad));
  // No byte of the fields may be another without the plan being refused or another plan.
  std::mt19937_64 random(14);
  for (int i = 0; i < 2000; ++i) {
    proto::Bytes other = bytes;
    const std::size_t at = random() % 4096;
    other[at] ^= static_cast<std::uint8_t>(1 + random() % 255);
    const auto decoded = DecodePlan(other);
    if (!decoded) continue;
    ASSERT_EQ(EncodePlan(*decoded), other) << at;
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
