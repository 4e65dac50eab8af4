// Linear maps of a plan: how their weights are rounded, and their operations.

#include <algorithm>
#include <cmath>
#include <utility>

#include "mpc/model/builder.h"
#include "mpc/model/columns.h"
#include "mpc/model/rounding.h"
#include "mpc/plan/add_scaled.h"
#include "proto/base/check.h"

namespace mpc {

namespace {

constexpr int kWeightBits = 19;          // What the gemm likes best.
constexpr std::size_t kWeightTexts = 4;  // Texts, and rows of each, on which rounding is judged.
constexpr std::size_t kColumnInputsMin = 32;  // Below, a factor a column is no less than its bytes.

}  // namespace

// Rounding errors of weights are independent: the result moves by |x| times the root of their mean
// square. 7 or 15 bits and a sign, or more.
int PlanBuilder::WeightBits(TensorId x, const std::vector<double>& weight,
                            std::uint32_t cols) const {
  if (replays() || !ok() || options_.weight_error == 0) return kWeightBits;
  const std::size_t inner = weight.size() / cols;
  // Of the result, and of |x|, over some of the texts' rows.
  double results = 0, inputs = 0;
  for (std::size_t text = 0; text < std::min(texts_.size(), kWeightTexts); ++text) {
    const std::vector<double> values = Values(x, text);
    const std::size_t rows = values.size() / inner;
    for (std::size_t row = 0; row < rows; row += std::max<std::size_t>(1, rows / kWeightTexts)) {
      std::vector<double> y(cols);
      for (std::size_t i = 0; i < inner; ++i) {
        const double factor = values[row * inner + i];
        inputs += factor * factor * cols;
        AddScaled(factor, &weight[i * cols], cols, y.data());
      }
      for (const double value : y) results += value * value;
    }
  }
  for (const int bits : {7, 15}) {
    if (inputs * RoundingError(weight, WeightFrac(weight, bits)) <=
        results * options_.weight_error * options_.weight_error) {
      return bits;
    }
  }
  return kWeightBits;
}

// Rows of x on the calibration texts, evenly spread, those of padding left out.
std::vector<double> PlanBuilder::InputsOf(TensorId x) const {
  const std::size_t rows = op(x).rows, inner = op(x).cols;
  std::vector<std::pair<std::size_t, std::size_t>> all;  // Text and row.
  for (std::size_t text = 0; text < texts_.size(); ++text) {
    for (std::size_t row = 0; row < rows; ++row) {
      if (rows != plan_.tokens || texts_[text][row] != pad_) all.emplace_back(text, row);
    }
  }
  const std::size_t count = std::min(all.size(), kRoundingRowsMax);
  std::vector<double> inputs;
  for (std::size_t i = 0; i < count; ++i) {
    const auto [text, row] = all[i * all.size() / count];
    for (std::size_t c = 0; c < inner; ++c) {
      inputs.push_back(Unscaled(values_[x][text][row * inner + c], op(x).frac));
    }
  }
  return inputs;
}

// None where that changes too much.
std::optional<ByteColumns> PlanBuilder::InBytes(TensorId x, const Affine& affine, unsigned frac) {
  const std::size_t inner = op(x).cols;
  if (replays() || !ok() || options_.byte_error == 0 || inner < kColumnInputsMin ||
      affine.weight.size() < kPlanPage) {
    return std::nullopt;
  }
  const std::vector<double> inputs = InputsOf(x);
  constexpr double kLargestUsed = 0x1p100;
  if (inputs.size() < 2 * inner || !(Largest(inputs) < kLargestUsed)) return std::nullopt;
  ByteColumns bytes = RoundToByteColumns(affine.weight, affine.bias.size(), frac, inputs);
  ++byte_maps_;
  const double most = options_.byte_error * options_.byte_error;
  const double square = bytes.error * bytes.error;
  if (!(square <= 4 * most) || byte_squares_ + square > most * static_cast<double>(byte_maps_)) {
    return std::nullopt;
  }
  byte_squares_ += square;
  return bytes;
}

double PlanBuilder::byte_error() const {
  return std::sqrt(byte_squares_ / static_cast<double>(std::max<std::size_t>(byte_maps_, 1)));
}

MapConstants PlanBuilder::RoundedMap(const Affine& affine, unsigned in_frac, unsigned frac,
                                     const std::optional<ByteColumns>& bytes) {
  const auto cols = static_cast<std::uint32_t>(affine.bias.size());
  const auto inner = static_cast<std::uint32_t>(affine.weight.size() / cols);
  MapConstants map;
  map.weight = {inner, cols, static_cast<std::uint8_t>(frac),
                bytes ? bytes->integers : Integers(affine.weight, frac)};
  if (bytes) map.factors = {1, cols, 0, bytes->factors};
  map.bias.frac = static_cast<std::uint8_t>(in_frac + frac);
  for (const double b : affine.bias) {
    map.bias.values.push_back(ToInteger(Scaled(b, map.bias.frac)));
  }
  return map;
}

PlanBuilder::MapIds PlanBuilder::AddMap(const MapConstants& map) {
  MapIds ids;
  ids.weight = static_cast<ConstantId>(plan_.constants.size());
  plan_.constants.push_back(map.weight);
  if (map.factors) {
    ids.factors = static_cast<ConstantId>(plan_.constants.size());
    plan_.constants.push_back(*map.factors);
  }
  ids.bias = static_cast<ConstantId>(plan_.wide_constants.size());
  plan_.wide_constants.push_back(map.bias);
  return ids;
}

// The product, and where its columns have factors the multiplication by them.
TensorId PlanBuilder::PushMap(TensorId x, const MapIds& map, const std::string& name) {
  const Constant& weight = plan_.constants[map.weight];
  Op y = Make(OpKind::kLinear, {x}, op(x).rows, weight.cols, false,
              unsigned{op(x).frac} + weight.frac, name);
  y.weight = map.weight;
  if (map.factors == kNone) {
    y.bias = map.bias;
    return Push(std::move(y));
  }
  const TensorId product = Push(std::move(y));
  Op scaled = Make(OpKind::kScaleColumns, {product}, op(product).rows, op(product).cols, false,
                   op(product).frac, name + " factors");
  scaled.weight = map.factors;
  scaled.bias = map.bias;
  const TensorId id = Push(std::move(scaled));
  if (!replays()) Forget(product);
  return id;
}

TensorId PlanBuilder::Linear(TensorId x, const std::function<Affine()>& affine,
                             std::optional<unsigned> headroom, const std::string& name) {
  const std::uint32_t inner = op(x).cols;
  const Decision* decided = Decided(name);
  const auto known = linear_.find(scope_ + name);
  if (decided != nullptr && known != linear_.end()) return PushMap(x, known->second, name);
  const auto measured = measured_.find(scope_ + name);
  if (decided != nullptr && measured != measured_.end() && measured->second.weight.rows == inner &&
      decided->frac == op(x).frac + measured->second.weight.frac) {
    return PushMap(x, linear_[scope_ + name] = AddMap(measured->second), name);
  }
  const Affine exact = affine();
  CHECK(exact.weight.size() == inner * exact.bias.size());
  // Biases are integers of less than 62 bits.
  const unsigned bias_bits = BitsOf(Scaled(Largest(exact.bias), op(x).frac));
  const unsigned frac_max = bias_bits < 61 ? 61 - bias_bits : 0;
  const int bits = WeightBits(x, exact.weight, static_cast<std::uint32_t>(exact.bias.size()));
  unsigned frac = std::min(frac_max, WeightFrac(exact.weight, 15));
  std::optional<ByteColumns> bytes;
  if (bits > 7) bytes = InBytes(x, exact, frac);
  if (!bytes) frac = std::min(frac_max, WeightFrac(exact.weight, bits));
  if (replays()) {
    CHECK(decided != nullptr);
    frac = unsigned{decided->frac} - op(x).frac;
  }
  for (;;) {
    MapConstants map = RoundedMap(exact, op(x).frac, frac, bytes);
    const auto ops = plan_.ops.size(), constants = plan_.constants.size();
    const auto repeats = repeats_;
    const MapIds ids = AddMap(map);
    if (replays()) linear_[scope_ + name] = ids;
    const TensorId id = PushMap(x, ids, name);
    const unsigned result_bits = op(id).bits;
    if (replays() || !headroom || result_bits + *headroom <= options_.open_bits_max) {
      Keep(plan_.constants[ids.weight]);
      map.weight = plan_.constants[ids.weight];
      if (!replays() && !scope_.empty()) measured_[scope_ + name] = std::move(map);
      return id;
    }
    // Again, with fewer bits in the weights.
    const unsigned excess = result_bits + *headroom - options_.open_bits_max;
    if (excess > frac) {
      Refuse(name + ": the result does not fit in an opening");
      return id;
    }
    frac -= excess;
    if (bytes) {
      bytes = RoundToByteColumns(exact.weight, exact.bias.size(), frac, InputsOf(x));
    }
    if (!scope_.empty()) keys_.resize(keys_.size() - (plan_.ops.size() - ops));
    while (plan_.ops.size() > ops) {
      Forget(static_cast<TensorId>(plan_.ops.size() - 1));
      plan_.ops.pop_back();
    }
    values_.resize(ops);
    series_errors_.resize(ops);
    plan_.constants.resize(constants);
    plan_.wide_constants.pop_back();
    repeats_ = repeats;
  }
}

}  // namespace mpc
