#include "mpc/functions/noise.h"

#include <cmath>
#include <complex>
#include <numbers>

#include "proto/base/check.h"

namespace mpc {

namespace {

constexpr double kLow = -12, kHigh = 28;  // All of a part's probability but 1e-12 of it.
constexpr double kGrid = 0.01;            // Of the values at which the distribution is computed.
constexpr double kStep = 0.04;  // Of the inversion's integral: 2 pi / kStep exceeds the range.

// log Gamma by Stirling's series, moved to where it is good.
std::complex<double> LogGamma(std::complex<double> z) {
  constexpr int kShift = 12;
  std::complex<double> shift = 0;
  for (int k = 0; k < kShift; ++k) shift += std::log(z + static_cast<double>(k));
  z += kShift;
  const std::complex<double> inverse = 1.0 / z, square = inverse * inverse;
  return (z - 0.5) * std::log(z) - z + 0.5 * std::log(2 * std::numbers::pi) +
         inverse * (1 / 12.0 - square * (1 / 360.0 - square / 1260.0)) - shift;
}

// P(part <= x) by Gil-Pelaez' inversion.
class Distribution {
 public:
  explicit Distribution(unsigned parts) {
    // |phi(t)| falls as exp(-pi t / 2m).
    const double end = 20.0 * 2 * parts / std::numbers::pi;
    for (double t = kStep / 2; t < end; t += kStep) {
      points_.push_back(t);
      values_.push_back(std::exp(LogGamma({1, -t}) / static_cast<double>(parts)) / t);
    }
  }
  double operator()(double x) const {
    double sum = 0;
    for (std::size_t i = 0; i < points_.size(); ++i) {
      sum += (std::polar(1.0, -points_[i] * x) * values_[i]).imag();
    }
    return 0.5 - sum * kStep / std::numbers::pi;
  }

 private:
  std::vector<double> points_;
  std::vector<std::complex<double>> values_;
};

}  // namespace

std::vector<double> GumbelPartQuantiles(unsigned parts, std::size_t entries) {
  CHECK(parts >= 1 && parts <= kNoisePartsMax && entries > 0);
  const Distribution distribution(parts);
  std::vector<double> quantiles;
  quantiles.reserve(entries);
  double x = kLow, below = distribution(x);
  while (quantiles.size() < entries) {
    const double next = distribution(x + kGrid);
    for (; quantiles.size() < entries;) {
      const double wanted =
          (static_cast<double>(quantiles.size()) + 0.5) / static_cast<double>(entries);
      if (wanted > next && x < kHigh) break;
      const double part = next > below ? (wanted - below) / (next - below) : 0.5;
      quantiles.push_back(x + kGrid * std::fmin(1, std::fmax(0, part)));
    }
    x += kGrid;
    below = next;
  }
  return quantiles;
}

}  // namespace mpc
