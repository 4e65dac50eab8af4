#include "mpc/field/gemm_kernel.h"

#include <immintrin.h>

#include "mpc/field/byte_product.h"
#include "proto/base/check.h"

namespace mpc {
namespace {

constexpr std::size_t kWords = 4;
// Up to so many rows two bytes cost less than unpacking the weights to 64 bits (mpc_bench).
constexpr std::size_t kTwoByteRowsMax = 16;

// The sums live in registers only if the loops over them are unrolled.
#define UNROLL _Pragma("GCC unroll 4")

std::uint32_t Word(Fp x, std::size_t index) {
  return static_cast<std::uint32_t>(x.value() >> (32 * index));
}

void Portable(const Fp* x, const std::uint64_t* panel, std::size_t depth, std::uint64_t* sums) {
  for (std::size_t i = 0; i < kWords * kPanel; ++i) sums[i] = 0;
  for (std::size_t k = 0; k < depth; ++k) {
    for (std::size_t l = 0; l < kWords; ++l) {
      const std::uint64_t word = Word(x[k], l);
      for (std::size_t c = 0; c < kPanel; ++c) sums[l * kPanel + c] += word * panel[k * kPanel + c];
    }
  }
}

__attribute__((target("avx2"))) void Avx2(const Fp* x, const std::uint64_t* panel,
                                          std::size_t depth, std::uint64_t* sums) {
  constexpr std::size_t kVectors = 2;  // Of 4 columns; with 4 words they fill the registers.
  for (std::size_t c = 0; c < kPanel; c += 4 * kVectors) {
    __m256i sum[kWords][kVectors] = {};
    for (std::size_t k = 0; k < depth; ++k) {
      __m256i w[kVectors];
      UNROLL
      for (std::size_t v = 0; v < kVectors; ++v) {
        w[v] = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(panel + k * kPanel + c + 4 * v));
      }
      UNROLL
      for (std::size_t l = 0; l < kWords; ++l) {
        const __m256i word = _mm256_set1_epi32(static_cast<int>(Word(x[k], l)));
        UNROLL
        for (std::size_t v = 0; v < kVectors; ++v) {
          sum[l][v] = _mm256_add_epi64(sum[l][v], _mm256_mul_epu32(word, w[v]));
        }
      }
    }
    UNROLL
    for (std::size_t l = 0; l < kWords; ++l) {
      UNROLL
      for (std::size_t v = 0; v < kVectors; ++v) {
        _mm256_storeu_si256(reinterpret_cast<__m256i*>(sums + l * kPanel + c + 4 * v), sum[l][v]);
      }
    }
  }
}

__attribute__((target("avx512f,avx512ifma"))) void Ifma(const Fp* x, const std::uint64_t* panel,
                                                        std::size_t depth, std::uint64_t* sums) {
  constexpr std::size_t kVectors = kPanel / 8;
  __m512i sum[kWords][kVectors] = {};
  for (std::size_t k = 0; k < depth; ++k) {
    __m512i w[kVectors];
    UNROLL
    for (std::size_t v = 0; v < kVectors; ++v) {
      w[v] = _mm512_loadu_si512(panel + k * kPanel + 8 * v);
    }
    UNROLL
    for (std::size_t l = 0; l < kWords; ++l) {
      const __m512i word = _mm512_set1_epi64(static_cast<long long>(Word(x[k], l)));
      UNROLL
      for (std::size_t v = 0; v < kVectors; ++v) {
        sum[l][v] = _mm512_madd52lo_epu64(sum[l][v], word, w[v]);
      }
    }
  }
  UNROLL
  for (std::size_t l = 0; l < kWords; ++l) {
    UNROLL
    for (std::size_t v = 0; v < kVectors; ++v) {
      _mm512_storeu_si512(sums + l * kPanel + 8 * v, sum[l][v]);
    }
  }
}

#undef UNROLL

}  // namespace

bool Supported(GemmPath path) {
  switch (path) {
    case GemmPath::kPortable:
      return true;
    case GemmPath::kAvx2:
      return __builtin_cpu_supports("avx2");
    case GemmPath::kIfma:
      return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512ifma");
    case GemmPath::kBytes:
      return Supported(GemmPath::kIfma) && ByteProductSupported();
  }
  return false;
}

GemmPath BestPath() {
  static const GemmPath best = Supported(GemmPath::kIfma)   ? GemmPath::kIfma
                               : Supported(GemmPath::kAvx2) ? GemmPath::kAvx2
                                                            : GemmPath::kPortable;
  return best;
}

GemmPath BestPath(std::size_t rows, unsigned width) {
  const bool bytes = width == 1 || (width == 2 && rows <= kTwoByteRowsMax);
  return bytes && Supported(GemmPath::kBytes) ? GemmPath::kBytes : BestPath();
}

KernelFunction KernelOf(GemmPath path) {
  CHECK(Supported(path));
  switch (path) {
    case GemmPath::kPortable:
      return Portable;
    case GemmPath::kAvx2:
      return Avx2;
    case GemmPath::kIfma:
      return Ifma;
    case GemmPath::kBytes:
      break;  // No kernel of this form.
  }
  return Portable;
}

}  // namespace mpc
