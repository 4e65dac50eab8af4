// Validate: what every reader of a plan relies on.
#include <algorithm>
#include <functional>
#include <limits>
#include <string>

#include "mpc/plan/plan.h"

namespace mpc {

namespace {

using proto::ErrorCode;
using proto::Fail;
using proto::Result;

// The field holds integers of up to 126 bits and a sign.
constexpr unsigned kBitsMax = 125;
constexpr unsigned kFracMax = 100;

class Checker {
 public:
  explicit Checker(const Plan& plan) : plan_(plan) {}

  Result<> Run() {
    if (auto ok = CheckHead(); !ok) return ok;
    if (auto ok = CheckConstants(); !ok) return ok;
    for (id_ = 0; id_ < plan_.ops.size(); ++id_) {
      if (auto ok = CheckCommon(); !ok) return ok;
      if (auto ok = CheckOp(); !ok) return ok;
    }
    return CheckEnds();
  }

 private:
  const Op& op() const { return plan_.ops[id_]; }
  const Op& in(std::size_t i) const { return plan_.ops[op().inputs[i]]; }

  tl::unexpected<proto::Error> Bad(const std::string& what) const {
    return Fail(ErrorCode::kInvalidArgument,
                "plan: operation " + std::to_string(id_) + " (" + op().name + "): " + what);
  }
  static tl::unexpected<proto::Error> BadPlan(const std::string& what) {
    return Fail(ErrorCode::kInvalidArgument, "plan: " + what);
  }

  Result<> CheckHead() const {
    if (plan_.architecture.empty() || plan_.architecture.size() > kNameBytesMax) {
      return BadPlan("the architecture's name must have 1 to 128 bytes");
    }
    if (plan_.tokens == 0 || plan_.tokens > kSideMax) return BadPlan("bad number of tokens");
    const unsigned digits = plan_.digit_bits_high + plan_.digit_bits_low;
    if (plan_.digit_bits_high > kVocabularyBitsMax || plan_.digit_bits_low > kVocabularyBitsMax ||
        digits > kVocabularyBitsMax || plan_.vocabulary == 0 ||
        plan_.vocabulary > plan_.vocabulary_padded()) {
      return BadPlan("the mask's digits do not cover the vocabulary, or exceed 20 bits");
    }
    if (plan_.ops.size() < 2 || plan_.ops.size() > kOpsMax) return BadPlan("bad operation count");
    if (plan_.labels.size() > kSideMax) return BadPlan("too many labels");
    for (const std::string& label : plan_.labels) {
      if (label.size() > kNameBytesMax) return BadPlan("a label is longer than 128 bytes");
    }
    return {};
  }

  Result<> CheckConstants() const {
    if (plan_.constants.size() > kOpsMax || plan_.wide_constants.size() > kOpsMax) {
      return BadPlan("too many constants");
    }
    for (const Constant& constant : plan_.constants) {
      const std::uint64_t size = std::uint64_t{constant.rows} * constant.cols;
      if (size == 0 || size > kConstantSizeMax || constant.values.size() != size) {
        return BadPlan("a constant's values do not match its shape");
      }
      if (constant.frac > kFracMax) return BadPlan("a constant has too many fraction bits");
      for (std::size_t i = 0; constant.values.width() == 4 && i < size; ++i) {
        if (constant.values[i] == std::numeric_limits<std::int32_t>::min()) {
          return BadPlan("a constant's value lies outside (-2^31, 2^31)");
        }
      }
    }
    for (const WideConstant& constant : plan_.wide_constants) {
      if (constant.values.empty() || constant.values.size() > kConstantSizeMax) {
        return BadPlan("a wide constant is empty or too large");
      }
      if (constant.frac > kFracMax) return BadPlan("a constant has too many fraction bits");
    }
    return {};
  }

  Result<> CheckCommon() const {
    if (op().name.size() > kNameBytesMax) return BadPlan("an operation's name exceeds 128 bytes");
    if (op().rows == 0 || op().cols == 0 || op().rows > kSideMax || op().cols > kSideMax ||
        op().size() > kTensorSizeMax) {
      return Bad("bad shape");
    }
    if (op().bits > kBitsMax || op().frac > kFracMax) return Bad("too many bits");
    for (const TensorId input : op().inputs) {
      if (input >= id_) return Bad("reads a later operation");
    }
    if ((op().kind == OpKind::kEmbed) != (id_ == 0)) return Bad("kEmbed is operation 0, and alone");
    if ((op().kind == OpKind::kOutput) != (id_ + 1 == plan_.ops.size())) {
      return Bad("kOutput is the last operation, and alone");
    }
    return {};
  }

