// What the state allows after each call: commits, finality, the next own header.

#include <algorithm>
#include <utility>

#include "consensus/core/core.h"
#include "consensus/wave.h"
#include "proto/base/check.h"

namespace consensus {

using proto::PartyId;

void Core::Order(Step& step) {
  if (base_ && !HasBase()) return;
  // Collecting can free parked certificates, and these can decide a leader.
  while (!halted_) {
    const auto commits = sequencer_.Advance(dag_, coin_);
    if (commits.empty()) return;
    for (const auto& ordered : commits) {
      Emit(ordered, step);
      if (halted_) return;
    }
    Collect(step);
  }
}

bool Core::HasBase() {
  for (const auto& certificate : dag_.Round(base_->round)) {
    if (certificate->header.digest != base_->leader) continue;
    for (const auto& vertex : dag_.TakeHistory(*certificate)) {
      base_->vertices.push_back(vertex->header.reference());
      sequencer_.Remember(vertex->header);
    }
    store_.Put(state_.commit_index, *base_);
    base_.reset();
    return true;
  }
  return false;
}

void Core::Emit(const Ordered& ordered, Step& step) {
  const Header& leader = ordered.leader->header;
  CommitRecord record{leader.round, leader.digest, {}, {}};
  for (const auto& vertex : ordered.vertices) {
    record.vertices.push_back(vertex->header.reference());
  }
  for (const auto& batch : ordered.batches) {
    record.batches.push_back(batch.digest);
    payload_.Ordered(batch.digest);
  }
  state_.commit_index = ordered.index;
  state_.last_leader_round = leader.round;
  store_.Put(ordered.index, record);
  store_.Put(state_);
  store_.Sync();
  if (!record.batches.empty()) payload_commit_ = ordered.index;
  Deliver(ordered.index, record, step);
}

void Core::Deliver(std::uint64_t index, const CommitRecord& record, Step& step) {
  Commit commit{index, record.round, record.leader, record.vertices, {}};
  for (const auto& digest : record.batches) {
    auto batch = store_.TakeBatch(digest);
    if (!batch) {
      return HaltBecause("a batch of commit " + std::to_string(index) + " is missing in storage",
                         step);
    }
    std::move(batch->transactions.begin(), batch->transactions.end(),
              std::back_inserter(commit.transactions));
  }
  step.outputs.emplace_back(std::move(commit));
}

void Core::Collect(Step& step) {
  const std::uint64_t gc = dag_.gc_round();
  coin_.Collect(sequencer_.last_leader_round());
  verifier_.Collect(gc);
  ballots_.Collect(gc);
  seen_.erase(seen_.begin(), seen_.lower_bound({gc + 1, PartyId{0}}));
  for (auto& certificate : backlog_.Collect(gc)) {
    const PartyId author = certificate->header.author;
    Consider(author, std::move(certificate), step);
  }
  Prune();
}

void Core::Prune() {
  const std::uint64_t gc = dag_.gc_round();
  const std::uint64_t keep =
      std::max(gc > config_.retain_rounds ? gc - config_.retain_rounds : 0, state_.base_round);
  const std::uint64_t end = std::min(keep, state_.pruned_round + kPruneRoundsPerStepMax);
  if (state_.pruned_round >= end) return;
  while (state_.pruned_round < end) store_.Prune(++state_.pruned_round);
  // Between what it knew before and its base this node has no records.
  if (state_.pruned_commit + 1 < state_.base_commit &&
      !store_.FindCommit(state_.pruned_commit + 1)) {
    state_.pruned_commit = state_.base_commit - 1;
  }
  for (auto record = store_.FindCommit(state_.pruned_commit + 1);
       record && record->round <= state_.pruned_round;
       record = store_.FindCommit(state_.pruned_commit + 1)) {
    store_.DeleteCommit(++state_.pruned_commit);
  }
  store_.Put(state_);
}

void Core::Settle(Step& step) {
  for (auto& conflict : finality_.TakeConflicts()) {
    const PartyId voter = conflict.voter;
    Report(voter, std::move(conflict), step);
  }
  for (auto& finalized : finality_.TakeFinalized()) step.outputs.emplace_back(std::move(finalized));
  if (const auto index = finality_.contradicted(); index && !halted_) {
    HaltBecause("more than f validators signed another block for commit " + std::to_string(*index) +
                    " than this node",
                step);
  }
}

void Core::Propose(Step& step) {
  if (!tick_due_ || halted_ || base_ || silent_ || observing_) return;
  const std::uint64_t round = dag_.quorum_round() + 1;
  if (payload_.header() && payload_.header()->round >= round) return;
  const auto parents = dag_.Round(round - 1);
  if (patience_.Waits(round, parents)) return;
  tick_due_ = false;
  resend_age_ = 0;
  for (auto& batch : payload_.Seal()) step.Send(proto::kEveryone, std::move(batch));
  Header header = proto::dag::SignHeader(NextHeader(round, parents), key_);
  patience_.Sent(header);
  payload_.Propose(header);  // Durable before it leaves; there is never another of this round.
  verifier_.Trust(header);
  ballots_.Open(header);
  step.Send(proto::kEveryone, std::move(header));
}

HeaderFields Core::NextHeader(std::uint64_t round, const std::vector<CertificatePtr>& parents) {
  HeaderFields fields;
  fields.chain = config_.chain;
  fields.epoch = config_.epoch;
  fields.round = round;
  fields.author = config_.self;
  for (const auto& parent : parents) fields.parents.push_back(parent->header.reference());
  fields.weak = dag_.Unreached(parents, proto::dag::kHeaderWeakMax);
  fields.batches = payload_.Pick(round, [&](std::uint64_t own_round) {
    return dag_.Find(own_round, config_.self) != nullptr;
  });
  fields.block_votes = finality_.Unsent();
  if (const auto wave = RevealedWave(round)) {
    const auto name = proto::dag::CoinName(config_.chain, config_.epoch, *wave);
    fields.coin_share = proto::MakeCoinShare(coin_secret_, config_.self, name);
  }
  return fields;
}

void Core::Report(PartyId offender, const proto::dag::Evidence& evidence, Step& step) {
  if (!reported_.insert(offender).second) return;
  Evidence proof{offender, proto::dag::EncodeEvidence(evidence)};
  const auto proven =
      proto::dag::VerifyEvidence(proof.bytes, config_.chain, config_.epoch, config_.keys);
  CHECK(proven && *proven == offender);
  step.outputs.emplace_back(std::move(proof));
}

void Core::HaltBecause(std::string reason, Step& step) {
  if (halted_) return;
  halted_ = true;
  step.messages.clear();
  store_.PutHalt(reason);
  store_.Sync();
  step.outputs.emplace_back(Halt{std::move(reason)});
}

}  // namespace consensus
