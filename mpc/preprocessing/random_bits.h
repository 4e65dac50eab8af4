// Random bits that nobody knows, from opened squares (Damgard et al., TCC 2006): for a uniform a
// and s the root of c = a^2 that is itself a square, a / s is 1 or -1, either with probability one
// half, and b = (a / s + 1) / 2.
#pragma once

#include <vector>

#include "mpc/preprocessing/claims.h"
#include "mpc/preprocessing/reductions.h"

namespace mpc {

class RandomBits {
 public:
  // The arguments outlive this; `squares` is a public reduction, one claim a bit.
  RandomBits(const Reductions& reductions, ReductionId squares, const OpenedLayers& opened)
      : reductions_(reductions), squares_(squares), opened_(opened) {}

  // The squares to open. The views hold until the next call.
  Claims Squares();
  // Shares of the bits, once the squares are there. Kept.
  const std::vector<Fp>& Bits();

 private:
  std::vector<Fp> RandomElements() const;

  const Reductions& reductions_;
  const ReductionId squares_;
  const OpenedLayers& opened_;
  std::vector<Fp> elements_;
  std::vector<Fp> bits_;
};

}  // namespace mpc
