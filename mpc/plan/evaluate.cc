#include "mpc/plan/evaluate.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <numbers>
#include <utility>

#include "mpc/field/fp.h"
#include "mpc/field/gemm.h"
#include "mpc/opening/digits.h"
#include "mpc/plan/add_scaled.h"
#include "mpc/plan/rotate.h"
#include "proto/base/check.h"

namespace mpc {

namespace {

using Ids = std::span<const std::uint32_t>;

void AddProduct(std::span<const double> x, const PackedIntegers& w, std::size_t rows,
                std::size_t inner, std::size_t cols, std::span<double> y) {
  std::vector<double> row(cols);
  for (std::size_t i = 0; i < inner; ++i) {
    w.Widen(i * cols, cols, row.data());
    for (std::size_t r = 0; r < rows; ++r) {
      AddScaled(x[r * inner + i], row.data(), cols, &y[r * cols]);
    }
  }
}

// A matrix inside row-major memory: element (i, j) is data[i * row + j * column].
struct FloatView {
  const double* data;
  std::size_t row;
  std::size_t column;
};

void AddProduct(FloatView a, FloatView b, std::size_t rows, std::size_t inner, std::size_t cols,
                double* y, std::size_t y_row) {
  for (std::size_t i = 0; i < rows; ++i) {
    for (std::size_t l = 0; l < inner; ++l) {
      const double factor = a.data[i * a.row + l * a.column];
      for (std::size_t j = 0; j < cols; ++j) {
        y[i * y_row + j] += factor * b.data[l * b.row + j * b.column];
      }
    }
  }
}

// Real numbers: nothing is rounded.
struct RealArithmetic {
  using Number = double;
  using View = FloatView;

  static double From(std::int64_t x) { return static_cast<double>(x); }
  static double Open(double y, unsigned drop) { return std::ldexp(y, -static_cast<int>(drop)); }
  static double Apply(const Series& series, double x) { return EvaluateSeries(series, x); }
  static Int128 ToInteger(double x) { return static_cast<Int128>(std::floor(x)); }
  static std::uint64_t Digits(unsigned) { return 0; }  // Any mask gives the right answer.
  static double Noise(const Constant&) { return 0; }
};

// The field, with the noise that masks bring.
class FieldArithmetic {
 public:
  using Number = Fp;
  using View = FieldView;

  FieldArithmetic(std::uint64_t seed, unsigned sets) : state_(seed), sets_(sets) {}

  static Fp From(std::int64_t x) { return Fp(x); }

  // The masks' parts drop their fractions one by one; see mpc/opening.
  Fp Open(Fp y, unsigned drop) {
    if (drop == 0) return y;
    Int128 sum = y.ToSigned();
    for (unsigned i = 0; i < sets_; ++i) sum += static_cast<Int128>(Next() >> (64 - drop));
    if (sets_ % 2 == 0) sum += Int128{1} << (drop - 1);
    return Fp::FromSigned((sum >> drop) - Int128{sets_ / 2});
  }

  static Int128 ToInteger(Fp x) { return x.ToSigned(); }
  std::uint64_t Digits(unsigned bits) { return Next() >> (64 - bits); }
  Fp Noise(const Constant& table) {
    Fp sum;
    for (unsigned i = 0; i < sets_; ++i) {
      sum += Fp(std::int64_t{table.values[Next() % table.values.size()]});
    }
    return sum;
  }

  Fp Apply(const Series& series, Fp x) {
    Fp value;
    for (std::size_t i = series.poly.size(); i-- > 0;) value = value * x + Fp(series.poly[i]);
    Series noisy = series;
    noisy.poly.clear();
    double harmonics = EvaluateSeries(noisy, static_cast<double>(x.ToSigned()));
    for (std::size_t k = 0; k < series.cosine.size(); ++k) {
      harmonics += PhaseNoise(k + 1, sets_) * (static_cast<double>(series.cosine[k]) * Deviation() +
                                               static_cast<double>(series.sine[k]) * Deviation());
      // The factors a_i(M) are rounded to the coefficients' unit.
      harmonics += std::ldexp(Deviation() / std::sqrt(12.0), series.phase_bits);
    }
    return value + Fp::FromSigned(static_cast<Int128>(harmonics));
  }

 private:
  // SplitMix64: noise need not be unpredictable here, only reproducible.
  std::uint64_t Next() {
    std::uint64_t z = state_ += 0x9e3779b97f4a7c15;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
    z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
    return z ^ (z >> 31);
  }
  // Mean 0, standard deviation 1, uniform.
  double Deviation() {
    return (std::ldexp(static_cast<double>(Next() >> 11), -52) - 1) * std::numbers::sqrt3;
  }

