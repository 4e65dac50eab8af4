// The commit rule of Tusk (Danezis et al. 2022), with a leader in every even round.
//
//   the leader L of round r is committed directly   when f + 1 vertices of round r + 1 have it as
//                                                   parent
//   before it, oldest first                         each undecided leader M that the next accepted
//                                                   one reaches through parents
//
// Safety: a vertex of round r + 2 has n - f parents in r + 1, so one of the f + 1 votes for L is
// among them: every vertex from r + 2 on reaches L, every later leader among them; whoever commits
// a later leader first walks back to L. An absent or unsupported leader is never "skipped": only a
// later committed leader decides. Liveness: the coin is learnt after the votes are fixed, and at
// least f + 2 of the n vertices of a round have f + 1 votes: under three waves are expected.
#pragma once

#include "consensus/commit/commit_rule.h"

namespace consensus {

class Tusk : public CommitRule {
 public:
  explicit Tusk(const proto::Committee& committee) : committee_(committee) {}

  std::vector<CertificatePtr> Decide(const Dag& dag, const Leaders& leaders,
                                     std::uint64_t last) const override;

 private:
  const proto::Committee committee_;
};

}  // namespace consensus
