#include "consensus/sync/rebase.h"

#include <algorithm>
#include <utility>

#include "proto/base/check.h"

namespace consensus {

proto::Result<std::vector<Write>> Rebase(const Config& config, const Archive& archive,
                                         const Base& base) {
  Store store(config.committee, archive);
  State state =
      store.FindState().value_or(State{0, config.commits_before, 0, config.commits_before});
  const Own own = store.FindOwn().value_or(Own{});
  if (store.damage()) return proto::Fail(proto::ErrorCode::kCorrupt, *store.damage());
  CHECK(base.index > state.commit_index && base.round > state.last_leader_round);
  // Votes on blocks that nobody waits for any more.
  for (const auto& [party, vote] : store.FindBlockVotes()) {
    if (vote.index <= base.index) store.DeleteBlockVote(vote.index, party);
  }
  state.last_leader_round = base.round;
  state.commit_index = base.index;
  state.base_round = base.round > config.gc_depth ? base.round - config.gc_depth : 0;
  state.base_commit = base.index;
  store.Put(state);
  store.Put(base.index, CommitRecord{base.round, base.leader, {}, {}});
  // Own batches are proposed again, as far as the ledger lacks them: old rounds may go without.
  for (const OwnBatch& batch : own.batches) store.Refer(batch.reference, base.round);
  Step step;
  store.Flush(step);
  return std::move(step.writes);
}

}  // namespace consensus
