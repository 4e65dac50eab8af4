#include "consensus/dag/dag.h"

#include <algorithm>
#include <set>
#include <utility>

#include "proto/base/check.h"

namespace consensus {

using proto::PartyId;

namespace {

// A vertex's place: unique, and ordered as commits order vertices.
using Place = std::pair<std::uint64_t, PartyId>;

Place PlaceOf(const Header& header) {
  return {header.round, header.author};
}

template <class Visit>
void ForEachLink(const Header& header, Visit visit) {
  for (const auto& parent : header.parents) visit(parent);
  for (const auto& weak : header.weak) visit(weak);
}

}  // namespace

void Dag::CheckComplete(const Header& header) const {
  CHECK(header.round > gc_round_);
  ForEachLink(header, [&](const Reference& link) {
    CHECK(link.round < header.round && (link.round <= gc_round_ || Contains(link)));
  });
}

void Dag::Insert(CertificatePtr certificate, bool ordered) {
  const Header& header = certificate->header;
  CheckComplete(header);
  if (!ordered && !header.batches.empty()) ++unordered_payloads_;
  ++size_;
  const auto [round, author] = PlaceOf(header);
  CHECK(rounds_[round].insert({author, {std::move(certificate), ordered}}).second);
}

const Dag::Vertex* Dag::FindVertex(std::uint64_t round, PartyId author) const {
  const auto vertices = rounds_.find(round);
  if (vertices == rounds_.end()) return nullptr;
  const auto it = vertices->second.find(author);
  return it == vertices->second.end() ? nullptr : &it->second;
}

CertificatePtr Dag::Find(std::uint64_t round, PartyId author) const {
  const Vertex* const vertex = FindVertex(round, author);
  return vertex ? vertex->certificate : nullptr;
}

bool Dag::Contains(const Reference& reference) const {
  const Vertex* const vertex = FindVertex(reference.round, reference.author);
  return vertex && vertex->certificate->header.digest == reference.digest;
}

std::vector<CertificatePtr> Dag::Round(std::uint64_t round) const {
  std::vector<CertificatePtr> certificates;
  if (const auto it = rounds_.find(round); it != rounds_.end()) {
    for (const auto& [author, vertex] : it->second) certificates.push_back(vertex.certificate);
  }
  return certificates;
}

std::uint64_t Dag::highest_round() const {
  return rounds_.empty() ? gc_round_ : rounds_.rbegin()->first;
}

std::uint64_t Dag::quorum_round() const {
  // Invariant 3: below the highest round each has a quorum.
  for (auto it = rounds_.rbegin(); it != rounds_.rend(); ++it) {
    if (it->second.size() >= committee_.quorum()) return it->first;
  }
  return 0;
}

std::uint16_t Dag::Votes(const Reference& leader) const {
  std::uint16_t votes = 0;
  if (const auto it = rounds_.find(leader.round + 1); it != rounds_.end()) {
    for (const auto& [author, vertex] : it->second) {
      const auto& parents = vertex.certificate->header.parents;
      if (std::find(parents.begin(), parents.end(), leader) != parents.end()) ++votes;
    }
  }
  return votes;
}

bool Dag::HasStrongPath(const Certificate& from, const Reference& to) const {
  std::set<Reference> layer = {from.header.reference()};
  for (std::uint64_t round = from.header.round; round > to.round && !layer.empty(); --round) {
    std::set<Reference> below;
    for (const auto& reference : layer) {
      const CertificatePtr certificate = Find(reference.round, reference.author);
      if (!certificate) continue;  // Collected.
      below.insert(certificate->header.parents.begin(), certificate->header.parents.end());
    }
    layer = std::move(below);
  }
  return layer.count(to) == 1;
}

std::vector<CertificatePtr> Dag::TakeHistory(const Certificate& leader) {
  std::map<Place, CertificatePtr> history;
  std::vector<Reference> open = {leader.header.reference()};
  while (!open.empty()) {
    const Reference next = open.back();
    open.pop_back();
    const auto vertices = rounds_.find(next.round);
    if (vertices == rounds_.end()) continue;  // At or below gc.
    Vertex& vertex = vertices->second.at(next.author);
    // What an ordered vertex reaches is ordered too, or was below gc by then.
    if (vertex.ordered) continue;
    vertex.ordered = true;
    const Header& header = vertex.certificate->header;
    if (!header.batches.empty()) --unordered_payloads_;
    history.emplace(PlaceOf(header), vertex.certificate);
    ForEachLink(header, [&](const Reference& link) { open.push_back(link); });
  }
  std::vector<CertificatePtr> sorted;
  for (auto& [place, certificate] : history) sorted.push_back(std::move(certificate));
  return sorted;
}

std::vector<Reference> Dag::Unreached(const std::vector<CertificatePtr>& parents,
                                      std::size_t count_max) const {
  if (parents.empty()) return {};
  std::set<Place> reached;
  const auto reach = [&](const Header& start) {
    std::vector<const Header*> open = {&start};
    while (!open.empty()) {
      const Header& next = *open.back();
      open.pop_back();
      if (!reached.insert(PlaceOf(next)).second) continue;
      ForEachLink(next, [&](const Reference& link) {
        const Vertex* const vertex = FindVertex(link.round, link.author);
        if (vertex && !vertex->ordered) open.push_back(&vertex->certificate->header);
      });
    }
  };
  for (const auto& parent : parents) reach(parent->header);
  // From the newest down: what a weak link reaches needs none of its own.
  std::vector<Reference> weak;
  const std::uint64_t parents_round = parents.front()->header.round;
  for (auto round = std::make_reverse_iterator(rounds_.lower_bound(parents_round));
       round != rounds_.rend(); ++round) {
    for (const auto& [author, vertex] : round->second) {
      const Header& header = vertex.certificate->header;
      if (vertex.ordered || reached.count(PlaceOf(header))) continue;
      weak.push_back(header.reference());
      reach(header);
    }
  }
  std::sort(weak.begin(), weak.end());
  if (weak.size() > count_max) weak.resize(count_max);
  return weak;
}

void Dag::Collect(std::uint64_t round) {
  gc_round_ = std::max(gc_round_, round);
  while (!rounds_.empty() && rounds_.begin()->first <= gc_round_) {
    for (const auto& [author, vertex] : rounds_.begin()->second) {
      if (!vertex.ordered && !vertex.certificate->header.batches.empty()) --unordered_payloads_;
    }
    size_ -= rounds_.begin()->second.size();
    rounds_.erase(rounds_.begin());
  }
}

}  // namespace consensus
