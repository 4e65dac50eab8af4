// Fitting a real function by an integer Series: the one home of floating point on the way to a
// plan.
//
// On [low, high] the function is approximated by a polynomial of degree <= 2 and K harmonics of a
// period longer than the interval (a Fourier extension: what lies between the interval's end and
// the period's is free, which makes the convergence geometric for smooth functions). Coefficients
// minimise the weighted squared error plus the variance that the preprocessed phases' noise will
// add, which also keeps them small where the basis is nearly dependent; reweighting by the error
// (Lawson 1961) then levels it towards the least maximum. Coefficients are rounded in the order of
// how coarse their units are, and what a rounding takes away is fitted again by those that remain,
// so that few fraction bits suffice.
//
// A function that bends once, between straight lines on both sides (GELU, SiLU: slopes 0 and 1),
// needs no period as long as the interval. Its second derivative is a bump around 0 of integral
// `bend`; so f(x) - bend / (2 P) x^2 - (a linear function) has one whose copies at all multiples of
// P sum up to zero mean, that is, it is periodic with period P wherever the copies' tails are
// small: P need only reach a little beyond the farther end. On [-8, 8] a period of 11.5 takes the
// place of 17, and as many harmonics fewer. The square's coefficient must be exact for that, so
// periods are those for which it is a whole number of its units.
//
// A series is only good on its interval: it repeats itself outside.
#pragma once

#include <functional>

#include "mpc/plan/plan.h"

namespace mpc {

// From so many parts of a mask on periods are powers of two: random bits then give the phases
// cheaper than the parts would (mpc/plan/phases.h). Between C(7, 2) = 21 and C(10, 3) = 120.
inline constexpr unsigned kSetsOfBinaryPeriods = 64;

struct FitRequest {
  std::function<double(double)> function;
  std::function<double(double)> weight;  // Of the error, e.g. 1 / f for a relative one. None: 1.
  double low = 0;
  double high = 1;
  unsigned in_frac = 16;     // Of the wire that the series reads.
  unsigned out_frac = 32;    // Of the result.
  unsigned phase_bits = 24;  // <= out_frac
  unsigned sets = 4;         // Parts of a mask, C(n, t): the phases' noise grows with them.
  unsigned degree = 2;  // Of the polynomial; its coefficients need degree * in_frac <= out_frac.
  unsigned harmonics = 8;
  double period_ratio = 1.5;  // Period / (high - low).
  // By how much the slope grows around 0 between straight lines, for FitSeriesWithin; 0: no bend.
  double bend = 0;
};

struct Fit {
  Series series;
  // Largest weighted error on [low, high] of the integer series, exact phases; infinite when a
  // coefficient does not fit in 62 bits.
  double error = 0;
  // Standard deviation of what the phases' noise and the rounding of the harmonics' online factors
  // (to out_frac - phase_bits bits) add, at the largest weight.
  double noise = 0;
};

Fit FitSeries(const FitRequest& request);

// Tries period ratios (with many sets, those that make the period a power of two), and numbers of
// harmonics from the request's on, one by one, beyond 12 in steps of two and beyond 16 of four, up
// to `harmonics_max`; returns the first number whose least error and noise together stay below
// `target`, or else the best found.
Fit FitSeriesWithin(FitRequest request, double target, unsigned harmonics_max);

}  // namespace mpc
