#include "mpc/online/harmonics.h"

#include <algorithm>
#include <array>
#include <vector>

#include "mpc/field/products.h"
#include "mpc/functions/trig.h"
#include "proto/base/check.h"

namespace mpc {
namespace {

// Elements at a time; what is computed of them stays in the first cache.
constexpr std::size_t kBlock = 64;
constexpr unsigned kPublicBits = 40;

// Harmonic k's two rows of kBlock: 2^kPublicBits cos kwM, then sin, of the elements.
using Rows = std::vector<std::int64_t>;

void ComputeAngles(const Series& series, std::span<const Fp> masked, Rows& rows) {
  std::array<CosSin, kHarmonicsMax> all;
  const auto angles = std::span(all).first(series.cosine.size());
  for (std::size_t i = 0; i < masked.size(); ++i) {
    IntegerHarmonics(masked[i].ToSigned(), series.period, kPublicBits, angles);
    for (std::size_t k = 0; k < angles.size(); ++k) {
      rows[2 * k * kBlock + i] = angles[k].cos;
      rows[(2 * k + 1) * kBlock + i] = angles[k].sin;
    }
  }
}

// Coefficients below this: sums of two of them times 2^kPublicBits fit in 64 bits; and below this
// the factors are those of AddSignedProducts.
constexpr std::int64_t kSmall = std::int64_t{1} << (61 - kPublicBits);
constexpr std::int64_t kOfLanes = std::int64_t{1} << 49;

bool AllBelow(const Series& series, std::int64_t bound) {
  const auto below = [bound](std::int64_t c) { return -bound < c && c < bound; };
  return std::ranges::all_of(series.cosine, below) && std::ranges::all_of(series.sine, below);
}

// The factors of [cos kwL] and [sin kwL] in the place of cos kwM and sin kwM. Integer: wide enough
// for the coefficients times 2^kPublicBits.
template <class Integer, class Factor>
void Factors(const Series& series, const std::int64_t* rows, std::size_t k, Factor* of_cos,
             Factor* of_sin) {
  constexpr Integer kHalf = Integer{1} << (kPublicBits - 1);
  const Integer cosine = series.cosine[k], sine = series.sine[k];
  const std::int64_t* const cos = rows + 2 * k * kBlock;
  const std::int64_t* const sin = cos + kBlock;
  for (std::size_t i = 0; i < kBlock; ++i) {
    const Integer c = cos[i], s = sin[i];
    of_cos[i] = static_cast<Factor>((cosine * c + sine * s + kHalf) >> kPublicBits);
    of_sin[i] = static_cast<Factor>((cosine * s - sine * c + kHalf) >> kPublicBits);
  }
}

}  // namespace

void AddHarmonics(const Series& series, std::span<const Fp> masked, std::span<const Fp> phases,
                  std::span<Fp> out, GemmPath path) {
  const std::size_t harmonics = series.cosine.size();
  const std::size_t size = masked.size();
  CHECK(out.size() == size && phases.size() == 2 * harmonics * size);
  if (harmonics == 0) return;
  const bool small = AllBelow(series, kSmall);
  const bool in_lanes = AllBelow(series, kOfLanes);
  Rows rows(2 * harmonics * kBlock);
  std::array<std::int64_t, kBlock> of_cos, of_sin;
  std::array<Int128, kBlock> wide_cos, wide_sin;
  for (std::size_t first = 0; first < size; first += kBlock) {
    const std::size_t count = std::min(kBlock, size - first);
    ComputeAngles(series, masked.subspan(first, count), rows);
    for (std::size_t k = 0; k < harmonics; ++k) {
      if (in_lanes) {
        if (small) {
          Factors<std::int64_t>(series, rows.data(), k, of_cos.data(), of_sin.data());
        } else {
          Factors<Int128>(series, rows.data(), k, of_cos.data(), of_sin.data());
        }
        std::int64_t* const row = rows.data() + 2 * k * kBlock;
        std::ranges::copy(of_cos, row);
        std::ranges::copy(of_sin, row + kBlock);
        continue;
      }
      Factors<Int128>(series, rows.data(), k, wide_cos.data(), wide_sin.data());
      const Fp* const cosines = phases.data() + 2 * k * size + first;
      for (std::size_t i = 0; i < count; ++i) {
        out[first + i] += Fp::FromSigned(wide_cos[i]) * cosines[i] +
                          Fp::FromSigned(wide_sin[i]) * cosines[size + i];
      }
    }
    if (in_lanes) {
      AddSignedProducts(rows.data(), kBlock, phases.data() + first, size, 2 * harmonics, count,
                        out.data() + first, path);
    }
  }
}

}  // namespace mpc
