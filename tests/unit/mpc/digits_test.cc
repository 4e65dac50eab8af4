// Comparison, lookup and the movements of tensors that generation needs, from keys to the result:
// real preprocessing, the online evaluator, and the plaintext readers must agree.

#include "mpc/opening/digits.h"

#include <gtest/gtest.h>

#include "mpc/plan/cost.h"
#include "mpc/plan/evaluate.h"
#include "tests/unit/mpc/private_run.h"

namespace mpc {
namespace {

// Builds plans by hand; shapes and fraction bits are the caller's duty, Validate checks them.
class Hand {
 public:
  Hand(std::uint32_t tokens, std::uint32_t vocabulary, unsigned bits) {
    plan_.architecture = "by hand";
    plan_.tokens = tokens;
    plan_.vocabulary = vocabulary;
    plan_.digit_bits_high = (bits + 1) / 2;
    plan_.digit_bits_low = bits / 2;
  }
  ConstantId Table(std::uint32_t rows, std::uint32_t cols, std::vector<std::int32_t> values,
                   std::uint8_t frac = 0) {
    plan_.constants.push_back({rows, cols, frac, std::move(values)});
    return static_cast<ConstantId>(plan_.constants.size() - 1);
  }
  TensorId Add(OpKind kind, std::vector<TensorId> inputs, std::uint32_t rows, std::uint32_t cols,
               bool wire, const std::function<void(Op&)>& more = {}) {
    Op op;
    op.kind = kind;
    op.inputs = std::move(inputs);
    op.rows = rows;
    op.cols = cols;
    op.wire = wire;
    op.bits = 20;
    if (more) more(op);
    plan_.ops.push_back(std::move(op));
    return static_cast<TensorId>(plan_.ops.size() - 1);
  }
  Plan Finish() {
    const auto valid = Validate(plan_);
    EXPECT_TRUE(valid) << valid.error().message;
    EXPECT_TRUE(DecodePlan(EncodePlan(plan_)));
    return plan_;
  }

