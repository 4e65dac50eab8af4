#include "mpc/field/products.h"

#include <algorithm>
#include <array>

#include "mpc/field/lanes.h"
#include "mpc/field/product_sum.h"
#include "proto/base/check.h"

namespace mpc {
namespace {

using lanes::kLanes;
using lanes::Limbs;
using lanes::Sum;

// Elements that the fast path takes.
std::size_t Whole(std::size_t count, GemmPath path) {
  CHECK(Supported(path));
  return path == GemmPath::kIfma ? count - count % kLanes : 0;
}

WAXSEAL_IFMA_INLINE Sum From(const Fp* elements) {
  const Limbs x = lanes::Split(elements);
  return {{x.limb[0] & lanes::kLimb, x.limb[1] & lanes::kLimb, x.limb[2]}};
}

WAXSEAL_IFMA void IfmaMultiply(const Fp* a, const Fp* b, std::size_t count, Fp* out, bool add) {
  for (std::size_t i = 0; i < count; i += kLanes) {
    Sum sum{};
    if (add) sum = From(out + i);
    lanes::MultiplyAdd(sum, lanes::Split(a + i), lanes::Split(b + i));
    lanes::Store(sum, out + i);
  }
}

WAXSEAL_IFMA void IfmaScale(Fp a, const Fp* b, std::size_t count, Fp* out) {
  const Limbs factor = lanes::SplitOne(a);
  for (std::size_t i = 0; i < count; i += kLanes) {
    Sum sum{};
    lanes::MultiplyAdd(sum, factor, lanes::Split(b + i));
    lanes::Store(sum, out + i);
  }
}

WAXSEAL_IFMA void IfmaComplex(ComplexView a, ComplexView b, std::size_t count, Fp* re, Fp* im,
                              bool add) {
  for (std::size_t i = 0; i < count; i += kLanes) {
    const Limbs a_re = lanes::Split(a.re + i), a_im = lanes::Split(a.im + i);
    const Limbs b_re = lanes::Split(b.re + i), b_im = lanes::Split(b.im + i);
    Sum sum{};
    if (add) sum = From(re + i);
    lanes::MultiplyAdd(sum, a_re, b_re);
    lanes::MultiplyAdd(sum, lanes::Negative(a_im), b_im);
    lanes::Store(sum, re + i);
    sum = {};
    if (add) sum = From(im + i);
    lanes::MultiplyAdd(sum, a_re, b_im);
    lanes::MultiplyAdd(sum, a_im, b_re);
    lanes::Store(sum, im + i);
  }
}

Fp Total(const std::array<Fp, kLanes>& lanes) {
  Fp sum;
  for (const Fp lane : lanes) sum += lane;
  return sum;
}

WAXSEAL_IFMA Fp IfmaInner(const Fp* a, const Fp* b, std::size_t count) {
  Fp total;
  for (std::size_t first = 0; first < count; first += lanes::kTerms * kLanes) {
    const std::size_t end = std::min(count, first + lanes::kTerms * kLanes);
    Sum sum{};
    for (std::size_t i = first; i < end; i += kLanes) {
      lanes::MultiplyAdd(sum, lanes::Split(a + i), lanes::Split(b + i));
    }
    std::array<Fp, kLanes> lanes;
    lanes::Store(sum, lanes.data());
    total += Total(lanes);
  }
  return total;
}

// One row of x against four of y: the limbs of x are split once, 24 sums stay in registers.
constexpr std::size_t kTile = 4;

WAXSEAL_IFMA void IfmaRow(const Fp* x, const Fp* y, std::size_t y_row, std::size_t length,
                          Fp* sums) {
  for (std::size_t first = 0; first < length; first += lanes::kTerms * kLanes) {
    const std::size_t end = std::min(length, first + lanes::kTerms * kLanes);
    Sum sum[kTile] = {};
    for (std::size_t i = first; i < end; i += kLanes) {
      const Limbs left = lanes::Split(x + i);
#pragma GCC unroll 4
      for (std::size_t j = 0; j < kTile; ++j) {
        lanes::MultiplyAdd(sum[j], left, lanes::Split(y + j * y_row + i));
      }
    }
    for (std::size_t j = 0; j < kTile; ++j) {
      std::array<Fp, kLanes> lanes;
      lanes::Store(sum[j], lanes.data());
      sums[j] += Total(lanes);
    }
  }
}

}  // namespace

void Multiply(const Fp* a, const Fp* b, std::size_t count, Fp* out, GemmPath path) {
  const std::size_t whole = Whole(count, path);
  if (whole > 0) IfmaMultiply(a, b, whole, out, false);
  for (std::size_t i = whole; i < count; ++i) out[i] = a[i] * b[i];
}

void Multiply(Fp a, const Fp* b, std::size_t count, Fp* out, GemmPath path) {
  const std::size_t whole = Whole(count, path);
  if (whole > 0) IfmaScale(a, b, whole, out);
  for (std::size_t i = whole; i < count; ++i) out[i] = a * b[i];
}

void AddProducts(const Fp* a, const Fp* b, std::size_t count, Fp* out, GemmPath path) {
  const std::size_t whole = Whole(count, path);
  if (whole > 0) IfmaMultiply(a, b, whole, out, true);
  for (std::size_t i = whole; i < count; ++i) out[i] += a[i] * b[i];
}

void MultiplyComplex(ComplexView a, ComplexView b, std::size_t count, Fp* re, Fp* im, bool add,
                     GemmPath path) {
  const std::size_t whole = Whole(count, path);
  if (whole > 0) IfmaComplex(a, b, whole, re, im, add);
  for (std::size_t i = whole; i < count; ++i) {
    const Fp real = a.re[i] * b.re[i] - a.im[i] * b.im[i];
    const Fp imaginary = a.re[i] * b.im[i] + a.im[i] * b.re[i];
    re[i] = add ? re[i] + real : real;
    im[i] = add ? im[i] + imaginary : imaginary;
  }
}

Fp InnerProduct(const Fp* a, const Fp* b, std::size_t count, GemmPath path) {
  const std::size_t whole = Whole(count, path);
  const Fp fast = whole > 0 ? IfmaInner(a, b, whole) : Fp();
  return whole < count ? fast + Dot(a + whole, b + whole, count - whole) : fast;
}

// Rows, lengths and matrices: as many arguments as a product has.
// NOLINTNEXTLINE(readability-function-size)
void AddRowProducts(const Fp* x, const Fp* y, std::size_t rows, std::size_t length,
                    std::vector<Fp>& sums, GemmPath path) {
  CHECK(sums.size() == rows * rows);
  const std::size_t whole = rows % kTile == 0 ? Whole(length, path) : 0;
  for (std::size_t i = 0; i < rows; ++i) {
    const Fp* const left = x + i * length;
    for (std::size_t j = 0; whole > 0 && j < rows; j += kTile) {
      IfmaRow(left, y + j * length, length, whole, &sums[i * rows + j]);
    }
    for (std::size_t j = 0; whole < length && j < rows; ++j) {
      sums[i * rows + j] += Dot(left + whole, y + j * length + whole, length - whole);
    }
  }
}

}  // namespace mpc
