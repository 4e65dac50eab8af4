// Each operation on shares against the same on the values, exactly; series to the last place.

#include "mpc/online/operations.h"

#include <cmath>

#include <gtest/gtest.h>

#include "tests/unit/mpc/dealer.h"

namespace mpc {
namespace {

// A tensor of small integers known in the clear, and all parties' views of it.
struct Known {
  std::vector<std::int64_t> values;
  std::vector<Fp> mask;  // Of a wire.
  std::vector<Tensor> views;

  Fp at(std::size_t row, std::size_t col) const { return Fp(values[row * views[0].cols + col]); }
};

class Operations : public testing::TestWithParam<std::uint16_t> {
 protected:
  Known Make(std::uint32_t rows, std::uint32_t cols, bool wire, std::int64_t bound = 1 << 20) {
    Known known;
    std::vector<Fp> x;
    for (std::uint32_t i = 0; i < rows * cols; ++i) {
      known.values.push_back(
          static_cast<std::int64_t>(dealer_.random()() % (2 * static_cast<std::uint64_t>(bound))) -
          bound);
      x.push_back(Fp(known.values.back()));
      // As a sum of parts: an integer of up to 125 bits.
      known.mask.push_back(Fp::FromUnsigned(dealer_.RandomElement().value() >> 2));
    }
    for (auto& share : dealer_.Share(x)) {
      known.views.push_back({rows, cols, wire, {}, std::move(share)});
      for (std::size_t i = 0; wire && i < x.size(); ++i) {
        known.views.back().masked.push_back(x[i] + known.mask[i]);
      }
    }
    return known;
  }

  Op MakeOp(OpKind kind, std::uint32_t rows, std::uint32_t cols, bool wire = false) {
    Op op;
    op.kind = kind;
    op.rows = rows;
    op.cols = cols;
    op.wire = wire;
    return op;
  }

  // The result in the clear; of a wire, also that all agree on M and that M - x is linear in masks.
  std::vector<Fp> Run(const Op& op, const std::vector<const Known*>& inputs,
                      const std::vector<Fp>& slot = {}) {
    const auto slots = dealer_.Share(slot);
    std::vector<std::vector<Fp>> shares;
    for (std::uint16_t i = 0; i < dealer_.committee().size(); ++i) {
      std::vector<const Tensor*> views;
      for (const Known* input : inputs) views.push_back(&input->views[i]);
      Tensor result = Compute(plan_, op, views, slots[i]);
      EXPECT_EQ(result.rows, op.rows);
      EXPECT_EQ(result.cols, op.cols);
      EXPECT_EQ(result.wire, op.wire);
      EXPECT_EQ(result.masked.size(), op.wire ? op.size() : 0);
      EXPECT_TRUE(i == 0 || result.masked == masked_);
      masked_ = result.masked;
      shares.push_back(std::move(result.share));
    }
    return dealer_.Open(shares);
  }

  ConstantId AddConstant(std::uint32_t rows, std::uint32_t cols) {
    std::vector<std::int32_t> values;
    for (std::uint32_t i = 0; i < rows * cols; ++i) {
      values.push_back(static_cast<std::int32_t>(dealer_.random()()));
    }
    plan_.constants.push_back({rows, cols, 0, values});
    return static_cast<ConstantId>(plan_.constants.size() - 1);
  }
  ConstantId AddWide(std::uint32_t cols) {
    WideConstant constant;
    for (std::uint32_t i = 0; i < cols; ++i) {
      constant.values.push_back(static_cast<std::int64_t>(dealer_.random()()));
    }
    plan_.wide_constants.push_back(constant);
    return static_cast<ConstantId>(plan_.wide_constants.size() - 1);
  }