 private:
  Plan plan_;
};

TEST(PairOrder, HalvesJoinNeighbours) {
  EXPECT_EQ(PairOrder(1), (std::vector<std::uint8_t>{0}));
  EXPECT_EQ(PairOrder(2), (std::vector<std::uint8_t>{1, 0}));
  EXPECT_EQ(PairOrder(4), (std::vector<std::uint8_t>{3, 1, 2, 0}));
}

// All y and all masks of small digits: the pairs, joined, say whether x >= 0.
TEST(ComparisonPairs, AreRightForEveryMask) {
  constexpr unsigned kDigits = 2, kBits = 2;
  constexpr std::int64_t kRange = 1 << (kDigits * kBits);
  const auto order = PairOrder(kDigits);
  for (std::int64_t x = -kRange / 2; x < kRange / 2; ++x) {
    for (std::int64_t r = 0; r < kRange; ++r) {
      std::int64_t pairs[2 * kDigits];
      const auto opened = static_cast<std::uint64_t>((x + kRange / 2 + r) % kRange);
      ComparisonPairs(
          opened, kDigits, kBits, order,
          [r](unsigned digit, std::uint64_t value) {
            return std::int64_t{((r >> (digit * kBits)) & 3) == static_cast<std::int64_t>(value)};
          },
          pairs);
      EXPECT_EQ(pairs[0] + pairs[kDigits] * pairs[1], x >= 0) << x << " under " << r;
    }
  }
}

// Two tokens' numbers are compared; the greater chooses a row of a second table.
Plan GreaterOfTwo() {
  Hand hand(2, 5, 3);
  const TensorId embedded = hand.Add(OpKind::kEmbed, {}, 2, 1, false, [&](Op& op) {
    op.weight = hand.Table(5, 1, {0, 3, 1, 4, 2});
  });
  const TensorId x = hand.Add(OpKind::kOpen, {embedded}, 2, 1, true);
  const TensorId a = hand.Add(OpKind::kRows, {x}, 1, 1, true);
  const TensorId b = hand.Add(OpKind::kRows, {x}, 1, 1, true, [](Op& op) { op.begin = 1; });
  const TensorId d = hand.Add(OpKind::kAdd, {a, b}, 1, 1, true, [](Op& op) {
    op.scale = {1, -1};
    op.bits = 3;
  });
  const TensorId pairs = hand.Add(OpKind::kCompare, {d}, 1, 4, false, [](Op& op) {
    op.digits = 2;
    op.digit_bits = 2;
  });
  const TensorId open = hand.Add(OpKind::kOpen, {pairs}, 1, 4, true);
  const auto column = [&](TensorId from, std::uint32_t begin, bool wire) {
    return hand.Add(OpKind::kColumns, {from}, 1, 1, wire, [=](Op& op) { op.begin = begin; });
  };
  const TensorId product =
      hand.Add(OpKind::kMul, {column(open, 2, true), column(open, 1, true)}, 1, 1, false);
  const TensorId bit =
      hand.Add(OpKind::kAdd, {product, column(pairs, 0, false)}, 1, 1, false, [](Op& op) {
        op.scale = {1, 1};
      });
  const TensorId bit_wire = hand.Add(OpKind::kOpen, {bit}, 1, 1, true);
  const TensorId difference = hand.Add(OpKind::kMul, {d, bit_wire}, 1, 1, false);
  const TensorId greater = hand.Add(OpKind::kAdd, {difference, b}, 1, 1, false, [](Op& op) {
    op.scale = {1, 1};
  });
  const TensorId row = hand.Add(OpKind::kLookup, {greater}, 1, 2, false, [&](Op& op) {
    op.digits = 1;
    op.digit_bits = 3;
    op.weight = hand.Table(4, 2, {10, -10, 11, -11, 12, -12, 13, -13});
  });
  const TensorId both = hand.Add(OpKind::kReshape, {row}, 2, 1, false);
  const TensorId all = hand.Add(OpKind::kConcat, {both, greater, bit}, 4, 1, false);
  hand.Add(OpKind::kOutput, {all}, 4, 1, false);
  return hand.Finish();
}

TEST(Digits, CompareAndLookupFromKeysToTheResult) {
  const Plan plan = GreaterOfTwo();
  const std::int64_t numbers[] = {0, 3, 1, 4, 2};
  for (std::uint32_t i = 0; i < 5; ++i) {
    for (std::uint32_t j = 0; j < 5; ++j) {
      const std::int64_t greater = std::max(numbers[i], numbers[j]);
      const std::int64_t row = greater < 4 ? greater : 1;  // Beyond the table: row 1.
      const std::vector<double> expected = {
          10.0 + static_cast<double>(row), -10.0 - static_cast<double>(row),
          static_cast<double>(greater), numbers[i] >= numbers[j] ? 1.0 : 0.0};
      EXPECT_EQ(EvaluateFloat(plan, std::vector{i, j}), expected);
      EXPECT_EQ(EvaluateFixed(plan, std::vector{i, j}, i * 5 + j).outputs, expected);
      if ((i + j) % 3 != 0) continue;
      const auto values = RunPrivately(plan, {i, j}, (i + j) % 2 == 0 ? 4 : 7, i * 5 + j);
      EXPECT_EQ(std::vector<double>(values.begin(), values.end()), expected) << i << ", " << j;
    }
  }
}

TEST(Digits, AreCounted) {
  const Plan plan = GreaterOfTwo();
  const proto::Committee committee(4);
  const Cost cost = CountCost(plan, committee);
  EXPECT_EQ(cost.openings, 2u + 1 + 4 + 1 + 1);
  EXPECT_EQ(cost.rounds, 5u);
  const Layers layers(plan, 4);
  ASSERT_EQ(layers.depth(), cost.products.size());
  for (std::uint32_t l = 0; l < layers.depth(); ++l) {
    EXPECT_EQ(layers.size(l), cost.products[l]) << "layer " << l;
  }
  std::uint64_t shares = 0;
  for (TensorId id = 0; id < plan.ops.size(); ++id) shares += SlotSize(plan, id);
  EXPECT_EQ(cost.bundle_bytes, shares * Fp::kBytes);
}

// Shared keys and values, a rotation, a scale by rows, columns of wires: attention of 2 heads over
// one key and value head.
TEST(Digits, GroupedHeadsAndRotationsFromKeysToTheResult) {
  Hand hand(3, 4, 2);
  const TensorId embedded = hand.Add(OpKind::kEmbed, {}, 3, 4, false, [&](Op& op) {
    op.weight = hand.Table(4, 4, {1, 2, -3, 4, 5, -6, 7, 8, -9, 10, 11, 12, 0, 3, -2, 1});
  });
  const TensorId x = hand.Add(OpKind::kOpen, {embedded}, 3, 4, true);
  const TensorId q = hand.Add(OpKind::kRotate, {x}, 3, 4, true, [&](Op& op) {
    op.heads = 2;
    op.weight = hand.Table(3, 2, {1, 0, 3, 4, -4, 3});
  });
  const TensorId k = hand.Add(OpKind::kColumns, {x}, 3, 2, true, [](Op& op) { op.begin = 1; });
  const TensorId s = hand.Add(OpKind::kScores, {q, k}, 6, 3, false, [](Op& op) { op.heads = 2; });
  const TensorId masked = hand.Add(OpKind::kScaleColumns, {s}, 6, 3, false, [&](Op& op) {
    op.weight = hand.Table(3, 3, {1, 0, 0, 1, 1, 0, 1, 1, 1});
  });
  const TensorId p = hand.Add(OpKind::kOpen, {masked}, 6, 3, true);
  const TensorId v = hand.Add(OpKind::kColumns, {x}, 3, 2, true);
  const TensorId mixed = hand.Add(OpKind::kMix, {p, v}, 3, 4, false, [](Op& op) { op.heads = 2; });
  hand.Add(OpKind::kOutput, {mixed}, 3, 4, false);
  const Plan plan = hand.Finish();

  const std::vector<std::uint32_t> ids = {2, 0, 1};
  const std::vector<double> expected = EvaluateFloat(plan, ids);
  // The second row by hand: q = (3 - 8, 3*2 + 4*1 | 3*-3 - 16, 12 - 12), k of rows 0 and 1.
  const double heads[2][2] = {{-5, 10}, {-25, 0}};
  const double keys[2][2] = {{10, 11}, {2, -3}}, values[2][2] = {{-9, 10}, {1, 2}};
  for (int head = 0; head < 2; ++head) {
    double y[2] = {0, 0};
    for (int j = 0; j < 2; ++j) {
      const double score = heads[head][0] * keys[j][0] + heads[head][1] * keys[j][1];
      for (int c = 0; c < 2; ++c) y[c] += score * values[j][c];
    }
    EXPECT_EQ(expected[4 + 2 * head], y[0]);
    EXPECT_EQ(expected[4 + 2 * head + 1], y[1]);
  }
  EXPECT_EQ(EvaluateFixed(plan, ids, 1).outputs, expected);
  for (const std::uint16_t n : {std::uint16_t{4}, std::uint16_t{7}}) {
    const auto outputs = RunPrivately(plan, ids, n, n);
    EXPECT_EQ(std::vector<double>(outputs.begin(), outputs.end()), expected);
  }
}

TEST(Digits, BadOnesAreRefused) {
  const auto refused = [](const std::function<void(Plan&)>& spoil) {
    Plan plan = GreaterOfTwo();
    spoil(plan);
    return !Validate(plan).has_value();
  };
  const auto of = [](Plan& plan, OpKind kind) -> Op& {
    return *std::ranges::find(plan.ops, kind, &Op::kind);
  };
  EXPECT_TRUE(refused([&](Plan& p) { of(p, OpKind::kCompare).digits = 3; }));
  EXPECT_TRUE(refused([&](Plan& p) { of(p, OpKind::kCompare).digit_bits = 1; }));  // Too narrow.
  EXPECT_TRUE(refused([&](Plan& p) { of(p, OpKind::kCompare).cols = 2; }));
  EXPECT_TRUE(refused([&](Plan& p) { of(p, OpKind::kLookup).digit_bits = 1; }));  // For the table.
  EXPECT_TRUE(refused([&](Plan& p) { of(p, OpKind::kLookup).digits = 2; }));
  EXPECT_TRUE(refused([&](Plan& p) { of(p, OpKind::kConcat).rows = 5; }));
  EXPECT_TRUE(refused([&](Plan& p) { of(p, OpKind::kReshape).cols = 2; }));
  EXPECT_TRUE(refused([&](Plan& p) { of(p, OpKind::kColumns).begin = 4; }));
}

}  // namespace
}  // namespace mpc
