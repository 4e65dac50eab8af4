#include "mpc/plan/add_scaled.h"

namespace mpc {

// AVX2 alone has no fused multiply-add, which would round otherwise.
#ifdef __clang__
#define WAXSEAL_VECTORISED
#else
#define WAXSEAL_VECTORISED \
  __attribute__((optimize("O3", "fp-contract=off"), target_clones("avx2", "default")))
#endif

WAXSEAL_VECTORISED void AddScaled(double factor, const double* __restrict row, std::size_t count,
                                  double* __restrict out) {
  for (std::size_t i = 0; i < count; ++i) out[i] += factor * row[i];
}

WAXSEAL_VECTORISED void AddScaled(double factor, const float* __restrict row, std::size_t count,
                                  double* __restrict out) {
  for (std::size_t i = 0; i < count; ++i) out[i] += factor * static_cast<double>(row[i]);
}

}  // namespace mpc