  Dealer dealer_{GetParam()};
  Plan plan_;
  std::vector<Fp> masked_;
};
INSTANTIATE_TEST_SUITE_P(Sizes, Operations, testing::Values(4, 7));

TEST_P(Operations, LinearWithWideWeights) {
  for (const bool wire : {false, true}) {
    const Known x = Make(3, 5, wire);
    Op op = MakeOp(OpKind::kLinear, 3, 4);
    op.weight = AddConstant(5, 4);
    op.bias = AddWide(4);
    const auto y = Run(op, {&x});
    for (std::size_t i = 0; i < 3; ++i) {
      for (std::size_t j = 0; j < 4; ++j) {
        Fp sum(plan_.wide_constants[op.bias].values[j]);
        for (std::size_t k = 0; k < 5; ++k) {
          sum += x.at(i, k) * Fp(plan_.constants[op.weight].values[k * 4 + j]);
        }
        EXPECT_TRUE(y[i * 4 + j] == sum);
      }
    }
  }
}

TEST_P(Operations, Scores) {
  const Known q = Make(2, 6, true);
  const Known k = Make(3, 6, true);
  Op op = MakeOp(OpKind::kScores, 3 * 2, 3);
  op.heads = 3;
  std::vector<Fp> slot;
  std::vector<Fp> expected;
  for (std::size_t head = 0; head < 3; ++head) {
    for (std::size_t i = 0; i < 2; ++i) {
      for (std::size_t j = 0; j < 3; ++j) {
        Fp masks;
        Fp values;
        for (std::size_t c = 2 * head; c < 2 * head + 2; ++c) {
          masks += q.mask[i * 6 + c] * k.mask[j * 6 + c];
          values += q.at(i, c) * k.at(j, c);
        }
        slot.push_back(masks);
        expected.push_back(values);
      }
    }
  }
  EXPECT_TRUE(Run(op, {&q, &k}, slot) == expected);
}

TEST_P(Operations, Mix) {
  const Known p = Make(2 * 3, 4, true);
  const Known v = Make(4, 10, true);
  Op op = MakeOp(OpKind::kMix, 3, 10);
  op.heads = 2;
  std::vector<Fp> slot;
  std::vector<Fp> expected;
  for (std::size_t i = 0; i < 3; ++i) {
    for (std::size_t c = 0; c < 10; ++c) {
      Fp masks;
      Fp values;
      for (std::size_t j = 0; j < 4; ++j) {
        const std::size_t row = c / 5 * 3 + i;
        masks += p.mask[row * 4 + j] * v.mask[j * 10 + c];
        values += p.at(row, j) * v.at(j, c);
      }
      slot.push_back(masks);
      expected.push_back(values);
    }
  }
  EXPECT_TRUE(Run(op, {&p, &v}, slot) == expected);
}

TEST_P(Operations, ElementwiseProducts) {
  const Known x = Make(3, 4, true);
  const Known y = Make(3, 4, true);
  const Known column = Make(3, 1, true);
  const auto expect = [&](const Known& second, auto index) {
    std::vector<Fp> slot;
    std::vector<Fp> expected;
    for (std::size_t i = 0; i < 12; ++i) {
      slot.push_back(x.mask[i] * second.mask[index(i)]);
      expected.push_back(Fp(x.values[i]) * Fp(second.values[index(i)]));
    }
    EXPECT_TRUE(Run(MakeOp(OpKind::kMul, 3, 4), {&x, &second}, slot) == expected);
  };
  expect(y, [](std::size_t i) { return i; });
  expect(x, [](std::size_t i) { return i; });
  expect(column, [](std::size_t i) { return i / 4; });
}

TEST_P(Operations, RowDot) {
  const Known x = Make(3, 4, true);
  const Known y = Make(3, 4, true);
  std::vector<Fp> slot(3);
  std::vector<Fp> expected(3);
  for (std::size_t i = 0; i < 12; ++i) {
    slot[i / 4] += x.mask[i] * y.mask[i];
    expected[i / 4] += Fp(x.values[i]) * Fp(y.values[i]);
  }
  EXPECT_TRUE(Run(MakeOp(OpKind::kRowDot, 3, 1), {&x, &y}, slot) == expected);
}

TEST_P(Operations, Series) {
  const Known x = Make(4, 2, true, 1 << 18);
  Op op = MakeOp(OpKind::kSeries, 4, 2);
  op.series.period = 5 << 16;
  op.series.phase_bits = 28;
  op.series.out_frac = 46;
  op.series.poly = {123456789, -98765, 77};
  op.series.cosine = {1 << 18, -(1 << 17), 3, 0};
  op.series.sine = {-5, 1 << 16, 1 << 18, 12345};
  std::vector<Fp> slot;
  for (const Fp l : x.mask) slot.push_back(l * l);
  for (std::int64_t k = 1; k <= 4; ++k) {
    std::vector<Fp> sines;
    for (const Fp l : x.mask) {
      const CosSin angle = IntegerCosSin(l.ToSigned() % op.series.period * k, op.series.period, 28);
      slot.push_back(Fp(angle.cos));
      sines.push_back(Fp(angle.sin));
    }
    slot.insert(slot.end(), sines.begin(), sines.end());
  }
  const auto y = Run(op, {&x}, slot);
  for (std::size_t i = 0; i < y.size(); ++i) {
    const auto v = static_cast<double>(x.values[i]);
    double expected = 123456789 - 98765 * v + 77 * v * v;
    for (std::size_t k = 1; k <= 4; ++k) {
      const double angle = 6.283185307179586 * static_cast<double>(k) * v / (5 << 16);
      expected += std::exp2(28) * (static_cast<double>(op.series.cosine[k - 1]) * std::cos(angle) +
                                   static_cast<double>(op.series.sine[k - 1]) * std::sin(angle));
    }
    // Half a unit in each coefficient, and in each phase.
    EXPECT_NEAR(static_cast<double>(y[i].ToSigned()), expected, std::exp2(28) * 5);
  }
}

TEST_P(Operations, LinearMapsOfWiresAndSharings) {
  for (const bool wire : {false, true}) {
    const Known x = Make(3, 4, wire);
    const auto expect = [&](const Op& op, const std::vector<const Known*>& inputs, auto value,
                            auto mask) {
      const auto y = Run(op, inputs);
      for (std::size_t i = 0; i < op.size(); ++i) {
        EXPECT_TRUE(y[i] == value(i));
        EXPECT_TRUE(!wire || masked_[i] - y[i] == mask(i));
      }
    };
    const Known same = Make(3, 4, wire);
    const Known column = Make(3, 1, wire);
    const Known one = Make(1, 1, wire);
    const Known row = Make(4, 1, wire);
    const auto v = [](const Known& k, std::size_t i) { return Fp(k.values[i]); };

    Op alone = MakeOp(OpKind::kAdd, 3, 4, wire);
    alone.scale = {-7};
    alone.shift = 1'000'000'007;
    expect(
        alone, {&x}, [&](std::size_t i) { return Fp(-7) * v(x, i) + Fp(1'000'000'007); },
        [&](std::size_t i) { return Fp(-7) * x.mask[i]; });
    Op add = alone;
    add.scale = {3, -(std::int64_t{1} << 40)};
    const Fp large(-(std::int64_t{1} << 40));
    const auto sum = [&](const Known& b, auto index) {
      expect(
          add, {&x, &b},
          [&](std::size_t i) {
            return Fp(3) * v(x, i) + large * v(b, index(i)) + Fp(1'000'000'007);
          },
          [&](std::size_t i) { return Fp(3) * x.mask[i] + large * b.mask[index(i)]; });
    };
    sum(same, [](std::size_t i) { return i; });
    sum(column, [](std::size_t i) { return i / 4; });
    sum(one, [](std::size_t) { return std::size_t{0}; });

    Op per_column = MakeOp(OpKind::kAddPerColumn, 3, 4, wire);
    per_column.scale = {-5};
    expect(
        per_column, {&x, &row}, [&](std::size_t i) { return v(x, i) - Fp(5) * v(row, i % 4); },
        [&](std::size_t i) { return x.mask[i] - Fp(5) * row.mask[i % 4]; });

    Op scale = MakeOp(OpKind::kScaleColumns, 3, 4, wire);
    scale.weight = AddConstant(1, 4);
    scale.bias = AddWide(4);
    const auto& weight = plan_.constants[scale.weight].values;
    const auto& bias = plan_.wide_constants[scale.bias].values;
    expect(
        scale, {&x}, [&](std::size_t i) { return Fp(weight[i % 4]) * v(x, i) + Fp(bias[i % 4]); },
        [&](std::size_t i) { return Fp(weight[i % 4]) * x.mask[i]; });

    const auto row_sum = [](auto value) {
      return [value](std::size_t i) {
        return value(4 * i) + value(4 * i + 1) + value(4 * i + 2) + value(4 * i + 3);
      };
    };
    expect(MakeOp(OpKind::kRowSum, 3, 1, wire), {&x},
           row_sum([&](std::size_t i) { return v(x, i); }),
           row_sum([&](std::size_t i) { return x.mask[i]; }));

    Op rows = MakeOp(OpKind::kRows, 2, 4, wire);
    rows.begin = 1;
    expect(
        rows, {&x}, [&](std::size_t i) { return v(x, i + 4); },
        [&](std::size_t i) { return x.mask[i + 4]; });

    Op constant = MakeOp(OpKind::kAddConstant, 3, 4, wire);
    constant.weight = AddConstant(3, 4);
    expect(
        constant, {&x},
        [&](std::size_t i) { return v(x, i) + Fp(plan_.constants[constant.weight].values[i]); },
        [&](std::size_t i) { return x.mask[i]; });
  }
}

// One operand a wire, the other a sharing: the result is a sharing.
TEST_P(Operations, MixedOperands) {
  const Known x = Make(3, 4, true);
  const Known y = Make(3, 4, false);
  Op add = MakeOp(OpKind::kAdd, 3, 4, false);
  add.scale = {2, 1};
  const auto z = Run(add, {&x, &y});
  for (std::size_t i = 0; i < 12; ++i) {
    EXPECT_TRUE(z[i] == Fp(2) * Fp(x.values[i]) + Fp(y.values[i]));
  }
}

TEST_P(Operations, EmbedAndTokenIs) {
  plan_.tokens = 4;
  plan_.vocabulary = 11;
  plan_.digit_bits_high = 1;
  plan_.digit_bits_low = 3;
  Op embed = MakeOp(OpKind::kEmbed, 4, 3);
  embed.weight = AddConstant(11, 3);
  Op is_ten = MakeOp(OpKind::kTokenIs, 4, 1);
  is_ten.token = 10;
  const std::uint32_t ids[] = {0, 10, 7, 15};  // The last one beyond the vocabulary.
  std::vector<Fp> slot;
  std::vector<Fp> masks;
  std::vector<std::uint32_t> masked;
  for (const std::uint32_t id : ids) {
    const auto r = static_cast<std::uint32_t>(dealer_.random()() % 16);
    for (std::uint32_t k = 0; k < 16; ++k) slot.push_back(Fp(k == r ? 1 : 0));
    masks.push_back(Fp(r));
    masked.push_back((id + r) % 16);
  }
  slot.insert(slot.end(), masks.begin(), masks.end());
  std::vector<std::vector<Fp>> embedded;
  std::vector<std::vector<Fp>> indicators;
  for (const auto& share : dealer_.Share(slot)) {
    embedded.push_back(Embed(plan_, embed, share, masked).share);
    indicators.push_back(TokenIs(plan_, is_ten, share, masked).share);
  }
  const auto y = dealer_.Open(embedded);
  const auto is = dealer_.Open(indicators);
  for (std::size_t i = 0; i < 4; ++i) {
    const std::size_t row = ids[i] < 11 ? ids[i] : 1;
    for (std::size_t j = 0; j < 3; ++j) {
      EXPECT_TRUE(y[i * 3 + j] == Fp(plan_.constants[embed.weight].values[row * 3 + j]));
    }
    EXPECT_TRUE(is[i] == Fp(ids[i] == 10 ? 1 : 0));
  }
}

}  // namespace
}  // namespace mpc
