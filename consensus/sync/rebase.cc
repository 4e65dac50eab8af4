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
  const std::uint64_t votes_first =
      state.commit_index > kBlockVotesBehindMax ? state.commit_index - kBlockVotesBehindMax : 0;
  const std::uint64_t votes_last = std::min(state.commit_index + kBlockVotesAheadMax, base.index);
  for (std::uint64_t index = votes_first; index <= votes_last; ++index) {
    for (std::uint16_t i = 0; i < config.committee.size(); ++i) {
      const auto party = static_cast<proto::PartyId>(i);
      if (store.FindBlockVote(index, party)) store.DeleteBlockVote(index, party);
    }
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
