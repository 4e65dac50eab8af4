#include "mpc/field/sums.h"

#include "mpc/field/lanes.h"
#include "proto/base/check.h"

namespace mpc {
namespace {

using lanes::Lanes;

// Elements at a time, low and high words in turns.
constexpr std::size_t kWide = 4;
constexpr __mmask8 kLow = 0x55, kHigh = 0xaa;
constexpr unsigned kWordBits = 64;

WAXSEAL_IFMA_INLINE __m512i InTurns(UInt128 x) {
  const auto low = static_cast<std::uint64_t>(x), high = static_cast<std::uint64_t>(x >> 64);
  return reinterpret_cast<__m512i>(Lanes{low, high, low, high, low, high, low, high});
}

// One more in the words of the mask.
WAXSEAL_IFMA_INLINE __m512i Increment(__m512i x, __mmask8 words) {
  return _mm512_mask_sub_epi64(x, words, x, _mm512_set1_epi64(-1));
}

// The sum of integers, below 2^128.
WAXSEAL_IFMA_INLINE __m512i Plus(__m512i a, __m512i b) {
  const __m512i sum = _mm512_add_epi64(a, b);
  const __mmask8 carry = _mm512_mask_cmplt_epu64_mask(kLow, sum, a);
  return Increment(sum, static_cast<__mmask8>(carry << 1));
}

// 2^127 = 1: of an integer up to 2 p one up to p.
WAXSEAL_IFMA_INLINE __m512i Fold(__m512i x, __m512i modulus) {
  const __mmask8 top =
      _mm512_mask_cmplt_epi64_mask(kHigh, x, _mm512_setzero_si512()) >> 1;  // At the low words.
  x = Increment(_mm512_and_si512(x, modulus), top);
  const __mmask8 carry = _mm512_mask_testn_epi64_mask(top, x, x);
  return Increment(x, static_cast<__mmask8>(carry << 1));
}

// Of integers up to p: p is zero.
WAXSEAL_IFMA_INLINE void Store(__m512i x, __m512i modulus, Fp* out) {
  const __mmask8 full = _mm512_cmpeq_epi64_mask(x, modulus);
  const auto both = static_cast<__mmask8>(full & full >> 1 & kLow);
  const auto keep = static_cast<__mmask8>(~(both | both << 1));
  _mm512_storeu_si512(out, _mm512_maskz_mov_epi64(keep, x));
}

WAXSEAL_IFMA void FastAdd(const Fp* a, const Fp* b, Fp constant, std::size_t count, Fp* out) {
  const __m512i modulus = InTurns(Fp::kModulus), third = InTurns(constant.value());
  for (std::size_t i = 0; i < count; i += kWide) {
    const __m512i first = Fold(Plus(_mm512_loadu_si512(a + i), third), modulus);
    Store(Fold(Plus(first, _mm512_loadu_si512(b + i)), modulus), modulus, out + i);
  }
}

WAXSEAL_IFMA void FastSubtract(const Fp* a, const Fp* b, std::size_t count, Fp* out) {
  const __m512i modulus = InTurns(Fp::kModulus);
  for (std::size_t i = 0; i < count; i += kWide) {
    const __m512i negative = _mm512_xor_si512(_mm512_loadu_si512(b + i), modulus);
    Store(Fold(Plus(_mm512_loadu_si512(a + i), negative), modulus), modulus, out + i);
  }
}

WAXSEAL_IFMA void FastShiftDown(const Fp* a, UInt128 plus, unsigned shift, Fp minus,
                                std::size_t count, Fp* out) {
  const __m512i modulus = InTurns(Fp::kModulus);
  const __m512i first = InTurns(plus), last = InTurns((-minus).value());
  const auto low = reinterpret_cast<Lanes>(InTurns(~std::uint64_t{0}));
  for (std::size_t i = 0; i < count; i += kWide) {
    const auto x = reinterpret_cast<Lanes>(Plus(_mm512_loadu_si512(a + i), first));
    // The high words' bits for the low words.
    const Lanes turned = __builtin_shufflevector(x, x, 1, 0, 3, 2, 5, 4, 7, 6) & low;
    const auto shifted =
        reinterpret_cast<__m512i>(x >> shift | turned << 1 << (kWordBits - 1 - shift));
    Store(Fold(Plus(Fold(shifted, modulus), last), modulus), modulus, out + i);
  }
}

// Elements that the fast path takes.
std::size_t Whole(std::size_t count, GemmPath path) {
  CHECK(Supported(path));
  return path == GemmPath::kIfma ? count - count % kWide : 0;
}

}  // namespace

void Add(const Fp* a, const Fp* b, Fp constant, std::size_t count, Fp* out, GemmPath path) {
  const std::size_t whole = Whole(count, path);
  if (whole > 0) FastAdd(a, b, constant, whole, out);
  for (std::size_t i = whole; i < count; ++i) out[i] = a[i] + b[i] + constant;
}

void Subtract(const Fp* a, const Fp* b, std::size_t count, Fp* out, GemmPath path) {
  const std::size_t whole = Whole(count, path);
  if (whole > 0) FastSubtract(a, b, whole, out);
  for (std::size_t i = whole; i < count; ++i) out[i] = a[i] - b[i];
}

void ShiftDown(const Fp* a, UInt128 plus, unsigned shift, Fp minus, std::size_t count, Fp* out,
               GemmPath path) {
  CHECK(plus >> 127 == 0 && shift < kWordBits);
  const std::size_t whole = Whole(count, path);
  if (whole > 0) FastShiftDown(a, plus, shift, minus, whole, out);
  for (std::size_t i = whole; i < count; ++i) {
    out[i] = Fp::FromUnsigned((a[i].value() + plus) >> shift) - minus;
  }
}

}  // namespace mpc
