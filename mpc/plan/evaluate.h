// The plaintext readers of a plan: what it computes, in real numbers and in the protocol's
// integers.
//
// EvaluateFloat runs the plan's own functions (its series, its quantised weights) without rounding:
// its distance from the model is the plan's approximation error. EvaluateFixed computes in F_p what
// the members compute on shares, with the noise of truncations and phases drawn from a seed, and
// checks every bound that the plan promises: its distance from the model is what a client will see.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "mpc/plan/plan.h"

namespace mpc {

// `ids`: exactly plan.tokens of them, padding included; those beyond the vocabulary stand for row 1
// of the embedding table, as in the protocol. Results are in real units, row-major as the output,
// without its range flags.
std::vector<double> EvaluateFloat(const Plan& plan, std::span<const std::uint32_t> ids);

struct Excess {
  TensorId op = 0;
  double bits = 0;  // log2 of the largest value seen, where the plan promised op.bits.
};

struct FixedEvaluation {
  std::vector<double> outputs;
  std::vector<double> flags;     // The plan's range flags, of all steps.
  std::vector<Excess> excesses;  // Empty when every bound held.
};

// Whether the flags say that every value stayed in its range.
bool InRange(std::span<const double> flags);

// `sets`: the number C(n, t) of parts that a mask has.
FixedEvaluation EvaluateFixed(const Plan& plan, std::span<const std::uint32_t> ids,
                              std::uint64_t seed, unsigned sets = 4);

// One operation in floating point, in units of its result's integer (value * 2^frac): for plan
// builders, which calibrate each operation before they add the next. `inputs` as op.inputs.
std::vector<double> EvaluateOp(const Plan& plan, const Op& op,
                               std::span<const std::vector<double>* const> inputs,
                               std::span<const std::uint32_t> ids);

// The value of a series at the wire's integer x, in units of the result's integer.
double EvaluateSeries(const Series& series, double x);

// Standard deviation of the preprocessed cos and sin of harmonic k, in units of 2^-phase_bits. The
// first harmonic is a product of `sets` rounded phases and each product's truncation adds
// sqrt(sets / 12); harmonic k has k times the first's error.
double PhaseNoise(std::size_t harmonic, unsigned sets);

}  // namespace mpc