  std::uint64_t state_;
  unsigned sets_;
};

// One operation on row-major tensors.
template <class Arithmetic>
class Machine {
 public:
  using Number = typename Arithmetic::Number;
  using View = typename Arithmetic::View;
  using Tensor = std::vector<Number>;
  using Inputs = std::span<const Tensor* const>;

  Machine(const Plan& plan, Ids ids, Arithmetic arithmetic)
      : plan_(plan), ids_(ids), arithmetic_(std::move(arithmetic)) {
    CHECK(ids.size() == plan.tokens);
  }

  Tensor Run(const Op& op, Inputs inputs) {
    Tensor y(op.size());
    switch (op.kind) {
      case OpKind::kEmbed:
        Embed(op, y);
        break;
      case OpKind::kTokenIs:
        for (std::size_t i = 0; i < y.size(); ++i) {
          const bool is = inputs.empty() ? ids_[i] == op.token
                                         : Holds(plan_.constants[op.weight],
                                                 Arithmetic::ToInteger((*inputs[0])[i]));
          y[i] = Arithmetic::From(is ? 1 : 0);
        }
        break;
      case OpKind::kLinear: {
        if (op.bias != kNone) AddToRows(plan_.wide_constants[op.bias].values, y);
        const Constant& weight = plan_.constants[op.weight];
        AddProduct(*inputs[0], weight.values, op.rows, weight.rows, op.cols, y);
        break;
      }
      case OpKind::kScores:
        Scores(op, *inputs[0], *inputs[1], y);
        break;
      case OpKind::kMix:
        Mix(op, *inputs[0], *inputs[1], y);
        break;
      case OpKind::kMul: {
        const std::size_t repeat = y.size() / inputs[1]->size();
        for (std::size_t i = 0; i < y.size(); ++i)
          y[i] = (*inputs[0])[i] * (*inputs[1])[i / repeat];
        break;
      }
      case OpKind::kRowDot: {
        const std::size_t cols = inputs[0]->size() / y.size();
        for (std::size_t i = 0; i < inputs[0]->size(); ++i) {
          y[i / cols] += (*inputs[0])[i] * (*inputs[1])[i];
        }
        break;
      }
      case OpKind::kSeries:
        for (std::size_t i = 0; i < y.size(); ++i) {
          y[i] = arithmetic_.Apply(op.series, (*inputs[0])[i]);
        }
        break;
      case OpKind::kAdd: {
        const Number shift = Arithmetic::From(op.shift);
        const Number first = Arithmetic::From(op.scale[0]);
        for (std::size_t i = 0; i < y.size(); ++i) y[i] = first * (*inputs[0])[i] + shift;
        if (inputs.size() == 1) break;
        const Number second = Arithmetic::From(op.scale[1]);
        const std::size_t repeat = y.size() / inputs[1]->size();
        for (std::size_t i = 0; i < y.size(); ++i) y[i] += second * (*inputs[1])[i / repeat];
        break;
      }
      case OpKind::kAddPerColumn: {
        const Number scale = Arithmetic::From(op.scale[0]);
        y = *inputs[0];
        for (std::size_t i = 0; i < y.size(); ++i) y[i] += scale * (*inputs[1])[i % op.cols];
        break;
      }
      case OpKind::kScaleColumns: {
        if (op.bias != kNone) AddToRows(plan_.wide_constants[op.bias].values, y);
        const Constant& weight = plan_.constants[op.weight];
        for (std::size_t i = 0; i < y.size(); ++i) {
          y[i] += (*inputs[0])[i] * Arithmetic::From(weight.values[i % weight.values.size()]);
        }
        break;
      }
      case OpKind::kRowSum: {
        const std::size_t cols = inputs[0]->size() / y.size();
        for (std::size_t i = 0; i < inputs[0]->size(); ++i) y[i / cols] += (*inputs[0])[i];
        break;
      }
      case OpKind::kRows:
        std::copy_n(inputs[0]->begin() + static_cast<std::ptrdiff_t>(op.begin) * op.cols, y.size(),
                    y.begin());
        break;
      case OpKind::kOpen:
        for (std::size_t i = 0; i < y.size(); ++i)
          y[i] = arithmetic_.Open((*inputs[0])[i], op.drop);
        break;
      case OpKind::kOutput:
        y = *inputs[0];
        break;
      case OpKind::kAddConstant: {
        const Constant& weight = plan_.constants[op.weight];
        for (std::size_t i = 0; i < y.size(); ++i) {
          y[i] = (*inputs[0])[i] + Arithmetic::From(weight.values[i]);
        }
        break;
      }
      case OpKind::kConcat: {
        auto next = y.begin();
        for (const Tensor* input : inputs) next = std::copy(input->begin(), input->end(), next);
        break;
      }
      case OpKind::kReshape:
        y = *inputs[0];
        break;
      case OpKind::kColumns: {
        const std::size_t cols = inputs[0]->size() / op.rows;
        for (std::size_t i = 0; i < y.size(); ++i) {
          y[i] = (*inputs[0])[i / op.cols * cols + op.begin + i % op.cols];
        }
        break;
      }
      case OpKind::kRotate:
        Rotate(op, plan_.constants[op.weight], inputs[0]->data(), y.data());
        break;
      case OpKind::kCompare:
        Compare(op, *inputs[0], y);
        break;
      case OpKind::kNoise:
        for (Number& value : y) value = arithmetic_.Noise(plan_.constants[op.weight]);
        break;
      case OpKind::kLookup:
        for (std::size_t i = 0; i < op.rows; ++i) {
          CopyRow(plan_.constants[op.weight],
                  static_cast<std::uint64_t>(Arithmetic::ToInteger((*inputs[0])[i])),
                  &y[i * op.cols]);
        }
        break;
    }
    return y;
  }

