#include "mpc/field/combine.h"

#include <algorithm>
#include <array>
#include <vector>

#include <immintrin.h>

#include "mpc/field/product_sum.h"
#include "proto/base/check.h"

namespace mpc {
namespace {

// Products summed between two reductions: six halves of 52 bits each land on one limb at most, and
// 256 times as many stay below 2^63.
constexpr std::size_t kTerms = 256;
constexpr std::size_t kLanes = 8;
constexpr unsigned kLimbBits = 52;
constexpr std::uint64_t kLimb = (std::uint64_t{1} << kLimbBits) - 1;
constexpr unsigned kTopBits = 127 - 2 * kLimbBits;  // 23
constexpr std::uint64_t kTop = (std::uint64_t{1} << kTopBits) - 1;

void Portable(std::span<const Fp> coefficients, const UInt128* const* vectors, std::size_t first,
              std::size_t count, Fp* out) {
  for (std::size_t i = first; i < count; ++i) {
    ProductSum sum;
    for (std::size_t k = 0; k < coefficients.size(); ++k) {
      sum.Add(coefficients[k], Fp::FromUnsigned(vectors[k][i]));
    }
    out[i] += sum.Value();
  }
}

// What follows is compiled for AVX-512 and runs only where that is supported.
#define IFMA __attribute__((target("avx512f,avx512ifma"), always_inline)) inline

using Lanes = std::uint64_t __attribute__((vector_size(kLanes * sizeof(std::uint64_t))));

IFMA Lanes Load(const void* memory) {
  return reinterpret_cast<Lanes>(_mm512_loadu_si512(memory));
}
IFMA void StoreLanes(Lanes lanes, void* memory) {
  _mm512_storeu_si512(memory, reinterpret_cast<__m512i>(lanes));
}

// Eight integers, limb by limb. The multiplier reads the low 52 bits of a lane and no more.
struct Limbs {
  Lanes limb[3];
};

IFMA Limbs Split(const void* integers) {
  const auto* words = static_cast<const std::uint64_t*>(integers);
  const Lanes a = Load(words);
  const Lanes b = Load(words + kLanes);
  const Lanes low = __builtin_shufflevector(a, b, 0, 2, 4, 6, 8, 10, 12, 14);
  const Lanes high = __builtin_shufflevector(a, b, 1, 3, 5, 7, 9, 11, 13, 15);
  return {{low, low >> kLimbBits | high << (64 - kLimbBits), high >> (2 * kLimbBits - 64)}};
}

IFMA void Carry(Lanes* sum, std::size_t i) {
  sum[i + 1] += sum[i] >> kLimbBits;
  sum[i] &= kLimb;
}

// The canonical residues of six limbs.
IFMA void Store(Lanes* sum, Fp* out) {
  for (std::size_t i = 0; i < 5; ++i) Carry(sum, i);
  // 2^127 = 1: what lies above bit 127 is added below,
  constexpr unsigned kUp = kLimbBits - kTopBits;
  Lanes x[3] = {sum[0] + (sum[2] >> kTopBits | (sum[3] << kUp & kLimb)),
                sum[1] + (sum[3] >> kTopBits | (sum[4] << kUp & kLimb)),
                (sum[2] & kTop) + (sum[4] >> kTopBits | sum[5] << kUp)};
  // and again the carries out of the top, twice: the second time nothing ripples.
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

using Coefficient = std::array<std::uint64_t, 3>;

__attribute__((target("avx512f,avx512ifma"))) void Ifma(
    const std::vector<Coefficient>& coefficients, const UInt128* const* vectors, std::size_t count,
    Fp* out) {
  for (std::size_t i = 0; i < count; i += kLanes) {
    const Limbs start = Split(out + i);
    Lanes sum[6] = {start.limb[0] & kLimb, start.limb[1] & kLimb, start.limb[2]};
    for (std::size_t k = 0; k < coefficients.size(); ++k) {
      const Limbs x = Split(vectors[k] + i);
#pragma GCC unroll 3
      for (std::size_t a = 0; a < 3; ++a) {
        const __m512i c = _mm512_set1_epi64(static_cast<long long>(coefficients[k][a]));
#pragma GCC unroll 3
        for (std::size_t b = 0; b < 3; ++b) {
          const auto limb = reinterpret_cast<__m512i>(x.limb[b]);
          auto& low = reinterpret_cast<__m512i&>(sum[a + b]);
          auto& high = reinterpret_cast<__m512i&>(sum[a + b + 1]);
          low = _mm512_madd52lo_epu64(low, c, limb);
          high = _mm512_madd52hi_epu64(high, c, limb);
        }
      }
    }
    Store(sum, out + i);
  }
}

#undef IFMA

}  // namespace

void AddCombination(std::span<const Fp> coefficients, std::span<const UInt128* const> vectors,
                    std::size_t count, Fp* out, GemmPath path) {
  CHECK(coefficients.size() == vectors.size() && Supported(path));
  std::size_t whole = 0;
  if (path == GemmPath::kIfma) {
    whole = count - count % kLanes;
    for (std::size_t first = 0; first < coefficients.size(); first += kTerms) {
      std::vector<Coefficient> limbs;
      for (const Fp c :
           coefficients.subspan(first, std::min(kTerms, coefficients.size() - first))) {
        limbs.push_back({static_cast<std::uint64_t>(c.value()) & kLimb,
                         static_cast<std::uint64_t>(c.value() >> kLimbBits) & kLimb,
                         static_cast<std::uint64_t>(c.value() >> (2 * kLimbBits))});
      }
      Ifma(limbs, vectors.data() + first, whole, out);
    }
  }
  Portable(coefficients, vectors.data(), whole, count, out);
}

}  // namespace mpc
