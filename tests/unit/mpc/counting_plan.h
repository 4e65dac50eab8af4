// A generator small enough for a test: it counts. Its prompt is one number of 0..7, its k-th token
// that number plus k + 1 modulo 8, found by looking it up; counting may end at a token.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "mpc/plan/plan.h"
#include "proto/base/check.h"

namespace mpc {

inline constexpr std::uint32_t kCountingTo = 8;

inline Plan CountingPlan(std::uint32_t steps, const std::vector<std::int32_t>& ends) {
  Plan plan;
  plan.architecture = "counting-generator";
  plan.tokens = 1;
  plan.vocabulary = kCountingTo;
  plan.digit_bits_high = 1;
  plan.digit_bits_low = 2;
  plan.steps = steps;
  std::vector<std::int32_t> same, next;
  for (std::uint32_t i = 0; i < kCountingTo; ++i) {
    same.push_back(static_cast<std::int32_t>(i));
    next.push_back(static_cast<std::int32_t>((i + 1) % kCountingTo));
  }
  const auto count = static_cast<std::uint32_t>(ends.size());
  plan.constants = {{kCountingTo, 1, 0, same}, {kCountingTo, 1, 0, next}, {count, 1, 0, ends}};

  const auto add = [&plan](OpKind kind, std::vector<TensorId> inputs, bool wire) -> Op& {
    Op op;
    op.kind = kind;
    op.inputs = std::move(inputs);
    op.rows = 1;
    op.cols = 1;
    op.wire = wire;
    op.bits = 4;
    op.name = "op " + std::to_string(plan.ops.size());
    plan.ops.push_back(std::move(op));
    return plan.ops.back();
  };
  const auto last = [&] { return static_cast<TensorId>(plan.ops.size() - 1); };
  add(OpKind::kEmbed, {}, false).weight = 0;
  add(OpKind::kOpen, {0}, true);
  std::vector<TensorId> tokens;
  for (std::uint32_t step = 0; step < steps; ++step) {
    const TensorId number = last();
    Op& lookup = add(OpKind::kLookup, {number}, false);
    lookup.weight = 1;
    lookup.digits = 1;
    lookup.digit_bits = 3;
    const TensorId looked_up = last();
    if (step > 0) {  // Of the token before.
      Op& end = add(OpKind::kTokenIs, {number, looked_up}, false);
      end.weight = 2;
      end.bits = 1;
      plan.ends.push_back(last());
    }
    add(OpKind::kOpen, {looked_up}, true);
    tokens.push_back(last());
  }
  add(OpKind::kConcat, tokens, true).rows = steps;
  add(OpKind::kOutput, {last()}, false).rows = steps;
  const auto valid = Validate(plan);
  if (!valid) std::fprintf(stderr, "%s\n", valid.error().message.c_str());
  CHECK(valid.has_value());
  return plan;
}

// The tokens that follow a prompt, with the first end token at most.
inline std::vector<std::uint32_t> Counted(std::uint32_t prompt, std::uint32_t steps,
                                          const std::vector<std::int32_t>& ends) {
  std::vector<std::uint32_t> tokens;
  for (std::uint32_t step = 0; step < steps; ++step) {
    tokens.push_back((prompt + step + 1) % kCountingTo);
    for (const std::int32_t end : ends) {
      if (tokens.back() == static_cast<std::uint32_t>(end)) return tokens;
    }
  }
  return tokens;
}

}  // namespace mpc
