// In place of mpc/field/small_combination.h.
#pragma once

#include <span>
#include <utility>
#include <vector>

#include "mpc/field/combine.h"
#include "mpc/field/fp.h"

namespace mpc {

class SmallCombination {
 public:
  static constexpr std::size_t kBlock = 128;

  SmallCombination(std::vector<std::int64_t> factors, EntryBits bits, Fp scale = Fp(1))
      : factors_(std::move(factors)), bits_(bits), scale_(scale) {}

  void Add(std::size_t first, std::span<const UInt128* const> vectors, std::size_t count, Fp* out) {
    for (std::size_t k = 0; k < vectors.size(); ++k) {
      const Fp factor = scale_ * Fp(factors_[first + k]);
      for (std::size_t i = 0; i < count; ++i) {
        out[i] += factor * Fp::FromUnsigned((vectors[k][i] & bits_.mask) >> bits_.shift);
      }
    }
  }

 private:
  std::vector<std::int64_t> factors_;
  EntryBits bits_;
  Fp scale_;
};

}  // namespace mpc
