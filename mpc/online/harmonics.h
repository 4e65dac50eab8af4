// The harmonics of a series at x = M - L, from M and preprocessed shares of cos kwL and sin kwL:
//   cos kwx = cos kwM cos kwL + sin kwM sin kwL,  sin kwx = sin kwM cos kwL - cos kwM sin kwL.
// So their sum is linear in the shares; the factors are public integers that keep the coefficients'
// fraction bits, the same at every member.
#pragma once

#include <span>

#include "mpc/field/gemm.h"
#include "mpc/plan/plan.h"

namespace mpc {

// out[i] += the harmonics at masked[i]. `phases` as in a slot of kSeries: for each harmonic the
// elements' cosines, then their sines.
void AddHarmonics(const Series& series, std::span<const Fp> masked, std::span<const Fp> phases,
                  std::span<Fp> out, GemmPath path = BestPath());

}  // namespace mpc
