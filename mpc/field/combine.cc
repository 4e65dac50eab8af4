#include "mpc/field/combine.h"

#include <algorithm>
#include <optional>
#include <vector>

#include "mpc/field/lanes.h"
#include "mpc/field/product_sum.h"
#include "proto/base/check.h"

namespace mpc {
namespace {

using lanes::kLanes;
using lanes::kLimb;
using lanes::kLimbBits;
using lanes::Limbs;
using lanes::Sum;

// Few vectors at a time: their coefficients' limbs stay in registers.
constexpr std::size_t kFew = 4;
constexpr unsigned kMaskBitsMin = 2 * kLimbBits;

void Portable(std::span<const Fp> coefficients, const UInt128* const* vectors, EntryBits bits,
              std::size_t first, std::size_t count, Fp* out) {
  for (std::size_t i = first; i < count; ++i) {
    ProductSum sum;
    for (std::size_t k = 0; k < coefficients.size(); ++k) {
      sum.Add(coefficients[k], Fp::FromUnsigned((vectors[k][i] & bits.mask) >> bits.shift));
    }
    out[i] += sum.Value();
  }
}

// Eight entries' limbs, of those bits.
template <bool kShifted>
WAXSEAL_IFMA_INLINE Limbs Entries(const UInt128* entries, lanes::Lanes top, unsigned shift) {
  Limbs x = lanes::Split(entries);
  x.limb[2] &= top;
  if constexpr (kShifted) {
    const unsigned up = kLimbBits - shift;
    x.limb[0] = (x.limb[0] & kLimb) >> shift | x.limb[1] << up;
    x.limb[1] = (x.limb[1] & kLimb) >> shift | x.limb[2] << up;
    x.limb[2] >>= shift;
  }
  return x;
}

template <std::size_t kCount, bool kShifted>
WAXSEAL_IFMA void Ifma(const Fp* coefficients, const UInt128* const* vectors, EntryBits bits,
                       std::size_t count, Fp* out) {
  Limbs factors[kCount];
  for (std::size_t k = 0; k < kCount; ++k) factors[k] = lanes::SplitOne(coefficients[k]);
  const lanes::Lanes top = lanes::Everywhere(static_cast<std::uint64_t>(bits.mask >> kMaskBitsMin));
  for (std::size_t i = 0; i < count; i += kLanes) {
    const Limbs start = lanes::Split(out + i);
    Sum sum{{start.limb[0] & kLimb, start.limb[1] & kLimb, start.limb[2]}};
#pragma GCC unroll 4
    for (std::size_t k = 0; k < kCount; ++k) {
      lanes::MultiplyAdd(sum, factors[k], Entries<kShifted>(vectors[k] + i, top, bits.shift));
    }
    lanes::Store(sum, out + i);
  }
}

template <bool kShifted>
void IfmaFew(std::span<const Fp> coefficients, const UInt128* const* vectors, EntryBits bits,
             std::size_t count, Fp* out) {
  switch (coefficients.size()) {
    case 1:
      return Ifma<1, kShifted>(coefficients.data(), vectors, bits, count, out);
    case 2:
      return Ifma<2, kShifted>(coefficients.data(), vectors, bits, count, out);
    case 3:
      return Ifma<3, kShifted>(coefficients.data(), vectors, bits, count, out);
    default:
      return Ifma<kFew, kShifted>(coefficients.data(), vectors, bits, count, out);
  }
}

// An integer factor: of a negative one its size, and the complement of what it multiplies.
struct SmallFactor {
  std::uint64_t size;
  std::uint64_t complement;  // All ones or none.
};
constexpr std::int64_t kSmall = 1 << 20;

std::optional<SmallFactor> Small(Fp coefficient) {
  const Int128 integer = coefficient.ToSigned();
  if (integer <= -kSmall || integer >= kSmall) return std::nullopt;
  const auto size = static_cast<std::uint64_t>(integer < 0 ? -integer : integer);
  return SmallFactor{size, integer < 0 ? ~std::uint64_t{0} : 0};
}

// Products have few bits above a limb's, so that three limbs hold the sum.
WAXSEAL_IFMA void IfmaSmall(std::span<const SmallFactor> factors, const Fp* const* vectors,
                            std::size_t count, Fp* out) {
  for (std::size_t i = 0; i < count; i += kLanes) {
    lanes::Lanes sum[3] = {};
    for (std::size_t k = 0; k < factors.size(); ++k) {
      const lanes::Lanes complement = lanes::Everywhere(factors[k].complement);
      const auto size = reinterpret_cast<__m512i>(lanes::Everywhere(factors[k].size));
      Limbs x = lanes::Split(vectors[k] + i);
      x.limb[0] ^= complement;
      x.limb[1] ^= complement;
      x.limb[2] ^= complement & lanes::kTop;
#pragma GCC unroll 3
      for (std::size_t j = 0; j < 3; ++j) {
        const auto limb = reinterpret_cast<__m512i>(x.limb[j]);
        sum[j] = reinterpret_cast<lanes::Lanes>(
            _mm512_madd52lo_epu64(reinterpret_cast<__m512i>(sum[j]), limb, size));
        if (j == 2) continue;
        sum[j + 1] = reinterpret_cast<lanes::Lanes>(
            _mm512_madd52hi_epu64(reinterpret_cast<__m512i>(sum[j + 1]), limb, size));
      }
    }
    lanes::Store(sum[0], sum[1], sum[2], out + i);
  }
}

}  // namespace

void Combine(std::span<const Fp> coefficients, std::span<const Fp* const> vectors,
             std::size_t count, Fp* out, GemmPath path) {
  CHECK(coefficients.size() == vectors.size() && coefficients.size() <= lanes::kTerms);
  std::vector<SmallFactor> small;
  for (const Fp coefficient : coefficients) {
    if (const auto factor = Small(coefficient)) small.push_back(*factor);
  }
  const bool fast = path == GemmPath::kIfma && small.size() == coefficients.size();
  const std::size_t whole = fast ? count - count % kLanes : 0;
  if (whole > 0) IfmaSmall(small, vectors.data(), whole, out);
  std::fill(out + whole, out + count, Fp());
  std::vector<const UInt128*> rest;
  for (const Fp* const vector : vectors) rest.push_back(Integers(vector + whole));
  AddCombination(coefficients, rest, count - whole, out + whole, path);
}

void AddCombination(std::span<const Fp> coefficients, std::span<const UInt128* const> vectors,
                    std::size_t count, Fp* out, GemmPath path) {
  AddCombination(coefficients, vectors, EntryBits{}, count, out, path);
}

// NOLINTNEXTLINE(readability-function-size): as many arguments as a combination has.
void AddCombination(std::span<const Fp> coefficients, std::span<const UInt128* const> vectors,
                    EntryBits bits, std::size_t count, Fp* out, GemmPath path) {
  CHECK(coefficients.size() == vectors.size() && Supported(path));
  CHECK((bits.mask & (bits.mask + 1)) == 0 && bits.mask >> (kMaskBitsMin - 1) != 0);
  std::size_t whole = 0;
  if (path == GemmPath::kIfma && bits.shift < kLimbBits) {
    whole = count - count % kLanes;
    for (std::size_t first = 0; first < coefficients.size(); first += kFew) {
      const auto few = coefficients.subspan(first, std::min(kFew, coefficients.size() - first));
      const UInt128* const* const from = vectors.data() + first;
      bits.shift == 0 ? IfmaFew<false>(few, from, bits, whole, out)
                      : IfmaFew<true>(few, from, bits, whole, out);
    }
  }
  Portable(coefficients, vectors.data(), bits, whole, count, out);
}

}  // namespace mpc
