// The kernel of share x share matrix products: two rows of one matrix times eight columns of the
// other, in AVX-512 IFMA.
//
// An element is x0 + x1 2^43 + x2 2^86. Of the nine products of limbs, six suffice (Karatsuba and
// Ofman 1962, for three parts): x_i y_j + x_j y_i = (x_i + x_j)(y_i + y_j) - x_i y_i - x_j y_j. The
// sums are packed once a matrix, so a multiply-add takes 12 instructions for eight elements instead
// of 18; carries wait until kShareDepth products are summed.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "mpc/field/gemm.h"

namespace mpc {

inline constexpr std::size_t kShareRows = 2;
inline constexpr std::size_t kShareColumns = 8;
// Products summed in one go; 4096 would still fit.
inline constexpr std::size_t kShareDepth = 128;

// y[i * y_row + j] += sum over l of a(i, l) * b(l, j), for i < rows and j < cols, cols a multiple
// of kShareColumns. Where IFMA is supported.
void AddShareProduct(FieldView a, FieldView b, std::size_t rows, std::size_t inner,
                     std::size_t cols, Fp* y, std::size_t y_row);

}  // namespace mpc
