// What rounding a matrix to integers does to it.
#pragma once

#include <cmath>
#include <vector>

namespace mpc {

inline constexpr unsigned kWeightFracMax = 16;

inline double Scaled(double value, unsigned frac) {
  return std::ldexp(value, static_cast<int>(frac));
}
inline double Unscaled(double value, unsigned frac) {
  return std::ldexp(value, -static_cast<int>(frac));
}

// Bits of an integer of that size, |x| < 2^bits; 125 for all that is too large or no number.
inline unsigned BitsOf(double largest) {
  if (!(largest < 0x1p125)) return 125;
  return largest < 1 ? 1u : static_cast<unsigned>(std::ilogb(largest)) + 1;
}

// To the nearest integer, ties to even, |value| < 2^51: nearbyint without a call, of which a large
// model takes thousands of millions.
inline double Rounded(double value) {
  constexpr double kOnes = 0x1.8p52;  // Its unit is 1.
  return value + kOnes - kOnes;
}

// The largest size; infinite when a value is no number.
double Largest(const std::vector<double>& values);
double MeanSquare(const std::vector<double>& values);
// The mean square of what rounding to `frac` fraction bits changes.
double RoundingError(const std::vector<double>& values, unsigned frac);
// Fraction bits, at most kWeightFracMax, with which weights are integers of `bits` bits and a sign.
unsigned WeightFrac(const std::vector<double>& weight, int bits);

}  // namespace mpc
