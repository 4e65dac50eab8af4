#include "mpc/model/select.h"

#include <bit>
#include <utility>

#include "proto/base/check.h"

namespace mpc {

TensorId Sign(PlanBuilder& b, TensorId x, const std::string& name) {
  const unsigned needed = b.op(x).bits + 1u;
  unsigned digits = kSelectDigits;
  unsigned width = kSelectDigitBits;
  if (needed > kSelectBits) {
    digits = kDigitsMax;
    width = (needed + kDigitsMax - 1) / kDigitsMax;
    if (width > kDigitBitsMax) {
      b.Refuse(name + ": too large to be compared");
      width = kDigitBitsMax;
    }
  }
  const TensorId pairs = b.Compare(x, digits, width, name + " digits");
  TensorId less = b.Columns(pairs, 0, digits, name + " less");
  TensorId equal = b.Columns(pairs, digits, digits, name + " equal");
  for (unsigned half = digits / 2; half > 0; half /= 2) {
    const TensorId high_less = b.Columns(less, 0, half, name + " high");
    const TensorId high_equal =
        b.Open(b.Columns(equal, 0, half, name + " high"), 0, name + " high");
    const TensorId low_less = b.Open(b.Columns(less, half, half, name + " low"), 0, name + " low");
    const TensorId product = b.Mul(high_equal, low_less, name + " low counts");
    b.SetBits(product, 2);
    less = b.Add(high_less, 1, product, 1, 0, 0, name + " less");
    b.SetBits(less, 2);
    if (half == 1) break;
    // The lowest digits' equality is asked for by nothing: half - 1 of them are.
    const TensorId low_equal =
        b.Open(b.Columns(equal, half, half, name + " low"), 0, name + " low");
    equal = b.Mul(high_equal, low_equal, name + " equal");
    b.SetBits(equal, 2);
  }
  const TensorId bit = b.Open(less, 0, name + " bit");
  b.KeepOnly({bit}, pairs);  // Digits are many times as large as what is compared.
  return bit;
}

TensorId Relu(PlanBuilder& b, TensorId x) {
  CHECK(b.op(x).rows == 1);
  const TensorId column = b.Reshape(x, b.op(x).cols, 1, "ReLU column");
  const TensorId product = b.Mul(column, Sign(b, column, "ReLU sign"), "ReLU");
  return b.Reshape(product, 1, b.op(x).cols, "ReLU row");
}

TensorId Argmax(PlanBuilder& b, TensorId x, const std::string& name) {
  CHECK(b.op(x).wire && b.op(x).cols == 1);
  const auto bits = static_cast<unsigned>(std::bit_width(b.op(x).rows));
  const unsigned value_bits = b.op(x).bits;
  if (b.op(x).rows == 1) return b.Add(x, 0, std::nullopt, 0, 0, 0, name + " index");
  std::optional<TensorId> index;
  while (b.op(x).rows > 1) {
    // Halves; of an odd number the middle is in both.
    const std::uint32_t rows = b.op(x).rows;
    const std::uint32_t half = (rows + 1) / 2, second = rows - half;
    const TensorId first_half = b.Rows(x, 0, half, name + " first half");
    const TensorId other_half = b.Rows(x, second, half, name + " second half");
    const TensorId difference =
        b.Add(first_half, 1, other_half, -1, 0, b.op(x).frac, name + " differences");
    b.SetBits(difference, value_bits + 1);
    const TensorId bit = Sign(b, difference, name);
    const auto choose = [&](TensorId of, TensorId otherwise, unsigned most) {
      const TensorId product = b.Mul(of, bit, name + " choice");
      b.SetBits(product, most + 1);
      const TensorId sum = b.Add(product, 1, otherwise, 1, 0, b.op(product).frac, name + " choice");
      b.SetBits(sum, most + 1);
      const TensorId chosen = b.Open(sum, b.op(sum).frac, name + " chosen");
      b.SetBits(chosen, most);
      return chosen;
    };
    if (!index) {  // second + i, less `second` where the first half won.
      std::vector<double> base(half);
      for (std::uint32_t i = 0; i < half; ++i) base[i] = second + i;
      const TensorId back =
          b.Add(bit, -static_cast<double>(second), std::nullopt, 0, 0, 0, name + " back");
      b.SetBits(back, bits);
      index = b.AddConstant(back, base, name + " index");
    } else {
      const TensorId first_index = b.Rows(*index, 0, half, name + " first half");
      const TensorId other_index = b.Rows(*index, second, half, name + " second half");
      const TensorId between =
          b.Add(first_index, 1, other_index, -1, 0, 0, name + " index differences");
      b.SetBits(between, bits + 1);
      index = choose(between, other_index, bits);
    }
    b.SetBits(*index, bits);
    if (half > 1) x = choose(difference, other_half, value_bits);
    if (half == 1) break;
  }
  return *index;
}

}  // namespace mpc
