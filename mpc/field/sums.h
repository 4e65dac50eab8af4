// Sums of long vectors of elements, term by term: what is left of an opening beside its product.
//
// The fast path adds four elements at a time in their 64-bit words (AVX-512). Results are elements,
// so every path gives the same bits. Constant time. `out` may be one of the operands.
#pragma once

#include <cstddef>

#include "mpc/field/fp.h"
#include "mpc/field/gemm.h"

namespace mpc {

// out[i] = a[i] + b[i] + constant.
void Add(const Fp* a, const Fp* b, Fp constant, std::size_t count, Fp* out,
         GemmPath path = BestPath());
// out[i] = a[i] - b[i].
void Subtract(const Fp* a, const Fp* b, std::size_t count, Fp* out, GemmPath path = BestPath());
// out[i] = ((a[i] + plus) >> shift) - minus, the shift of an integer; plus < 2^127, shift < 64.
void ShiftDown(const Fp* a, UInt128 plus, unsigned shift, Fp minus, std::size_t count, Fp* out,
               GemmPath path = BestPath());

}  // namespace mpc
