// Collects the validators' signatures on blocks until n - f agree, and watches for disagreement.
//
// Votes come in headers, already verified. One party's two different votes for one index are
// evidence; more than f parties against this node's own block mean that its execution, or theirs,
// is wrong: the node halts rather than fork.
#pragma once

#include <map>
#include <optional>
#include <set>
#include <vector>

#include "consensus/config.h"
#include "consensus/store/store.h"
#include "proto/wire/evidence.h"

namespace consensus {

class Finality {
 public:
  Finality(const Config& config, Store& store) : config_(config), store_(store) {}

  // Reads the votes kept for the commits around those executed here, up to `executed_index`.
  void Restore(std::uint64_t executed_index, std::uint64_t commit_index);

  // This node's own block for a commit. False if it signed another one before.
  bool Sign(std::uint64_t index, const proto::Digest& block, const proto::SecretKey& key);
  // The votes in a party's header. Those too far from `commit_index` are ignored.
  void Add(const Header& header, std::uint64_t commit_index);

  // Own votes for the next header: those that no certificate of an own header carries yet.
  std::vector<BlockVote> Unsent() const;
  // An own header with these votes is certified.
  void Sent(const std::vector<BlockVote>& votes);

  std::vector<Finalized> TakeFinalized();
  std::vector<proto::dag::BlockVotePair> TakeConflicts();
  // The commit on which more than f others contradict this node, if any.
  std::optional<std::uint64_t> contradicted() const { return contradicted_; }

  std::uint64_t finalized_index() const { return finalized_index_; }  // The highest.

 private:
  using Votes = std::map<proto::PartyId, BlockVote>;

  void Count(proto::PartyId party, const BlockVote& vote);
  void Collect();

  const Config& config_;
  Store& store_;
  std::map<std::uint64_t, Votes> open_;
  std::set<std::uint64_t> done_;    // Of open_: those finalized.
  std::set<std::uint64_t> unsent_;  // Own votes.
  std::uint64_t signed_index_ = 0;
  std::uint64_t finalized_index_ = 0;
  std::optional<std::uint64_t> contradicted_;
  std::vector<Finalized> finalized_;
  std::vector<proto::dag::BlockVotePair> conflicts_;
};

}  // namespace consensus
