// A valid plan that leaks: 2^24 values of 59 bits are opened, each under masks of 123 bits at n
// = 4.
#pragma once

#include "mpc/plan/plan.h"

namespace node::test {

inline mpc::Plan LeakyPlan() {
  constexpr std::uint32_t kRows = 1 << 12;
  constexpr std::uint32_t kCols = 1 << 12;
  mpc::Plan plan;
  plan.architecture = "leaky";
  plan.tokens = kRows;
  plan.vocabulary = 2;
  plan.digit_bits_high = 1;
  plan.constants.push_back({2, kCols, 0, std::vector<std::int32_t>(2 * kCols)});
  const auto add = [&](mpc::OpKind kind, std::vector<mpc::TensorId> inputs, std::uint32_t rows,
                       bool wire) -> mpc::Op& {
    mpc::Op op;
    op.kind = kind;
    op.inputs = std::move(inputs);
    op.rows = rows;
    op.cols = kCols;
    op.wire = wire;
    op.bits = mpc::kOpenBits;
    plan.ops.push_back(std::move(op));
    return plan.ops.back();
  };
  add(mpc::OpKind::kEmbed, {}, kRows, false).weight = 0;
  add(mpc::OpKind::kOpen, {0}, kRows, true);
  add(mpc::OpKind::kRows, {1}, 1, true);
  add(mpc::OpKind::kOutput, {2}, 1, false);
  return plan;
}

}  // namespace node::test
