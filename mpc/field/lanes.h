// Eight field elements at a time in limbs of 52 bits (AVX-512 IFMA): what the kernels of this
// folder share. Everything here is compiled for AVX-512 and runs only where that is supported.
#pragma once

#include <cstddef>
#include <cstdint>

#include <immintrin.h>

#include "mpc/field/fp.h"

namespace mpc::lanes {

#define WAXSEAL_IFMA __attribute__((target("avx512f,avx512ifma")))
#define WAXSEAL_IFMA_INLINE __attribute__((target("avx512f,avx512ifma"), always_inline)) inline

inline constexpr std::size_t kLanes = 8;
inline constexpr unsigned kLimbBits = 52;
inline constexpr std::uint64_t kLimb = (std::uint64_t{1} << kLimbBits) - 1;
inline constexpr unsigned kTopBits = 127 - 2 * kLimbBits;  // 23
inline constexpr std::uint64_t kTop = (std::uint64_t{1} << kTopBits) - 1;
// Products summed between two reductions: six halves of 52 bits each land on one limb at most, and
// 256 times as many stay below 2^63.
inline constexpr std::size_t kTerms = 256;

using Lanes = std::uint64_t __attribute__((vector_size(kLanes * sizeof(std::uint64_t))));

WAXSEAL_IFMA_INLINE Lanes Load(const void* memory) {
  return reinterpret_cast<Lanes>(_mm512_loadu_si512(memory));
}
WAXSEAL_IFMA_INLINE void StoreLanes(Lanes lanes, void* memory) {
  _mm512_storeu_si512(memory, reinterpret_cast<__m512i>(lanes));
}
WAXSEAL_IFMA_INLINE Lanes Everywhere(std::uint64_t word) {
  return reinterpret_cast<Lanes>(_mm512_set1_epi64(static_cast<long long>(word)));
}

// Eight integers, limb by limb. The multiplier reads the low 52 bits of a lane and no more.
struct Limbs {
  Lanes limb[3];
};

WAXSEAL_IFMA_INLINE Limbs Split(const void* integers) {
  const auto* words = static_cast<const std::uint64_t*>(integers);
  const Lanes a = Load(words);
  const Lanes b = Load(words + kLanes);
  const Lanes low = __builtin_shufflevector(a, b, 0, 2, 4, 6, 8, 10, 12, 14);
  const Lanes high = __builtin_shufflevector(a, b, 1, 3, 5, 7, 9, 11, 13, 15);
  return {{low, low >> kLimbBits | high << (64 - kLimbBits), high >> (2 * kLimbBits - 64)}};
}
// One element in all lanes.
WAXSEAL_IFMA_INLINE Limbs SplitOne(Fp x) {
  return {{Everywhere(static_cast<std::uint64_t>(x.value())),
           Everywhere(static_cast<std::uint64_t>(x.value() >> kLimbBits)),
           Everywhere(static_cast<std::uint64_t>(x.value() >> (2 * kLimbBits)))}};
}
// p - x, for elements: the complement of its 127 bits.
WAXSEAL_IFMA_INLINE Limbs Negative(const Limbs& x) {
  return {{~x.limb[0], ~x.limb[1], ~x.limb[2] & kTop}};
}

// Sums of up to kTerms products.
struct Sum {
  Lanes limb[6];
};

WAXSEAL_IFMA_INLINE void MultiplyAdd(Sum& sum, const Limbs& a, const Limbs& b) {
#pragma GCC unroll 3
  for (std::size_t i = 0; i < 3; ++i) {
#pragma GCC unroll 3
    for (std::size_t j = 0; j < 3; ++j) {
      const auto x = reinterpret_cast<__m512i>(a.limb[i]);
      const auto y = reinterpret_cast<__m512i>(b.limb[j]);
      // By value: GCC 12 loses stores through references cast between vector types.
      Lanes& low = sum.limb[i + j];
      Lanes& high = sum.limb[i + j + 1];
      low = reinterpret_cast<Lanes>(_mm512_madd52lo_epu64(reinterpret_cast<__m512i>(low), x, y));
      high = reinterpret_cast<Lanes>(_mm512_madd52hi_epu64(reinterpret_cast<__m512i>(high), x, y));
    }
  }
}

WAXSEAL_IFMA_INLINE void Carry(Lanes* limbs, std::size_t i) {
  limbs[i + 1] += limbs[i] >> kLimbBits;
  limbs[i] &= kLimb;
}

// The canonical residues of three limbs, each below 2^63.
WAXSEAL_IFMA_INLINE void Store(Lanes x0, Lanes x1, Lanes x2, Fp* out) {
  Lanes x[3] = {x0, x1, x2};
  // 2^127 = 1: the carries out of the top are added below, twice: the second time nothing ripples.
#pragma GCC unroll 2
  for (int fold = 0; fold < 2; ++fold) {
    Carry(x, 0);
    Carry(x, 1);
    x[0] += x[2] >> kTopBits;
    x[2] &= kTop;
  }
  // p itself is zero.
  const Lanes keep = ~reinterpret_cast<Lanes>((x[0] == kLimb) & (x[1] == kLimb) & (x[2] == kTop));
  const Lanes low = (x[0] | x[1] << kLimbBits) & keep;
  const Lanes high = (x[1] >> (64 - kLimbBits) | x[2] << (2 * kLimbBits - 64)) & keep;
  auto* words = reinterpret_cast<std::uint64_t*>(out);
  StoreLanes(__builtin_shufflevector(low, high, 0, 8, 1, 9, 2, 10, 3, 11), words);
  StoreLanes(__builtin_shufflevector(low, high, 4, 12, 5, 13, 6, 14, 7, 15), words + kLanes);
}

// Those of six limbs.
WAXSEAL_IFMA_INLINE void Store(Sum sum, Fp* out) {
  // Unrolled, so that limbs stay in registers: -O2 keeps the loop, and the array in memory.
#pragma GCC unroll 5
  for (std::size_t i = 0; i < 5; ++i) Carry(sum.limb, i);
  // What lies above bit 127 is added below.
  constexpr unsigned kUp = kLimbBits - kTopBits;
  const Lanes* const s = sum.limb;
  Store(s[0] + (s[2] >> kTopBits | (s[3] << kUp & kLimb)),
        s[1] + (s[3] >> kTopBits | (s[4] << kUp & kLimb)),
        (s[2] & kTop) + (s[4] >> kTopBits | s[5] << kUp), out);
}

}  // namespace mpc::lanes
