// One member's part in the degree reductions of an attempt: what hides a claim's value before it is
// opened, and what the opened value gives. Local, from keys alone.
#pragma once

#include <optional>
#include <span>
#include <vector>

#include "mpc/party.h"
#include "mpc/preprocessing/layers.h"

namespace mpc {

// The set whose members are given the opened values of an attempt, and send what opens them at
// first: the sets in turn, passing over those with an excluded party (at most t). What all members
// of a set A know is a sharing without communication: member i's share of c is c f_A(i), which is
// zero outside A. So nobody else needs c, and [ab] = c - [r] stays of degree t.
SetIndex HoldersOf(const ReplicatedSets& sets, std::uint64_t attempt,
                   const std::vector<proto::PartyId>& excluded);

// values[l]: the opened values c of layer l, as fixed. A layer not known yet is empty, and may stay
// so outside the holders unless it is public.
using OpenedLayers = std::vector<std::vector<Fp>>;

class Reductions {
 public:
  // `sets` and `plan` outlive this. `keys` are those of the attempt (ReplicatedKeys::ForAttempt);
  // `mask_keys` those of the attempt that the segment's masks are of, if there is one. `holders`:
  // HoldersOf.
  Reductions(const ReplicatedSets& sets, ReplicatedKeys keys,
             std::optional<ReplicatedKeys> mask_keys, const Plan& plan, std::uint64_t epoch,
             std::uint64_t attempt, SetIndex holders, const Segment& segment = {});
  Reductions(const Reductions&) = delete;
  Reductions& operator=(const Reductions&) = delete;

  const Plan& plan() const { return plan_; }
  const Layers& layers() const { return layers_; }
  const Prss& prss() const { return prss_; }
  // Of wires' masks, which the segments of one bundle share.
  const Prss& mask_prss() const { return mask_prss_ ? *mask_prss_ : prss_; }
  Label LabelOf(std::uint32_t operation, Purpose purpose) const {
    return {epoch_, attempt_, operation, purpose};
  }
  // Of the mask that an operation adds before it opens, and its parts.
  Label MaskLabel(TensorId open) const {
    return {epoch_, segment_.masks.value_or(attempt_), open, Purpose::kMask};
  }
  MaskParts OpenParts(TensorId open) const {
    return mask_prss().Bounded(MaskLabel(open), plan_.ops[plan_.ops[open].inputs[0]].size());
  }
  const Segment& segment() const { return segment_; }
  SetIndex holders() const { return holders_; }

  // Adds to this member's summands of y, one a claim, what hides y: a mask and a sharing of zero,
  // both of degree 2t together. `dropped`, where it is given, gets what Result will need of the
  // mask: its shares, of a bounded integer without the parts' dropped bits.
  void Hide(ReductionId id, std::span<Fp> values, std::vector<Fp>* dropped = nullptr) const;
  // The opened values of one reduction, which are there.
  std::span<const Fp> Opened(ReductionId id, const OpenedLayers& opened) const;
  // Shares of y as c claims it, before truncation: [c - offset] - [r]. `mask`: what Hide gave of a
  // uniform one, or empty.
  std::vector<Fp> Claimed(ReductionId id, const OpenedLayers& opened,
                          std::vector<Fp> mask = {}) const;
  // [y], truncated where the reduction says so. `dropped`: what Hide gave, or empty.
  std::vector<Fp> Result(ReductionId id, const OpenedLayers& opened,
                         std::vector<Fp> dropped = {}) const;

 private:
  const Plan& plan_;
  const std::uint64_t epoch_;
  const std::uint64_t attempt_;
  const Segment segment_;
  const Layers layers_;
  const ReplicatedKeys keys_;
  const std::optional<ReplicatedKeys> mask_keys_;
  const Prss prss_;
  std::optional<Prss> mask_prss_;
  const SetIndex holders_;
  const bool holder_;
  const Fp factor_;  // f_A at this member's point.
};

}  // namespace mpc
