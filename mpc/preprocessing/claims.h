// Claims as views: a batch of inner products over two arrays of shares, their local products, and
// how a random combination of a batch becomes few pairs.
#pragma once

#include <array>
#include <cstddef>
#include <functional>
#include <span>
#include <vector>

#include "mpc/field/fp.h"

namespace mpc {

// Claim (h, i, j) is the sum over t < terms of a[at_a + t] * b[at_b + t] with
// at = base + h * stride[0] + i * stride[1] + j * stride[2]; claims are numbered row-major.
//
// Complex claims are products of complex numbers instead: `a` and `b` hold the real parts of all,
// then the imaginary ones, and so do the claims.
struct Claims {
  struct View {
    std::span<const Fp> values;
    std::array<std::size_t, 3> stride{};
    std::size_t base = 0;
  };

  View a;
  View b;
  std::array<std::size_t, 3> extent{1, 1, 1};
  std::size_t terms = 1;
  bool complex = false;
  bool same_left = false;  // Complex, and `a` is that of the batch before.

  std::size_t size() const { return extent[0] * extent[1] * extent[2]; }
};

// This member's summand of every claim, of degree 2t.
void ComputeClaims(const Claims& claims, std::span<Fp> out);

// The coefficients of a batch in a random combination of claims. A batch whose claims form a
// matrix product, a over rows and b over columns, takes u_i v_j instead of one for each claim
// (Freivalds 1979): the sum over i, j of u_i v_j a_i b_j is one product of two combinations, and
// a wrong entry leaves a polynomial of degree 2 in the coefficients that is not zero. Independent
// coefficients for everything else; dimensions that both factors share count as separate batches.
class ClaimWeights {
 public:
  // Takes as many elements from `next` as the batch needs.
  ClaimWeights(const Claims& claims, const std::function<void(std::span<Fp>)>& next);

  // The sum of all claims' coefficients times the values.
  Fp Combine(std::span<const Fp> values) const;
  // The batch as pairs x * y that sum to the combination of its claims: visit(x, y, count) with
  // consecutive ones. Not for complex claims.
  using VisitPairs = std::function<void(const Fp* x, const Fp* y, std::size_t count)>;
  void ForEachPair(const VisitPairs& visit) const;
  // Complex: adds the right factors of the pairs whose left ones are claims.a.values, all of them.
  void AddComplex(std::span<Fp> right) const;

 private:
  // How an extent matters to the two factors.
  enum class Extent : std::uint8_t { kSingle, kCommon, kLeft, kRight };

  void Side(const Claims::View& view, Extent own, std::size_t at, std::span<const Fp> weights,
            std::vector<Fp>& out) const;

  const Claims& claims_;
  std::array<Extent, 3> kinds_{};
  std::array<std::size_t, 3> u_stride_{};
  std::array<std::size_t, 3> v_stride_{};
  bool right_ = false;  // Whether there is a v.
  std::vector<Fp> u_;
  std::vector<Fp> v_;
};

}  // namespace mpc
