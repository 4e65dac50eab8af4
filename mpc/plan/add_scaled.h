// The inner loop of matrix products in floating point, for those who evaluate large models.
#pragma once

#include <cstddef>

namespace mpc {

// out[i] += factor * row[i]. The same bits on every processor: products are rounded before they are
// added.
void AddScaled(double factor, const double* row, std::size_t count, double* out);
void AddScaled(double factor, const float* row, std::size_t count, double* out);

}  // namespace mpc
