#include "mpc/preprocessing/random_bits.h"

#include <algorithm>
#include <bit>

#include "mpc/field/products.h"

namespace mpc {
namespace {

// Elements whose powers are taken at a time: their powers stay in the first-level cache.
constexpr std::size_t kBlock = 256;

// x^(2^ones - 1), term by term.
std::vector<Fp> PowersOfOnes(std::span<const Fp> x, unsigned ones) {
  if (ones == 1) return {x.begin(), x.end()};
  const bool odd = ones % 2 != 0;
  const unsigned upper = odd ? 1 : ones / 2;  // x^(2^ones - 1) = (x^(2^lower - 1))^(2^upper) * ..
  std::vector<Fp> powers = PowersOfOnes(x, ones - upper);
  const std::vector<Fp> factors = odd ? std::vector<Fp>(x.begin(), x.end()) : powers;
  for (unsigned i = 0; i < upper; ++i) {
    Multiply(powers.data(), powers.data(), powers.size(), powers.data());
  }
  Multiply(powers.data(), factors.data(), powers.size(), powers.data());
  return powers;
}

// 1 / s for the root s of a square c that is itself a square: c^((p - 3) / 4), and p + 1 is a power
// of two.
std::vector<Fp> InverseRoots(std::span<const Fp> squares) {
  constexpr auto kExponent = (Fp::kModulus - 3) / 4;
  static_assert((kExponent & (kExponent + 1)) == 0);
  unsigned ones = 0;
  while (kExponent >> ones != 0) ++ones;
  return PowersOfOnes(squares, ones);
}

}  // namespace

std::vector<Fp> RandomBits::RandomElements() const {
  return reductions_.prss().Random(reductions_.LabelOf(squares_, Purpose::kBit),
                                   reductions_.layers().reduction(squares_).claims);
}

Claims RandomBits::Squares() {
  elements_ = RandomElements();
  const Claims::View view{.values = elements_, .stride = {0, 0, 1}};
  return {.a = view, .b = view, .extent = {1, 1, elements_.size()}};
}

const std::vector<Fp>& RandomBits::Bits() {
  if (!bits_.empty()) return bits_;
  bits_ = elements_.empty() ? RandomElements() : std::move(elements_);
  elements_ = {};
  const std::span<const Fp> squares = reductions_.Opened(squares_, opened_);
  const Fp half = Fp(2).Inverse();
  for (std::size_t first = 0; first < bits_.size(); first += kBlock) {
    const std::size_t count = std::min(kBlock, bits_.size() - first);
    const std::vector<Fp> roots = InverseRoots(squares.subspan(first, count));
    for (std::size_t i = 0; i < count; ++i) {
      bits_[first + i] = (bits_[first + i] * roots[i] + Fp(1)) * half;
    }
  }
  return bits_;
}

}  // namespace mpc
