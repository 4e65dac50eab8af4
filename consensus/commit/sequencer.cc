#include "consensus/commit/sequencer.h"

#include <algorithm>
#include <utility>

#include "proto/base/check.h"

namespace consensus {

void Sequencer::Remember(const Header& ordered) {
  for (const auto& batch : ordered.batches) {
    std::uint64_t& round = batches_[batch.digest];
    round = std::max(round, ordered.round);
  }
}

std::vector<Ordered> Sequencer::Advance(Dag& dag, const Leaders& leaders) {
  std::vector<Ordered> ordered;
  for (;;) {
    const std::vector<CertificatePtr> chain = rule_->Decide(dag, leaders, last_);
    if (chain.empty()) return ordered;
    for (const CertificatePtr& leader : chain) {
      CHECK(leader->header.round > last_);
      Ordered& commit =
          ordered.emplace_back(Ordered{++index_, leader, dag.TakeHistory(*leader), {}});
      for (const auto& vertex : commit.vertices) {
        for (const auto& batch : vertex->header.batches) {
          if (!batches_.count(batch.digest)) commit.batches.push_back(batch);
        }
        Remember(vertex->header);
      }
      last_ = leader->header.round;
      dag.Collect(gc_round());
      std::erase_if(batches_, [&](const auto& entry) { return entry.second <= gc_round(); });
    }
  }
}

}  // namespace consensus
