// What rounding a matrix to integers does to it.
#pragma once

#include <vector>

namespace mpc {

inline constexpr unsigned kWeightFracMax = 16;

// The largest size; infinite when a value is no number.
double Largest(const std::vector<double>& values);
double MeanSquare(const std::vector<double>& values);
// The mean square of what rounding to `frac` fraction bits changes.
double RoundingError(const std::vector<double>& values, unsigned frac);
// Fraction bits, at most kWeightFracMax, with which weights are integers of `bits` bits and a sign.
unsigned WeightFrac(const std::vector<double>& weight, int bits);

}  // namespace mpc
