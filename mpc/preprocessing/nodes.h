// Interpolation through the points 1, 2, .., m.
#pragma once

#include <cstddef>
#include <span>
#include <vector>

#include "mpc/field/fp.h"

namespace mpc {

class Nodes {
 public:
  explicit Nodes(std::size_t count);

  std::size_t count() const { return weights_.size(); }
  // The Lagrange coefficients at z: p(z) = sum of coefficient[j] p(j + 1) for every polynomial p of
  // degree below m. Linear time.
  std::vector<Fp> At(Fp z) const;
  // The values at m + 1 .. last of the polynomial of degree below m through `values`. One product a
  // node and point.
  std::vector<Fp> Extend(std::span<const Fp> values, std::size_t last) const;

 private:
  std::vector<Fp> weights_;  // 1 / product over i != j of (j - i).
};

}  // namespace mpc
