#include "mpc/field/gemm.h"

#include <algorithm>
#include <array>
#include <vector>

#include "mpc/field/combine.h"
#include "mpc/field/gemm_kernel.h"
#include "proto/base/check.h"

namespace mpc {
namespace {

// Weights are used plus 2^19, which makes digits of -2^19 .. 2^19 - 1 positive and 20 bits wide; a
// weight beyond takes two digits.
constexpr unsigned kDigitBits = 19;
constexpr std::int64_t kDigitOffset = std::int64_t{1} << kDigitBits;
// Inner indices summed in one go: 1024 products of 52 bits fit 64.
constexpr std::size_t kDepth = 1024;

using Panel = std::vector<std::uint64_t>;

// Digit `digit` of columns [column, column + width) of the weights' rows [first, first + depth).
// True when a weight has a higher digit.
bool Pack(std::span<const std::int32_t> w, std::size_t first, std::size_t depth, std::size_t column,
          std::size_t width, std::size_t cols, bool wide, int digit, Panel& panel) {
  bool beyond = false;
  for (std::size_t k = 0; k < depth; ++k) {
    const std::int32_t* const row = w.data() + (first + k) * cols + column;
    std::uint64_t* const out = panel.data() + k * kPanel;
    for (std::size_t c = 0; c < width; ++c) {
      std::int64_t value = row[c];
      const std::int64_t high = (value + kDigitOffset / 2) >> kDigitBits;
      beyond |= value < -kDigitOffset || value >= kDigitOffset;
      if (wide) value = digit == 0 ? value - high * kDigitOffset : high;
      out[c] = static_cast<std::uint64_t>(value + kDigitOffset);
    }
  }
  return beyond;
}

// sums[0] + sums[1] 2^32 + sums[2] 2^64 + sums[3] 2^96.
Fp Recombine(const std::array<std::uint64_t, 4>& sums) {
  const UInt128 low = sums[0] + (UInt128{sums[1]} << 32);
  const UInt128 high = sums[2] + (UInt128{sums[3]} << 32);
  constexpr std::uint64_t kLow63 = ~std::uint64_t{0} >> 1;
  return Fp::FromUnsigned(low + (high >> 63)) +  // 2^127 = 1
         Fp::FromUnsigned(UInt128{static_cast<std::uint64_t>(high) & kLow63} << 64);
}

}  // namespace

void AddProduct(std::span<const Fp> x, std::span<const std::int32_t> w, std::size_t rows,
                std::size_t inner, std::size_t cols, std::span<Fp> y, GemmPath path) {
  CHECK(x.size() == rows * inner && w.size() == inner * cols && y.size() == rows * cols);
  const KernelFunction kernel = KernelOf(path);
  Panel panel(std::min(kDepth, inner) * kPanel);
  std::array<std::uint64_t, 4 * kPanel> sums;
  std::vector<Fp> offsets(rows);
  for (std::size_t first = 0; first < inner; first += kDepth) {
    const std::size_t depth = std::min(kDepth, inner - first);
    for (std::size_t i = 0; i < rows; ++i) {
      Fp sum;
      for (std::size_t k = 0; k < depth; ++k) sum += x[i * inner + first + k];
      offsets[i] = sum * Fp(-kDigitOffset);
    }
    for (std::size_t column = 0; column < cols; column += kPanel) {
      const std::size_t width = std::min(kPanel, cols - column);
      const bool wide = Pack(w, first, depth, column, width, cols, false, 0, panel);
      for (int digit = 0; digit < (wide ? 2 : 1); ++digit) {
        if (wide) Pack(w, first, depth, column, width, cols, true, digit, panel);
        const Fp unit(digit == 0 ? 1 : kDigitOffset);
        for (std::size_t i = 0; i < rows; ++i) {
          kernel(x.data() + i * inner + first, panel.data(), depth, sums.data());
          Fp* const out = y.data() + i * cols + column;
          for (std::size_t c = 0; c < width; ++c) {
            const Fp sum =
                Recombine({sums[c], sums[kPanel + c], sums[2 * kPanel + c], sums[3 * kPanel + c]}) +
                offsets[i];
            out[c] += digit == 0 ? sum : unit * sum;
          }
        }
      }
    }
  }
}

void AddProduct(FieldView a, FieldView b, std::size_t rows, std::size_t inner, std::size_t cols,
                Fp* y, std::size_t y_row, GemmPath path) {
  // The rows of b, contiguous.
  std::vector<Fp> packed;
  if (b.column != 1) {
    packed.resize(inner * cols);
    for (std::size_t j = 0; j < cols; ++j) {
      for (std::size_t l = 0; l < inner; ++l)
        packed[l * cols + j] = b.data[l * b.row + j * b.column];
    }
    b = {packed.data(), cols, 1};
  }
  std::vector<const UInt128*> vectors(inner);
  for (std::size_t l = 0; l < inner; ++l) vectors[l] = Integers(b.data + l * b.row);
  std::vector<Fp> coefficients(inner);
  for (std::size_t i = 0; i < rows; ++i) {
    for (std::size_t l = 0; l < inner; ++l) coefficients[l] = a.data[i * a.row + l * a.column];
    AddCombination(coefficients, vectors, cols, y + i * y_row, path);
  }
}

}  // namespace mpc
