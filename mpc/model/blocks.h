// What the plans of all architectures are made of.
//
//   norm       d = x - mean or x, then d / sqrt(its mean square); gamma and beta go into the
//   weights
//              of what reads it
//   1/x, 1/sqrt   series on calibrated intervals, where that is not good enough with Newton steps
//   activation series; not opened, since what follows it is linear
#pragma once

#include <string>

#include "mpc/model/compile.h"
#include "mpc/model/ranges.h"

namespace mpc {

// Bits by which a wire's smallest value exceeds its unit where relative precision counts.
inline constexpr int kPrecision = 21;
inline constexpr int kHalvingsMax = 8;

// The same for factors of whole rows, whose relative error is all that matters.
inline constexpr int kRowPrecision = 16;
// Fraction bits of a normalised row that is not opened: with them and 16 of a weight a linear map
// still fits in an opening.
inline constexpr unsigned kNormalFrac = 33;

// A hidden state before its norm's gamma and beta: gamma * scale * normal + beta. A sharing; what
// reads it is linear, so it is not opened.
struct Hidden {
  TensorId normal = 0;
  const NormWeights* norm = nullptr;
  double scale = 1;
};

class Blocks {
 public:
  Blocks(PlanBuilder& builder, const CompileOptions& options)
      : b_(builder), options_(options), ranges_(builder) {}

  // What watches the ranges of values; the plan's output goes through it.
  Ranges& ranges() { return ranges_; }

  // What the names of operations begin with.
  void set_prefix(std::string prefix) { prefix_ = std::move(prefix); }
  const std::string& prefix() const { return prefix_; }
  std::string Name(const char* what) const { return prefix_ + what; }
  unsigned wire_frac() const { return options_.builder.wire_frac; }

  // LayerNorm of the rows of a sharing, which is opened. `variance`: its range where it is known.
  Hidden LayerNorm(TensorId sharing, const NormWeights* norm, double epsilon,
                   std::optional<Range> variance);
  // LayerNorm or RMSNorm of the rows of a wire.
  Hidden NormOf(TensorId wire, const NormWeights* norm, double epsilon, bool rms,
                std::optional<Range> variance = {});
  // The same hidden state on a wire, of fewer fraction bits.
  Hidden Opened(Hidden hidden);

  // Wires of 1/sqrt(z) and 1/z, z a fresh wire of positive values in the range; the least has so
  // many bits.
  TensorId InverseRoot(TensorId z, Range range, int precision);
  TensorId Inverse(TensorId z, Range range, int precision = kPrecision);
  // `numerator` / z within a third or so; a wire.
  TensorId CoarseInverse(TensorId z, Range range, double numerator);

  // Sharing of the activation of a fresh wire.
  TensorId Activate(Activation activation, TensorId x);
  // Watches that a wire keeps the bound that comparisons rely on.
  void WatchBits(TensorId x, const std::string& name);
  // Sharing of a function of a fresh wire, on the interval around what calibration saw; watched.
  TensorId Function(TensorId x, SeriesGoal goal, const std::string& name);
  // Sharing of exp of a fresh wire; sums of `terms` of them can be opened. The caller watches it.
  TensorId Exp(TensorId x, Range interval, double terms = 1);

  // weight' = diag(gamma) weight * scale, bias' = (bias + beta weight) * scale: a linear map of a
  // hidden state, as a map of its normal wire.
  TensorId Linear(const Hidden& hidden, const DenseWeights& dense, double scale,
                  std::optional<unsigned> headroom, const char* name);
  TensorId Plain(TensorId x, const DenseWeights& dense, bool opened, const char* name);
  TensorId OpenLinear(const Hidden& hidden, const DenseWeights& dense, double scale,
                      const char* name);
  // The same, for Activate.
  TensorId OpenActivated(const Hidden& hidden, const DenseWeights& dense, const char* name);

 private:
  SeriesGoal RowGoal(Range range, double largest) const;
  TensorId Mean(TensorId sum, double width);  // Wire of sum / width.
  // Watches that x stays as near to 1 as a series with that error leaves it.
  void WatchOne(TensorId x, double error, const char* what);
  // Newton steps are worth their rounds while the error is clearly beyond the target.
  bool Improve(double error) const { return b_.ok() && error > 3 * options_.inverse_error; }

  PlanBuilder& b_;
  const CompileOptions& options_;
  Ranges ranges_;
  std::string prefix_;
};

// Bits to spare in a linear map that is added to something before it is opened.
inline constexpr unsigned kResidualHeadroom = 2;

}  // namespace mpc
