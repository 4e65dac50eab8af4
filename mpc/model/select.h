// Comparisons and choices by robust openings, as operations of a plan (mpc/opening/digits.h).
//
// A comparison of k bits in m digits opens 1 + 3m - 1 - log2(m) values in 1 + log2(m) rounds (k =
// 20, m = 4: 8 values in 3 rounds); a step of a tournament opens 3 more in 2 rounds. The greatest
// of V numbers takes V - 1 comparisons in ceil(log2 V) steps.
#pragma once

#include <string>

#include "mpc/model/builder.h"

namespace mpc {

// How a difference of two numbers is compared: |x| < 2^(digits * digit_bits - 1).
inline constexpr unsigned kSelectDigits = 4;
inline constexpr unsigned kSelectDigitBits = 5;
inline constexpr unsigned kSelectBits = kSelectDigits * kSelectDigitBits;

// Wire [x.size() x 1] of 1 where x >= 0, else 0. The builder must know that x fits.
TensorId Sign(PlanBuilder& builder, TensorId x, const std::string& name);

// Sharing of max(x, 0) for a wire x of one row.
TensorId Relu(PlanBuilder& builder, TensorId x);

// Wire [1 x 1] of the index of the greatest of a wire [V x 1]; of equal ones, any.
TensorId Argmax(PlanBuilder& builder, TensorId x, const std::string& name);

}  // namespace mpc
