#include "mpc/model/approximations.h"

#include <cmath>
#include <vector>

#include "mpc/model/select.h"

namespace mpc {

namespace {

constexpr unsigned kCoefficientFrac = 20;
constexpr double kExpLeast = -14;
constexpr int kExpSquarings = 5;
constexpr double kQuadShift = 5;

// A public factor as the plan keeps it.
double Rounded(double value) {
  return std::ldexp(std::nearbyint(std::ldexp(value, kCoefficientFrac)), -int{kCoefficientFrac});
}

// a + sum of factor * wire, all of one shape.
struct Term {
  double factor;
  TensorId wire;
};
TensorId Combine(PlanBuilder& b, const std::vector<Term>& terms, double constant,
                 const std::string& name) {
  unsigned frac = 0;
  for (const Term& term : terms) frac = std::max<unsigned>(frac, b.op(term.wire).frac);
  frac += kCoefficientFrac;
  TensorId sum =
      b.Add(terms[0].wire, Rounded(terms[0].factor), std::nullopt, 0, constant, frac, name);
  for (std::size_t i = 1; i < terms.size(); ++i) {
    sum = b.Add(sum, 1, terms[i].wire, Rounded(terms[i].factor), 0, frac, name);
  }
  return sum;
}

// Bits [x >= threshold] of a wire, in its shape; at most kSideMax comparisons at once.
TensorId AtLeast(PlanBuilder& b, TensorId x, double threshold, const std::string& name) {
  const std::uint32_t rows = b.op(x).rows, cols = b.op(x).cols;
  const unsigned frac = b.op(x).frac;
  const TensorId shifted = b.Add(x, 1, std::nullopt, 0, -threshold, frac, name);
  // |x| < 2^bits is watched, or follows from what is.
  const auto whole = static_cast<unsigned>(std::max(0, std::ilogb(std::abs(threshold) + 1) + 1));
  b.SetBits(shifted, std::max<unsigned>(b.op(x).bits, whole + frac) + 1);
  const auto block = static_cast<std::uint32_t>(std::max<std::size_t>(1, kSideMax / cols));
  std::vector<TensorId> parts;
  for (std::uint32_t first = 0; first < rows; first += block) {
    const std::uint32_t count = std::min(block, rows - first);
    const TensorId part = count == rows ? shifted : b.Rows(shifted, first, count, name);
    const TensorId bits = Sign(b, b.Reshape(part, count * cols, 1, name), name);
    parts.push_back(b.Reshape(bits, count, cols, name));
  }
  return parts.size() == 1 ? parts[0] : b.Concat(parts, name);
}

// The greatest of each row of a wire; a wire.
TensorId RowMax(PlanBuilder& b, TensorId x, const std::string& name) {
  while (b.op(x).cols > 1) {
    const std::uint32_t cols = b.op(x).cols, half = (cols + 1) / 2;
    const TensorId left = b.Columns(x, 0, half, name);
    const TensorId right = b.Columns(x, cols - half, half, name);
    const unsigned frac = b.op(x).frac;
    const unsigned bits = b.op(x).bits;
    const TensorId difference = b.Add(left, 1, right, -1, 0, frac, name);
    b.SetBits(difference, bits + 1);
    const TensorId bit = AtLeast(b, difference, 0, name);
    const TensorId chosen = b.Mul(difference, bit, name);
    x = b.Open(b.Add(chosen, 1, right, 1, 0, frac, name), frac, name);
    b.SetBits(x, bits);
  }
  return x;
}

}  // namespace

TensorId PumaGelu(PlanBuilder& b, Blocks& blocks, TensorId x, const std::string& name) {
  blocks.WatchBits(x, name + " range");
  const TensorId x2 = b.Open(b.Mul(x, x, name + " x^2"), 14, name + " x^2");
  const TensorId x3 = b.Open(b.Mul(x2, x, name + " x^3"), 12, name + " x^3");
  const TensorId x4 = b.Open(b.Mul(x2, x2, name + " x^4"), 10, name + " x^4");
  const TensorId x6 = b.Open(b.Mul(x4, x2, name + " x^6"), 10, name + " x^6");
  const TensorId cubic = Combine(
      b, {{-0.42226581151983866, x}, {-0.11807612951181953, x2}, {-0.011034134030615728, x3}},
      -0.5054031199708174, name + " cubic");
  const TensorId sextic = Combine(b,
                                  {{0.5, x},
                                   {0.3603292692789629, x2},
                                   {-0.037688200365904236, x4},
                                   {0.0018067462606141187, x6}},
                                  0.008526321541038084, name + " sextic");
  const unsigned frac = b.op(sextic).frac;
  const TensorId middle = b.Add(sextic, 1, cubic, -1, 0, frac, name + " middle");
  const TensorId outer = b.Add(x, 1, sextic, -1, 0, frac, name + " outer");
  // The pieces begin at -4, -1.95 and 3.
  TensorId sum = b.Mul(cubic, AtLeast(b, x, -4, name + " low"), name);
  sum =
      b.Add(sum, 1, b.Mul(middle, AtLeast(b, x, -1.95, name + " middle"), name), 1, 0, frac, name);
  return b.Add(sum, 1, b.Mul(outer, AtLeast(b, x, 3, name + " high"), name), 1, 0, frac, name);
}

TensorId QuadGelu(PlanBuilder& b, TensorId x, const std::string& name) {
  const TensorId square = b.Mul(x, x, name + " x^2");
  const unsigned frac = b.op(square).frac + 3u;
  return b.Add(square, 0.125, x, 0.25, 0.5, frac, name);
}

TensorId PumaReciprocal(PlanBuilder& b, Blocks& blocks, TensorId z, Range range,
                        const std::string& name) {
  if (!(range.low > 0 && range.high < 0x1p40)) b.Refuse(name + ": no range to divide by");
  if (!b.ok()) return z;
  blocks.WatchBits(z, name + " range");
  // 2^-(k + 1) for z in [2^k, 2^(k + 1)).
  const int first = std::ilogb(range.low), last = std::ilogb(range.high);
  const auto frac = static_cast<unsigned>(std::max(last, 0)) + 2;
  const double most = std::ldexp(1.0, -(first + 1));
  std::optional<TensorId> scale;
  for (int k = first + 1; k <= last; ++k) {
    const TensorId bit = AtLeast(b, z, std::ldexp(1.0, k), name + " power");
    const double change = -std::ldexp(1.0, -(k + 1));
    scale = scale ? b.Add(*scale, 1, bit, change, 0, frac, name + " scale")
                  : b.Add(bit, change, std::nullopt, 0, most, frac, name + " scale");
  }
  if (!scale) scale = b.Add(z, 0, std::nullopt, 0, most, frac, name + " scale");
  const TensorId c = b.Open(b.Mul(z, *scale, name + " scaled"), 20, name + " scaled");
  const TensorId guess = b.Add(c, -2, std::nullopt, 0, Rounded(2.9142), 20, name + " guess");
  TensorId w = b.Open(b.Mul(guess, *scale, name + " guess"), 24, name + " guess");
  const TensorId zw = b.Mul(z, w, name + " error");
  TensorId error = b.Open(b.Add(zw, -1, std::nullopt, 0, 1, b.op(zw).frac, name + " error"), 24,
                          name + " error");
  for (int step = 0; step < 2; ++step) {
    const TensorId factor = b.Add(error, 1, std::nullopt, 0, 1, 24, name + " factor");
    w = b.Open(b.Mul(w, factor, name + " step"), 24, name + " step");
    if (step == 0) error = b.Open(b.Mul(error, error, name + " error"), 24, name + " error");
  }
  return w;
}

TensorId PumaSoftmax(PlanBuilder& b, Blocks& blocks, TensorId scores, TensorId text, double bias,
                     const std::string& name) {
  const unsigned frac = b.op(scores).frac;
  const TensorId lowered = b.Add(b.AddPerColumn(scores, text, bias, name + " pads"), 1,
                                 std::nullopt, 0, -bias, frac, name + " pads");
  const TensorId x = b.Open(lowered, 16, name + " scores");
  blocks.WatchBits(x, name + " range");
  const TensorId below = b.Add(x, 1, RowMax(b, x, name + " max"), -1, 0, 16, name + " below");
  b.SetBits(below, b.op(x).bits + 1u);
  const TensorId near = AtLeast(b, below, kExpLeast, name + " near");
  const TensorId base = b.Add(below, std::ldexp(1.0, -kExpSquarings), std::nullopt, 0, 1,
                              16 + kExpSquarings, name + " base");
  TensorId power = b.Open(b.Mul(base, near, name + " base"), 20, name + " base");
  for (int i = 0; i < kExpSquarings; ++i) {
    power = b.Open(b.Mul(power, power, name + " squares"), 20, name + " squares");
  }
  const TensorId z = b.RowSum(power, name + " sums");
  const double most = b.op(scores).cols;
  const TensorId r = PumaReciprocal(b, blocks, z, {1, most}, name + " 1/sum");
  return b.Open(b.Mul(power, r, name), 20, name);
}

TensorId QuadSoftmax(PlanBuilder& b, Blocks& blocks, TensorId scores, TensorId text,
                     const std::string& name) {
  const TensorId shifted = b.AddPerColumn(scores, text, kQuadShift, name + " shifted");
  const TensorId x = b.Open(shifted, 16, name + " shifted");
  const TensorId squares = b.Mul(x, x, name + " squares");
  const TensorId u = b.Open(squares, 16, name + " squares");
  const TensorId sums = b.RowSum(squares, name + " sums");
  const Range range = b.WidenedPositive(sums);
  const TensorId z =
      b.Open(sums, PlanBuilder::FracFor(range.low, kPrecision, b.op(sums).frac), name + " sums");
  const TensorId r = PumaReciprocal(b, blocks, z, range, name + " 1/sum");
  return b.Open(b.Mul(u, r, name), 20, name);
}

}  // namespace mpc
