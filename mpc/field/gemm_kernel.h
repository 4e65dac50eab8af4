// The inner loop of share x integer products, for one row and kPanel columns.
#pragma once

#include <cstddef>
#include <cstdint>

#include "mpc/field/gemm.h"

namespace mpc {

inline constexpr std::size_t kPanel = 32;

// sums[l * kPanel + c] = sum over k < depth of word_l(x[k]) * panel[k * kPanel + c], where
// word_0 .. word_3 are an element's 32-bit words, least first, and panel entries have 20 bits.
using KernelFunction = void (*)(const Fp* x, const std::uint64_t* panel, std::size_t depth,
                                std::uint64_t* sums);

KernelFunction KernelOf(GemmPath path);  // Supported (CHECKed).

}  // namespace mpc
