#include "mpc/functions/fit.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numbers>
#include <vector>

#include "mpc/plan/evaluate.h"
#include "proto/base/check.h"

namespace mpc {

namespace {

// Dense column-major matrix; only what least squares needs.
struct Columns {
  std::size_t rows = 0;
  std::vector<std::vector<double>> columns;
};

// Four sums side by side: additions need not wait for each other.
double Dot(const std::vector<double>& a, const std::vector<double>& b, std::size_t from) {
  double sums[4] = {0, 0, 0, 0};
  std::size_t i = from;
  for (; i + 4 <= a.size(); i += 4) {
    for (std::size_t lane = 0; lane < 4; ++lane) sums[lane] += a[i + lane] * b[i + lane];
  }
  for (; i < a.size(); ++i) sums[0] += a[i] * b[i];
  return (sums[0] + sums[1]) + (sums[2] + sums[3]);
}

// argmin |a x - b|, by Householder reflections; a has at least as many rows as columns and full
// rank (the ridge rows see to that).
std::vector<double> LeastSquares(Columns a, std::vector<double> b) {
  const std::size_t n = a.columns.size();
  std::vector<double> diagonal(n);
  for (std::size_t k = 0; k < n; ++k) {
    std::vector<double>& v = a.columns[k];
    const double norm = std::sqrt(Dot(v, v, k));
    diagonal[k] = v[k] > 0 ? -norm : norm;
    v[k] -= diagonal[k];
    const double square = Dot(v, v, k);
    const auto reflect = [&](std::vector<double>& x) {
      const double factor = square > 0 ? 2 * Dot(v, x, k) / square : 0;
      for (std::size_t i = k; i < x.size(); ++i) x[i] -= factor * v[i];
    };
    for (std::size_t j = k + 1; j < n; ++j) reflect(a.columns[j]);
    reflect(b);
  }
  std::vector<double> x(n);
  for (std::size_t k = n; k-- > 0;) {
    double rest = b[k];
    for (std::size_t j = k + 1; j < n; ++j) rest -= a.columns[j][k] * x[j];
    x[k] = diagonal[k] != 0 ? rest / diagonal[k] : 0;
  }
  return x;
}

// The fit of one function: sample points, weights, and the basis in the order poly 1, x, x^2
// (on [-1, 1]), then cos and sin of harmonics 1..K.
class Fitter {
 public:
  explicit Fitter(const FitRequest& request) : request_(request) {
    CHECK(request.high > request.low && request.period_ratio > 0 && request.degree <= 2);
    CHECK(request.harmonics >= 1 && request.harmonics <= kHarmonicsMax);
    CHECK(request.out_frac >= request.phase_bits &&
          request.out_frac >= request.degree * request.in_frac);
    middle_ = (request.low + request.high) / 2;
    half_ = (request.high - request.low) / 2;
    series_.period = std::llround(
        std::ldexp(request.period_ratio * 2 * half_, static_cast<int>(request.in_frac)));
    omega_ = 2 * std::numbers::pi /
             std::ldexp(static_cast<double>(series_.period), -static_cast<int>(request.in_frac));
    series_.phase_bits = static_cast<std::uint8_t>(request.phase_bits);
    series_.out_frac = static_cast<std::uint8_t>(request.out_frac);
    const std::size_t terms = request.degree + 1 + 2 * request.harmonics;
    const std::size_t points = 6 * terms + 40;
    for (std::size_t i = 0; i < points; ++i) {  // Denser towards the ends, as Chebyshev's.
      const double angle =
          std::numbers::pi * (static_cast<double>(i) + 0.5) / static_cast<double>(points);
      const double x = middle_ - half_ * std::cos(angle);
      x_.push_back(x);
      weight_.push_back(Weight(x));
      rest_.push_back(request.function(x));
    }
  }

