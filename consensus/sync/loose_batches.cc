#include "consensus/sync/loose_batches.h"

#include <algorithm>
#include <utility>

namespace consensus {

void LooseBatches::Add(proto::PartyId from, Transactions batch) {
  const proto::Digest digest = batch.digest;
  const std::size_t size = batch.bytes.size();
  if (!held_.emplace(digest, Held{from, std::move(batch)}).second) return;
  Quota& quota = quotas_[from];
  quota.arrived.push_back(digest);
  quota.bytes += size;
  while (quota.bytes > kLooseBytesPerPeerMax) Take(proto::Digest(quota.arrived.front()));
}

const Transactions* LooseBatches::Find(const proto::Digest& digest) const {
  const auto it = held_.find(digest);
  return it == held_.end() ? nullptr : &it->second.batch;
}

std::optional<Transactions> LooseBatches::Take(const proto::Digest& digest) {
  const auto it = held_.find(digest);
  if (it == held_.end()) return std::nullopt;
  Held held = std::move(it->second);
  held_.erase(it);
  Quota& quota = quotas_.at(held.from);
  quota.arrived.erase(std::find(quota.arrived.begin(), quota.arrived.end(), held.batch.digest));
  quota.bytes -= held.batch.bytes.size();
  return std::move(held.batch);
}

}  // namespace consensus
