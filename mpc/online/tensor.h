// A tensor as one member holds it online.
#pragma once

#include <vector>

#include "mpc/field/fp.h"

namespace mpc {

// Row-major. `share` is this member's share of the value x. Of a wire, `masked` is the public M
// besides, the same at all members; x = M - L, so the mask's share is masked - share. A linear map
// acts on both alike.
struct Tensor {
  std::size_t rows = 0;
  std::size_t cols = 0;
  bool wire = false;
  std::vector<Fp> masked;  // Empty unless a wire.
  std::vector<Fp> share;

  std::size_t size() const { return rows * cols; }
};

}  // namespace mpc
