// Matrix products in the field: what the online phase spends its time on.
//
// All functions add to their result and take row-major operands. Results are elements of F_p, so
// every path gives the same bits; the paths differ in speed only:
//   share x public integer   the share's four 32-bit words times 20-bit digits of the weight,
//                            summed in 64-bit lanes: 52-bit products fit AVX-512 IFMA; where
//                            the processor multiplies bytes, by bytes (byte_product.h)
//   share x share            three limbs by Karatsuba (share_product.h), or rows combined by
//                            mpc/field/combine.h
// Cost, one core of a 2022 server (tests/bench): see mpc/README.md.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "mpc/field/fp.h"
#include "mpc/field/packed_integers.h"

namespace mpc {

// kBytes is for weights of 1 or 2 bytes; with others it stands for kIfma.
enum class GemmPath : std::uint8_t { kPortable, kAvx2, kIfma, kBytes };

bool Supported(GemmPath path);
GemmPath BestPath();  // For elements.
// For so many rows times weights of so many bytes.
GemmPath BestPath(std::size_t rows, unsigned width);

// y[rows x cols] += x[rows x inner] * w[inner x cols]. Any weights; those below 2^19 in size are
// fastest. They are read where they lie.
void AddProduct(std::span<const Fp> x, const PackedIntegers& w, std::size_t rows, std::size_t inner,
                std::size_t cols, std::span<Fp> y, GemmPath path);
inline void AddProduct(std::span<const Fp> x, const PackedIntegers& w, std::size_t rows,
                       std::size_t inner, std::size_t cols, std::span<Fp> y) {
  AddProduct(x, w, rows, inner, cols, y, BestPath(rows, w.width()));
}

// A matrix inside row-major memory: element (i, j) is data[i * row + j * column].
struct FieldView {
  const Fp* data = nullptr;
  std::size_t row = 0;
  std::size_t column = 1;
};

// y[i * y_row + j] += sum over l < inner of a(i, l) * b(l, j), for i < rows, j < cols.
void AddProduct(FieldView a, FieldView b, std::size_t rows, std::size_t inner, std::size_t cols,
                Fp* y, std::size_t y_row, GemmPath path = BestPath());

}  // namespace mpc
