#include "mpc/functions/trig.h"

#include <array>

#include "proto/base/check.h"

namespace mpc {
namespace {

// Angles, sines and cosines below are integers in units of 2^-62.
constexpr unsigned kFraction = 62;
constexpr std::int64_t kOne = std::int64_t{1} << kFraction;
constexpr std::int64_t kTwoPi = 7244019458077122842;  // round(2 pi 2^60)
constexpr std::uint64_t kEighthTurn = std::uint64_t{1} << 61;
constexpr unsigned kBitsMax = 40;

// Taylor series in the square of the angle: coefficient i is (-1)^i / (2i + first)!. At pi/4 what
// follows the last term is below 2^-57.
constexpr std::size_t kTerms = 9;
constexpr std::array<std::int64_t, kTerms> Coefficients(std::int64_t first) {
  std::array<std::int64_t, kTerms> coefficients{};
  std::int64_t factorial = 1;  // At most 17!, below 2^49.
  for (std::int64_t i = 0, n = 1; i < static_cast<std::int64_t>(kTerms); ++i) {
    for (; n <= 2 * i + first; ++n) factorial *= n;
    const std::int64_t inverse = (kOne + factorial / 2) / factorial;
    coefficients[static_cast<std::size_t>(i)] = i % 2 == 0 ? inverse : -inverse;
  }
  return coefficients;
}
constexpr std::array<std::int64_t, kTerms> kCosine = Coefficients(0);
constexpr std::array<std::int64_t, kTerms> kSine = Coefficients(1);

std::int64_t Multiply(std::int64_t a, std::int64_t b) {
  return static_cast<std::int64_t>((Int128{a} * b) >> kFraction);
}

std::int64_t Evaluate(const std::array<std::int64_t, kTerms>& coefficients, std::int64_t square) {
  std::int64_t sum = coefficients[kTerms - 1];
  for (std::size_t i = kTerms - 1; i-- > 0;) sum = Multiply(sum, square) + coefficients[i];
  return sum;
}

std::int64_t RoundTo(unsigned bits, std::int64_t value) {
  const unsigned drop = kFraction - bits;
  return (value + (std::int64_t{1} << (drop - 1))) >> drop;
}

CosSin RoundTo(unsigned bits, CosSin value) {
  return {RoundTo(bits, value.cos), RoundTo(bits, value.sin)};
}

// In units of 2^-62, within 16 of them.
CosSin Evaluate(Int128 x, std::int64_t period) {
  const Int128 remainder = x % period;
  const auto reduced = static_cast<UInt128>(remainder < 0 ? remainder + period : remainder);
  // The turn's fraction in units of 2^-64, the nearest quarter turn, and what is left: the angle,
  // at most pi/4 either way.
  const auto turn =
      static_cast<std::uint64_t>((reduced << 64) / static_cast<std::uint64_t>(period));
  const std::uint64_t quarter = (turn + kEighthTurn) >> kFraction;  // Mod 4: the sum wraps.
  const auto left = static_cast<std::int64_t>(turn - (quarter << kFraction));
  const auto angle = static_cast<std::int64_t>((Int128{left} * kTwoPi) >> kFraction);

  const std::int64_t square = Multiply(angle, angle);
  const std::int64_t cos = Evaluate(kCosine, square);
  const std::int64_t sin = Multiply(angle, Evaluate(kSine, square));
  switch (quarter) {
    case 0:
      return {cos, sin};
    case 1:
      return {-sin, cos};
    case 2:
      return {-cos, -sin};
    default:
      return {sin, -cos};
  }
}

// The sum of the angles.
CosSin Rotate(CosSin a, CosSin b) {
  return {static_cast<std::int64_t>((Int128{a.cos} * b.cos - Int128{a.sin} * b.sin) >> kFraction),
          static_cast<std::int64_t>((Int128{a.sin} * b.cos + Int128{a.cos} * b.sin) >> kFraction)};
}

}  // namespace

CosSin IntegerCosSin(Int128 x, std::int64_t period, unsigned bits) {
  CHECK(period > 0 && bits <= kBitsMax);
  return RoundTo(bits, Evaluate(x, period));
}

void IntegerHarmonics(Int128 x, std::int64_t period, unsigned bits, std::span<CosSin> out) {
  CHECK(period > 0 && bits <= kBitsMax && out.size() <= kHarmonicCountMax);
  const CosSin first = Evaluate(x, period);
  CosSin harmonic = first;
  for (CosSin& value : out) {
    value = RoundTo(bits, harmonic);
    harmonic = Rotate(harmonic, first);
  }
}

}  // namespace mpc
