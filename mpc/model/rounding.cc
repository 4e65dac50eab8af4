#include "mpc/model/rounding.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace mpc {

double Largest(const std::vector<double>& values) {
  double largest = 0;
  for (const double value : values) {
    if (!std::isfinite(value)) return std::numeric_limits<double>::infinity();
    largest = std::max(largest, std::abs(value));
  }
  return largest;
}

double RoundingError(const std::vector<double>& values, unsigned frac) {
  const double unit = std::ldexp(1.0, static_cast<int>(frac));
  double squares = 0;
  for (const double value : values) {
    const double rest = value * unit - Rounded(value * unit);
    squares += rest * rest;
  }
  return squares / (unit * unit) / static_cast<double>(std::max<std::size_t>(values.size(), 1));
}

double MeanSquare(const std::vector<double>& values) {
  double squares = 0;
  for (const double value : values) squares += value * value;
  return squares / static_cast<double>(std::max<std::size_t>(values.size(), 1));
}

unsigned WeightFrac(const std::vector<double>& weight, int bits) {
  const double largest = Largest(weight);
  if (largest == 0 || !std::isfinite(largest)) return kWeightFracMax;
  const int frac = bits - 1 - std::ilogb(largest);
  return static_cast<unsigned>(std::clamp(frac, 0, static_cast<int>(kWeightFracMax)));
}

}  // namespace mpc