  Fit Run() {
    // The coarser a coefficient's unit, the earlier it is rounded.
    std::vector<double> poly(request_.degree + 1, 0.0);
    for (unsigned i = request_.degree; i > 0; --i) {
      const std::vector<double> all = Solve(i, true);
      // Of x^i in a polynomial of t = (x - middle) / half, the highest power.
      const double coefficient = all[i] / std::pow(half_, i);
      poly[i] = Round(coefficient, request_.out_frac - i * request_.in_frac, nullptr);
      for (std::size_t p = 0; p < x_.size(); ++p) rest_[p] -= poly[i] * std::pow(x_[p], i);
    }
    const std::vector<double> all = Solve(0, true);
    const unsigned frac = request_.out_frac - request_.phase_bits;
    double variance = 0;
    for (unsigned k = 1; k <= request_.harmonics; ++k) {
      const double cosine = Round(all[2 * k - 1], frac, &series_.cosine);
      const double sine = Round(all[2 * k], frac, &series_.sine);
      for (std::size_t p = 0; p < x_.size(); ++p) {
        rest_[p] -= cosine * std::cos(k * omega_ * x_[p]) + sine * std::sin(k * omega_ * x_[p]);
      }
      const double unit = PhaseUnit(k);
      variance += (cosine * cosine + sine * sine) * unit * unit;
      variance += std::ldexp(1.0, -2 * static_cast<int>(frac)) / 12;
    }
    poly[0] = MiddleOfRest();
    for (unsigned i = 0; i <= request_.degree; ++i) {
      Round(poly[i], request_.out_frac - i * request_.in_frac, &series_.poly);
    }
    Fit fit{series_, 0, 0};
    fit.error = fits_ ? Error(fit.series) : std::numeric_limits<double>::infinity();
    fit.noise = std::sqrt(variance) * *std::max_element(weight_.begin(), weight_.end());
    return fit;
  }

 private:
  double Weight(double x) const { return request_.weight ? request_.weight(x) : 1; }
  double PhaseUnit(unsigned harmonic) const {
    return std::ldexp(PhaseNoise(harmonic, request_.sets), -static_cast<int>(request_.phase_bits));
  }

  double Round(double value, unsigned frac, std::vector<std::int64_t>* into) {
    double scaled = std::nearbyint(std::ldexp(value, static_cast<int>(frac)));
    if (!(std::abs(scaled) < 0x1p62)) {
      fits_ = false;
      scaled = 0;
    }
    if (into != nullptr) into->push_back(static_cast<std::int64_t>(scaled));
    return std::ldexp(scaled, -static_cast<int>(frac));
  }

  // Coefficients of 1, t .. t^degree and the harmonics for what is left of the function.
  std::vector<double> Solve(unsigned degree, bool level) const {
    constexpr int kLevelings = 8;
    const std::size_t polynomials = degree + 1;
    const std::size_t terms = polynomials + 2 * request_.harmonics;
    Columns basis{x_.size(), std::vector<std::vector<double>>(terms)};
    for (const double x : x_) {
      const double t = (x - middle_) / half_;
      for (unsigned i = 0; i <= degree; ++i) basis.columns[i].push_back(std::pow(t, i));
      for (unsigned k = 1; k <= request_.harmonics; ++k) {
        basis.columns[polynomials + 2 * k - 2].push_back(std::cos(k * omega_ * x));
        basis.columns[polynomials + 2 * k - 1].push_back(std::sin(k * omega_ * x));
      }
    }
    double mean_square = 0;
    for (const double weight : weight_) mean_square += weight * weight;
    mean_square = std::sqrt(mean_square / static_cast<double>(weight_.size()));

    std::vector<double> emphasis(x_.size(), 1.0);
    std::vector<double> best;
    double best_error = std::numeric_limits<double>::infinity();
    for (int round = 0; round < (level ? kLevelings : 1); ++round) {
      double total = 0;
      for (const double e : emphasis) total += e;
      Columns a{x_.size() + terms, basis.columns};
      std::vector<double> b = rest_;
      b.resize(x_.size() + terms, 0.0);
      for (std::size_t p = 0; p < x_.size(); ++p) {
        const double factor = std::sqrt(emphasis[p] / total) * weight_[p];
        b[p] *= factor;
        for (auto& column : a.columns) column[p] *= factor;
      }
      for (std::size_t j = 0; j < terms; ++j) {
        a.columns[j].resize(x_.size() + terms, 0.0);
        const auto harmonic =
            static_cast<unsigned>(j < polynomials ? 0 : (j - polynomials) / 2 + 1);
        a.columns[j][x_.size() + j] = mean_square * (harmonic == 0 ? 1e-14 : PhaseUnit(harmonic));
      }
      const std::vector<double> c = LeastSquares(std::move(a), std::move(b));
      std::vector<double> errors(x_.size());
      double worst = 0;
      for (std::size_t p = 0; p < x_.size(); ++p) {
        double value = -rest_[p];
        for (std::size_t j = 0; j < terms; ++j) value += c[j] * basis.columns[j][p];
        errors[p] = std::abs(value) * weight_[p];
        worst = std::max(worst, errors[p]);
      }
      if (worst < best_error) {
        best_error = worst;
        best = c;
      }
      if (worst == 0) break;
      for (std::size_t p = 0; p < x_.size(); ++p) emphasis[p] *= errors[p] / worst + 1e-3;
    }
    return best;
  }

