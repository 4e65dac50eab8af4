#include "mpc/field/small_combination.h"

#include <algorithm>
#include <utility>

#include "mpc/field/lanes.h"
#include "proto/base/check.h"

namespace mpc {
namespace {

using lanes::Everywhere;
using lanes::kLanes;
using lanes::kLimb;
using lanes::kLimbBits;
using lanes::Lanes;
using lanes::Limbs;
using lanes::Sum;

constexpr unsigned kWordBits = 64;
// (a & b) ^ c, as the instruction for any function of three bits names it.
constexpr int kAndXor = 0x6a;

// Of the low words and of the high ones of entries, which lie in turns.
WAXSEAL_IFMA_INLINE Lanes InTurns(std::uint64_t low, std::uint64_t high) {
  return Lanes{low, high, low, high, low, high, low, high};
}

// Words of eight entries, in two vectors: sums of the products' halves. Low halves of the words'
// low 52 bits, high halves of these, and whole products of what is above.
struct Words {
  Lanes low[2], high[2], top[2];
};

// The sums of the low words (kWord 0) or of the high ones (1), in limbs.
template <int kWord>
WAXSEAL_IFMA_INLINE Limbs LimbsOf(const Words& words) {
  Lanes low[2], high[2];
  for (int v = 0; v < 2; ++v) {
    low[v] = words.low[v] & kLimb;
    high[v] = words.high[v] + words.top[v] + (words.low[v] >> kLimbBits);
  }
  const Lanes a = __builtin_shufflevector(low[0], low[1], kWord, kWord + 2, kWord + 4, kWord + 6,
                                          kWord + 8, kWord + 10, kWord + 12, kWord + 14);
  const Lanes b = __builtin_shufflevector(high[0], high[1], kWord, kWord + 2, kWord + 4, kWord + 6,
                                          kWord + 8, kWord + 10, kWord + 12, kWord + 14);
  return {{a, b & kLimb, b >> kLimbBits}};
}

// out += scale_low * low words + scale_high * high words + constant, eight elements.
WAXSEAL_IFMA_INLINE void FinishScaled(const Words& words, const Limbs& scale_low,
                                      const Limbs& scale_high, const Limbs& constant, Fp* out) {
  const Limbs start = lanes::Split(out);
  Sum sum{{(start.limb[0] & kLimb) + (constant.limb[0] & kLimb),
           (start.limb[1] & kLimb) + (constant.limb[1] & kLimb), start.limb[2] + constant.limb[2]}};
  lanes::MultiplyAdd(sum, LimbsOf<0>(words), scale_low);
  lanes::MultiplyAdd(sum, LimbsOf<1>(words), scale_high);
  lanes::Store(sum, out);
}

// out += low words + 2^64 high words + constant: a high limb's bits stand 12 above a limb's, those
// that reach 2^127 come in below.
WAXSEAL_IFMA_INLINE void FinishWhole(const Words& words, const Limbs& constant, Fp* out) {
  constexpr unsigned kUp = kWordBits - kLimbBits;
  constexpr unsigned kTopOfSecond = lanes::kTopBits - kUp;
  const Limbs start = lanes::Split(out);
  const Limbs low = LimbsOf<0>(words), high = LimbsOf<1>(words);
  const Lanes top = high.limb[1] >> kTopOfSecond | high.limb[2] << (kLimbBits - kTopOfSecond);
  const Lanes second = high.limb[1] & ((std::uint64_t{1} << kTopOfSecond) - 1);
  lanes::Store((start.limb[0] & kLimb) + (constant.limb[0] & kLimb) + low.limb[0] + top,
               (start.limb[1] & kLimb) + (constant.limb[1] & kLimb) + low.limb[1] +
                   (high.limb[0] << kUp & kLimb),
               start.limb[2] + constant.limb[2] + low.limb[2] +
                   (high.limb[0] >> (kLimbBits - kUp)) + (second << kUp),
               out);
}

Fp PowerOfTwo(unsigned exponent) {
  return Fp::FromUnsigned(UInt128{1} << exponent);
}

}  // namespace

SmallCombination::SmallCombination(std::vector<std::int64_t> factors, EntryBits bits, Fp scale,
                                   GemmPath path)
    : bits_(bits), scale_(scale), fast_(path == GemmPath::kIfma && bits.shift < kWordBits) {
  CHECK(factors.size() <= kFactorsMax && Supported(path));
  CHECK((bits.mask & (bits.mask + 1)) == 0 && bits.mask >> kWordBits != 0);
  for (const std::int64_t factor : factors) {
    CHECK(factor >= -kFactorMax && factor <= kFactorMax);
    const bool negative = factor < 0;
    factors_.push_back({static_cast<std::uint64_t>(negative ? -factor : factor),
                        negative ? ~std::uint64_t{0} : 0});
    // -c x = c (all ones - x) - c all ones.
    if (negative) correction_ += Fp(factor);
  }
  correction_ *= Fp::FromUnsigned(bits.mask >> bits.shift) * scale;
}

SmallCombination::~SmallCombination() {
  proto::SecureErase(&partial_, sizeof partial_);
  proto::SecureErase(sums_.data(), sizeof sums_);
}

template <bool kFresh, bool kShifted>
WAXSEAL_IFMA void SmallCombination::Accumulate(std::span<const Factor> factors,
                                               const UInt128* const* vectors, std::size_t count) {
  const auto high_mask = static_cast<std::uint64_t>(bits_.mask >> kWordBits);
  const Lanes mask = InTurns(~std::uint64_t{0}, high_mask);
  // x >> s is the low word >> s and the high word times 2^(64 - s).
  const Lanes shift = InTurns(bits_.shift, 0);
  for (std::size_t i = 0; i < 2 * count; i += kLanes) {
    Lanes low{}, high{}, top{};
    if constexpr (!kFresh) {
      low = lanes::Load(partial_.low.data() + i);
      high = lanes::Load(partial_.high.data() + i);
      top = lanes::Load(partial_.top.data() + i);
    }
    for (std::size_t k = 0; k < factors.size(); ++k) {
      const Lanes words = lanes::Load(reinterpret_cast<const std::uint64_t*>(vectors[k]) + i);
      const Lanes complement = mask & Everywhere(factors[k].complement);
      auto x = _mm512_ternarylogic_epi64(reinterpret_cast<__m512i>(words),
                                         reinterpret_cast<__m512i>(mask),
                                         reinterpret_cast<__m512i>(complement), kAndXor);
      if constexpr (kShifted) {
        x = reinterpret_cast<__m512i>(reinterpret_cast<Lanes>(x) >> shift);
      }
      const auto factor = reinterpret_cast<__m512i>(Everywhere(factors[k].magnitude));
      const auto above = reinterpret_cast<__m512i>(reinterpret_cast<Lanes>(x) >> kLimbBits);
      low =
          reinterpret_cast<Lanes>(_mm512_madd52lo_epu64(reinterpret_cast<__m512i>(low), x, factor));
      high = reinterpret_cast<Lanes>(
          _mm512_madd52hi_epu64(reinterpret_cast<__m512i>(high), x, factor));
      top = reinterpret_cast<Lanes>(
          _mm512_madd52lo_epu64(reinterpret_cast<__m512i>(top), above, factor));
    }
    lanes::StoreLanes(low, partial_.low.data() + i);
    lanes::StoreLanes(high, partial_.high.data() + i);
    lanes::StoreLanes(top, partial_.top.data() + i);
  }
}

WAXSEAL_IFMA void SmallCombination::Finish(std::size_t count, Fp* out) const {
  const bool whole = scale_ == Fp(1) && bits_.shift == 0;
  const Limbs scale_low = lanes::SplitOne(scale_);
  const Limbs scale_high = lanes::SplitOne(scale_ * PowerOfTwo(kWordBits - bits_.shift));
  const Limbs constant = lanes::SplitOne(correction_);
  for (std::size_t i = 0; i < count; i += kLanes) {
    Words words;
    for (std::size_t v = 0; v < 2; ++v) {
      words.low[v] = lanes::Load(partial_.low.data() + 2 * i + v * kLanes);
      words.high[v] = lanes::Load(partial_.high.data() + 2 * i + v * kLanes);
      words.top[v] = lanes::Load(partial_.top.data() + 2 * i + v * kLanes);
    }
    std::array<Fp, kLanes> last{};
    const bool short_of_lanes = count - i < kLanes;
    if (short_of_lanes) std::copy_n(out + i, count - i, last.begin());
    Fp* const to = short_of_lanes ? last.data() : out + i;
    if (whole) {
      FinishWhole(words, constant, to);
    } else {
      FinishScaled(words, scale_low, scale_high, constant, to);
    }
    if (short_of_lanes) std::copy_n(last.begin(), count - i, out + i);
  }
}

void SmallCombination::AddPortable(std::size_t first, std::span<const UInt128* const> vectors,
                                   std::size_t count, Fp* out) {
  if (first == 0) sums_.fill(Fp());
  for (std::size_t k = 0; k < vectors.size(); ++k) {
    const auto magnitude = static_cast<std::int64_t>(factors_[first + k].magnitude);
    const Fp factor(factors_[first + k].complement == 0 ? magnitude : -magnitude);
    for (std::size_t i = 0; i < count; ++i) {
      sums_[i] += factor * Fp::FromUnsigned((vectors[k][i] & bits_.mask) >> bits_.shift);
    }
  }
  if (first + vectors.size() < factors_.size()) return;
  for (std::size_t i = 0; i < count; ++i) out[i] += scale_ * sums_[i];
}

void SmallCombination::Add(std::size_t first, std::span<const UInt128* const> vectors,
                           std::size_t count, Fp* out) {
  CHECK(first + vectors.size() <= factors_.size() && count <= kBlock);
  if (!fast_) return AddPortable(first, vectors, count, out);
  const auto factors = std::span<const Factor>(factors_).subspan(first, vectors.size());
  const std::size_t whole = (count + kLanes - 1) / kLanes * kLanes;
  if (bits_.shift == 0) {
    first == 0 ? Accumulate<true, false>(factors, vectors.data(), whole)
               : Accumulate<false, false>(factors, vectors.data(), whole);
  } else {
    first == 0 ? Accumulate<true, true>(factors, vectors.data(), whole)
               : Accumulate<false, true>(factors, vectors.data(), whole);
  }
  if (first + vectors.size() == factors_.size()) Finish(count, out);
}

}  // namespace mpc