 private:
  static void AddToRows(const std::vector<std::int64_t>& row, Tensor& y) {
    for (std::size_t i = 0; i < y.size(); ++i) y[i] += Arithmetic::From(row[i % row.size()]);
  }

  static bool Holds(const Constant& column, Int128 number) {
    const std::vector<std::int32_t> numbers = column.values.ToVector();
    return std::ranges::any_of(numbers, [&](std::int32_t value) { return value == number; });
  }

  void Embed(const Op& op, Tensor& y) const {
    for (std::size_t i = 0; i < op.rows; ++i) {
      CopyRow(plan_.constants[op.weight], ids_[i], &y[i * op.cols]);
    }
  }

  // As the protocol does: the row of numbers beyond the table is [UNK]'s place.
  static void CopyRow(const Constant& table, std::uint64_t number, Number* to) {
    const std::uint64_t row = number < table.rows ? number : std::min(1u, table.rows - 1);
    for (std::size_t c = 0; c < table.cols; ++c) {
      to[c] = Arithmetic::From(table.values[row * table.cols + c]);
    }
  }

  // With a mask r of the arithmetic's choice.
  void Compare(const Op& op, const Tensor& x, Tensor& y) {
    const std::uint64_t range = std::uint64_t{1} << op.masked_bits();
    const std::uint64_t digit = (std::uint64_t{1} << op.digit_bits) - 1;
    const std::vector<std::uint8_t> order = PairOrder(op.digits);
    for (std::size_t i = 0; i < x.size(); ++i) {
      const std::uint64_t r = arithmetic_.Digits(op.masked_bits());
      const auto value = static_cast<std::uint64_t>(Arithmetic::ToInteger(x[i]));
      ComparisonPairs((value + range / 2 + r) & (range - 1), op.digits, op.digit_bits, order,
                      [&](unsigned m, std::uint64_t v) {
                        return Arithmetic::From(((r >> (m * op.digit_bits)) & digit) == v ? 1 : 0);
                      },
                      &y[i * op.cols]);
    }
  }

  static void Scores(const Op& op, const Tensor& q, const Tensor& k, Tensor& y) {
    const std::size_t width = q.size() * op.heads / op.rows;
    const std::size_t rows = op.rows / op.heads;
    const std::size_t head_width = width / op.heads;
    const std::size_t key_width = k.size() / op.cols;
    for (std::size_t head = 0; head < op.heads; ++head) {
      const std::size_t offset = head * head_width;
      const std::size_t key_offset = head * key_width / width * head_width;
      AddProduct(View{q.data() + offset, width, 1}, View{k.data() + key_offset, 1, key_width}, rows,
                 head_width, op.cols, y.data() + head * rows * op.cols, op.cols);
    }
  }

  static void Mix(const Op& op, const Tensor& p, const Tensor& v, Tensor& y) {
    const std::size_t tokens = p.size() / (op.heads * op.rows);
    const std::size_t head_width = op.cols / op.heads;
    const std::size_t value_width = v.size() / tokens;
    for (std::size_t head = 0; head < op.heads; ++head) {
      const std::size_t offset = head * head_width;
      const std::size_t value_offset = head * value_width / op.cols * head_width;
      AddProduct(View{p.data() + head * op.rows * tokens, tokens, 1},
                 View{v.data() + value_offset, value_width, 1}, op.rows, tokens, head_width,
                 y.data() + offset, op.cols);
    }
  }

