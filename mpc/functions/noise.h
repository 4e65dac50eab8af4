// Gumbel noise that nobody knows, for sampling: argmax of logits + T * G, with one standard Gumbel
// G a logit, is token i with probability softmax(logits / T)_i (Gumbel 1954; Yellott 1977).
//
// Gumbel's distribution is infinitely divisible: G is the sum of m independent parts of
// characteristic function Gamma(1 - it)^(1/m). So each set A of n - t members draws a part from the
// key that it shares, as a number of a table of quantiles, and what all members of A know is a
// sharing without communication (design: free randomness). No t members know all parts.
//
// Deviation: quantiles are the middles of equal shares of probability, so nothing lies beyond
// 1/(2 * entries) of a part's tails: tokens of a probability below about m / entries come too
// rarely. The table's integers are in the plan; floating point is here alone.
#pragma once

#include <cstdint>
#include <vector>

namespace mpc {

// Of a part of m, up to a constant that is the same for all (argmax does not see it). m from 1 to
// kNoisePartsMax, entries a power of two.
inline constexpr unsigned kNoisePartsMax = 21;
std::vector<double> GumbelPartQuantiles(unsigned parts, std::size_t entries);

}  // namespace mpc
