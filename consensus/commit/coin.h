// The leaders' coin: one toss a wave, from shares that headers carry two rounds later (CKS 2000).
//
// Any `threshold` valid shares give the same leader; fewer than f + 1 honest shares give none.
#pragma once

#include <map>

#include "consensus/commit/commit_rule.h"
#include "consensus/config.h"

namespace consensus {

class Coin : public Leaders {
 public:
  explicit Coin(const Config& config) : config_(config) {}

  // The share in `header`, if one is due there: verified, by a check or by n - f votes. Waves up to
  // the collected round are ignored. True when a leader became known.
  bool Add(const Header& header);
  std::optional<proto::PartyId> Leader(std::uint64_t round) const override;
  // Forgets the waves up to `round`.
  void Collect(std::uint64_t round);

 private:
  struct Toss {
    std::map<proto::PartyId, proto::CoinShare> shares;
    std::optional<proto::PartyId> leader;
  };

  const Config& config_;
  std::map<std::uint64_t, Toss> tosses_;
  std::uint64_t collected_ = 0;
};

}  // namespace consensus
