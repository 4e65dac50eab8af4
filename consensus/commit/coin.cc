#include "consensus/commit/coin.h"

#include <algorithm>

#include "consensus/wave.h"
#include "proto/base/check.h"

namespace consensus {

using proto::PartyId;

bool Coin::Add(const Header& header) {
  const auto wave = RevealedWave(header.round);
  if (!wave || *wave <= collected_) return false;
  CHECK(header.coin_share.has_value());
  Toss& toss = tosses_[*wave];
  if (toss.leader || !toss.shares.emplace(header.author, *header.coin_share).second) return false;
  if (toss.shares.size() < config_.coin.threshold) return false;
  const proto::Digest coin =
      proto::CombineCoin(config_.coin, proto::dag::CoinName(config_.chain, config_.epoch, *wave),
                         {toss.shares.begin(), toss.shares.end()});
  // 64 bits modulo n: biased by at most n / 2^64.
  toss.leader =
      static_cast<PartyId>(proto::GetU64(coin.span().first(8)) % config_.committee.size());
  toss.shares.clear();
  return true;
}

std::optional<PartyId> Coin::Leader(std::uint64_t round) const {
  const auto it = tosses_.find(round);
  return it == tosses_.end() ? std::nullopt : it->second.leader;
}

void Coin::Collect(std::uint64_t round) {
  collected_ = std::max(collected_, round);
  tosses_.erase(tosses_.begin(), tosses_.upper_bound(collected_));
}

}  // namespace consensus
