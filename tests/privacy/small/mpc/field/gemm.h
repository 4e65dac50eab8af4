// In place of mpc/field/gemm.h.
#pragma once

#include <cstddef>

#include "mpc/field/fp.h"

namespace mpc {

struct View {
  const Fp* data;
  std::size_t row;
  std::size_t col;
};
inline void AddProduct(View a, View b, std::size_t rows, std::size_t inner, std::size_t cols,
                       Fp* out, std::size_t out_stride) {
  for (std::size_t i = 0; i < rows; ++i) {
    for (std::size_t j = 0; j < cols; ++j) {
      for (std::size_t k = 0; k < inner; ++k) {
        out[i * out_stride + j] += a.data[i * a.row + k * a.col] * b.data[k * b.row + j * b.col];
      }
    }
  }
}

}  // namespace mpc
