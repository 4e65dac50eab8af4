#include "mpc/model/blocks.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <numbers>
#include <utility>

namespace mpc {

namespace {

using Reals = std::vector<double>;

// Of a row's factor, at least: an error of 1e-4.
constexpr int kRowPrecisionMin = 12;

// Up to here a series for 1 / sqrt(z) needs no Newton step.
constexpr double kShortSeriesRatio = 30;

double ActivationAt(Activation activation, double v) {
  switch (activation) {
    case Activation::kGelu:
      return 0.5 * v * (1 + std::erf(v / std::numbers::sqrt2));
    case Activation::kGeluTanh:
      return 0.5 * v *
             (1 + std::tanh(std::sqrt(2 / std::numbers::pi) * (v + 0.044715 * v * v * v)));
    case Activation::kSilu:
      return v / (1 + std::exp(-v));
    case Activation::kQuad:
      return 0.125 * v * v + 0.25 * v + 0.5;
  }
  return v;
}

}  // namespace

Hidden Blocks::LayerNorm(TensorId sharing, const NormWeights* norm, double epsilon,
                         std::optional<Range> variance) {
  return NormOf(b_.Open(sharing, wire_frac(), Name("hidden")), norm, epsilon, false, variance);
}

Hidden Blocks::NormOf(TensorId x, const NormWeights* norm, double epsilon, bool rms,
                      std::optional<Range> variance) {
  const double width = b_.op(x).cols;
  const unsigned frac = b_.op(x).frac;
  TensorId centred = x;
  const TensorId squares = b_.RowDot(x, x, Name("squares"));
  TensorId spread;
  if (rms) {
    spread = b_.Add(squares, 1, std::nullopt, 0, epsilon * width, 2 * frac, Name("mean squares"));
  } else {
    // h^2 variance = h sum(x^2) - sum(x)^2: exact. The mean is opened beside it.
    const TensorId sum = b_.RowSum(x, Name("sums"));
    const TensorId square = b_.Mul(sum, sum, Name("squared sums"));
    spread =
        b_.Add(squares, width, square, -1, epsilon * width * width, 2 * frac, Name("variances"));
    centred = b_.Add(x, 1, Mean(sum, width), -1, 0, frac, Name("centred"));
  }
  Range range = b_.WidenedPositive(spread);
  // Of a square: the margin's square, where a short series still covers it.
  if (const double margin = b_.options().margin;
      range.high / range.low * margin * margin < kShortSeriesRatio) {
    range = {range.low / margin, range.high * margin};
  }
  if (variance) range = {variance->low * width * width, variance->high * width * width};
  const TensorId z =
      b_.Open(spread, PlanBuilder::FracFor(range.low, kPrecision, 2 * frac), Name("variance"));
  // What the root is too small by: a power of two of it costs nothing.
  double scale = rms ? std::sqrt(width) : width;
  const int bits = std::clamp(
      static_cast<int>(kNormalFrac - frac) + std::ilogb(scale) - std::ilogb(std::sqrt(range.high)),
      kRowPrecisionMin, kRowPrecision);
  const TensorId root = InverseRoot(z, range, bits);
  const int power = std::min<int>(b_.op(root).frac, std::ilogb(scale));
  const TensorId scaled =
      b_.Add(root, std::exp2(power), std::nullopt, 0, 0,
             static_cast<unsigned>(b_.op(root).frac - power), Name("scaled root"));
  return {b_.Mul(centred, scaled, Name("normalised")), norm, scale / std::exp2(power)};
}

TensorId Blocks::Mean(TensorId sum, double width) {
  const unsigned frac = b_.op(sum).frac;
  // As exact as an opening allows.
  const int spare =
      static_cast<int>(b_.options().open_bits_max) - static_cast<int>(b_.op(sum).bits);
  const auto bits = static_cast<unsigned>(std::clamp(spare, 8, 30));
  const double part = std::round(std::exp2(bits) / width) / std::exp2(bits);
  return b_.Open(b_.Add(sum, part, std::nullopt, 0, 0, frac + bits, Name("means")), frac,
                 Name("means"));
}

Hidden Blocks::Opened(Hidden hidden) {
  hidden.normal = b_.Open(hidden.normal, wire_frac(), Name("normal"));
  return hidden;
}

SeriesGoal Blocks::RowGoal(Range range, double largest) const {
  SeriesGoal goal;
  goal.interval = range;
  goal.target = options_.inverse_error;
  goal.harmonics_min = 8;
  goal.out_frac = std::min(60u, b_.FracThatFits(largest));
  return goal;
}

TensorId Blocks::InverseRoot(TensorId z, Range range, int precision) {
  SeriesGoal goal = RowGoal(range, 1 / std::sqrt(range.low));
  goal.function = [](double x) { return 1 / std::sqrt(x); };
  goal.weight = [](double x) { return std::sqrt(x); };
  goal.error_max = 0.2;
  const unsigned frac = PlanBuilder::FracFor(1 / std::sqrt(range.high), precision, goal.out_frac);
  const TensorId rough = b_.Series(z, goal, Name("1/sqrt"));
  TensorId r = b_.Open(rough, frac, Name("inverse root"));
  // z r = sqrt(z): the larger, the fewer fraction bits, or z r^2 would not fit.
  const unsigned root_frac = PlanBuilder::FracFor(std::sqrt(range.low), kPrecision + 3, 24);
  const auto times_z = [&](TensorId root) {
    const TensorId zr = b_.Open(b_.Mul(z, root, Name("z r")), root_frac, Name("root"));
    return b_.Mul(zr, root, Name("z r^2"));
  };
  const double rough_error = b_.SeriesError(rough);
  bool watched = false;
  // An error e becomes 3/2 e^2 by r (3 - z r^2) / 2.
  for (double error = b_.SeriesError(rough); Improve(error); error = 1.5 * error * error) {
    const TensorId zrr = times_z(r);
    const TensorId rest =
        b_.Add(zrr, -0.5, std::nullopt, 0, 1.5, b_.op(zrr).frac + 1u, Name("Newton"));
    const TensorId factor = b_.Open(rest, 24, Name("Newton factor"));
    if (!std::exchange(watched, true)) WatchOne(factor, rough_error, "root range");
    r = b_.Open(b_.Mul(r, factor, Name("Newton step")), frac, Name("inverse root"));
  }
  if (!watched) {
    WatchOne(b_.Open(times_z(r), 24, Name("z r^2")), 2 * rough_error, "root range");
  }
  return r;
}

TensorId Blocks::Inverse(TensorId z, Range range, int precision) {
  SeriesGoal goal = RowGoal(range, 1 / range.low);
  goal.function = [](double x) { return 1 / x; };
  goal.weight = [](double x) { return x; };
  goal.error_max = 0.3;
  const unsigned frac = PlanBuilder::FracFor(1 / range.high, precision, goal.out_frac);
  const TensorId rough = b_.Series(z, goal, Name("1/sum"));
  TensorId r = b_.Open(rough, frac, Name("inverse sum"));
  const double rough_error = b_.SeriesError(rough);
  bool watched = false;
  // An error e becomes e^2 by r (2 - z r).
  for (double error = b_.SeriesError(rough); Improve(error); error *= error) {
    const TensorId zr = b_.Mul(z, r, Name("z r"));
    const TensorId rest = b_.Add(zr, -1, std::nullopt, 0, 2, b_.op(zr).frac, Name("Newton"));
    const TensorId factor = b_.Open(rest, 24, Name("Newton factor"));
    if (!std::exchange(watched, true)) WatchOne(factor, rough_error, "inverse range");
    r = b_.Open(b_.Mul(r, factor, Name("Newton step")), frac, Name("inverse sum"));
  }
  if (!watched) {
    WatchOne(b_.Open(b_.Mul(z, r, Name("z r")), 24, Name("z r")), rough_error, "inverse range");
  }
  return r;
}

TensorId Blocks::CoarseInverse(TensorId z, Range range, double numerator) {
  SeriesGoal goal;
  goal.function = [numerator](double v) { return numerator / v; };
  goal.weight = [numerator](double v) { return v / numerator; };
  goal.interval = range;
  goal.target = 0.2;
  goal.error_max = 0.6;
  goal.out_frac = std::min(52u, b_.FracThatFits(numerator / range.low));
  const unsigned frac = PlanBuilder::FracFor(numerator / range.high, 12, goal.out_frac);
  const TensorId series = b_.Series(z, goal, Name("coarse 1/sum"));
  const TensorId level = b_.Open(series, frac, Name("level"));
  // z level / numerator lies around 1, whatever small error the squares to come leave out again.
  const TensorId product = b_.Mul(z, level, Name("levels' product"));
  const int shift = std::ilogb(numerator);
  const double scale = std::ldexp(1.0, -shift);
  const TensorId near =
      b_.Open(b_.Add(product, scale, std::nullopt, 0, 0,
                     b_.op(product).frac + static_cast<unsigned>(shift), Name("level range")),
              16, Name("level range"));
  const double centre = numerator * scale;
  const double radius = centre * (1.25 * b_.SeriesError(series) + 0.05);
  ranges_.Watch(near, ranges_.Within(near, {centre - radius, centre + radius}),
                Name("level range"));
  return level;
}

void Blocks::WatchOne(TensorId x, double error, const char* what) {
  const double radius = 3 * error + 1e-3;
  ranges_.Watch(x, ranges_.Within(x, {1 - radius, 1 + radius}), Name(what));
}

void Blocks::WatchBits(TensorId x, const std::string& name) {
  const double most = std::ldexp(1.0, int{b_.op(x).bits} - int{b_.op(x).frac});
  ranges_.Watch(x, ranges_.Within(x, {-most, most}), name);
}

TensorId Blocks::Function(TensorId x, SeriesGoal goal, const std::string& name) {
  const Guard guard = ranges_.Around(x);
  goal.interval = guard.interval();
  const TensorId y = b_.Series(x, goal, name);
  ranges_.Watch(x, guard, name + " range");
  return y;
}

TensorId Blocks::Activate(Activation activation, TensorId x) {
  SeriesGoal goal;
  goal.function = [activation](double v) { return ActivationAt(activation, v); };
  // A single row is cheap enough for a better fit.
  goal.target = options_.gelu_error * (b_.op(x).rows == 1 ? 0.05 : 1);
  goal.error_max = 2e-2;
  goal.harmonics_min = 3;
  goal.harmonics_max = 20;
  goal.bend = activation == Activation::kQuad ? 0 : 1;
  // Few fraction bits must do for phases and for their online factors: larger committees' noise
  // is met halfway.
  goal.phase_bits = 22 + static_cast<unsigned>(std::bit_width(options_.builder.sets / 4)) / 2;
  goal.out_frac = std::min(38u, options_.builder.open_bits_max - 19);
  return Function(x, goal, Name(activation == Activation::kSilu ? "SiLU" : "GELU"));
}

TensorId Blocks::Exp(TensorId x, Range interval, double terms) {
  SeriesGoal goal;
  goal.function = [](double v) { return std::exp(v); };
  goal.weight = [](double v) { return 1 / std::max(std::exp(v), 1.0); };
  goal.interval = interval;
  goal.target = options_.exp_error;
  goal.harmonics_max = 16;
  goal.out_frac = std::min(48u, b_.FracThatFits(terms * std::exp(interval.high)));
  return b_.Series(x, goal, Name("exp"));
}

TensorId Blocks::Linear(const Hidden& hidden, const DenseWeights& dense, double scale,
                        std::optional<unsigned> headroom, const char* name) {
  const auto affine = [&] {
    const Floats weight = dense.Weight();
    Affine folded{Reals(weight->size()), Reals(dense.bias.begin(), dense.bias.end())};
    for (std::size_t i = 0; i < dense.in; ++i) {
      for (std::size_t o = 0; o < dense.out; ++o) {
        const double w = (*weight)[i * dense.out + o];
        folded.weight[i * dense.out + o] = hidden.norm->gamma[i] * hidden.scale * w * scale;
        folded.bias[o] += hidden.norm->beta[i] * w;
      }
    }
    for (double& value : folded.bias) value *= scale;
    return folded;
  };
  return b_.Linear(hidden.normal, affine, headroom, Name(name));
}

TensorId Blocks::Plain(TensorId x, const DenseWeights& dense, bool opened, const char* name) {
  const auto affine = [&] {
    const Floats weight = dense.Weight();
    return Affine{Reals(weight->begin(), weight->end()),
                  Reals(dense.bias.begin(), dense.bias.end())};
  };
  return b_.Linear(x, affine, opened ? std::optional(kResidualHeadroom) : std::nullopt, Name(name));
}

TensorId Blocks::OpenLinear(const Hidden& hidden, const DenseWeights& dense, double scale,
                            const char* name) {
  return b_.Open(Linear(hidden, dense, scale, kResidualHeadroom, name), wire_frac(), Name(name));
}

TensorId Blocks::OpenActivated(const Hidden& hidden, const DenseWeights& dense, const char* name) {
  // Bits less here are bits more for the coefficient of the square (mpc/functions/fit.h).
  constexpr unsigned kFrac = 14;
  return b_.Open(Linear(hidden, dense, 1, kResidualHeadroom, name), std::min(kFrac, wire_frac()),
                 Name(name));
}

}  // namespace mpc