  // The constant that halves the largest weighted error of what is left.
  double MiddleOfRest() const {
    double sum = 0, total = 0;
    for (std::size_t p = 0; p < x_.size(); ++p) {
      sum += rest_[p] * weight_[p] * weight_[p];
      total += weight_[p] * weight_[p];
    }
    return sum / total;
  }

  double Error(const Series& series) const {
    const std::size_t points = 64 * (request_.harmonics + 4);
    double worst = 0;
    for (std::size_t i = 0; i <= points; ++i) {
      const double x =
          request_.low + 2 * half_ * static_cast<double>(i) / static_cast<double>(points);
      const double wire = std::ldexp(x, static_cast<int>(request_.in_frac));
      const double value =
          std::ldexp(EvaluateSeries(series, wire), -static_cast<int>(request_.out_frac));
      worst = std::max(worst, std::abs(value - request_.function(x)) * Weight(x));
    }
    return worst;
  }

  const FitRequest& request_;
  double middle_ = 0, half_ = 0, omega_ = 0;
  Series series_;
  bool fits_ = true;  // Every coefficient is within 62 bits.
  std::vector<double> x_, weight_;
  std::vector<double> rest_;  // The function at x_ less what is rounded already.
};

constexpr std::size_t kRatiosMax = 12;

// Period ratios for a function that bends: those for which the square's coefficient bend / (2 P) is
// a whole number of its units; at most kRatiosMax of them, perhaps none.
std::vector<double> BendRatios(const FitRequest& request) {
  const double reach = std::max(-request.low, request.high);
  if (request.bend == 0 || request.degree < 2 || !(reach > 0)) return {};
  const double unit =
      std::ldexp(1.0, 2 * static_cast<int>(request.in_frac) - static_cast<int>(request.out_frac));
  const auto units_at = [&](double period) { return std::abs(request.bend) / (2 * period * unit); };
  // The tails of GELU's and SiLU's bumps are below 1% at 2.5, 1e-5 at 14.
  const double least = std::ceil(units_at(reach + 14));
  const double most = std::floor(units_at(reach + 2.5));
  std::vector<double> ratios;
  const double stride = std::max(1.0, (most - least) / (kRatiosMax - 1));
  for (double units = most; units >= std::max(1.0, least); units -= stride) {
    const double period = std::abs(request.bend) / (2 * unit * std::round(units));
    ratios.push_back(period / (request.high - request.low));
  }
  return ratios;
}

// Period ratios for committees whose series take their phases from random bits: periods of 2^B
// units, from where the interval, or the bend's reach, fits in.
std::vector<double> BinaryRatios(const FitRequest& request) {
  constexpr int kPeriods = 3;
  const bool bends = request.bend != 0 && request.degree == 2;
  const double width = request.high - request.low;
  const double least = bends ? std::max(-request.low, request.high) + 1 : 1.02 * width;
  double period = std::exp2(std::ceil(std::log2(least)));
  std::vector<double> ratios;
  for (int i = 0; i < kPeriods; ++i, period *= 2) ratios.push_back(period / width);
  return ratios;
}

}  // namespace

Fit FitSeries(const FitRequest& request) {
  return Fitter(request).Run();
}

Fit FitSeriesWithin(FitRequest request, double target, unsigned harmonics_max) {
  CHECK(request.harmonics <= harmonics_max);
  const bool binary = request.sets >= kSetsOfBinaryPeriods;
  std::vector<double> ratios = binary ? BinaryRatios(request) : BendRatios(request);
  // Where the square's units are coarse the best period may lie between.
  if (!binary && ratios.size() < kRatiosMax) {
    ratios.insert(ratios.end(), {1.06, 1.15, 1.3, 1.6, 2.2});
  }
  const auto step = [&] { return request.harmonics < 12 ? 1u : request.harmonics < 16 ? 2u : 4u; };
  Fit best;
  double best_score = std::numeric_limits<double>::infinity();
  for (; request.harmonics <= harmonics_max; request.harmonics += step()) {
    for (const double ratio : ratios) {
      request.period_ratio = ratio;
      Fit fit = FitSeries(request);
      const double score = fit.error + fit.noise;
      if (score >= best_score) continue;
      best_score = score;
      best = std::move(fit);
    }
    if (best_score <= target) break;
  }
  return best;
}

}  // namespace mpc
