// kRotate on anything that multiplies by integers.
#pragma once

#include <vector>

#include "mpc/field/fp.h"
#include "mpc/plan/plan.h"

namespace mpc {

// In each head of 2d columns, (x[j], x[j + d]) becomes
// (x[j] cos - x[j + d] sin, x[j + d] cos + x[j] sin).
template <class Number>
void Rotate(const Op& op, const Constant& angles, const Number* x, Number* y) {
  const std::size_t pairs = angles.cols / 2;
  std::vector<std::int32_t> row(angles.cols);
  for (std::size_t i = 0; i < op.rows; ++i) {
    angles.values.Widen(i % angles.rows * angles.cols, angles.cols, row.data());
    for (std::size_t j = i * op.cols; j < (i + 1) * op.cols; j += 2 * pairs) {
      for (std::size_t c = 0; c < pairs; ++c) {
        const Number cos = Number(std::int64_t{row[c]});
        const Number sin = Number(std::int64_t{row[pairs + c]});
        y[j + c] = x[j + c] * cos - x[j + pairs + c] * sin;
        y[j + pairs + c] = x[j + pairs + c] * cos + x[j + c] * sin;
      }
    }
  }
}

}  // namespace mpc
