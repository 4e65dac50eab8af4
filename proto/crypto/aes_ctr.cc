#include "proto/crypto/aes_ctr.h"

#include <algorithm>
#include <array>
#include <cstring>

#include <cpuid.h>

#include "proto/base/bytes.h"
#include "proto/base/check.h"

namespace proto {
namespace {

constexpr std::size_t kRounds = 10;
constexpr std::size_t kBlocksAtOnce = 16;
constexpr std::size_t kVectors = kBlocksAtOnce / 4;

#define VAES __attribute__((target("avx512f,avx512bw,vaes,aes")))

// The next round key: FIPS 197, 5.2.
template <int kRoundConstant>
__attribute__((target("aes"))) __m128i Expand(__m128i key) {
  const __m128i word =
      _mm_shuffle_epi32(_mm_aeskeygenassist_si128(key, kRoundConstant), _MM_SHUFFLE(3, 3, 3, 3));
  for (int i = 0; i < 3; ++i) key = _mm_xor_si128(key, _mm_slli_si128(key, 4));
  return _mm_xor_si128(key, word);
}

__attribute__((target("aes"))) void ExpandAll(const std::uint8_t* key, std::uint8_t (*out)[16]) {
  __m128i k[kRounds + 1];
  k[0] = _mm_loadu_si128(reinterpret_cast<const __m128i*>(key));
  k[1] = Expand<0x01>(k[0]);
  k[2] = Expand<0x02>(k[1]);
  k[3] = Expand<0x04>(k[2]);
  k[4] = Expand<0x08>(k[3]);
  k[5] = Expand<0x10>(k[4]);
  k[6] = Expand<0x20>(k[5]);
  k[7] = Expand<0x40>(k[6]);
  k[8] = Expand<0x80>(k[7]);
  k[9] = Expand<0x1b>(k[8]);
  k[10] = Expand<0x36>(k[9]);
  for (std::size_t i = 0; i <= kRounds; ++i) {
    _mm_store_si128(reinterpret_cast<__m128i*>(out[i]), k[i]);
  }
  SecureErase(k, sizeof k);
}

// Without the undefined vector that GCC 12 warns of in the unmasked form.
VAES __m512i Everywhere(__m128i block) {
  return _mm512_maskz_broadcast_i32x4(0xffff, block);
}

struct Counter {
  std::uint64_t high;
  std::uint64_t low;
};

// `groups` times sixteen blocks; those whose counter's low half wraps are wrong.
VAES void GenerateGroups(const std::uint8_t (*keys)[16], Counter first, std::size_t groups,
                         std::uint8_t* out) {
  __m512i key[kRounds + 1];
  for (std::size_t i = 0; i <= kRounds; ++i) {
    key[i] = Everywhere(_mm_load_si128(reinterpret_cast<const __m128i*>(keys[i])));
  }
  // A block is the counter's high half and then the low one, the bytes of each reversed.
  const __m512i reverse =
      Everywhere(_mm_set_epi8(8, 9, 10, 11, 12, 13, 14, 15, 0, 1, 2, 3, 4, 5, 6, 7));
  const auto low = [&first](std::uint64_t i) { return static_cast<long long>(first.low + i); };
  const auto high = static_cast<long long>(first.high);
  __m512i counter = _mm512_set_epi64(low(3), high, low(2), high, low(1), high, low(0), high);
  const __m512i four = _mm512_set_epi64(4, 0, 4, 0, 4, 0, 4, 0);
  for (std::size_t group = 0; group < groups; ++group, out += kBlocksAtOnce * 16) {
    __m512i block[kVectors];
#pragma GCC unroll 4
    for (std::size_t v = 0; v < kVectors; ++v) {
      block[v] = _mm512_xor_si512(_mm512_shuffle_epi8(counter, reverse), key[0]);
      counter = _mm512_add_epi64(counter, four);
    }
#pragma GCC unroll 9
    for (std::size_t round = 1; round < kRounds; ++round) {
#pragma GCC unroll 4
      for (std::size_t v = 0; v < kVectors; ++v) {
        block[v] = _mm512_aesenc_epi128(block[v], key[round]);
      }
    }
#pragma GCC unroll 4
    for (std::size_t v = 0; v < kVectors; ++v) {
      _mm512_storeu_si512(out + 64 * v, _mm512_aesenclast_epi128(block[v], key[kRounds]));
    }
  }
}

#undef VAES

}  // namespace

bool AesCtr::Supported() {
  static const bool supported = [] {
    // Clang 14 knows no feature "vaes": leaf 7's bit.
    unsigned eax = 0, ebx = 0, ecx = 0, edx = 0;
    return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
           __builtin_cpu_supports("aes") && __get_cpuid_count(7, 0, &eax, &ebx, &ecx, &edx) != 0 &&
           (ecx & bit_VAES) != 0;
  }();
  return supported;
}

AesCtr::AesCtr(std::span<const std::uint8_t, kBlockSize> key) {
  CHECK(Supported());
  ExpandAll(key.data(), keys_);
}

AesCtr::~AesCtr() {
  SecureErase(keys_, sizeof keys_);
}

void AesCtr::Generate(std::uint64_t high, std::uint64_t low, std::span<std::uint8_t> out) const {
  CHECK(out.size() % kBlockSize == 0);
  while (!out.empty()) {
    // As many as come before the low half wraps, and whole groups where there are some.
    std::uint64_t blocks = out.size() / kBlockSize;
    if (low != 0) blocks = std::min(blocks, std::uint64_t{0} - low);
    const std::size_t groups = blocks / kBlocksAtOnce;
    if (groups > 0) {
      blocks = groups * kBlocksAtOnce;
      GenerateGroups(keys_, {high, low}, groups, out.data());
    } else {
      std::array<std::uint8_t, kBlocksAtOnce * kBlockSize> rest;
      GenerateGroups(keys_, {high, low}, 1, rest.data());
      std::copy_n(rest.begin(), blocks * kBlockSize, out.begin());
      SecureErase(rest.data(), rest.size());
    }
    low += blocks;
    if (low == 0) ++high;
    out = out.subspan(blocks * kBlockSize);
  }
}

}  // namespace proto