  // The number of inputs, the shape and kind that an operation must have.
  Result<> Expect(std::size_t inputs, std::uint32_t rows, std::uint32_t cols, bool wire) const {
    if (op().inputs.size() != inputs) return Bad("wrong number of inputs");
    if (op().rows != rows || op().cols != cols) return Bad("shape does not follow from the inputs");
    if (op().wire != wire) return Bad("wire or sharing, against its kind");
    return {};
  }
  Result<> ExpectFrac(unsigned frac) const {
    if (op().frac != frac) return Bad("fraction bits do not follow from the inputs");
    return {};
  }
  Result<> NeedInputs(std::size_t least, bool wires) const {
    if (op().inputs.size() < least) return Bad("wrong number of inputs");
    for (std::size_t i = 0; i < op().inputs.size(); ++i) {
      if (wires && !in(i).wire) return Bad("needs wires");
    }
    return {};
  }
  const Constant* weight() const {
    return op().weight < plan_.constants.size() ? &plan_.constants[op().weight] : nullptr;
  }
  Result<> CheckBias() const {
    if (op().bias == kNone) return {};
    if (op().bias >= plan_.wide_constants.size()) return Bad("no such bias");
    const WideConstant& bias = plan_.wide_constants[op().bias];
    if (bias.values.size() != op().cols || bias.frac != op().frac) return Bad("bias does not fit");
    return {};
  }

  Result<> CheckOp() const {
    switch (op().kind) {
      case OpKind::kEmbed:
        return CheckEmbed();
      case OpKind::kTokenIs:
        return CheckTokenIs();
      case OpKind::kLinear:
        return CheckLinear();
      case OpKind::kScores:
        return CheckScores();
      case OpKind::kMix:
        return CheckMix();
      case OpKind::kMul:
        return CheckMul();
      case OpKind::kRowDot:
        return CheckRowDot();
      case OpKind::kSeries:
        return CheckSeries();
      case OpKind::kAdd:
        return CheckAdd();
      case OpKind::kAddPerColumn:
        return CheckAddPerColumn();
      case OpKind::kScaleColumns:
        return CheckScaleColumns();
      case OpKind::kRowSum:
        return CheckRowSum();
      case OpKind::kRows:
        return CheckRows();
      case OpKind::kOpen:
        return CheckOpen();
      case OpKind::kOutput:
        return CheckOutput();
      case OpKind::kAddConstant:
        return CheckAddConstant();
      case OpKind::kConcat:
        return CheckConcat();
      case OpKind::kReshape:
        return CheckReshape();
      case OpKind::kColumns:
        return CheckColumns();
      case OpKind::kRotate:
        return CheckRotate();
      case OpKind::kCompare:
        return CheckCompare();
      case OpKind::kLookup:
        return CheckLookup();
      case OpKind::kNoise:
        return CheckNoise();
    }
    return Bad("unknown kind");
  }