  const Plan& plan_;
  const Ids ids_;
  Arithmetic arithmetic_;
};

// Runs a whole plan; see(op id, tensor) is called on each result. A tensor is dropped after the
// last operation that reads it.
template <class Arithmetic, class See>
std::vector<typename Arithmetic::Number> RunPlan(const Plan& plan, Ids ids, Arithmetic arithmetic,
                                                 See see) {
  Machine<Arithmetic> machine(plan, ids, std::move(arithmetic));
  std::vector<TensorId> last_reader(plan.ops.size());
  for (TensorId id = 0; id < plan.ops.size(); ++id) {
    for (const TensorId input : plan.ops[id].inputs) last_reader[input] = id;
  }
  std::vector<std::vector<typename Arithmetic::Number>> tensors(plan.ops.size());
  for (TensorId id = 0; id < plan.ops.size(); ++id) {
    std::vector<const std::vector<typename Arithmetic::Number>*> inputs;
    for (const TensorId input : plan.ops[id].inputs) inputs.push_back(&tensors[input]);
    tensors[id] = machine.Run(plan.ops[id], inputs);
    see(id, tensors[id]);
    for (const TensorId input : plan.ops[id].inputs) {
      if (last_reader[input] == id) std::vector<typename Arithmetic::Number>().swap(tensors[input]);
    }
  }
  return std::move(tensors.back());
}

double ToReal(double value, unsigned frac) {
  return std::ldexp(value, -static_cast<int>(frac));
}

// The outputs in real units, without the flags that end each group.
std::vector<double> WithoutFlags(const Plan& plan, const std::vector<double>& outputs,
                                 std::vector<double>* flags) {
  std::vector<double> kept;
  const std::size_t group = plan.group();
  for (std::size_t i = 0; i < outputs.size(); ++i) {
    const bool flag = i % group >= group - plan.flags;
    if (!flag) kept.push_back(ToReal(outputs[i], plan.ops.back().frac));
    if (flag && flags != nullptr) flags->push_back(ToReal(outputs[i], plan.ops.back().frac));
  }
  return kept;
}

}  // namespace

std::vector<double> EvaluateFloat(const Plan& plan, Ids ids) {
  return WithoutFlags(plan, RunPlan(plan, ids, RealArithmetic{}, [](TensorId, const auto&) {}),
                      nullptr);
}

FixedEvaluation EvaluateFixed(const Plan& plan, Ids ids, std::uint64_t seed, unsigned sets) {
  FixedEvaluation result;
  const auto check = [&](TensorId id, const std::vector<Fp>& tensor) {
    Int128 largest = 0;
    for (const Fp& element : tensor) {
      const Int128 value = element.ToSigned();
      largest = std::max(largest, value < 0 ? -value : value);
    }
    if (largest >> plan.ops[id].bits == 0) return;
    result.excesses.push_back({id, std::log2(static_cast<double>(largest))});
  };
  std::vector<double> outputs;
  for (const Fp& output : RunPlan(plan, ids, FieldArithmetic(seed, sets), check)) {
    outputs.push_back(static_cast<double>(output.ToSigned()));
  }
  result.outputs = WithoutFlags(plan, outputs, &result.flags);
  return result;
}

// A negative flag is rounding, or a number that went around the field.
bool InRange(std::span<const double> flags) {
  return std::ranges::all_of(flags, [](double flag) { return std::abs(flag) <= 1; });
}

std::vector<double> EvaluateOp(const Plan& plan, const Op& op,
                               std::span<const std::vector<double>* const> inputs, Ids ids) {
  return Machine<RealArithmetic>(plan, ids, {}).Run(op, inputs);
}

double EvaluateSeries(const Series& series, double x) {
  double value = 0;
  for (std::size_t i = series.poly.size(); i-- > 0;) {
    value = value * x + static_cast<double>(series.poly[i]);
  }
  const double turn = x / static_cast<double>(series.period);
  const double angle = 2 * std::numbers::pi * (turn - std::floor(turn));
  const double cos_one = std::cos(angle), sin_one = std::sin(angle);
  double cos_k = 1, sin_k = 0, harmonics = 0;
  for (std::size_t k = 0; k < series.cosine.size(); ++k) {
    const double next = cos_k * cos_one - sin_k * sin_one;
    sin_k = sin_k * cos_one + cos_k * sin_one;
    cos_k = next;
    harmonics +=
        static_cast<double>(series.cosine[k]) * cos_k + static_cast<double>(series.sine[k]) * sin_k;
  }
  return value + std::ldexp(harmonics, series.phase_bits);
}

double PhaseNoise(std::size_t harmonic, unsigned sets) {
  return static_cast<double>(harmonic) * (0.3 * sets + 0.4);
}

}  // namespace mpc
