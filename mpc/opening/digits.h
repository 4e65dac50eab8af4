// Openings under masks of known digits: comparison and lookup (design: bits).
//
// The mask of an integer y in [0, 2^k) is R = r + 2^k rho: r in [0, 2^k) by digits of w bits, each
// with a preprocessed one-hot sharing, and rho a bounded integer, the sum of (r_A >> k). Opened is
// c = y + R; c mod 2^k is uniform whatever y, and the rest of c leaks a carry under rho:
// 2^(k - W) of statistical distance (LeakageBits).
//
// Comparison, y = x + 2^(k-1): x >= 0 iff r lies in the cyclic interval [u, u + 2^(k-1)) of
// Z_2^k, u = c + 1 mod 2^k, that is iff
//   [r < u'] - [r < u] + [u >= 2^(k-1)] = 1,   u' = u + 2^(k-1) mod 2^k.
// u and u' differ in the highest digit only. With less_m = [r_m < u_m] and equal_m = [r_m = u_m],
// both linear in digit m's one-hot, a number of digits is compared by
//   (less, equal) of high digits, then low = (less_h + equal_h less_l, equal_h equal_l);
// the highest digit's pair is (less' - less + [u >= 2^(k-1)], equal' - equal). What remains are
// ceil(log2 digits) steps of products of wires (mpc/model/select.h).
//
// Order of the pairs in a row: so that the first half of the columns joins with the second half,
// again and again; PairOrder.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "mpc/field/fp.h"

namespace mpc {

// order[p] is the digit (0 the lowest) at position p; `digits` a power of two.
inline std::vector<std::uint8_t> PairOrder(unsigned digits) {
  std::vector<std::uint8_t> order = {0};
  // A list of m positions becomes one of 2m: high digits of all pairs, then low ones.
  for (unsigned m = 1; m < digits; m *= 2) {
    std::vector<std::uint8_t> next(2 * m);
    for (unsigned p = 0; p < m; ++p) {
      next[p] = static_cast<std::uint8_t>(2 * order[p] + 1);
      next[m + p] = static_cast<std::uint8_t>(2 * order[p]);
    }
    order = std::move(next);
  }
  return order;
}

// The pairs of one element: out[p] = less, out[digits + p] = equal of digit order[p].
// one_hot(m, v) is (a share of) [digit m of r = v]; `opened` is c mod 2^k.
template <class Number, class OneHot>
void ComparisonPairs(std::uint64_t opened, unsigned digits, unsigned digit_bits,
                     std::span<const std::uint8_t> order, OneHot one_hot, Number* out) {
  const unsigned k = digits * digit_bits;
  const std::uint64_t mask = (std::uint64_t{1} << digit_bits) - 1;
  const std::uint64_t half = std::uint64_t{1} << (k - 1);
  const std::uint64_t u = (opened + 1) & (2 * half - 1);
  const auto less = [&](unsigned m, std::uint64_t than) {
    Number sum = Number(0);
    for (std::uint64_t v = 0; v < than; ++v) sum = sum + one_hot(m, v);
    return sum;
  };
  for (unsigned p = 0; p < digits; ++p) {
    const unsigned m = order[p];
    const std::uint64_t digit = (u >> (m * digit_bits)) & mask;
    out[p] = less(m, digit);
    out[digits + p] = one_hot(m, digit);
    if (m + 1 != digits) continue;
    const std::uint64_t other = ((u + half) >> (m * digit_bits)) & mask;
    out[p] = less(m, other) - out[p] + (u >= half ? Number(1) : Number(0));
    out[digits + p] = one_hot(m, other) - out[digits + p];
  }
}

}  // namespace mpc
