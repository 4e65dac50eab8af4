// One member's local part of an attempt: from its keys and the layers' opened values c to its
// messages, its claims and its bundle. No communication, no state but the keys: equal inputs give
// equal outputs, so a restarted member sends what it sent before.
//
// Shares are computed operation by operation and forgotten, so memory is the opened values, one
// operation's shares and the result.
#pragma once

#include <functional>
#include <optional>
#include <vector>

#include "mpc/preprocessing/bundle.h"
#include "mpc/preprocessing/claims.h"
#include "mpc/preprocessing/reductions.h"
#include "mpc/preprocessing/wire_masks.h"

namespace mpc {

class Preprocessor {
 public:
  // `context` and `plan` outlive this.
  Preprocessor(const PartyContext& context, const Plan& plan, std::uint64_t attempt)
      : reductions_(context, plan, attempt), epoch_(context.epoch), attempt_(attempt) {}

  const Layers& layers() const { return reductions_.layers(); }
  const Reductions& reductions() const { return reductions_; }

  // This member's degree-2t message vector of a product layer. Needs the layers before it.
  std::vector<Fp> Message(std::uint32_t layer, const OpenedLayers& opened) const;

  // Every claim's factors, by reduction in the order of their ids; only those of one layer when it
  // is given. The views die with the call. Needs the layers that the factors come from.
  using VisitClaims = std::function<void(ReductionId, const Claims&)>;
  void ForEachReduction(const OpenedLayers& opened, std::optional<std::uint32_t> only_layer,
                        const VisitClaims& visit) const;

  // `plan_digest` names the plan in the bundle. Needs all product layers.
  Bundle MakeBundle(const proto::Digest& plan_digest, const OpenedLayers& opened) const;

 private:
  void VisitMaskProducts(TensorId id, const WireMasks& masks, const VisitClaims& visit) const;

  const Reductions reductions_;
  const std::uint64_t epoch_;
  const std::uint64_t attempt_;
};

}  // namespace mpc
