// In place of mpc/field/combine.h.
#pragma once

#include <span>

#include "mpc/field/fp.h"

namespace mpc {

inline void AddCombination(std::span<const Fp> coefficients,
                           std::span<const UInt128* const> vectors, std::size_t count, Fp* out) {
  for (std::size_t k = 0; k < coefficients.size(); ++k) {
    for (std::size_t i = 0; i < count; ++i) {
      out[i] += coefficients[k] * Fp::FromUnsigned(vectors[k][i]);
    }
  }
}

struct EntryBits {
  UInt128 mask = ~UInt128{0};
  unsigned shift = 0;
};

inline void AddCombination(std::span<const Fp> coefficients,
                           std::span<const UInt128* const> vectors, EntryBits bits,
                           std::size_t count, Fp* out) {
  for (std::size_t k = 0; k < coefficients.size(); ++k) {
    for (std::size_t i = 0; i < count; ++i) {
      out[i] += coefficients[k] * Fp::FromUnsigned((vectors[k][i] & bits.mask) >> bits.shift);
    }
  }
}

inline void Combine(std::span<const Fp> coefficients, std::span<const Fp* const> vectors,
                    std::size_t count, Fp* out) {
  for (std::size_t i = 0; i < count; ++i) {
    out[i] = Fp();
    for (std::size_t k = 0; k < coefficients.size(); ++k) out[i] += coefficients[k] * vectors[k][i];
  }
}

inline const UInt128* Integers(const Fp* elements) {
  static_assert(sizeof(Fp) == sizeof(UInt128));
  return reinterpret_cast<const UInt128*>(elements);
}

}  // namespace mpc