  Result<> CheckEmbed() const {
    const Constant* table = weight();
    if (table == nullptr || table->rows != plan_.vocabulary) return Bad("table does not fit");
    if (auto ok = Expect(0, plan_.tokens, table->cols, false); !ok) return ok;
    return ExpectFrac(table->frac);
  }
  Result<> CheckTokenIs() const {
    if (auto ok = ExpectFrac(0); !ok) return ok;
    if (!op().inputs.empty()) return CheckNumberIs();
    if (auto ok = Expect(0, plan_.tokens, 1, false); !ok) return ok;
    if (op().token >= plan_.vocabulary_padded()) return Bad("token outside the vocabulary");
    return {};
  }
  Result<> CheckNumberIs() const {
    if (auto ok = Expect(2, in(0).rows, 1, false); !ok) return ok;
    if (in(1).kind != OpKind::kLookup || in(1).inputs[0] != op().inputs[0]) {
      return Bad("needs a number and its lookup");
    }
    if (weight() == nullptr || weight()->cols != 1 ||
        weight()->rows > std::uint64_t{1} << in(1).digit_bits) {
      return Bad("numbers do not fit");
    }
    const std::vector<std::int32_t> numbers = weight()->values.ToVector();
    if (numbers.front() < 0 || numbers.back() >> in(1).digit_bits != 0 ||
        std::ranges::adjacent_find(numbers, std::greater_equal()) != numbers.end()) {
      return Bad("numbers are not ascending, or outside the lookup");
    }
    return {};
  }
  Result<> CheckLinear() const {
    if (auto ok = NeedInputs(1, false); !ok) return ok;
    if (weight() == nullptr || weight()->rows != in(0).cols) return Bad("weight does not fit");
    if (auto ok = Expect(1, in(0).rows, weight()->cols, false); !ok) return ok;
    if (auto ok = ExpectFrac(in(0).frac + weight()->frac); !ok) return ok;
    return CheckBias();
  }
  Result<> CheckScores() const {
    if (auto ok = NeedInputs(2, true); !ok) return ok;
    const std::uint32_t heads = op().heads;
    if (heads == 0 || in(0).cols % heads != 0 || !Shared(in(0).cols, in(1).cols)) {
      return Bad("bad heads");
    }
    if (std::uint64_t{heads} * in(0).rows > kSideMax) return Bad("bad shape");
    if (auto ok = Expect(2, heads * in(0).rows, in(1).rows, false); !ok) return ok;
    return ExpectFrac(unsigned{in(0).frac} + in(1).frac);
  }
  Result<> CheckMix() const {
    if (auto ok = NeedInputs(2, true); !ok) return ok;
    const std::uint32_t heads = op().heads;
    if (heads == 0 || in(0).rows % heads != 0 || op().cols % heads != 0 ||
        in(0).cols != in(1).rows || !Shared(op().cols, in(1).cols)) {
      return Bad("bad heads");
    }
    if (auto ok = Expect(2, in(0).rows / heads, op().cols, false); !ok) return ok;
    return ExpectFrac(unsigned{in(0).frac} + in(1).frac);
  }
  // Whether keys or values of `narrow` columns serve heads that have `wide` together.
  bool Shared(std::uint32_t wide, std::uint32_t narrow) const {
    const std::uint32_t width = wide / op().heads;
    return width != 0 && narrow % width == 0 && wide % narrow == 0;
  }
  Result<> CheckMul() const {
    if (auto ok = NeedInputs(2, true); !ok) return ok;
    if (auto ok = Expect(2, in(0).rows, in(0).cols, false); !ok) return ok;
    if (in(1).rows != op().rows || (in(1).cols != op().cols && in(1).cols != 1)) {
      return Bad("the factors' shapes differ");
    }
    return ExpectFrac(unsigned{in(0).frac} + in(1).frac);
  }
  Result<> CheckRowDot() const {
    if (auto ok = NeedInputs(2, true); !ok) return ok;
    if (in(1).rows != in(0).rows || in(1).cols != in(0).cols) return Bad("shapes differ");
    if (auto ok = Expect(2, in(0).rows, 1, false); !ok) return ok;
    return ExpectFrac(unsigned{in(0).frac} + in(1).frac);
  }
  Result<> CheckSeries() const {
    if (auto ok = NeedInputs(1, true); !ok) return ok;
    if (auto ok = Expect(1, in(0).rows, in(0).cols, false); !ok) return ok;
    if (in(0).kind != OpKind::kOpen) return Bad("needs a fresh wire");
    const Series& series = op().series;
    if (series.period <= 0) return Bad("the period must be positive");
    if (series.phase_bits == 0 || series.phase_bits > kPhaseBitsMax) return Bad("bad phase bits");
    if (series.poly.size() > 3 || series.cosine.size() > kHarmonicsMax ||
        series.sine.size() != series.cosine.size() ||
        series.poly.size() + series.cosine.size() == 0) {
      return Bad("bad number of coefficients");
    }
    if (!series.cosine.empty() && series.out_frac < series.phase_bits) return Bad("bad out_frac");
    if (!series.poly.empty() && series.out_frac < (series.poly.size() - 1) * in(0).frac) {
      return Bad("bad out_frac");
    }
    return ExpectFrac(series.out_frac);
  }
  Result<> CheckAdd() const {
    const std::size_t count = op().inputs.size();
    if (count != 1 && count != 2) return Bad("wrong number of inputs");
    if (op().scale.size() != count) return Bad("needs a scale for each input");
    const bool wire = in(0).wire && in(count - 1).wire;
    if (auto ok = Expect(count, in(0).rows, in(0).cols, wire); !ok) return ok;
    const Op& second = in(count - 1);
    const bool same = second.rows == op().rows && (second.cols == op().cols || second.cols == 1);
    if (!same && second.size() != 1) return Bad("the operands' shapes differ");
    return {};
  }
  Result<> CheckAddPerColumn() const {
    if (auto ok = NeedInputs(2, false); !ok) return ok;
    if (op().scale.size() != 1) return Bad("needs one scale");
    if (in(1).rows != in(0).cols || in(1).cols != 1) return Bad("the operands' shapes differ");
    return Expect(2, in(0).rows, in(0).cols, in(0).wire && in(1).wire);
  }
  Result<> CheckScaleColumns() const {
    if (auto ok = NeedInputs(1, false); !ok) return ok;
    if (auto ok = Expect(1, in(0).rows, in(0).cols, in(0).wire); !ok) return ok;
    if (weight() == nullptr || op().rows % weight()->rows != 0 || weight()->cols != op().cols) {
      return Bad("weight does not fit");
    }
    if (auto ok = ExpectFrac(in(0).frac + weight()->frac); !ok) return ok;
    return CheckBias();
  }
  Result<> CheckRowSum() const {
    if (auto ok = NeedInputs(1, false); !ok) return ok;
    if (auto ok = Expect(1, in(0).rows, 1, in(0).wire); !ok) return ok;
    return ExpectFrac(in(0).frac);
  }
  Result<> CheckRows() const {
    if (auto ok = NeedInputs(1, false); !ok) return ok;
    if (auto ok = Expect(1, op().rows, in(0).cols, in(0).wire); !ok) return ok;
    if (op().begin >= in(0).rows || op().rows > in(0).rows - op().begin) {
      return Bad("rows outside the input");
    }
    return ExpectFrac(in(0).frac);
  }
  Result<> CheckOpen() const {
    if (auto ok = NeedInputs(1, false); !ok) return ok;
    if (auto ok = Expect(1, in(0).rows, in(0).cols, true); !ok) return ok;
    if (in(0).bits > kOpenBits) return Bad("the opened value may exceed the offset of 2^59");
    if (op().drop > in(0).frac) return Bad("drops more than the fraction");
    return ExpectFrac(unsigned{in(0).frac} - op().drop);
  }
  Result<> CheckOutput() const {
    if (auto ok = NeedInputs(1, false); !ok) return ok;
    if (auto ok = Expect(1, in(0).rows, in(0).cols, false); !ok) return ok;
    const bool column = plan_.steps > 1 || plan_.flags > 0;
    if (plan_.steps == 0 || op().size() % plan_.steps != 0 || plan_.flags >= plan_.group() ||
        (column && op().cols != 1)) {
      return Bad("steps or flags do not fit");
    }
    const std::size_t columns = column ? plan_.group() - plan_.flags : op().cols;
    if (!plan_.labels.empty() && plan_.labels.size() != columns) return Bad("labels do not fit");
    return ExpectFrac(in(0).frac);
  }
  // What is opened as it is must be a bit, whoever made the plan.
  Result<> CheckEnds() const {
    if (!plan_.ends.empty() && plan_.ends.size() + 1 != plan_.steps) {
      return BadPlan("ends do not fit the steps");
    }
    if (std::ranges::adjacent_find(plan_.ends, std::greater_equal()) != plan_.ends.end()) {
      return BadPlan("ends are not ascending");
    }
    for (const TensorId end : plan_.ends) {
      if (end >= plan_.ops.size() || plan_.ops[end].kind != OpKind::kTokenIs ||
          plan_.ops[end].inputs.empty() || plan_.ops[end].size() != 1) {
        return BadPlan("an end is no answer to whether one number is a token");
      }
    }
    return {};
  }

