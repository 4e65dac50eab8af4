// The commit rule as it is defined, on a whole DAG, from nothing each time: no increments, no
// state, no garbage collection of the DAG itself. What the incremental implementation is compared
// with.
//
//   voted(r)   the leader of round r is certified, and f + 1 vertices of round r + 1 have it as
//              parent
//   chain      the highest voted leader; below it, downwards, each leader that the last one taken
//              reaches through parents
//   commits    of the chain, oldest first: all that the leader reaches through parents or weak
//              links above (previous leader's round - gc depth) and no earlier commit holds,
//              by (round, author)
//   batches    of a commit: those that no earlier ordered vertex names above the same round
#pragma once

#include <algorithm>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <utility>
#include <vector>

#include "consensus/step.h"
#include "consensus/wave.h"
#include "proto/committee.h"

namespace sim {

struct Vertex {
  consensus::Reference self;
  std::vector<consensus::Reference> parents;
  std::vector<consensus::Reference> weak;
  std::vector<proto::Digest> batches;
};

struct ReferenceCommit {
  consensus::Reference leader;
  std::vector<consensus::Reference> vertices;
  std::vector<proto::Digest> batches;
};

class WholeDag {
 public:
  using Place = std::pair<std::uint64_t, proto::PartyId>;
  using LeaderOf = std::function<std::optional<proto::PartyId>(std::uint64_t round)>;

  explicit WholeDag(const proto::Committee& committee) : committee_(committee) {}

  // False for a second vertex of one place.
  bool Add(Vertex vertex) {
    const Place place{vertex.self.round, vertex.self.author};
    const auto [it, is_new] = vertices_.try_emplace(place, std::move(vertex));
    return is_new || it->second.self == vertex.self;
  }
  const Vertex* Find(std::uint64_t round, proto::PartyId author) const {
    const auto it = vertices_.find({round, author});
    return it == vertices_.end() ? nullptr : &it->second;
  }
  std::size_t size() const { return vertices_.size(); }
  std::uint64_t highest_round() const {
    return vertices_.empty() ? 0 : vertices_.rbegin()->first.first;
  }

  std::vector<const Vertex*> Chain(const LeaderOf& leader_of) const {
    const auto leader = [&](std::uint64_t round) -> const Vertex* {
      const auto author = consensus::IsLeaderRound(round) ? leader_of(round) : std::nullopt;
      return author ? Find(round, *author) : nullptr;
    };
    for (std::uint64_t top = highest_round(); top > 0; --top) {
      const Vertex* taken = leader(top);
      if (!taken || Votes(*taken) < committee_.max_faulty() + 1) continue;
      std::vector<const Vertex*> chain = {taken};
      for (std::uint64_t round = top - 1; round > 0; --round) {
        const Vertex* const candidate = leader(round);
        if (!candidate || !Reaches(*taken, *candidate)) continue;
        taken = candidate;
        chain.push_back(candidate);
      }
      std::reverse(chain.begin(), chain.end());
      return chain;
    }
    return {};
  }

  std::vector<ReferenceCommit> Order(const LeaderOf& leader_of, std::uint32_t gc_depth) const {
    std::vector<ReferenceCommit> commits;
    std::set<Place> ordered;
    std::map<proto::Digest, std::uint64_t> named;  // By the newest ordered vertex.
    std::uint64_t gc = 0;
    for (const Vertex* const leader : Chain(leader_of)) {
      std::set<Place> reached;
      Collect(*leader, gc, reached);
      ReferenceCommit& commit = commits.emplace_back(ReferenceCommit{leader->self, {}, {}});
      for (const Place& place : reached) {
        if (!ordered.insert(place).second) continue;
        const Vertex& vertex = vertices_.at(place);
        commit.vertices.push_back(vertex.self);
        for (const auto& batch : vertex.batches) {
          const auto before = named.find(batch);
          if (before == named.end() || before->second <= gc) commit.batches.push_back(batch);
        }
        for (const auto& batch : vertex.batches) {
          named[batch] = std::max(named[batch], vertex.self.round);
        }
      }
      gc = leader->self.round > gc_depth ? leader->self.round - gc_depth : 0;
    }
    return commits;
  }

 private:
  int Votes(const Vertex& leader) const {
    int votes = 0;
    for (std::uint16_t i = 0; i < committee_.size(); ++i) {
      const Vertex* const vertex = Find(leader.self.round + 1, proto::PartyId{i});
      if (vertex) votes += static_cast<int>(std::ranges::count(vertex->parents, leader.self));
    }
    return votes;
  }

  bool Reaches(const Vertex& from, const Vertex& to) const {
    std::set<Place> seen;
    const std::function<bool(const Vertex&)> search = [&](const Vertex& vertex) {
      if (&vertex == &to) return true;
      if (vertex.self.round <= to.self.round) return false;
      if (!seen.insert({vertex.self.round, vertex.self.author}).second) return false;
      return std::any_of(vertex.parents.begin(), vertex.parents.end(), [&](const auto& parent) {
        const Vertex* const next = Find(parent.round, parent.author);
        return next && next->self == parent && search(*next);
      });
    };
    return search(from);
  }

  void Collect(const Vertex& vertex, std::uint64_t gc, std::set<Place>& reached) const {
    if (vertex.self.round <= gc) return;
    if (!reached.insert({vertex.self.round, vertex.self.author}).second) return;
    for (const auto* const links : {&vertex.parents, &vertex.weak}) {
      for (const auto& link : *links) {
        if (const Vertex* const next = Find(link.round, link.author)) Collect(*next, gc, reached);
      }
    }
  }

  const proto::Committee committee_;
  std::map<Place, Vertex> vertices_;
};

}  // namespace sim
