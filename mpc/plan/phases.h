// How many random bits give a series its phases, where that takes fewer products than the phases
// clear to the replicated sets (mpc/preprocessing/series.h).
#pragma once

#include <cstddef>

#include "mpc/plan/plan.h"

namespace mpc {

// With what an opening drops, well below the bits of a mask's parts.
inline constexpr unsigned kPeriodBitsMax = 40;

// B, if the series' period is 2^B units, nothing but it reads its wire's mask, and B squares and
// the products of their bits and phases are fewer than those of C(n, t) = `sets` clear phases; else
// 0. `series` is a kSeries operation.
unsigned PhaseBits(const Plan& plan, TensorId series, std::size_t sets);

// What B bits take for each element: products of pairs of bits, and complex products of the pairs'
// phases, two values each.
constexpr unsigned BitPairs(unsigned bits) {
  return bits / 2;
}
constexpr unsigned BitPhases(unsigned bits) {
  return (bits + 1) / 2;
}

}  // namespace mpc
