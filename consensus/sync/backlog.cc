#include "consensus/sync/backlog.h"

#include <algorithm>
#include <utility>

#include "proto/base/check.h"
#include "proto/base/overloaded.h"

namespace consensus {

using proto::Digest;
using proto::PartyId;

namespace {

const Digest& DigestOf(const Need& need) {
  const auto* const reference = std::get_if<Reference>(&need);
  return reference ? reference->digest : std::get<Digest>(need);
}

}  // namespace

const Header& Backlog::HeaderOf(const Item& item) {
  const auto* const certificate = std::get_if<CertificatePtr>(&item);
  return certificate ? (*certificate)->header : std::get<Header>(item);
}

Backlog::Id Backlog::IdOf(const Item& item) {
  const Header& header = HeaderOf(item);
  return {std::holds_alternative<Header>(item), header.round, header.author};
}

void Backlog::Park(Item item, PartyId from, const std::vector<Need>& needs) {
  CHECK(!needs.empty());
  const Id id = IdOf(item);
  if (id.header) {
    for (auto it = parked_.begin(); it != parked_.end(); ++it) {
      if (!it->first.header || it->first.author != id.author) continue;
      if (it->first.round >= id.round) return;  // A newer one, or the same again.
      Remove(Id(it->first));
      break;
    }
  }
  if (parked_.count(id)) return;
  std::set<Digest> missing;
  for (const auto& need : needs) {
    const Digest& digest = DigestOf(need);
    missing.insert(digest);
    needs_.try_emplace(digest, Wanted{need, {}, from, 0, 0}).first->second.by.insert(id);
  }
  parked_.emplace(id, Parked{std::move(item), std::move(missing)});
}

void Backlog::Remove(const Id& id) {
  const auto it = parked_.find(id);
  CHECK(it != parked_.end());
  for (const auto& digest : it->second.missing) {
    Wanted& wanted = needs_.at(digest);
    wanted.by.erase(id);
    if (wanted.by.empty()) needs_.erase(digest);
  }
  parked_.erase(it);
}

std::vector<Backlog::Item> Backlog::Supply(const Digest& digest) {
  std::vector<Item> ready;
  const auto it = needs_.find(digest);
  if (it == needs_.end()) return ready;
  const std::set<Id> waiting = std::move(it->second.by);
  needs_.erase(it);
  for (const auto& id : waiting) {
    Parked& parked = parked_.at(id);
    parked.missing.erase(digest);
    if (!parked.missing.empty()) continue;
    ready.push_back(std::move(parked.item));
    parked_.erase(id);
  }
  return ready;
}

CertificatePtr Backlog::FindCertificate(std::uint64_t round, PartyId author) const {
  const auto it = parked_.find({false, round, author});
  return it == parked_.end() ? nullptr : std::get<CertificatePtr>(it->second.item);
}

std::optional<std::uint64_t> Backlog::CertifiedNeed(const Digest& batch) const {
  const auto it = needs_.find(batch);
  if (it == needs_.end()) return std::nullopt;
  std::optional<std::uint64_t> newest;
  for (const auto& id : it->second.by) {
    if (!id.header) newest = std::max(newest.value_or(0), id.round);
  }
  return newest;
}

std::vector<CertificatePtr> Backlog::Collect(std::uint64_t round) {
  std::set<Id> old;
  for (const auto& [id, parked] : parked_) {
    if (id.round <= round) old.insert(id);
  }
  for (const auto& id : old) Remove(id);

  std::set<Id> settled;
  for (const auto& [digest, wanted] : needs_) {
    const auto* const reference = std::get_if<Reference>(&wanted.need);
    if (!reference || reference->round > round) continue;
    for (const auto& id : wanted.by) {
      if (!id.header) settled.insert(id);  // Headers need their links at any depth.
    }
  }
  std::vector<CertificatePtr> certificates;
  for (const auto& id : settled) {
    certificates.push_back(std::get<CertificatePtr>(parked_.at(id).item));
    Remove(id);
  }
  return certificates;
}

PartyId Backlog::PeerToAsk(const Wanted& wanted) const {
  // The source, then the others in turn; never this node itself.
  const std::uint32_t n = config_.committee.size();
  const std::uint32_t self = proto::Index(config_.self);
  const std::uint32_t peer = (proto::Index(wanted.source) + wanted.asked) % n;
  return static_cast<PartyId>(peer == self ? (peer + 1) % n : peer);
}

void Backlog::Ask(bool tick, Step& step) {
  std::map<PartyId, Request> requests;
  std::size_t sent = 0;
  const auto flush = [&](PartyId peer) {
    step.Send({peer}, std::exchange(requests[peer], {}));
    ++sent;
  };
  for (auto& [digest, wanted] : needs_) {
    if (sent >= kRequestsPerTickMax) break;
    if (tick) ++wanted.age;
    const auto* const reference = std::get_if<Reference>(&wanted.need);
    if (reference && FindCertificate(reference->round, reference->author)) continue;  // Is here.
    const bool due = wanted.asked == 0 ? !tick || wanted.age >= 1 : wanted.age >= kRetryTicks;
    if (!due) continue;
    const PartyId peer = PeerToAsk(wanted);
    ++wanted.asked;
    wanted.age = 0;
    Request& request = requests[peer];
    if (reference) {
      request.certificates.push_back(*reference);
    } else {
      request.batches.push_back(digest);
    }
    if (std::max(request.certificates.size(), request.batches.size()) ==
        proto::dag::kRequestItemsMax) {
      flush(peer);
    }
  }
  for (const auto& [peer, request] : requests) {
    if (!request.certificates.empty() || !request.batches.empty()) step.Send({peer}, request);
  }
}

void Backlog::PeerConnected(PartyId peer) {
  for (auto& [digest, wanted] : needs_) {
    if (wanted.asked == 0) continue;
    Wanted last = wanted;
    --last.asked;
    if (PeerToAsk(last) == peer) wanted.age = kRetryTicks;
  }
}

}  // namespace consensus
