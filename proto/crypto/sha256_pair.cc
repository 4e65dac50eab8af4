#include "proto/crypto/sha256_pair.h"

#include <immintrin.h>

#include "proto/base/check.h"

namespace proto {
namespace {

constexpr std::size_t kBlockSize = 64;

alignas(16) constexpr std::uint32_t kRounds[64] = {
    0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
    0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
    0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
    0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
    0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
    0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
    0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
    0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2};

constexpr std::array<std::uint32_t, 8> kInitial = {0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a,
                                                   0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19};

// One string on its way. The instructions keep the state as (a, b, e, f) and (c, d, g, h).
struct Lane {
  __m128i abef, cdgh;
  __m128i words[4];
};

#define WAXSEAL_SHA_INLINE __attribute__((target("sha,sse4.1"), always_inline)) inline

WAXSEAL_SHA_INLINE Lane Begin(const std::array<std::uint32_t, 8>& s) {
  const auto words = [&](std::size_t a, std::size_t b, std::size_t c, std::size_t d) {
    return _mm_set_epi32(static_cast<int>(s[a]), static_cast<int>(s[b]), static_cast<int>(s[c]),
                         static_cast<int>(s[d]));
  };
  return {words(0, 1, 4, 5), words(2, 3, 6, 7), {}};
}

WAXSEAL_SHA_INLINE std::array<std::uint32_t, 8> End(const Lane& lane) {
  const auto word = [](__m128i words, int i) {
    alignas(16) std::uint32_t out[4];
    _mm_store_si128(reinterpret_cast<__m128i*>(out), words);
    return out[i];
  };
  return {word(lane.abef, 3), word(lane.abef, 2), word(lane.cdgh, 3), word(lane.cdgh, 2),
          word(lane.abef, 1), word(lane.abef, 0), word(lane.cdgh, 1), word(lane.cdgh, 0)};
}

// Four rounds, the group-th of a block.
WAXSEAL_SHA_INLINE void FourRounds(Lane& lane, int group, const std::uint8_t* block) {
  const __m128i big_endian = _mm_set_epi64x(0x0c0d0e0f08090a0b, 0x0405060700010203);
  __m128i* const w = lane.words;
  __m128i& next = w[group % 4];
  if (group < 4) {
    next = _mm_shuffle_epi8(_mm_loadu_si128(reinterpret_cast<const __m128i*>(block + 16 * group)),
                            big_endian);
  } else {
    const __m128i before = w[(group + 3) % 4];
    const __m128i sum = _mm_add_epi32(_mm_sha256msg1_epu32(next, w[(group + 1) % 4]),
                                      _mm_alignr_epi8(before, w[(group + 2) % 4], 4));
    next = _mm_sha256msg2_epu32(sum, before);
  }
  const __m128i added =
      _mm_add_epi32(next, _mm_load_si128(reinterpret_cast<const __m128i*>(kRounds + 4 * group)));
  lane.cdgh = _mm_sha256rnds2_epu32(lane.cdgh, lane.abef, added);
  lane.abef = _mm_sha256rnds2_epu32(lane.abef, lane.cdgh, _mm_shuffle_epi32(added, 0x0e));
}

// The blocks of both strings.
__attribute__((target("sha,sse4.1"))) void Compress(
    std::array<std::array<std::uint32_t, 8>, 2>& states, const std::uint8_t* first,
    const std::uint8_t* second, std::size_t blocks) {
  Lane one = Begin(states[0]), two = Begin(states[1]);
  for (; blocks > 0; --blocks, first += kBlockSize, second += kBlockSize) {
    const __m128i before[4] = {one.abef, one.cdgh, two.abef, two.cdgh};
#pragma GCC unroll 16
    for (int group = 0; group < 16; ++group) {
      FourRounds(one, group, first);
      FourRounds(two, group, second);
    }
    one.abef = _mm_add_epi32(one.abef, before[0]);
    one.cdgh = _mm_add_epi32(one.cdgh, before[1]);
    two.abef = _mm_add_epi32(two.abef, before[2]);
    two.cdgh = _mm_add_epi32(two.cdgh, before[3]);
  }
  states = {End(one), End(two)};
}

Digest DigestOf(const std::array<std::uint32_t, 8>& state) {
  Digest digest;
  for (std::size_t i = 0; i < digest.bytes.size(); ++i) {
    digest.bytes[i] = static_cast<std::uint8_t>(state[i / 4] >> (24 - 8 * (i % 4)));
  }
  return digest;
}

}  // namespace

bool Sha256Pair::Supported() {
  static const bool supported = [] {
    unsigned a = 7, b = 0, c = 0, d = 0;
    __asm__("cpuid" : "+a"(a), "=b"(b), "+c"(c), "=d"(d));
    return __builtin_cpu_supports("sse4.1") != 0 && (b >> 29 & 1) != 0;  // SHA
  }();
  return supported;
}

Sha256Pair::Sha256Pair(ByteSpan prefix) : prefix_size_(prefix.size()) {
  CHECK(Supported() && prefix.size() % kBlockSize == 0);
  std::array<State, 2> states{kInitial, kInitial};
  Compress(states, prefix.data(), prefix.data(), prefix.size() / kBlockSize);
  start_ = states[0];
}

std::array<Digest, 2> Sha256Pair::operator()(ByteSpan first, ByteSpan second) const {
  CHECK(first.size() == second.size() && first.size() % kBlockSize == 0);
  std::array<State, 2> states{start_, start_};
  Compress(states, first.data(), second.data(), first.size() / kBlockSize);
  // The string ends with a block: what follows it is a block of its own.
  std::array<std::uint8_t, kBlockSize> last{0x80};
  const std::uint64_t bits = 8 * std::uint64_t{prefix_size_ + first.size()};
  for (std::size_t i = 0; i < 8; ++i) {
    last[kBlockSize - 1 - i] = static_cast<std::uint8_t>(bits >> (8 * i));
  }
  Compress(states, last.data(), last.data(), 1);
  return {DigestOf(states[0]), DigestOf(states[1])};
}

}  // namespace proto
