#include "consensus/core/finality.h"

#include <algorithm>
#include <utility>

#include "proto/checkpoint.h"

namespace consensus {

using proto::PartyId;

namespace {

std::uint64_t Below(std::uint64_t index) {
  return index > kBlockVotesBehindMax ? index - kBlockVotesBehindMax : 0;
}

}  // namespace

void Finality::Restore(std::uint64_t executed_index, std::uint64_t commit_index) {
  signed_index_ = executed_index;
  for (const auto& [party, vote] : store_.FindBlockVotes()) {
    if (vote.index <= Below(executed_index) || vote.index > commit_index + kBlockVotesAheadMax) {
      continue;
    }
    if (party == config_.self) unsent_.insert(vote.index);
    Count(party, vote);
  }
  std::erase_if(unsent_, [&](std::uint64_t index) {
    return index + kBlockVotesResentMax <= executed_index && done_.count(index);
  });
}

bool Finality::Sign(std::uint64_t index, const proto::Digest& block, const proto::SecretKey& key) {
  if (index <= Below(signed_index_)) return true;  // Long since settled.
  if (const auto before = store_.FindBlockVote(index, config_.self)) return before->block == block;
  const auto digest = proto::CheckpointDigest(config_.chain, config_.epoch, index, block);
  const BlockVote vote{index, block, key.Sign(digest)};
  store_.Put(config_.self, vote);
  store_.Sync();
  unsent_.insert(index);
  signed_index_ = std::max(signed_index_, index);
  Count(config_.self, vote);
  Collect();
  return true;
}

void Finality::Add(const Header& header, std::uint64_t commit_index) {
  for (const auto& vote : header.block_votes) {
    if (vote.index <= Below(signed_index_) || vote.index > commit_index + kBlockVotesAheadMax) {
      continue;
    }
    const auto votes = open_.find(vote.index);
    if (votes == open_.end() && open_.size() >= kBlockVotesOpenMax) continue;
    if (votes != open_.end() && votes->second.count(header.author)) {
      const BlockVote& before = votes->second.at(header.author);
      if (before.block == vote.block) continue;
      conflicts_.push_back({config_.epoch, header.author, before, vote});
      continue;
    }
    store_.Put(header.author, vote);
    Count(header.author, vote);
  }
}

void Finality::Count(PartyId party, const BlockVote& vote) {
  Votes& votes = open_[vote.index];
  votes.emplace(party, vote);
  Finalized finalized{vote.index, vote.block, {}};
  for (const auto& [voter, other] : votes) {
    if (other.block == vote.block && finalized.signatures.size() < config_.committee.quorum()) {
      finalized.signatures.emplace_back(voter, other.signature);
    }
  }
  if (finalized.signatures.size() == config_.committee.quorum() &&
      done_.insert(vote.index).second) {
    finalized_index_ = std::max(finalized_index_, vote.index);
    finalized_.push_back(std::move(finalized));
  }
  const auto own = votes.find(config_.self);
  if (own == votes.end()) return;
  std::uint16_t against = 0;
  for (const auto& [voter, other] : votes) against += other.block != own->second.block;
  if (against > config_.committee.max_faulty()) contradicted_ = vote.index;
}

void Finality::Collect() {
  while (!open_.empty() && open_.begin()->first <= Below(signed_index_)) {
    const auto& [index, votes] = *open_.begin();
    for (const auto& [party, vote] : votes) store_.DeleteBlockVote(index, party);
    done_.erase(index);
    unsent_.erase(index);
    open_.erase(open_.begin());
  }
}

std::vector<BlockVote> Finality::Unsent() const {
  std::vector<BlockVote> votes;
  for (const std::uint64_t index : unsent_) {
    if (votes.size() == proto::dag::kHeaderBlockVotesMax) break;
    votes.push_back(open_.at(index).at(config_.self));
  }
  return votes;
}

void Finality::Sent(const std::vector<BlockVote>& votes) {
  for (const auto& vote : votes) unsent_.erase(vote.index);
}

std::vector<Finalized> Finality::TakeFinalized() {
  return std::exchange(finalized_, {});
}

std::vector<proto::dag::BlockVotePair> Finality::TakeConflicts() {
  return std::exchange(conflicts_, {});
}

}  // namespace consensus
