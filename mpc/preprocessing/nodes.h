// Interpolation through the points 1, 2, .., m.
#pragma once

#include <cstddef>
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

 private:
  std::vector<Fp> weights_;  // 1 / product over i != j of (j - i).
};

}  // namespace mpc
