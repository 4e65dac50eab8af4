// One member's local part of an attempt: from its keys and the layers' opened values c to its
// messages, its claims and its bundle. No communication, no state but the keys: equal inputs give
// equal outputs, so a restarted member sends what it sent before.
//
// Shares are computed operation by operation and forgotten, so memory is the opened values, one
// operation's shares and the result; or, where there is room, kept between the calls.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "mpc/preprocessing/bundle.h"
#include "mpc/preprocessing/claims.h"
#include "mpc/preprocessing/one_hot.h"
#include "mpc/preprocessing/reductions.h"
#include "mpc/preprocessing/series.h"
#include "mpc/preprocessing/wire_masks.h"

namespace mpc {

// Shares that are needed more than once, an element for each opened value. Of one Preprocessor and
// one set of opened values, which outlives it.
class KeptShares {
 public:
  KeptShares() = default;

 private:
  friend class Preprocessor;
  std::vector<std::unique_ptr<SeriesShares>> series_;  // By operation.
  std::map<TensorId, std::unique_ptr<OneHotShares>> one_hots_;
  OpenSlots opens_;
  std::map<ReductionId, std::vector<Fp>> uniform_;  // Masks of products of wires' masks.
};

class Preprocessor {
 public:
  // `context` and `plan` outlive this. `excluded`: the parties that the attempt leaves out.
  Preprocessor(const PartyContext& context, const Plan& plan, std::uint64_t attempt,
               const Segment& segment = {}, const std::vector<proto::PartyId>& excluded = {})
      : reductions_(
            *context.sets, context.replicated->ForAttempt(context.epoch, attempt),
            segment.masks
                ? std::optional(context.replicated->ForAttempt(context.epoch, *segment.masks))
                : std::nullopt,
            plan, context.epoch, attempt, HoldersOf(*context.sets, attempt, excluded), segment),
        epoch_(context.epoch),
        attempt_(attempt) {}
  // The member that holds these keys of an attempt and, where they are another's, of the masks;
  // `sets` and `plan` outlive this.
  Preprocessor(const ReplicatedSets& sets, ReplicatedKeys keys, std::optional<ReplicatedKeys> masks,
               const Plan& plan, std::uint64_t epoch, std::uint64_t attempt, const Segment& segment,
               const std::vector<proto::PartyId>& excluded)
      : reductions_(sets, std::move(keys), std::move(masks), plan, epoch, attempt,
                    HoldersOf(sets, attempt, excluded), segment),
        epoch_(epoch),
        attempt_(attempt) {}

  const Layers& layers() const { return reductions_.layers(); }
  const Reductions& reductions() const { return reductions_; }

  // This member's degree-2t message vector of a product layer. Needs the layers before it.
  std::vector<Fp> Message(std::uint32_t layer, const OpenedLayers& opened,
                          KeptShares* kept = nullptr) const;

  // Every claim's factors, by reduction in the order of their ids; only those of one layer when it
  // is given. The views die with the call. Needs the layers that the factors come from.
  using VisitClaims = std::function<void(ReductionId, const Claims&)>;
  void ForEachReduction(const OpenedLayers& opened, std::optional<std::uint32_t> only_layer,
                        const VisitClaims& visit, KeptShares* kept = nullptr) const;

  // Reductions::Claimed.
  std::vector<Fp> Claimed(ReductionId id, const OpenedLayers& opened, KeptShares* kept) const;

  // `plan_digest` names the plan in the bundle. Needs all product layers. Slots of operations
  // outside the segment are empty.
  // Takes what is kept with it, operation by operation.
  Bundle MakeBundle(const proto::Digest& plan_digest, const OpenedLayers& opened,
                    KeptShares* kept = nullptr) const;

 private:
  std::vector<Fp> Noise(TensorId id) const;
  // Whether a reduction's mask is kept.
  bool KeepsMask(ReductionId id) const;
  // An operation's shares: the kept ones, or others that live as long as `own`.
  SeriesShares& Series(TensorId id, const OpenedLayers& opened, KeptShares* kept,
                       std::optional<SeriesShares>& own) const;
  OneHotShares& OneHots(TensorId id, const OpenedLayers& opened, KeptShares* kept,
                        std::optional<OneHotShares>& own) const;
  static void VisitSquare(ReductionId id, std::span<const Fp> mask, const VisitClaims& visit);
  void VisitMaskProducts(TensorId id, const WireMasks& masks, const VisitClaims& visit) const;

  const Reductions reductions_;
  const std::uint64_t epoch_;
  const std::uint64_t attempt_;
};

}  // namespace mpc
