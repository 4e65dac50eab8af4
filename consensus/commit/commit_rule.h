// The seam between the DAG and the rule that picks what is committed: another rule (Mahi-Mahi) can
// be tried beside Tusk without touching either side.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "consensus/dag/dag.h"

namespace consensus {

// Who leads a round, once the coin has said so; the same answer on every node, for ever.
class Leaders {
 public:
  virtual ~Leaders() = default;
  virtual std::optional<proto::PartyId> Leader(std::uint64_t round) const = 0;
};

class CommitRule {
 public:
  virtual ~CommitRule() = default;
  // The leaders to commit next, oldest first, all above round `last` (the newest committed
  // leader's, 0 before the first); none while the DAG does not decide one. Whatever nodes see of
  // the DAG and when, their answers, each fed back as `last`, form one sequence.
  virtual std::vector<CertificatePtr> Decide(const Dag& dag, const Leaders& leaders,
                                             std::uint64_t last) const = 0;
};

}  // namespace consensus
