#include "mpc/functions/fit.h"

#include <cmath>
#include <numbers>

#include <gtest/gtest.h>

#include "mpc/functions/trig.h"

namespace mpc {
namespace {

double Gelu(double x) {
  return 0.5 * x * (1 + std::erf(x / std::numbers::sqrt2));
}

// The series at an integer wire in integers, with the protocol's cosine and sine.
Int128 EvaluateInteger(const Series& series, std::int64_t x) {
  Int128 value = 0, power = 1;
  for (const std::int64_t coefficient : series.poly) {
    value += power * coefficient;
    power *= x;
  }
  for (std::size_t k = 0; k < series.cosine.size(); ++k) {
    const auto multiple = Int128{x} * static_cast<std::int64_t>(k + 1);
    const CosSin phase = IntegerCosSin(multiple, series.period, series.phase_bits);
    value += Int128{series.cosine[k]} * phase.cos + Int128{series.sine[k]} * phase.sin;
  }
  return value;
}

double WorstError(const Fit& fit, const FitRequest& request) {
  double worst = 0;
  for (int i = 0; i <= 5000; ++i) {
    const double x = request.low + (request.high - request.low) * i / 5000.0;
    const auto wire = static_cast<std::int64_t>(std::floor(std::ldexp(x, int(request.in_frac))));
    const double value =
        std::ldexp(static_cast<double>(EvaluateInteger(fit.series, wire)), -int(request.out_frac));
    const double exact = request.function(std::ldexp(double(wire), -int(request.in_frac)));
    worst = std::max(worst, std::abs(value - exact) * (request.weight ? request.weight(x) : 1));
  }
  return worst;
}

TEST(Fit, GeluOnAnAsymmetricInterval) {
  FitRequest request;
  request.function = Gelu;
  request.low = -14;
  request.high = 8;
  request.out_frac = 44;
  request.harmonics = 12;
  const Fit fit = FitSeriesWithin(request, 0, 12);
  EXPECT_EQ(fit.series.cosine.size(), 12u);
  EXPECT_LT(fit.error, 3e-4);
  // What is claimed holds for the integers that the protocol computes.
  EXPECT_LT(WorstError(fit, request), fit.error * 1.1 + 2e-6);
}

TEST(Fit, FewFractionBitsAreMadeUpForByTheOtherCoefficients) {
  FitRequest request;
  request.function = Gelu;
  request.low = -14;
  request.high = 8;
  request.in_frac = 16;
  request.out_frac = 38;  // x^2 is left with 6 bits: an error of 1.5 at -14 if merely rounded.
  request.phase_bits = 22;
  request.harmonics = 14;
  const Fit fit = FitSeriesWithin(request, 0, 14);
  EXPECT_LT(fit.error, 3e-4);
  EXPECT_LT(WorstError(fit, request), fit.error * 1.1 + 1e-5);
}

TEST(Fit, RelativeErrorsOfExponentialAndInverses) {
  struct Case {
    std::function<double(double)> function, weight;
    double low, high;
    unsigned harmonics;
    double bound;
  };
  const Case cases[] = {
      {[](double x) { return std::exp(x); },
       [](double x) { return 1 / std::max(std::exp(x), 1.0); }, -5, 4, 8, 5e-5},
      {[](double x) { return 1 / x; }, [](double x) { return x; }, 1, 30, 24, 3e-4},
      {[](double x) { return 1 / std::sqrt(x); }, [](double x) { return std::sqrt(x); }, 0.5, 15,
       24, 5e-5},
      {[](double x) { return std::tanh(x); }, nullptr, -15, 14, 32, 2e-4},
  };
  for (const Case& c : cases) {
    FitRequest request;
    request.function = c.function;
    request.weight = c.weight;
    request.low = c.low;
    request.high = c.high;
    request.in_frac = 18;
    request.out_frac = 50;
    request.phase_bits = 28;
    request.harmonics = c.harmonics;
    const Fit fit = FitSeriesWithin(request, 0, c.harmonics);
    EXPECT_LT(fit.error, c.bound);
    EXPECT_LT(WorstError(fit, request), fit.error * 1.1 + c.bound / 10);
  }
}

TEST(Fit, TakesTheFewestHarmonicsThatReachTheTarget) {
  FitRequest request;
  request.function = Gelu;
  request.low = -8;
  request.high = 6;
  request.out_frac = 40;
  request.harmonics = 4;
  const Fit fit = FitSeriesWithin(request, 1e-3, 20);
  EXPECT_LT(fit.error + fit.noise, 1e-3);
  EXPECT_LT(fit.series.cosine.size(), 12u);
  request.harmonics = static_cast<unsigned>(fit.series.cosine.size()) - 2;
  const Fit fewer = FitSeriesWithin(request, 1e-3, request.harmonics);
  EXPECT_GT(fewer.error + fewer.noise, 1e-3);
}

// GELU and SiLU need no period as long as the interval.
TEST(Fit, FunctionsThatBendTakeFewerHarmonics) {
  struct Case {
    double (*function)(double);
    double low, high;
    std::size_t harmonics;
  };
  const auto silu = [](double x) { return x / (1 + std::exp(-x)); };
  const Case cases[] = {{Gelu, -14, 8, 8}, {Gelu, -8, 8, 6}, {Gelu, -3, 3, 3}, {silu, -14, 8, 8}};
  for (const Case& c : cases) {
    FitRequest request;
    request.function = c.function;
    request.low = c.low;
    request.high = c.high;
    request.in_frac = 16;
    request.out_frac = 44;
    request.phase_bits = 24;
    request.harmonics = 3;
    request.bend = 1;
    const Fit fit = FitSeriesWithin(request, 9e-4, 32);
    EXPECT_LE(fit.series.cosine.size(), c.harmonics);
    EXPECT_LT(fit.error + fit.noise, 9e-4);
    EXPECT_LT(WorstError(fit, request), fit.error * 1.1 + 2e-5);
    request.bend = 0;
    EXPECT_GE(FitSeriesWithin(request, 9e-4, 32).series.cosine.size(), c.harmonics);
    // The other way round.
    request.function = [&](double x) { return -c.function(x); };
    request.bend = -1;
    EXPECT_LE(FitSeriesWithin(request, 9e-4, 32).series.cosine.size(), c.harmonics);
  }
}

// With units too coarse for its square, the periods of other functions are tried as well.
TEST(Fit, CoarseSquaresTakeOtherPeriods) {
  FitRequest request;
  request.function = Gelu;
  request.low = -14;
  request.high = 8;
  request.in_frac = 16;
  request.out_frac = 36;
  request.phase_bits = 22;
  request.harmonics = 3;
  request.bend = 1;
  const Fit fit = FitSeriesWithin(request, 1e-3, 20);
  EXPECT_LT(fit.error + fit.noise, 1e-3);
}

TEST(Fit, SaysWhenCoefficientsDoNotFit) {
  FitRequest request;
  request.function = [](double x) { return 1e6 * x; };
  request.out_frac = 60;
  request.phase_bits = 20;
  EXPECT_TRUE(std::isinf(FitSeries(request).error));
}

TEST(Fit, EqualRequestsGiveEqualSeries) {
  FitRequest request;
  request.function = Gelu;
  request.low = -5;
  request.high = 5;
  EXPECT_EQ(FitSeries(request).series, FitSeries(request).series);
}

}  // namespace
}  // namespace mpc
