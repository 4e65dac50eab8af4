// Products of long vectors of elements, term by term or summed: what degree reductions and their
// verification spend their time on.
//
// Results are elements, so every path gives the same bits. Constant time.
#pragma once

#include <cstddef>
#include <span>
#include <vector>

#include "mpc/field/fp.h"
#include "mpc/field/gemm.h"

namespace mpc {

// out[i] = a[i] * b[i]; out may be one of the operands.
void Multiply(const Fp* a, const Fp* b, std::size_t count, Fp* out, GemmPath path = BestPath());
// out[i] = a * b[i].
void Multiply(Fp a, const Fp* b, std::size_t count, Fp* out, GemmPath path = BestPath());
// out[i] += a[i] * b[i].
void AddProducts(const Fp* a, const Fp* b, std::size_t count, Fp* out, GemmPath path = BestPath());

// Complex numbers, real and imaginary parts apart.
struct ComplexView {
  const Fp* re = nullptr;
  const Fp* im = nullptr;
};
// re + i im = a * b, term by term; added to what is there when `add`.
void MultiplyComplex(ComplexView a, ComplexView b, std::size_t count, Fp* re, Fp* im, bool add,
                     GemmPath path = BestPath());

// out[i] += sum over k < terms of factors[k * factor_row + i] * x[k * x_row + i], i < count: public
// factors of less than 2^51 in size.
void AddSignedProducts(const std::int64_t* factors, std::size_t factor_row, const Fp* x,
                       std::size_t x_row, std::size_t terms, std::size_t count, Fp* out,
                       GemmPath path = BestPath());

// The sum of a[i] * b[i].
Fp InnerProduct(const Fp* a, const Fp* b, std::size_t count, GemmPath path = BestPath());

// sums[i * rows + j] += row i of x times row j of y; rows x length each, row-major.
void AddRowProducts(const Fp* x, const Fp* y, std::size_t rows, std::size_t length,
                    std::vector<Fp>& sums, GemmPath path = BestPath());

}  // namespace mpc
