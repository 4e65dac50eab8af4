#include "mpc/online/operations.h"

#include <algorithm>
#include <array>
#include <utility>

#include "mpc/field/combine.h"
#include "mpc/field/gemm.h"
#include "mpc/field/products.h"
#include "mpc/field/sums.h"
#include "mpc/online/harmonics.h"
#include "mpc/opening/digits.h"
#include "mpc/opening/masked.h"
#include "mpc/plan/rotate.h"
#include "proto/base/check.h"

namespace mpc {
namespace {

// The row of the embedding table for tokens beyond the vocabulary.
constexpr std::size_t kRowOfUnknown = 1;
// Elements that pass through several steps together, in the first cache.
constexpr std::size_t kBlock = 64;

Tensor Empty(const Op& op) {
  Tensor result{op.rows, op.cols, op.wire, {}, std::vector<Fp>(op.size())};
  if (op.wire) result.masked.resize(op.size());
  return result;
}

// A linear map acts on the shares and, of a wire, on the public part: map(out, parts of the
// inputs). A public constant belongs to x, so it goes into both as well.
template <class Map>
Tensor Linearly(const Op& op, std::span<const Tensor* const> inputs, Map map) {
  Tensor result = Empty(op);
  std::vector<const Fp*> parts(inputs.size());
  std::transform(inputs.begin(), inputs.end(), parts.begin(),
                 [](const Tensor* input) { return input->share.data(); });
  map(result.share, parts);
  if (!op.wire) return result;
  std::transform(inputs.begin(), inputs.end(), parts.begin(),
                 [](const Tensor* input) { return input->masked.data(); });
  map(result.masked, parts);
  return result;
}

Tensor Linear(const Plan& plan, const Op& op, const Tensor& x) {
  Tensor y = Empty(op);
  if (op.bias != kNone) {
    const auto& bias = plan.wide_constants[op.bias].values;
    for (std::size_t i = 0; i < y.size(); ++i) y.share[i] = Fp(bias[i % y.cols]);
  }
  AddProduct(x.share, plan.constants[op.weight].values, x.rows, x.cols, y.cols, y.share);
  return y;
}

// The second factor of a product less its public part: the first line of
//   [x y] = M_x ([y] - M_y) + [x] M_y + [L_x L_y].
std::vector<Fp> Unmasked(const Tensor& y) {
  std::vector<Fp> result(y.size());
  Subtract(y.share.data(), y.masked.data(), result.size(), result.data());
  return result;
}

Tensor FromMaskProducts(const Op& op, std::span<const Fp> slot) {
  CHECK(slot.size() == op.size());
  return {op.rows, op.cols, false, {}, {slot.begin(), slot.end()}};
}

Tensor Scores(const Op& op, const Tensor& q, const Tensor& k, std::span<const Fp> slot) {
  Tensor y = FromMaskProducts(op, slot);
  const std::vector<Fp> unmasked = Unmasked(k);
  const std::size_t width = q.cols / op.heads;
  for (std::size_t head = 0; head < op.heads; ++head) {
    const std::size_t first = head * width;
    const std::size_t key = head * k.cols / q.cols * width;
    Fp* const out = y.share.data() + head * q.rows * y.cols;
    const auto add = [&](const std::vector<Fp>& left, const std::vector<Fp>& right) {
      AddProduct({left.data() + first, q.cols, 1}, {right.data() + key, 1, k.cols}, q.rows, width,
                 k.rows, out, y.cols);
    };
    add(q.masked, unmasked);
    add(q.share, k.masked);
  }
  return y;
}

Tensor Mix(const Op& op, const Tensor& p, const Tensor& v, std::span<const Fp> slot) {
  Tensor y = FromMaskProducts(op, slot);
  const std::vector<Fp> unmasked = Unmasked(v);
  const std::size_t width = y.cols / op.heads;
  for (std::size_t head = 0; head < op.heads; ++head) {
    const std::size_t first = head * width;
    const std::size_t value = head * v.cols / y.cols * width;
    const std::size_t row = head * y.rows * p.cols;
    const auto add = [&](const std::vector<Fp>& left, const std::vector<Fp>& right) {
      AddProduct({left.data() + row, p.cols, 1}, {right.data() + value, v.cols, 1}, y.rows, p.cols,
                 width, y.share.data() + first, y.cols);
    };
    add(p.masked, unmasked);
    add(p.share, v.masked);
  }
  return y;
}

Tensor Mul(const Op& op, const Tensor& x, const Tensor& y, std::span<const Fp> slot) {
  Tensor z = FromMaskProducts(op, slot);
  const std::vector<Fp> unmasked = Unmasked(y);
  if (x.cols == y.cols) {
    AddProducts(x.masked.data(), unmasked.data(), z.size(), z.share.data());
    AddProducts(x.share.data(), y.masked.data(), z.size(), z.share.data());
    return z;
  }
  for (std::size_t row = 0; row < x.rows; ++row) {  // One element of y for each row.
    const std::size_t first = row * x.cols;
    const std::array<Fp, 2> factors{unmasked[row], y.masked[row]};
    const std::array<const UInt128*, 2> rows{Integers(&x.masked[first]), Integers(&x.share[first])};
    AddCombination(factors, rows, x.cols, &z.share[first]);
  }
  return z;
}

Tensor RowDot(const Op& op, const Tensor& x, const Tensor& y, std::span<const Fp> slot) {
  Tensor z = FromMaskProducts(op, slot);
  const std::vector<Fp> unmasked = Unmasked(y);
  for (std::size_t row = 0; row < x.rows; ++row) {
    const std::size_t first = row * x.cols;
    z.share[row] += InnerProduct(&x.masked[first], &unmasked[first], x.cols) +
                    InnerProduct(&x.share[first], &y.masked[first], x.cols);
  }
  return z;
}

// poly[0] + poly[1] x + poly[2] x^2, with x^2 = M (2 x - M) + L^2.
void AddPolynomial(const Series& series, const Tensor& x, std::span<const Fp> squares,
                   std::span<Fp> out) {
  std::array<Fp, 3> poly{};
  for (std::size_t i = 0; i < series.poly.size(); ++i) poly[i] = Fp(series.poly[i]);
  std::array<Fp, kBlock> left, square;
  const std::size_t terms = squares.empty() ? 1 : 2;
  for (std::size_t first = 0; first < out.size(); first += kBlock) {
    const std::size_t count = std::min(kBlock, out.size() - first);
    const Fp* const share = &x.share[first];
    const Fp* const masked = &x.masked[first];
    if (terms == 2) {
      for (std::size_t i = 0; i < count; ++i) left[i] = share[i] + share[i] - masked[i];
      std::copy_n(squares.begin() + static_cast<std::ptrdiff_t>(first), count, square.begin());
      AddProducts(masked, left.data(), count, square.data());
    }
    for (std::size_t i = 0; i < count; ++i) out[first + i] += poly[0];
    const std::array<const UInt128*, 2> powers{Integers(share), Integers(square.data())};
    AddCombination(std::span(poly).subspan(1, terms), std::span(powers).first(terms), count,
                   &out[first]);
  }
}

Tensor EvaluateSeries(const Op& op, const Tensor& x, std::span<const Fp> slot) {
  const Series& series = op.series;
  const std::size_t size = op.size();
  const std::size_t squares = series.poly.size() > 2 ? size : 0;
  CHECK(slot.size() == size * 2 * series.cosine.size() + squares);
  Tensor y = Empty(op);
  AddPolynomial(series, x, slot.first(squares), y.share);
  AddHarmonics(series, x.masked, slot.subspan(squares), y.share);
  return y;
}

Tensor Add(const Op& op, std::span<const Tensor* const> inputs) {
  const Fp shift(op.shift);
  const Fp first(op.scale[0]);
  const std::array<Fp, 2> scale{first, inputs.size() == 1 ? Fp() : Fp(op.scale[1])};
  // How many elements in a row meet the same element of b: 1, the columns, or all.
  const std::size_t repeat = inputs.size() == 1 ? op.size() : op.size() / inputs[1]->size();
  return Linearly(op, inputs, [&](std::vector<Fp>& out, const std::vector<const Fp*>& in) {
    if (in.size() == 2 && repeat == 1) {
      std::fill(out.begin(), out.end(), shift);
      const std::array<const UInt128*, 2> both{Integers(in[0]), Integers(in[1])};
      return AddCombination(scale, both, out.size(), out.data());
    }
    for (std::size_t i = 0; i < out.size(); i += repeat) {
      const Fp start = in.size() == 1 ? shift : shift + scale[1] * in[1][i / repeat];
      std::fill_n(&out[i], repeat, start);
      const UInt128* const row = Integers(in[0] + i);
      AddCombination({&first, 1}, {&row, 1}, repeat, &out[i]);
    }
  });
}

Tensor AddPerColumn(const Op& op, std::span<const Tensor* const> inputs) {
  const Fp scale(op.scale[0]);
  return Linearly(op, inputs, [&](std::vector<Fp>& out, const std::vector<const Fp*>& in) {
    for (std::size_t i = 0; i < out.size(); ++i) {
      out[i] = in[0][i] + scale * in[1][i % op.cols];
    }
  });
}

Tensor ScaleColumns(const Plan& plan, const Op& op, std::span<const Tensor* const> inputs) {
  const auto& weights = plan.constants[op.weight].values;
  std::vector<Fp> weight(weights.size());
  for (std::size_t i = 0; i < weight.size(); ++i) weight[i] = Fp(weights[i]);
  std::vector<Fp> bias(op.cols);
  if (op.bias != kNone) std::ranges::copy(plan.wide_constants[op.bias].values, bias.begin());
  return Linearly(op, inputs, [&](std::vector<Fp>& out, const std::vector<const Fp*>& in) {
    for (std::size_t i = 0; i < out.size(); i += op.cols) {
      std::copy(bias.begin(), bias.end(), out.begin() + static_cast<std::ptrdiff_t>(i));
      AddProducts(&weight[i % weight.size()], in[0] + i, op.cols, &out[i]);
    }
  });
}

Tensor RowSum(const Op& op, std::span<const Tensor* const> inputs) {
  const std::size_t cols = inputs[0]->cols;
  return Linearly(op, inputs, [&](std::vector<Fp>& out, const std::vector<const Fp*>& in) {
    for (std::size_t i = 0; i < out.size() * cols; ++i) out[i / cols] += in[0][i];
  });
}

Tensor Rows(const Op& op, std::span<const Tensor* const> inputs) {
  const std::size_t first = std::size_t{op.begin} * op.cols;
  return Linearly(op, inputs, [&](std::vector<Fp>& out, const std::vector<const Fp*>& in) {
    std::copy_n(in[0] + first, out.size(), out.begin());
  });
}

Tensor AddConstant(const Plan& plan, const Op& op, std::span<const Tensor* const> inputs) {
  const auto& constant = plan.constants[op.weight].values;
  return Linearly(op, inputs, [&](std::vector<Fp>& out, const std::vector<const Fp*>& in) {
    for (std::size_t i = 0; i < out.size(); ++i) out[i] = in[0][i] + Fp(constant[i]);
  });
}

Tensor Concat(const Op& op, std::span<const Tensor* const> inputs) {
  return Linearly(op, inputs, [&](std::vector<Fp>& out, const std::vector<const Fp*>& in) {
    auto next = out.begin();
    for (std::size_t i = 0; i < in.size(); ++i) {
      next = std::copy_n(in[i], inputs[i]->size(), next);
    }
  });
}

Tensor Reshape(const Op& op, std::span<const Tensor* const> inputs) {
  return Linearly(op, inputs, [&](std::vector<Fp>& out, const std::vector<const Fp*>& in) {
    std::copy_n(in[0], out.size(), out.begin());
  });
}

Tensor Columns(const Op& op, std::span<const Tensor* const> inputs) {
  const std::size_t width = inputs[0]->cols;
  return Linearly(op, inputs, [&](std::vector<Fp>& out, const std::vector<const Fp*>& in) {
    for (std::size_t i = 0; i < out.size(); ++i) {
      out[i] = in[0][i / op.cols * width + op.begin + i % op.cols];
    }
  });
}

Tensor Turned(const Plan& plan, const Op& op, std::span<const Tensor* const> inputs) {
  const Constant& angles = plan.constants[op.weight];
  return Linearly(op, inputs, [&](std::vector<Fp>& out, const std::vector<const Fp*>& in) {
    Rotate(op, angles, in[0], out.data());
  });
}

Tensor Output(const Op& op, const Tensor& y, std::span<const Fp> slot) {
  Tensor result = FromMaskProducts(op, slot);
  for (std::size_t i = 0; i < result.size(); ++i) result.share[i] += y.share[i];
  return result;
}

// e(id)_k = e(r)_{m - k mod V'}, for r the token's mask and m = id + r mod V'.
Fp Indicator(std::span<const Fp> one_hot, std::uint32_t masked_token, std::size_t k) {
  return one_hot[(masked_token - k) & (one_hot.size() - 1)];
}

// Rows of the table chosen by secret numbers, `masked` = number + r mod `padded`.
Tensor Chosen(const Plan& plan, const Op& op, std::span<const Fp> slot, std::size_t padded,
              std::span<const std::uint32_t> masked) {
  const Constant& table = plan.constants[op.weight];
  const std::size_t unknown = std::min<std::size_t>(kRowOfUnknown, table.rows - 1);
  std::vector<Fp> indicators(std::size_t{op.rows} * table.rows);
  for (std::size_t i = 0; i < op.rows; ++i) {
    const std::span one_hot = slot.subspan(i * padded, padded);
    Fp* const row = indicators.data() + i * table.rows;
    for (std::size_t k = 0; k < table.rows; ++k) row[k] = Indicator(one_hot, masked[i], k);
    for (std::size_t k = table.rows; k < padded; ++k) {
      row[unknown] += Indicator(one_hot, masked[i], k);
    }
  }
  Tensor y = Empty(op);
  AddProduct(indicators, table.values, op.rows, table.rows, op.cols, y.share);
  return y;
}

}  // namespace

Tensor Embed(const Plan& plan, const Op& op, std::span<const Fp> slot,
             std::span<const std::uint32_t> masked_tokens) {
  CHECK(slot.size() == op.rows * (plan.vocabulary_padded() + 1) && masked_tokens.size() == op.rows);
  return Chosen(plan, op, slot, plan.vocabulary_padded(), masked_tokens);
}

Tensor TokenIs(const Plan& plan, const Op& op, std::span<const Fp> slot,
               std::span<const std::uint32_t> masked_tokens) {
  const bool of_lookup = !op.inputs.empty();
  const std::size_t padded =
      of_lookup ? std::size_t{1} << plan.ops[op.inputs[1]].digit_bits : plan.vocabulary_padded();
  CHECK(slot.size() == op.rows * (padded + 1) && masked_tokens.size() == op.rows);
  Tensor y = Empty(op);
  for (std::size_t i = 0; i < op.rows; ++i) {
    const auto one_hot = slot.subspan(i * padded, padded);
    if (!of_lookup) {
      y.share[i] = Indicator(one_hot, masked_tokens[i], op.token);
      continue;
    }
    for (const std::int32_t number : plan.constants[op.weight].values.ToVector()) {
      y.share[i] += Indicator(one_hot, masked_tokens[i], static_cast<std::size_t>(number));
    }
  }
  return y;
}

std::vector<std::uint64_t> LowParts(const Op& op, std::span<const Fp> opened) {
  std::vector<std::uint64_t> low;
  low.reserve(opened.size());
  for (const Fp& value : opened) {
    low.push_back(static_cast<std::uint64_t>(value.value()) & ((1ull << op.masked_bits()) - 1));
  }
  return low;
}

Fp OpeningOffset(const Op& op) {
  switch (op.kind) {
    case OpKind::kOpen:
      return Fp::FromSigned(kOpenOffset);
    case OpKind::kCompare:
      return Fp(std::int64_t{1} << (op.masked_bits() - 1));
    default:
      return Fp();
  }
}

Tensor FromOpened(const Plan& plan, const Op& op, std::span<const Fp> opened,
                  std::span<const Fp> slot, std::size_t sets) {
  const std::size_t count = opened.size();
  if (op.kind == OpKind::kOpen) {
    Tensor wire = Empty(op);
    const std::span<const Fp> mask = slot.subspan(count);
    const PublicPartOf public_part(op.drop, sets);
    for (std::size_t first = 0; first < count; first += kBlock) {
      const std::size_t size = std::min(kBlock, count - first);
      ShiftDown(&opened[first], public_part.half(), op.drop, public_part.low(), size,
                &wire.masked[first]);
      Subtract(&wire.masked[first], &mask[first], size, &wire.share[first]);
    }
    return wire;
  }
  const std::size_t entries = std::size_t{1} << op.digit_bits;
  const std::vector<std::uint64_t> low = LowParts(op, opened);
  if (op.kind == OpKind::kLookup) {
    return Chosen(plan, op, slot, entries, std::vector<std::uint32_t>(low.begin(), low.end()));
  }
  CHECK(op.kind == OpKind::kCompare);
  Tensor pairs = Empty(op);
  const std::vector<std::uint8_t> order = PairOrder(op.digits);
  for (std::size_t i = 0; i < count; ++i) {
    const std::span<const Fp> one_hots = slot.subspan(i * op.digits * entries);
    ComparisonPairs(
        low[i], op.digits, op.digit_bits, order,
        [&](unsigned digit, std::uint64_t value) { return one_hots[digit * entries + value]; },
        &pairs.share[i * op.cols]);
  }
  return pairs;
}

Tensor Compute(const Plan& plan, const Op& op, std::span<const Tensor* const> inputs,
               std::span<const Fp> slot) {
  switch (op.kind) {
    case OpKind::kLinear:
      return Linear(plan, op, *inputs[0]);
    case OpKind::kScores:
      return Scores(op, *inputs[0], *inputs[1], slot);
    case OpKind::kMix:
      return Mix(op, *inputs[0], *inputs[1], slot);
    case OpKind::kMul:
      return Mul(op, *inputs[0], *inputs[1], slot);
    case OpKind::kRowDot:
      return RowDot(op, *inputs[0], *inputs[1], slot);
    case OpKind::kSeries:
      return EvaluateSeries(op, *inputs[0], slot);
    case OpKind::kAdd:
      return Add(op, inputs);
    case OpKind::kAddPerColumn:
      return AddPerColumn(op, inputs);
    case OpKind::kScaleColumns:
      return ScaleColumns(plan, op, inputs);
    case OpKind::kRowSum:
      return RowSum(op, inputs);
    case OpKind::kRows:
      return Rows(op, inputs);
    case OpKind::kNoise:
      return FromMaskProducts(op, slot);
    case OpKind::kOutput:
      return Output(op, *inputs[0], slot);
    case OpKind::kAddConstant:
      return AddConstant(plan, op, inputs);
    case OpKind::kConcat:
      return Concat(op, inputs);
    case OpKind::kReshape:
      return Reshape(op, inputs);
    case OpKind::kColumns:
      return Columns(op, inputs);
    case OpKind::kRotate:
      return Turned(plan, op, inputs);
    case OpKind::kCompare:
    case OpKind::kLookup:
    case OpKind::kEmbed:
    case OpKind::kTokenIs:
    case OpKind::kOpen:
      break;
  }
  CHECK(false);
  return {};
}

}  // namespace mpc
