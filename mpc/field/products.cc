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

// A negative factor is its size times p - x, the complement of x.
WAXSEAL_IFMA void IfmaSigned(const std::int64_t* factors, std::size_t factor_row, const Fp* x,
                             std::size_t x_row, std::size_t terms, std::size_t count, Fp* out) {
  for (std::size_t i = 0; i < count; i += kLanes) {
    Sum sum = From(out + i);
    for (std::size_t k = 0; k < terms; ++k) {
      const lanes::Lanes factor = lanes::Load(factors + k * factor_row + i);
      const lanes::Lanes sign = -(factor >> 63);  // All ones of a negative one.
      const auto size = reinterpret_cast<__m512i>((factor ^ sign) - sign);
      Limbs y = lanes::Split(x + k * x_row + i);
      y.limb[0] ^= sign;
      y.limb[1] ^= sign;
      y.limb[2] ^= sign & lanes::kTop;
#pragma GCC unroll 3
      for (std::size_t j = 0; j < 3; ++j) {
        const auto limb = reinterpret_cast<__m512i>(y.limb[j]);
        lanes::Lanes& low = sum.limb[j];
        lanes::Lanes& high = sum.limb[j + 1];
        low = reinterpret_cast<lanes::Lanes>(
            _mm512_madd52lo_epu64(reinterpret_cast<__m512i>(low), limb, size));
        high = reinterpret_cast<lanes::Lanes>(
            _mm512_madd52hi_epu64(reinterpret_cast<__m512i>(high), limb, size));
      }
    }
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

// NOLINTNEXTLINE(readability-function-size): as many arguments as a sum of products has.
void AddSignedProducts(const std::int64_t* factors, std::size_t factor_row, const Fp* x,
                       std::size_t x_row, std::size_t terms, std::size_t count, Fp* out,
                       GemmPath path) {
  CHECK(terms <= lanes::kTerms);
  const std::size_t whole = Whole(count, path);
  if (whole > 0) IfmaSigned(factors, factor_row, x, x_row, terms, whole, out);
  for (std::size_t k = 0; k < terms; ++k) {
    for (std::size_t i = whole; i < count; ++i) {
      out[i] += Fp(factors[k * factor_row + i]) * x[k * x_row + i];
    }
  }
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
