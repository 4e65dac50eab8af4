// A plan small enough to read: embed, open, linear, open, series, open, product, output.
#pragma once

#include "mpc/plan/plan.h"

namespace mpc {

// 3 tokens of a vocabulary of 6; two columns; f(x) = 1 + x/2 + cos(wx) / 4, period 8.
inline Plan SmallPlan() {
  Plan plan;
  plan.architecture = "small";
  plan.tokens = 3;
  plan.vocabulary = 6;
  plan.digit_bits_high = 1;
  plan.digit_bits_low = 2;
  plan.labels = {"yes", "no"};
  plan.constants.push_back({6, 2, 8, {10, -20, 30, 40, -50, 60, 70, 80, 90, 100, -110, 120}});
  plan.constants.push_back({2, 2, 8, {256, 128, -64, 512}});
  plan.wide_constants.push_back({16, {1000, -1000}});

  const auto add = [&plan](OpKind kind, std::vector<TensorId> inputs, std::uint32_t rows, bool wire,
                           std::uint8_t frac, std::uint8_t bits) -> Op& {
    Op op;
    op.kind = kind;
    op.inputs = std::move(inputs);
    op.rows = rows;
    op.cols = 2;
    op.wire = wire;
    op.frac = frac;
    op.bits = bits;
    op.name = "op " + std::to_string(plan.ops.size());
    plan.ops.push_back(std::move(op));
    return plan.ops.back();
  };
  add(OpKind::kEmbed, {}, 3, false, 8, 10).weight = 0;       // 0
  add(OpKind::kOpen, {0}, 3, true, 8, 10);                   // 1
  Op& linear = add(OpKind::kLinear, {1}, 3, false, 16, 20);  // 2
  linear.weight = 1;
  linear.bias = 0;
  add(OpKind::kOpen, {2}, 3, true, 8, 12).drop = 8;              // 3
  add(OpKind::kSeries, {3}, 3, false, 30, 34).series = {8 << 8,  // 4
                                                        20,       30, {1 << 30, 1 << 21},
                                                        {1 << 8}, {0}};
  add(OpKind::kOpen, {4}, 3, true, 8, 12).drop = 22;     // 5
  add(OpKind::kMul, {5, 1}, 3, false, 16, 22);           // 6
  Op& mean = add(OpKind::kRows, {6}, 1, false, 16, 22);  // 7
  mean.begin = 2;
  add(OpKind::kOutput, {7}, 1, false, 16, 22);  // 8
  return plan;
}

}  // namespace mpc
