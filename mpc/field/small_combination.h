// Linear combinations of many long vectors with small integer factors: shares of pseudorandom
// streams, whose polynomials have small values at the members' points.
//
// A vector's 64-bit words are multiplied where they lie, three multiplications of 52-bit lanes for
// four entries (AVX-512 IFMA), and summed without a reduction; one element is made of each sum.
// Results are elements, so every path gives the same bits. Constant time.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "mpc/field/combine.h"
#include "mpc/field/fp.h"
#include "mpc/field/gemm.h"

namespace mpc {

class SmallCombination {
 public:
  // Entries handled at a time.
  static constexpr std::size_t kBlock = 128;
  // Factors are at most that large, and at most so many.
  static constexpr std::int64_t kFactorMax = std::int64_t{1} << 40;
  static constexpr std::size_t kFactorsMax = 1000;

  // `bits`: what of an entry counts (combine.h); fast for shifts below 64.
  SmallCombination(std::vector<std::int64_t> factors, EntryBits bits, Fp scale = Fp(1),
                   GemmPath path = BestPath());
  SmallCombination(SmallCombination&&) = default;
  ~SmallCombination();

  // The next vectors of a block, the first of them number `first`: a block's come in their order,
  // each with kBlock entries, of which those from `count` on are not looked at. With the last,
  // out[i] += scale * sum over k of factor[k] * (bits of vector k's entry i), for i < count.
  void Add(std::size_t first, std::span<const UInt128* const> vectors, std::size_t count, Fp* out);

 private:
  // Of a negative factor the complement of an entry is multiplied; `correction_` makes up for it.
  struct Factor {
    std::uint64_t magnitude;
    std::uint64_t complement;  // All ones or none.
  };
  struct Partial {
    alignas(64) std::array<std::uint64_t, 2 * kBlock> low, high, top;
  };
  template <bool kFresh, bool kShifted>
  void Accumulate(std::span<const Factor> factors, const UInt128* const* vectors,
                  std::size_t count);
  void Finish(std::size_t count, Fp* out) const;
  void AddPortable(std::size_t first, std::span<const UInt128* const> vectors, std::size_t count,
                   Fp* out);

  std::vector<Factor> factors_;
  EntryBits bits_;
  Fp scale_;
  Fp correction_;
  bool fast_;
  Partial partial_;
  std::array<Fp, kBlock> sums_;  // On the portable path.
};

}  // namespace mpc
