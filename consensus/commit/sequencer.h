// Turns decided leaders into the one sequence of commits.
//
// A leader's commit holds all of its history that is not yet ordered and lies above the gc round,
// which the *previous* committed leader fixed: gc = leader round - gc_depth, never from a local
// round, never changed while a history is being put in order.
//
// A batch counts once while an ordered vertex above the gc round names it: its author may propose
// it again before it sees the first proposal certified, and anybody may name another's batch.
#pragma once

#include <map>
#include <memory>
#include <optional>

#include "consensus/commit/commit_rule.h"

namespace consensus {

struct Ordered {
  std::uint64_t index = 0;
  CertificatePtr leader;
  std::vector<CertificatePtr> vertices;
  std::vector<BatchReference> batches;  // In order, without those that were ordered before.
};

class Sequencer {
 public:
  // Continues after the leader of round `last`, commit `index` (0, 0 at the beginning). The DAG is
  // collected accordingly.
  Sequencer(std::unique_ptr<const CommitRule> rule, std::uint32_t gc_depth, std::uint64_t last,
            std::uint64_t index)
      : rule_(std::move(rule)), gc_depth_(gc_depth), last_(last), index_(index) {}

  // A restart: this vertex is part of an earlier commit.
  void Remember(const Header& ordered);

  // What the DAG now decides. Orders the histories in it and collects it.
  std::vector<Ordered> Advance(Dag& dag, const Leaders& leaders);

  std::uint64_t last_leader_round() const { return last_; }
  std::uint64_t index() const { return index_; }
  std::uint64_t gc_round() const { return last_ > gc_depth_ ? last_ - gc_depth_ : 0; }

 private:
  const std::unique_ptr<const CommitRule> rule_;
  const std::uint32_t gc_depth_;
  std::uint64_t last_;
  std::uint64_t index_;
  std::map<proto::Digest, std::uint64_t> batches_;  // Newest ordered round that names each.
};

}  // namespace consensus
