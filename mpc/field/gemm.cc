#include "mpc/field/gemm.h"

#include <algorithm>
#include <array>
#include <vector>

#include "mpc/field/byte_product.h"
#include "mpc/field/combine.h"
#include "mpc/field/gemm_kernel.h"
#include "mpc/field/share_product.h"
#include "proto/base/check.h"

namespace mpc {
namespace {

// Weights are used plus 2^19, which makes digits of -2^19 .. 2^19 - 1 positive and 20 bits wide; a
// weight beyond takes two digits.
constexpr unsigned kDigitBits = 19;
constexpr std::int64_t kDigitOffset = std::int64_t{1} << kDigitBits;
// Inner indices summed in one go: 1024 products of 52 bits fit 64.
constexpr std::size_t kDepth = 1024;
// Rows that make it worth packing the other factor.
constexpr std::size_t kPackedRowsMin = 8;

enum class Digit : std::uint8_t { kOnly, kLow, kHigh };

// One product, slab of kDepth inner indices by slab, panel of kPanel columns by panel.
class IntegerProduct {
 public:
  IntegerProduct(std::span<const Fp> x, const PackedIntegers& w, std::size_t rows, std::size_t cols,
                 std::span<Fp> y, KernelFunction kernel)
      : x_(x),
        w_(w),
        inner_(x.size() / std::max<std::size_t>(rows, 1)),
        cols_(cols),
        y_(y),
        kernel_(kernel),
        weights_(std::min(kDepth, inner_) * kPanel),
        panel_(weights_.size()),
        offsets_(rows) {}

  void Add() {
    for (first_ = 0; first_ < inner_; first_ += kDepth) {
      depth_ = std::min(kDepth, inner_ - first_);
      SumRows();
      for (column_ = 0; column_ < cols_; column_ += kPanel) {
        width_ = std::min(kPanel, cols_ - column_);
        Widen();
        if (FitsOneDigit()) {
          AddPanel(Digit::kOnly);
        } else {
          AddPanel(Digit::kLow);
          AddPanel(Digit::kHigh);
        }
      }
    }
  }

 private:
  // The panel's weights; each is read once.
  void Widen() {
    for (std::size_t k = 0; k < depth_; ++k) {
      w_.Widen((first_ + k) * cols_ + column_, width_, &weights_[k * kPanel]);
    }
  }

  // What the weights' offset adds to every column.
  void SumRows() {
    for (std::size_t i = 0; i < offsets_.size(); ++i) {
      Fp sum;
      for (const Fp share : x_.subspan(i * inner_ + first_, depth_)) sum += share;
      offsets_[i] = sum * Fp(-kDigitOffset);
    }
  }

  bool FitsOneDigit() const {
    if (w_.width() < 4) return true;
    bool fits = true;
    for (std::size_t k = 0; k < depth_; ++k) {
      const std::int32_t* const row = &weights_[k * kPanel];
      for (std::size_t c = 0; c < width_; ++c) {
        fits &= row[c] >= -kDigitOffset && row[c] < kDigitOffset;
      }
    }
    return fits;
  }

  void Pack(Digit digit) {
    for (std::size_t k = 0; k < depth_; ++k) {
      const std::int32_t* const row = &weights_[k * kPanel];
      for (std::size_t c = 0; c < width_; ++c) {
        std::int64_t value = row[c];
        const std::int64_t high = (value + kDigitOffset / 2) >> kDigitBits;
        if (digit == Digit::kLow) value -= high * kDigitOffset;
        if (digit == Digit::kHigh) value = high;
        panel_[k * kPanel + c] = static_cast<std::uint64_t>(value + kDigitOffset);
      }
    }
  }

  void AddPanel(Digit digit) {
    Pack(digit);
    std::array<std::uint64_t, 4 * kPanel> sums;
    for (std::size_t i = 0; i < offsets_.size(); ++i) {
      kernel_(x_.data() + i * inner_ + first_, panel_.data(), depth_, sums.data());
      Fp* const out = y_.data() + i * cols_ + column_;
      for (std::size_t c = 0; c < width_; ++c) {
        const Fp sum = offsets_[i] + RecombineWords({sums[c], sums[kPanel + c],
                                                     sums[2 * kPanel + c], sums[3 * kPanel + c]});
        out[c] += digit == Digit::kHigh ? Fp(kDigitOffset) * sum : sum;
      }
    }
  }

  std::span<const Fp> x_;
  const PackedIntegers& w_;
  const std::size_t inner_;
  const std::size_t cols_;
  std::span<Fp> y_;
  const KernelFunction kernel_;

  std::size_t first_ = 0, depth_ = 0;   // The slab.
  std::size_t column_ = 0, width_ = 0;  // The panel's columns.
  std::vector<std::int32_t> weights_;
  std::vector<std::uint64_t> panel_;
  std::vector<Fp> offsets_;  // By row.
};

}  // namespace

// Three dimensions, three matrices: as many arguments as a product has.
// NOLINTBEGIN(readability-function-size)

void AddProduct(std::span<const Fp> x, const PackedIntegers& w, std::size_t rows, std::size_t inner,
                std::size_t cols, std::span<Fp> y, GemmPath path) {
  CHECK(x.size() == rows * inner && w.size() == inner * cols && y.size() == rows * cols);
  if (path == GemmPath::kBytes && w.width() <= 2) {
    return AddByteProduct(x, w, rows, inner, cols, y);
  }
  if (path == GemmPath::kBytes) path = GemmPath::kIfma;
  IntegerProduct(x, w, rows, cols, y, KernelOf(path)).Add();
}

void AddProduct(FieldView a, FieldView b, std::size_t rows, std::size_t inner, std::size_t cols,
                Fp* y, std::size_t y_row, GemmPath path) {
  CHECK(Supported(path));
  if (path == GemmPath::kIfma && rows >= kPackedRowsMin) {
    const std::size_t whole = cols - cols % kShareColumns;
    AddShareProduct(a, b, rows, inner, whole, y, y_row);
    b.data += whole * b.column;
    y += whole;
    cols -= whole;
  }
  if (cols == 0) return;
  std::vector<Fp> packed;  // The rows of b, if they are not contiguous.
  if (b.column != 1) {
    packed.resize(inner * cols);
    for (std::size_t j = 0; j < cols; ++j) {
      for (std::size_t l = 0; l < inner; ++l) {
        packed[l * cols + j] = b.data[l * b.row + j * b.column];
      }
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

// NOLINTEND(readability-function-size)

}  // namespace mpc