  Result<> CheckAddConstant() const {
    if (auto ok = NeedInputs(1, false); !ok) return ok;
    if (auto ok = Expect(1, in(0).rows, in(0).cols, in(0).wire); !ok) return ok;
    if (weight() == nullptr || weight()->rows != op().rows || weight()->cols != op().cols ||
        weight()->frac != op().frac) {
      return Bad("constant does not fit");
    }
    return ExpectFrac(in(0).frac);
  }

  Result<> CheckConcat() const {
    if (auto ok = NeedInputs(1, false); !ok) return ok;
    std::uint64_t rows = 0;
    bool wire = true;
    for (std::size_t i = 0; i < op().inputs.size(); ++i) {
      if (in(i).cols != op().cols) return Bad("the inputs' columns differ");
      if (in(i).frac != op().frac) return Bad("the inputs' fraction bits differ");
      rows += in(i).rows;
      wire = wire && in(i).wire;
    }
    if (rows != op().rows) return Bad("shape does not follow from the inputs");
    return Expect(op().inputs.size(), op().rows, op().cols, wire);
  }
  Result<> CheckReshape() const {
    if (auto ok = NeedInputs(1, false); !ok) return ok;
    if (in(0).size() != op().size()) return Bad("another number of elements");
    if (auto ok = Expect(1, op().rows, op().cols, in(0).wire); !ok) return ok;
    return ExpectFrac(in(0).frac);
  }
  Result<> CheckColumns() const {
    if (auto ok = NeedInputs(1, false); !ok) return ok;
    if (auto ok = Expect(1, in(0).rows, op().cols, in(0).wire); !ok) return ok;
    if (op().begin >= in(0).cols || op().cols > in(0).cols - op().begin) {
      return Bad("columns outside the input");
    }
    return ExpectFrac(in(0).frac);
  }
  Result<> CheckRotate() const {
    if (auto ok = NeedInputs(1, false); !ok) return ok;
    if (auto ok = Expect(1, in(0).rows, in(0).cols, in(0).wire); !ok) return ok;
    const std::uint32_t heads = op().heads;
    if (heads == 0 || op().cols % heads != 0 || op().cols / heads % 2 != 0) return Bad("bad heads");
    if (weight() == nullptr || op().rows % weight()->rows != 0 ||
        weight()->cols != op().cols / heads) {
      return Bad("weight does not fit");
    }
    return ExpectFrac(in(0).frac + weight()->frac);
  }
  Result<> CheckCompare() const {
    if (auto ok = NeedInputs(1, false); !ok) return ok;
    const unsigned digits = op().digits;
    if (digits == 0 || digits > kDigitsMax || (digits & (digits - 1)) != 0 ||
        op().digit_bits == 0 || op().digit_bits > kDigitBitsMax || op().masked_bits() > kOpenBits) {
      return Bad("bad digits");
    }
    if (in(0).size() > kSideMax) return Bad("too many comparisons at once");
    if (in(0).bits + 1u > op().masked_bits()) return Bad("the digits do not hold the input");
    if (auto ok = Expect(1, static_cast<std::uint32_t>(in(0).size()), 2 * digits, false); !ok) {
      return ok;
    }
    return ExpectFrac(0);
  }
  Result<> CheckLookup() const {
    if (auto ok = NeedInputs(1, false); !ok) return ok;
    if (op().digits != 1 || op().digit_bits == 0 || op().digit_bits > kVocabularyBitsMax) {
      return Bad("bad digits");
    }
    if (in(0).cols != 1 || in(0).frac != 0) return Bad("needs a column of integers");
    if (weight() == nullptr || weight()->rows > std::uint64_t{1} << op().digit_bits) {
      return Bad("table does not fit");
    }
    if (auto ok = Expect(1, in(0).rows, weight()->cols, false); !ok) return ok;
    return ExpectFrac(weight()->frac);
  }

  Result<> CheckNoise() const {
    if (auto ok = Expect(0, op().rows, op().cols, false); !ok) return ok;
    if (op().digit_bits == 0 || op().digit_bits > kNoiseBitsMax || weight() == nullptr ||
        weight()->cols != 1 || weight()->rows != std::uint32_t{1} << op().digit_bits) {
      return Bad("table does not fit");
    }
    return ExpectFrac(weight()->frac);
  }

  const Plan& plan_;
  TensorId id_ = 0;
};

}  // namespace

Result<> Validate(const Plan& plan) {
  return Checker(plan).Run();
}

}  // namespace mpc
