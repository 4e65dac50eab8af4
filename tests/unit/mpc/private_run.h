// A plan from keys to its result without a network: real preprocessing, the online evaluator, and
// what the client does.
#pragma once

#include <memory>
#include <vector>

#include "mpc/online/client.h"
#include "mpc/online/evaluator.h"
#include "tests/unit/mpc/preprocessing/openings.h"

namespace mpc {

// The integers that come out when all members run the plan on the ids, perhaps to its end only.
inline std::vector<Int128> RunPrivately(const Plan& plan, const std::vector<std::uint32_t>& ids,
                                        std::uint16_t n, std::uint64_t seed,
                                        bool until_end = false) {
  Dealer dealer(n, seed);
  const auto shared = std::make_shared<const Plan>(plan);
  Openings openings(dealer, plan, 1);
  openings.OpenAll();
  std::vector<Bundle> bundles = openings.Bundles(PlanDigest(EncodePlan(plan)));
  std::vector<std::vector<Fp>> masks;
  for (const Bundle& bundle : bundles) masks.push_back(ClientMaskShares(plan, bundle));
  const std::vector<Fp> client = dealer.Open(masks);
  const auto masked =
      MaskTokens(ids, std::span(client).first(plan.tokens), plan.vocabulary_padded()).value();
  std::vector<std::unique_ptr<Evaluator>> members;
  for (Bundle& bundle : bundles) {
    members.push_back(std::make_unique<Evaluator>(shared, std::move(bundle), masked,
                                                  dealer.sets().count(), until_end));
  }
  for (;;) {
    std::vector<std::vector<Fp>> shares;
    for (auto& member : members) {
      auto own = member->Advance();
      if (!own) continue;
      shares.push_back(std::move(*own));
    }
    if (shares.empty()) break;
    const std::vector<Fp> opened = dealer.Open(shares);
    for (auto& member : members) member->Opened(opened);
  }
  std::vector<std::vector<Fp>> outputs;
  for (auto& member : members) outputs.push_back(member->output());
  const std::vector<Fp> masked_output = dealer.Open(outputs);
  return UnmaskOutput(masked_output, std::span(client).subspan(plan.tokens, masked_output.size()));
}

}  // namespace mpc
