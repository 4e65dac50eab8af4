// A plan with every kind of operation in it, small enough for a test.
#pragma once

#include <random>
#include <string>
#include <utility>

#include "mpc/plan/plan.h"
#include "proto/base/check.h"

namespace mpc {

// 3 tokens of a vocabulary of 6 (V' = 8), 4 columns, 2 heads. Values stay within a few units.
inline Plan EveryKindPlan() {
  Plan plan;
  plan.architecture = "every kind";
  plan.tokens = 3;
  plan.vocabulary = 6;
  plan.digit_bits_high = 1;
  plan.digit_bits_low = 2;

  std::mt19937_64 random(1);
  const auto constant = [&](std::uint32_t rows, std::uint32_t cols, std::uint8_t frac) {
    std::vector<std::int32_t> values;
    const std::int64_t one = std::int64_t{1} << frac;
    for (std::uint32_t i = 0; i < rows * cols; ++i) {
      values.push_back(static_cast<std::int32_t>(
          static_cast<std::int64_t>(random() % 2'001) * one / 1000 - one));
    }
    plan.constants.push_back({rows, cols, frac, values});
    return static_cast<ConstantId>(plan.constants.size() - 1);
  };
  const auto wide = [&](std::uint32_t cols, std::uint8_t frac) {
    WideConstant c{frac, {}};
    for (std::uint32_t i = 0; i < cols; ++i) {
      c.values.push_back((std::int64_t{1} << frac) / (2 + i) * (i % 2 == 0 ? 1 : -1));
    }
    plan.wide_constants.push_back(std::move(c));
    return static_cast<ConstantId>(plan.wide_constants.size() - 1);
  };
  const auto add = [&](OpKind kind, std::vector<TensorId> inputs, std::uint32_t rows,
                       std::uint32_t cols, bool wire, std::uint8_t frac) -> Op& {
    Op op;
    op.kind = kind;
    op.inputs = std::move(inputs);
    op.rows = rows;
    op.cols = cols;
    op.wire = wire;
    op.frac = frac;
    op.bits = static_cast<std::uint8_t>(frac + 12 < 59 ? frac + 12 : 59);
    op.name = "op " + std::to_string(plan.ops.size());
    plan.ops.push_back(std::move(op));
    return plan.ops.back();
  };
  const auto last = [&] { return static_cast<TensorId>(plan.ops.size() - 1); };
  const auto open = [&](TensorId input, std::uint8_t frac) {
    const Op in = plan.ops[input];
    add(OpKind::kOpen, {input}, in.rows, in.cols, true, frac).drop =
        static_cast<std::uint8_t>(in.frac - frac);
    return last();
  };

  add(OpKind::kEmbed, {}, 3, 4, false, 16).weight = constant(6, 4, 16);
  const TensorId x = open(0, 16);
  add(OpKind::kTokenIs, {}, 3, 1, false, 0).token = 2;
  const TensorId is_two = open(last(), 0);
  Op& linear = add(OpKind::kLinear, {x}, 3, 4, false, 30);
  linear.weight = constant(4, 4, 14);
  linear.bias = wide(4, 30);
  const TensorId q = open(last(), 16);
  add(OpKind::kAddConstant, {x}, 3, 4, true, 16).weight = constant(3, 4, 16);
  const TensorId k = last();
  add(OpKind::kScores, {q, k}, 6, 3, false, 32).heads = 2;
  const TensorId scores = last();
  const TensorId p = open(scores, 16);
  Op& scaled = add(OpKind::kScaleColumns, {x}, 3, 4, true, 20);
  scaled.weight = constant(1, 4, 4);
  scaled.bias = wide(4, 20);
  add(OpKind::kMix, {p, last()}, 3, 4, false, 36).heads = 2;
  const TensorId mixed = open(last(), 16);
  add(OpKind::kRowSum, {mixed}, 3, 1, true, 16);
  add(OpKind::kMul, {x, last()}, 3, 4, false, 32);
  const TensorId product = open(last(), 16);
  add(OpKind::kMul, {product, product}, 3, 4, false, 32);  // A square.
  const TensorId square = open(last(), 16);
  Op& sum = add(OpKind::kAdd, {square, is_two}, 3, 4, true, 16);
  sum.scale = {-3, 1 << 15};
  sum.shift = 1 << 14;
  add(OpKind::kRowDot, {last(), x}, 3, 1, false, 32);
  const TensorId dots = open(last(), 16);
  Op& series = add(OpKind::kSeries, {product}, 3, 4, false, 40);
  // 1/2 - x/4 + x^2/8 + cos(wx)/2 + sin(wx)/4 - cos(2wx), period 16.
  series.series = {std::int64_t{16} << 16,
                   24,
                   40,
                   {std::int64_t{1} << 39, -(std::int64_t{1} << 22), std::int64_t{1} << 5},
                   {1 << 15, -(1 << 16)},
                   {1 << 14, 0}};
  const TensorId waves = open(last(), 20);
  Op& line = add(OpKind::kSeries, {dots}, 3, 1, false, 30);  // 1 + x, no harmonics.
  line.series = {1 << 16, 20, 30, {1 << 30, 1 << 14}, {}, {}};
  Op& both = add(OpKind::kAdd, {waves, last()}, 3, 4, false, 32);
  both.scale = {1 << 12, 1 << 3};  // 20 and 30 fraction bits become 32; the second counts twice.
  const TensorId joined = last();
  add(OpKind::kRows, {scores}, 4, 3, false, 32).begin = 1;
  add(OpKind::kRowSum, {last()}, 4, 1, false, 32);
  add(OpKind::kAddPerColumn, {joined, last()}, 3, 4, false, 32).scale = {1};
  const TensorId result = last();
  add(OpKind::kRows, {result}, 1, 4, false, 32).begin = 2;
  add(OpKind::kRows, {result}, 1, 4, false, 32).begin = 0;
  Op& ends = add(OpKind::kAdd, {last() - 1, last()}, 1, 4, false, 32);
  ends.scale = {1, -1};
  add(OpKind::kRowSum, {result}, 3, 1, false, 32);
  add(OpKind::kRows, {last()}, 1, 1, false, 32).begin = 1;
  Op& shifted = add(OpKind::kAdd, {last() - 2, last()}, 1, 4, false, 32);
  shifted.scale = {2, 1};
  add(OpKind::kOutput, {last()}, 1, 4, false, 32);
  const auto valid = Validate(plan);
  if (!valid) std::fprintf(stderr, "%s\n", valid.error().message.c_str());
  CHECK(valid.has_value());
  return plan;
}

}  // namespace mpc
