// In place of mpc/field/products.h.
#pragma once

#include <cstddef>

#include "mpc/field/fp.h"

namespace mpc {

inline void Multiply(const Fp* a, const Fp* b, std::size_t count, Fp* out) {
  for (std::size_t i = 0; i < count; ++i) out[i] = a[i] * b[i];
}
inline void Multiply(Fp a, const Fp* b, std::size_t count, Fp* out) {
  for (std::size_t i = 0; i < count; ++i) out[i] = a * b[i];
}
inline void AddProducts(const Fp* a, const Fp* b, std::size_t count, Fp* out) {
  for (std::size_t i = 0; i < count; ++i) out[i] += a[i] * b[i];
}

struct ComplexView {
  const Fp* re = nullptr;
  const Fp* im = nullptr;
};
inline void MultiplyComplex(ComplexView a, ComplexView b, std::size_t count, Fp* re, Fp* im,
                            bool add) {
  for (std::size_t i = 0; i < count; ++i) {
    const Fp real = a.re[i] * b.re[i] - a.im[i] * b.im[i];
    const Fp imaginary = a.re[i] * b.im[i] + a.im[i] * b.re[i];
    re[i] = add ? re[i] + real : real;
    im[i] = add ? im[i] + imaginary : imaginary;
  }
}

inline Fp InnerProduct(const Fp* a, const Fp* b, std::size_t count) {
  Fp sum;
  for (std::size_t i = 0; i < count; ++i) sum += a[i] * b[i];
  return sum;
}

}  // namespace mpc
