// The inner loop of share x integer products, for one row and kPanel columns.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "mpc/field/gemm.h"

namespace mpc {

inline constexpr std::size_t kPanel = 32;

// sums[l * kPanel + c] = sum over k < depth of word_l(x[k]) * panel[k * kPanel + c], where
// word_0 .. word_3 are an element's 32-bit words, least first, and panel entries have 20 bits.
using KernelFunction = void (*)(const Fp* x, const std::uint64_t* panel, std::size_t depth,
                                std::uint64_t* sums);

// sums[0] + sums[1] 2^32 + sums[2] 2^64 + sums[3] 2^96.
inline Fp RecombineWords(const std::array<std::uint64_t, 4>& sums) {
  const UInt128 low = sums[0] + (UInt128{sums[1]} << 32);
  const UInt128 high = sums[2] + (UInt128{sums[3]} << 32);
  constexpr std::uint64_t kLow63 = ~std::uint64_t{0} >> 1;
  return Fp::FromUnsigned(low + (high >> 63)) +  // 2^127 = 1
         Fp::FromUnsigned(UInt128{static_cast<std::uint64_t>(high) & kLow63} << 64);
}

KernelFunction KernelOf(GemmPath path);  // Supported (CHECKed).

}  // namespace mpc
