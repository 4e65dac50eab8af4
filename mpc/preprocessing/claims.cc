#include "mpc/preprocessing/claims.h"

#include "mpc/field/combine.h"
#include "mpc/field/gemm.h"
#include "mpc/field/products.h"
#include "proto/base/check.h"

namespace mpc {
namespace {

// The real and the imaginary parts of one factor.
ComplexView Parts(std::span<const Fp> values) {
  return {values.data(), values.data() + values.size() / 2};
}

// Row (h, i) of claims with one term each.
void MultiplyRow(const Claims& claims, const Fp* a, const Fp* b, Fp* out) {
  const std::size_t count = claims.extent[2];
  const std::size_t a_stride = claims.a.stride[2];
  const std::size_t b_stride = claims.b.stride[2];
  if (a_stride == 1 && b_stride == 1) return Multiply(a, b, count, out);
  if (a_stride == 0 && b_stride == 1) return Multiply(*a, b, count, out);
  if (a_stride == 1 && b_stride == 0) return Multiply(*b, a, count, out);
  for (std::size_t j = 0; j < count; ++j) out[j] = a[j * a_stride] * b[j * b_stride];
}

// Rows of a times columns of b: `row` is the extent that numbers the rows of a, 0 or 1; the columns
// are the last.
void MultiplyMatrices(const Claims& claims, std::size_t row, std::span<Fp> out) {
  const std::size_t other = 1 - row;
  const std::size_t cols = claims.extent[2];
  const std::array<std::size_t, 2> out_stride{claims.extent[1] * cols, cols};
  for (std::size_t k = 0; k < claims.extent[other]; ++k) {
    const Fp* const a = claims.a.values.data() + claims.a.base + k * claims.a.stride[other];
    const Fp* const b = claims.b.values.data() + claims.b.base + k * claims.b.stride[other];
    AddProduct({a, claims.a.stride[row], 1}, {b, 1, claims.b.stride[2]}, claims.extent[row],
               claims.terms, cols, out.data() + k * out_stride[other], out_stride[row]);
  }
}

}  // namespace

void ComputeClaims(const Claims& claims, std::span<Fp> out) {
  if (claims.complex) {
    const std::size_t count = out.size() / 2;
    return MultiplyComplex(Parts(claims.a.values), Parts(claims.b.values), count, out.data(),
                           out.data() + count, false);
  }
  CHECK(out.size() == claims.size());
  const bool columns = claims.terms > 1 && claims.a.stride[2] == 0 && claims.extent[2] > 1;
  for (const std::size_t row : {0u, 1u}) {
    if (columns && claims.b.stride[row] == 0 && claims.extent[row] > 1) {
      return MultiplyMatrices(claims, row, out);
    }
  }
  Fp* next = out.data();
  for (std::size_t h = 0; h < claims.extent[0]; ++h) {
    for (std::size_t i = 0; i < claims.extent[1]; ++i, next += claims.extent[2]) {
      const auto at = [&](const Claims::View& view) {
        return view.values.data() + view.base + h * view.stride[0] + i * view.stride[1];
      };
      if (claims.terms == 1) {
        MultiplyRow(claims, at(claims.a), at(claims.b), next);
        continue;
      }
      for (std::size_t j = 0; j < claims.extent[2]; ++j) {
        next[j] = InnerProduct(at(claims.a) + j * claims.a.stride[2],
                               at(claims.b) + j * claims.b.stride[2], claims.terms);
      }
    }
  }
}

ClaimWeights::ClaimWeights(const Claims& claims, const std::function<void(std::span<Fp>)>& next)
    : claims_(claims) {
  if (claims.complex) {
    u_.resize(claims.b.values.size());
    next(u_);
    return;
  }
  std::size_t u_size = 1;
  std::size_t v_size = 1;
  int lefts = 0, rights = 0;
  for (std::size_t d = 3; d-- > 0;) {
    if (claims.extent[d] == 1) continue;
    const bool a_moves = claims.a.stride[d] != 0;
    const bool b_moves = claims.b.stride[d] != 0;
    CHECK(a_moves || b_moves);
    kinds_[d] = a_moves && b_moves ? Extent::kCommon : a_moves ? Extent::kLeft : Extent::kRight;
    if (a_moves) {
      u_stride_[d] = u_size;
      u_size *= claims.extent[d];
    }
    if (b_moves) {
      v_stride_[d] = v_size;
      v_size *= claims.extent[d];
    }
    lefts += kinds_[d] == Extent::kLeft ? 1 : 0;
    rights += kinds_[d] == Extent::kRight ? 1 : 0;
  }
  CHECK(lefts <= 1 && rights <= 1);
  right_ = rights == 1;
  u_.resize(u_size);
  next(u_);
  if (!right_) return;
  v_.resize(v_size);
  next(v_);
}

Fp ClaimWeights::Combine(std::span<const Fp> values) const {
  if (claims_.complex) return InnerProduct(u_.data(), values.data(), values.size());
  CHECK(values.size() == claims_.size());
  const std::size_t count = claims_.extent[2];
  const Fp* row = values.data();
  Fp sum;
  for (std::size_t h = 0; h < claims_.extent[0]; ++h) {
    for (std::size_t i = 0; i < claims_.extent[1]; ++i, row += count) {
      const Fp* const u = u_.data() + h * u_stride_[0] + i * u_stride_[1];
      if (!right_) {
        sum += InnerProduct(u, row, count);
        continue;
      }
      const Fp* const v = v_.data() + h * v_stride_[0] + i * v_stride_[1];
      if (kinds_[2] == Extent::kRight || count == 1) {
        sum += *u * InnerProduct(v, row, count);
        continue;
      }
      for (std::size_t j = 0; j < count; ++j) {
        sum += u[j * u_stride_[2]] * v[j * v_stride_[2]] * row[j];
      }
    }
  }
  return sum;
}

// One factor of the pairs of one place in the common extents: the weighted sum over the extent that
// is this factor's own, or the factor itself, weighted.
void ClaimWeights::Side(const Claims::View& view, Extent own, std::size_t at,
                        std::span<const Fp> weights, std::vector<Fp>& out) const {
  const Fp* const values = view.values.data() + view.base + at;
  out.assign(claims_.terms, Fp());
  for (std::size_t d = 0; d < 3; ++d) {
    if (kinds_[d] != own) continue;
    const std::size_t count = claims_.extent[d];
    // Of one place, the weights of the own extent are consecutive: that of each other's is common.
    const std::size_t stride = own == Extent::kLeft ? u_stride_[d] : v_stride_[d];
    if (claims_.terms == 1 && view.stride[d] == 1 && stride == 1) {
      out[0] = InnerProduct(weights.data(), values, count);
      return;
    }
    std::vector<Fp> coefficients;
    std::vector<const UInt128*> vectors;
    for (std::size_t k = 0; k < count; ++k) {
      coefficients.push_back(weights[k * stride]);
      vectors.push_back(Integers(values + k * view.stride[d]));
    }
    AddCombination(coefficients, vectors, claims_.terms, out.data());
    return;
  }
  Multiply(weights[0], values, claims_.terms, out.data());
}

void ClaimWeights::ForEachPair(const VisitPairs& visit) const {
  CHECK(!claims_.complex);
  const auto left = [this](std::size_t d) { return kinds_[d] == Extent::kLeft; };
  const bool plain = !right_ && !left(0) && !left(1) && !left(2);
  std::vector<Fp> x, y;
  // Term by term along the last extent.
  const bool rows =
      plain && claims_.terms == 1 && claims_.a.stride[2] == 1 && claims_.b.stride[2] == 1;
  const auto places = [&](std::size_t d) {
    return kinds_[d] == Extent::kCommon ? claims_.extent[d] : 1;
  };
  for (std::size_t h = 0; h < places(0); ++h) {
    for (std::size_t i = 0; i < places(1); ++i) {
      const auto at = [&](const std::array<std::size_t, 3>& stride) {
        return h * stride[0] + i * stride[1];
      };
      const std::size_t at_a = at(claims_.a.stride), at_b = at(claims_.b.stride);
      const std::size_t at_u = at(u_stride_), at_v = at(v_stride_);
      const Fp* const b = claims_.b.values.data() + claims_.b.base + at_b;
      if (rows) {
        x.resize(claims_.extent[2]);
        Multiply(u_.data() + at_u, claims_.a.values.data() + claims_.a.base + at_a, x.size(),
                 x.data());
        visit(x.data(), b, x.size());
        continue;
      }
      for (std::size_t j = 0; j < places(2); ++j) {
        Side(claims_.a, Extent::kLeft, at_a + j * claims_.a.stride[2],
             std::span(u_).subspan(at_u + j * u_stride_[2]), x);
        if (!right_) {
          visit(x.data(), b + j * claims_.b.stride[2], x.size());
          continue;
        }
        Side(claims_.b, Extent::kRight, at_b + j * claims_.b.stride[2],
             std::span(v_).subspan(at_v + j * v_stride_[2]), y);
        visit(x.data(), y.data(), x.size());
      }
    }
  }
}

// u (c1 c2 - s1 s2) + v (c1 s2 + s1 c2) = c1 (u c2 + v s2) + s1 (v c2 - u s2): the conjugate of
// (u - iv)(c2 + i s2) gives both factors.
void ClaimWeights::AddComplex(std::span<Fp> right) const {
  CHECK(claims_.complex && right.size() == u_.size());
  const std::size_t count = right.size() / 2;
  const ComplexView b = Parts(claims_.b.values);
  const Fp* const u = u_.data();
  const Fp* const v = u + count;
  // (v + iu)(c2 + i s2) has the imaginary part u c2 + v s2 and the real part v c2 - u s2.
  MultiplyComplex({v, u}, b, count, right.data() + count, right.data(), true);
}

}  // namespace mpc
