// Linear combinations of long vectors with few coefficients: shares of pseudorandom streams,
// evaluation of shared polynomials, rows of matrix products.
//
// The fast path works on eight elements at a time in limbs of 52 bits (AVX-512 IFMA) and reduces
// once a sum; results are elements, so every path gives the same bits. Constant time.
#pragma once

#include <cstddef>
#include <span>

#include "mpc/field/fp.h"
#include "mpc/field/gemm.h"

namespace mpc {

// out[i] += sum over k of coefficients[k] * vectors[k][i], for i < count. A vector's entries are
// any 128-bit integers, taken mod p.
void AddCombination(std::span<const Fp> coefficients, std::span<const UInt128* const> vectors,
                    std::size_t count, Fp* out, GemmPath path = BestPath());

// What of a vector's entries counts: (entry & mask) >> shift, the mask of the form 2^b - 1 with b
// at least 104. Fast for shifts below 52.
struct EntryBits {
  UInt128 mask = ~UInt128{0};
  unsigned shift = 0;
};
void AddCombination(std::span<const Fp> coefficients, std::span<const UInt128* const> vectors,
                    EntryBits bits, std::size_t count, Fp* out, GemmPath path = BestPath());

// out[i] = the sum over k of coefficients[k] * vectors[k][i], for i < count: at most kTerms
// elements each. Fastest where all coefficients are integers below 2^20 in size, as those are that
// evaluate polynomials given at neighbouring points.
void Combine(std::span<const Fp> coefficients, std::span<const Fp* const> vectors,
             std::size_t count, Fp* out, GemmPath path = BestPath());

// Elements as the integers they are.
inline const UInt128* Integers(const Fp* elements) {
  static_assert(sizeof(Fp) == sizeof(UInt128));
  return reinterpret_cast<const UInt128*>(elements);
}

}  // namespace mpc
