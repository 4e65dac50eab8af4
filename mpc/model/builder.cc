#include "mpc/model/builder.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdio>
#include <limits>
#include <utility>

#include "mpc/model/rounding.h"
#include "mpc/plan/add_scaled.h"
#include "mpc/plan/evaluate.h"
#include "proto/base/check.h"

namespace mpc {

PlanBuilder::PlanBuilder(Plan plan, std::vector<Text> texts, const BuilderOptions& options)
    : plan_(std::move(plan)), texts_(std::move(texts)), options_(options) {
  CHECK(!texts_.empty() && options.margin >= 1 && options.open_bits_max <= kOpenBits);
  for (const Text& text : texts_) CHECK(text.size() == plan_.tokens);
}

Op PlanBuilder::Make(OpKind kind, std::vector<TensorId> inputs, std::uint32_t rows,
                     std::uint32_t cols, bool wire, unsigned frac, const std::string& name) const {
  Op op;
  op.kind = kind;
  op.inputs = std::move(inputs);
  op.rows = rows;
  op.cols = cols;
  op.wire = wire;
  op.frac = static_cast<std::uint8_t>(frac);
  op.name = name.substr(0, kNameBytesMax);
  return op;
}

void PlanBuilder::SetBits(Op& op, const Values_& values) const {
  double largest = 0;
  for (const auto& text : values) largest = std::max(largest, Largest(text));
  op.bits = static_cast<std::uint8_t>(BitsOf(largest * options_.margin));
}

std::int64_t PlanBuilder::ToInteger(double value) {
  if (std::abs(value) < 0x1p62) return std::llround(value);
  Refuse("a weight, bias or score is too large");
  return 0;
}

PlanBuilder::PlanBuilder(Plan plan, Decisions decisions, Maps maps, const BuilderOptions& options)
    : plan_(std::move(plan)),
      options_(options),
      decisions_(std::move(decisions)),
      measured_(std::move(maps)) {
  CHECK(options.margin >= 1 && options.open_bits_max <= kOpenBits);
}

void PlanBuilder::Begin(const std::string& scope) {
  scope_ = scope;
  repeats_.clear();
}

std::string PlanBuilder::KeyOf(const std::string& name) {
  return scope_ + name + " " + std::to_string(repeats_[name]++);
}

const Decision* PlanBuilder::Decided(const std::string& name) const {
  const auto repeats = repeats_.find(name);
  const unsigned count = repeats == repeats_.end() ? 0 : repeats->second;
  const auto found = decisions_.find(scope_ + name + " " + std::to_string(count));
  return replays() && found != decisions_.end() ? &found->second : nullptr;
}

Guard PlanBuilder::Remember(const std::string& name, const Guard& guard) {
  if (const Decision* decided = Decided(name)) return decided->guard;
  if (replays()) Refuse(name + ": never measured");
  if (!scope_.empty()) guards_[scope_ + name + " " + std::to_string(repeats_[name])] = guard;
  return guard;
}

// For so many more elements of each text.
void PlanBuilder::MakeRoom(std::size_t elements) {
  elements_ += elements;
  while (texts_.size() > 1 && elements_ * texts_.size() > options_.values_max) {
    const auto halve = [](auto& of) {
      for (std::size_t i = 1; 2 * i < of.size(); ++i) of[i] = std::move(of[2 * i]);
      of.resize((of.size() + 1) / 2);
    };
    halve(texts_);
    for (Values_& values : values_) halve(values);
  }
}

void PlanBuilder::Forget(TensorId id) {
  if (!values_[id].empty()) elements_ -= plan_.ops[id].size();
  values_[id] = {};
}

TensorId PlanBuilder::Push(Op op) {
  const auto id = static_cast<TensorId>(plan_.ops.size());
  const std::string name =
      op.kind == OpKind::kSeries ? op.name.substr(0, op.name.find(": [")) : op.name;
  Values_ values;
  if (replays()) {
    const Decision* decided = Decided(name);
    if (op.bits == 0 && decided != nullptr) op.bits = decided->bits;
    keys_.push_back(KeyOf(name));
    plan_.ops.push_back(std::move(op));
    values_.emplace_back();
    series_errors_.push_back(decided != nullptr ? decided->series_error : 0);
    return id;
  }
  MakeRoom(op.size());
  for (std::size_t text = 0; text < texts_.size() && ok(); ++text) {
    std::vector<const std::vector<double>*> inputs;
    for (const TensorId input : op.inputs) {
      CHECK(!values_[input].empty());
      inputs.push_back(&values_[input][text]);
    }
    values.push_back(EvaluateOp(plan_, op, inputs, texts_[text]));
  }
  if (op.bits == 0) SetBits(op, values);
  if (!ok()) values.assign(texts_.size(), std::vector<double>(op.size()));
  plan_.ops.push_back(std::move(op));
  values_.push_back(std::move(values));
  series_errors_.push_back(0);
  if (!scope_.empty()) {
    const Op& made = plan_.ops.back();
    keys_.push_back(KeyOf(name));
    decisions_[keys_.back()] = {Seen(id),    made.frac, made.bits,
                                made.series, 0,         guards_[keys_.back()]};
  }
  return id;
}

TensorId PlanBuilder::PushMoved(Op op) {
  for (const TensorId input : op.inputs) op.bits = std::max(op.bits, plan_.ops[input].bits);
  return Push(std::move(op));
}

std::vector<std::int32_t> PlanBuilder::Integers(const std::vector<double>& values, unsigned frac) {
  const double unit = Scaled(1, frac);
  std::vector<std::int32_t> integers(values.size());
  for (std::size_t i = 0; i < values.size(); ++i) {
    const double scaled = values[i] * unit;
    if (!(std::abs(scaled) < std::numeric_limits<std::int32_t>::max())) {
      Refuse("a weight is too large");
      break;
    }
    integers[i] = static_cast<std::int32_t>(Rounded(scaled));
  }
  return integers;
}

ConstantId PlanBuilder::Quantise(const std::vector<double>& values, std::uint32_t rows,
                                 std::uint32_t cols, unsigned frac) {
  plan_.constants.push_back({rows, cols, static_cast<std::uint8_t>(frac), Integers(values, frac)});
  return static_cast<ConstantId>(plan_.constants.size() - 1);
}

void PlanBuilder::Keep(Constant& constant) {
  const proto::ByteSpan bytes = constant.values.bytes();
  if (!options_.keep || bytes.size() < kPlanPage || !ok()) return;
  auto kept = options_.keep(bytes);
  if (!kept) return Refuse("the weights cannot be kept: " + kept.error().message);
  constant.values = PackedIntegers(constant.values.width(), std::move(*kept));
}

TensorId PlanBuilder::Embed(const std::vector<double>& table, std::uint32_t cols, unsigned frac,
                            const std::string& name) {
  // With fewer bits where rounding does not tell.
  const double error = MeanSquare(table) * options_.weight_error * options_.weight_error;
  for (const int bits : {15, 7}) {
    const unsigned fewer = std::min(frac, WeightFrac(table, bits));
    if (ok() && RoundingError(table, fewer) <= error) frac = fewer;
  }
  Op op = Make(OpKind::kEmbed, {}, plan_.tokens, cols, false, frac, name);
  op.weight = Quantise(table, plan_.vocabulary, cols, frac);
  Keep(plan_.constants[op.weight]);
  op.bits = static_cast<std::uint8_t>(BitsOf(Scaled(Largest(table), frac) + 1));
  return Push(std::move(op));
}

TensorId PlanBuilder::AddConstant(TensorId x, const std::vector<double>& constant,
                                  const std::string& name) {
  const Op& in = op(x);
  Op sum = Make(OpKind::kAddConstant, {x}, in.rows, in.cols, in.wire, in.frac, name);
  sum.weight = Quantise(constant, in.rows, in.cols, in.frac);
  const unsigned other = BitsOf(Scaled(Largest(constant), in.frac) + 1);
  sum.bits = static_cast<std::uint8_t>(std::max<unsigned>(in.bits, other) + 1);
  return Push(std::move(sum));
}

TensorId PlanBuilder::TokenIs(std::uint32_t token, const std::string& name) {
  Op op = Make(OpKind::kTokenIs, {}, plan_.tokens, 1, false, 0, name);
  op.token = token;
  op.bits = 1;
  pad_ = token;
  return Push(std::move(op));
}

void PlanBuilder::Ends(TensorId x, TensorId lookup, const std::vector<std::uint32_t>& tokens) {
  Op op = Make(OpKind::kTokenIs, {x, lookup}, 1, 1, false, 0, "is the end");
  op.bits = 1;
  if (!end_tokens_) {
    end_tokens_ =
        Quantise({tokens.begin(), tokens.end()}, static_cast<std::uint32_t>(tokens.size()), 1, 0);
  }
  op.weight = *end_tokens_;
  plan_.ends.push_back(Push(std::move(op)));
}

TensorId PlanBuilder::Scores(TensorId q, TensorId k, std::uint32_t heads, const std::string& name) {
  Op y = Make(OpKind::kScores, {q, k}, heads * op(q).rows, op(k).rows, false,
              unsigned{op(q).frac} + op(k).frac, name);
  y.heads = heads;
  return Push(std::move(y));
}

TensorId PlanBuilder::Mix(TensorId p, TensorId v, std::uint32_t heads, const std::string& name,
                          std::uint32_t cols) {
  if (cols == 0) cols = op(v).cols;
  Op y = Make(OpKind::kMix, {p, v}, op(p).rows / heads, cols, false,
              unsigned{op(p).frac} + op(v).frac, name);
  y.heads = heads;
  return Push(std::move(y));
}

TensorId PlanBuilder::Mul(TensorId a, TensorId b, const std::string& name) {
  return Push(Make(OpKind::kMul, {a, b}, op(a).rows, op(a).cols, false,
                   unsigned{op(a).frac} + op(b).frac, name));
}

TensorId PlanBuilder::RowDot(TensorId a, TensorId b, const std::string& name) {
  return Push(
      Make(OpKind::kRowDot, {a, b}, op(a).rows, 1, false, unsigned{op(a).frac} + op(b).frac, name));
}

TensorId PlanBuilder::Add(TensorId a, double scale_a, std::optional<TensorId> b, double scale_b,
                          double shift, unsigned frac, const std::string& name) {
  const auto exact = [this, frac](double scale, unsigned in_frac) {
    const double integer = std::ldexp(scale, static_cast<int>(frac) - static_cast<int>(in_frac));
    CHECK(integer == std::nearbyint(integer));
    return ToInteger(integer);
  };
  Op y = Make(OpKind::kAdd, {a}, op(a).rows, op(a).cols, op(a).wire, frac, name);
  y.scale = {exact(scale_a, op(a).frac)};
  y.shift = ToInteger(Scaled(shift, frac));
  if (b) {
    y.inputs.push_back(*b);
    y.scale.push_back(exact(scale_b, op(*b).frac));
    y.wire = y.wire && op(*b).wire;
  }
  return Push(std::move(y));
}

TensorId PlanBuilder::AddPerColumn(TensorId a, TensorId b, double scale, const std::string& name) {
  Op y = Make(OpKind::kAddPerColumn, {a, b}, op(a).rows, op(a).cols, op(a).wire && op(b).wire,
              op(a).frac, name);
  CHECK(op(a).frac >= op(b).frac);
  y.scale = {ToInteger(Scaled(scale, unsigned{op(a).frac} - op(b).frac))};
  return Push(std::move(y));
}

TensorId PlanBuilder::ScaleColumns(TensorId x, const std::vector<double>& weight,
                                   const std::vector<double>& bias, unsigned weight_frac,
                                   const std::string& name) {
  Op y = Make(OpKind::kScaleColumns, {x}, op(x).rows, op(x).cols, op(x).wire,
              op(x).frac + weight_frac, name);
  y.weight = Quantise(weight, 1, y.cols, weight_frac);
  y.bias = static_cast<ConstantId>(plan_.wide_constants.size());
  WideConstant wide{y.frac, {}};
  for (const double b : bias) wide.values.push_back(ToInteger(Scaled(b, y.frac)));
  plan_.wide_constants.push_back(std::move(wide));
  return Push(std::move(y));
}

TensorId PlanBuilder::ScaleAll(TensorId x, const std::vector<double>& weight, std::uint32_t rows,
                               unsigned weight_frac, const std::string& name) {
  Op y = Make(OpKind::kScaleColumns, {x}, op(x).rows, op(x).cols, op(x).wire,
              op(x).frac + weight_frac, name);
  y.weight = Quantise(weight, rows, y.cols, weight_frac);
  return Push(std::move(y));
}

TensorId PlanBuilder::Rotate(TensorId x, std::uint32_t heads, const std::vector<double>& angles,
                             std::uint32_t rows, unsigned weight_frac, const std::string& name) {
  Op y = Make(OpKind::kRotate, {x}, op(x).rows, op(x).cols, op(x).wire, op(x).frac + weight_frac,
              name);
  y.heads = heads;
  y.weight = Quantise(angles, rows, y.cols / heads, weight_frac);
  return Push(std::move(y));
}

TensorId PlanBuilder::Concat(const std::vector<TensorId>& parts, const std::string& name) {
  std::uint32_t rows = 0;
  bool wire = true;
  for (const TensorId part : parts) {
    rows += op(part).rows;
    wire = wire && op(part).wire;
  }
  return PushMoved(
      Make(OpKind::kConcat, parts, rows, op(parts[0]).cols, wire, op(parts[0]).frac, name));
}

TensorId PlanBuilder::Reshape(TensorId x, std::uint32_t rows, std::uint32_t cols,
                              const std::string& name) {
  return PushMoved(Make(OpKind::kReshape, {x}, rows, cols, op(x).wire, op(x).frac, name));
}

TensorId PlanBuilder::Columns(TensorId x, std::uint32_t begin, std::uint32_t cols,
                              const std::string& name) {
  Op y = Make(OpKind::kColumns, {x}, op(x).rows, cols, op(x).wire, op(x).frac, name);
  y.begin = begin;
  return PushMoved(std::move(y));
}

TensorId PlanBuilder::Compare(TensorId x, unsigned digits, unsigned digit_bits,
                              const std::string& name) {
  Op y = Make(OpKind::kCompare, {x}, static_cast<std::uint32_t>(op(x).size()), 2 * digits, false, 0,
              name);
  y.digits = static_cast<std::uint8_t>(digits);
  y.digit_bits = static_cast<std::uint8_t>(digit_bits);
  y.bits = 2;
  return Push(std::move(y));
}

TensorId PlanBuilder::Lookup(TensorId x, TensorId table, unsigned digit_bits,
                             const std::string& name) {
  Op y = Make(OpKind::kLookup, {x}, op(x).rows, op(table).cols, false, op(table).frac, name);
  y.digits = 1;
  y.digit_bits = static_cast<std::uint8_t>(digit_bits);
  y.weight = op(table).weight;
  y.bits = op(table).bits;
  return Push(std::move(y));
}

TensorId PlanBuilder::Noise(const std::vector<double>& quantiles, std::uint32_t rows,
                            std::uint32_t cols, unsigned frac, const std::string& name) {
  Op y = Make(OpKind::kNoise, {}, rows, cols, false, frac, name);
  // The same table again and again.
  if (!noise_) {
    noise_ = Quantise(quantiles, static_cast<std::uint32_t>(quantiles.size()), 1, frac);
  }
  y.weight = *noise_;
  y.digit_bits = static_cast<std::uint8_t>(std::bit_width(quantiles.size() - 1));
  y.bits = static_cast<std::uint8_t>(
      BitsOf(Scaled(Largest(quantiles) * options_.sets, plan_.constants[y.weight].frac)));
  return Push(std::move(y));
}

TensorId PlanBuilder::RowSum(TensorId x, const std::string& name) {
  return Push(Make(OpKind::kRowSum, {x}, op(x).rows, 1, op(x).wire, op(x).frac, name));
}

TensorId PlanBuilder::Rows(TensorId x, std::uint32_t begin, std::uint32_t rows,
                           const std::string& name) {
  Op y = Make(OpKind::kRows, {x}, rows, op(x).cols, op(x).wire, op(x).frac, name);
  y.begin = begin;
  y.bits = op(x).bits;
  return Push(std::move(y));
}

TensorId PlanBuilder::Series(TensorId x, const SeriesGoal& goal, const std::string& name) {
  if (const Decision* decided = Decided(name)) {
    Op y = Make(OpKind::kSeries, {x}, op(x).rows, op(x).cols, false, decided->frac, name);
    y.series = decided->series;
    return Push(std::move(y));
  }
  const Range interval = goal.interval;
  const double width = Scaled(interval.high - interval.low, op(x).frac);
  if (!(width >= 1 && width < 0x1p60) || !std::isfinite(goal.function(interval.low)) ||
      !std::isfinite(goal.function(interval.high))) {
    Refuse(name + ": calibration gave no usable interval");
  }
  FitRequest request;
  request.function = goal.function;
  request.weight = goal.weight;
  request.low = interval.low;
  request.high = interval.high;
  request.in_frac = op(x).frac;
  request.out_frac = goal.out_frac;
  request.phase_bits = std::min({goal.phase_bits, goal.out_frac, options_.phase_bits_max});
  request.degree = std::min(2u, op(x).frac == 0 ? 2 : goal.out_frac / op(x).frac);
  request.harmonics = goal.harmonics_min;
  request.sets = options_.sets;
  request.bend = goal.bend;
  Fit fit;
  fit.error = std::numeric_limits<double>::infinity();
  if (ok()) fit = FitSeriesWithin(request, goal.target, goal.harmonics_max);
  char text[kNameBytesMax];
  std::snprintf(text, sizeof text, ": [%.3g, %.3g], %zu harmonics, error %.1e", interval.low,
                interval.high, fit.series.cosine.size(), fit.error + fit.noise);
  if (!(fit.error + fit.noise <= goal.error_max)) Refuse(name + text + " is too large");
  Op y = Make(OpKind::kSeries, {x}, op(x).rows, op(x).cols, false, goal.out_frac, name + text);
  y.series = std::move(fit.series);
  const TensorId id = Push(std::move(y));
  series_errors_[id] = fit.error + fit.noise;
  if (!scope_.empty()) decisions_[keys_.back()].series_error = series_errors_[id];
  return id;
}

TensorId PlanBuilder::Open(TensorId x, unsigned frac, const std::string& name) {
  if (op(x).bits > options_.open_bits_max) {
    Refuse(name + ": " + std::to_string(op(x).bits) + " bits do not fit in an opening of " +
           std::to_string(options_.open_bits_max));
  }
  if (const Decision* decided = Decided(name)) frac = decided->frac;
  const unsigned kept = std::min<unsigned>(frac, op(x).frac);
  Op y = Make(OpKind::kOpen, {x}, op(x).rows, op(x).cols, true, kept, name);
  y.drop = static_cast<std::uint8_t>(op(x).frac - kept);
  // Truncation adds a few units.
  y.bits = static_cast<std::uint8_t>(std::max(5, op(x).bits - y.drop + 1));
  if (y.drop == 0) y.bits = op(x).bits;
  return Push(std::move(y));
}

TensorId PlanBuilder::Output(TensorId x, const std::string& name) {
  Op y = Make(OpKind::kOutput, {x}, op(x).rows, op(x).cols, false, op(x).frac, name);
  y.bits = op(x).bits;
  return Push(std::move(y));
}

std::vector<double> PlanBuilder::Values(TensorId id, std::size_t text) const {
  CHECK(!values_[id].empty());
  std::vector<double> values = values_[id][text];
  for (double& value : values) value = Unscaled(value, op(id).frac);
  return values;
}

Range PlanBuilder::Seen(TensorId id) const {
  if (replays()) {
    const auto found = decisions_.find(keys_[id]);
    CHECK(found != decisions_.end());
    return found->second.seen;
  }
  CHECK(!values_[id].empty());
  Range range{std::numeric_limits<double>::infinity(), -std::numeric_limits<double>::infinity()};
  for (const auto& text : values_[id]) {
    const auto [low, high] = std::minmax_element(text.begin(), text.end());
    range.low = std::min(range.low, Unscaled(*low, op(id).frac));
    range.high = std::max(range.high, Unscaled(*high, op(id).frac));
  }
  return range;
}

Range PlanBuilder::Widened(TensorId id) const {
  const Range seen = Seen(id);
  const double m = options_.margin;
  // Never narrower than a unit, so that a fit has an interval.
  return {std::min(seen.low * m, -0.5), std::max(seen.high * m, 0.5)};
}

Range PlanBuilder::WidenedPositive(TensorId id) const {
  const Range seen = Seen(id);
  return {seen.low / options_.margin, seen.high * options_.margin};
}

unsigned PlanBuilder::FracFor(double least, int precision, unsigned at_most) {
  if (!(least > 0)) return at_most;
  return static_cast<unsigned>(
      std::clamp(precision - std::ilogb(least), 0, static_cast<int>(at_most)));
}

unsigned PlanBuilder::FracThatFits(double largest) const {
  if (!(largest > 0)) return 0;
  const int bits =
      static_cast<int>(options_.open_bits_max) - 1 - std::ilogb(largest * options_.margin);
  return static_cast<unsigned>(std::clamp(bits, 0, 100));
}

void PlanBuilder::KeepOnly(const std::vector<TensorId>& ids, TensorId begin) {
  if (replays()) return;
  for (TensorId id = begin; id < values_.size(); ++id) {
    const auto among = [id](const std::vector<TensorId>& kept) {
      return std::find(kept.begin(), kept.end(), id) != kept.end();
    };
    if (!among(ids) && !among(pinned_)) Forget(id);
  }
}

void PlanBuilder::Refuse(const std::string& why) {
  if (error_.empty()) error_ = why;
}

proto::Result<Plan> PlanBuilder::Finish() {
  if (!ok()) return Fail(proto::ErrorCode::kInvalidArgument, "compiling the model: " + error_);
  for (const Op& op : plan_.ops) CHECK(op.bits != 0 || !replays());  // Undecided: SetBits.
  if (auto valid = Validate(plan_); !valid) return tl::unexpected(valid.error());
  return std::move(plan_);
}

}  // namespace mpc
