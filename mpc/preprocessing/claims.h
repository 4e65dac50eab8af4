// Claims as views: a batch of inner products over two arrays of shares.
#pragma once

#include <array>
#include <cstddef>
#include <span>

#include "mpc/field/fp.h"

namespace mpc {

// Claim (h, i, j) is the sum over t < terms of a[at_a + t] * b[at_b + t] with
// at = base + h * stride[0] + i * stride[1] + j * stride[2]; claims are numbered row-major.
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

  std::size_t size() const { return extent[0] * extent[1] * extent[2]; }

  // visit(const Fp* a, const Fp* b), claim by claim.
  template <class Visit>
  void ForEach(Visit visit) const {
    for (std::size_t h = 0; h < extent[0]; ++h) {
      for (std::size_t i = 0; i < extent[1]; ++i) {
        const Fp* at_a = a.values.data() + a.base + h * a.stride[0] + i * a.stride[1];
        const Fp* at_b = b.values.data() + b.base + h * b.stride[0] + i * b.stride[1];
        for (std::size_t j = 0; j < extent[2]; ++j, at_a += a.stride[2], at_b += b.stride[2]) {
          visit(at_a, at_b);
        }
      }
    }
  }
};

}  // namespace mpc
