// Shares of the masks [L] of wires, made as a pass over the plan needs them and forgotten after.
//
// kOpen's mask is L = sum over A of (r_A >> drop), but where it has known bits: only a series reads
// those (series.h); other wires are public linear maps of wires, and
// so are their masks (without the constants: x = M - L, and M takes those).
#pragma once

#include <span>
#include <vector>

#include "mpc/preprocessing/reductions.h"

namespace mpc {

// Slots of kOpen operations, by operation, where there are some: shares of r and then of L.
using OpenSlots = std::vector<std::vector<Fp>>;

// Wires whose masks are kept, at most: their slots in the bundle, made early.
inline constexpr std::size_t kKeptMasksMax = std::size_t{1} << 22;

class WireMasks {
 public:
  // Those that products of masks need. `reductions` outlives this, and `kept`: what is there is not
  // expanded again, and what is expanded is left there.
  explicit WireMasks(const Reductions& reductions, OpenSlots* kept = nullptr);

  // To be called for every operation in order: Make before its mask is read, Release after.
  void Make(TensorId op);
  void Release(TensorId op);
  // The mask of a wire that a product of this or a later operation reads.
  std::span<const Fp> Of(TensorId op) const;

 private:
  std::vector<Fp> Linear(const Op& op) const;

  const Reductions& reductions_;
  const Plan& plan_;
  OpenSlots* kept_;
  std::vector<TensorId> last_use_;  // kNone: never needed.
  std::vector<std::vector<Fp>> masks_;
};

}  // namespace mpc
