// Shares of the masks [L] of wires, made as a pass over the plan needs them and forgotten after.
//
// kOpen's mask is L = sum over A of (r_A >> drop); other wires are public linear maps of wires, and
// so are their masks (without the constants: x = M - L, and M takes those).
#pragma once

#include <vector>

#include "mpc/preprocessing/reductions.h"

namespace mpc {

class WireMasks {
 public:
  // Those that products of masks need. `reductions` outlives this.
  explicit WireMasks(const Reductions& reductions);

  // To be called for every operation in order: Make before its mask is read, Release after.
  void Make(TensorId op);
  void Release(TensorId op);
  // The mask of a wire that a product of this or a later operation reads.
  const std::vector<Fp>& Of(TensorId op) const;

 private:
  std::vector<Fp> Linear(const Op& op) const;

  const Reductions& reductions_;
  const Plan& plan_;
  std::vector<TensorId> last_use_;  // kNone: never needed.
  std::vector<std::vector<Fp>> masks_;
};

}  // namespace mpc
