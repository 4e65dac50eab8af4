#include "tests/sim/consensus/oracle.h"

#include <algorithm>

#include "proto/checkpoint.h"
#include "proto/wire/evidence.h"

namespace sim {

using consensus::Certificate;
using consensus::Header;
using proto::Digest;
using proto::Index;
using proto::PartyId;

void Oracle::Once(Word word, std::uint64_t place, PartyId about, PartyId by, const Digest& digest) {
  constexpr const char* kNames[] = {"header", "vote", "certificate", "block signature"};
  const auto [it, is_new] = said_.emplace(std::tuple(word, place, about, by), digest);
  if (is_new || it->second == digest) return;
  Fail(std::string("a second ") + kNames[static_cast<int>(word)] + " for " + std::to_string(place) +
       " of validator " + std::to_string(Index(about)));
}

void Oracle::OnSent(const consensus::Message& message) {
  if (const auto* const header = std::get_if<Header>(&message)) {
    Once(Word::kHeader, header->round, header->author, {}, header->digest);
    for (const auto& vote : header->block_votes) {
      Once(Word::kBlock, vote.index, header->author, {}, vote.block);
    }
  } else if (const auto* const vote = std::get_if<consensus::Vote>(&message)) {
    Once(Word::kVote, vote->round, vote->author, vote->voter, vote->header);
  } else if (const auto* const batch = std::get_if<consensus::Transactions>(&message)) {
    batches_.try_emplace(batch->digest, batch->transactions);
  }
}

void Oracle::OnWrite(const consensus::Write& write) {
  if (!write.value) return;
  if (write.key[0] == 'b') {
    const auto digest = Digest::From(proto::ByteSpan(write.key).subspan(1));
    if (digest && batches_.count(*digest)) return;
    auto batch = proto::dag::DecodeBatch(*write.value);
    if (!batch) return Fail("a stored batch does not decode");
    batches_.emplace(batch->digest, std::move(batch->transactions));
  }
  if (write.key[0] != 'c') return;
  const auto certificate = proto::dag::DecodeCertificate(*write.value);
  if (!certificate) return Fail("a stored certificate does not decode");
  const Header& header = certificate->header;
  Once(Word::kCertificate, header.round, header.author, {}, header.digest);
  Vertex vertex{header.reference(), header.parents, header.weak, {}};
  for (const auto& batch : header.batches) vertex.batches.push_back(batch.digest);
  dag_.Add(std::move(vertex));
}

void Oracle::OnExecuted(const consensus::Commit& commit, const Digest& block) {
  if (commit.index == blocks_.size() + 1) {
    if (!rounds_.empty() && commit.round <= rounds_.back()) Fail("leaders' rounds do not ascend");
    blocks_.push_back(block);
    rounds_.push_back(commit.round);
    consensus::Reference leader{};
    for (const auto& vertex : commit.vertices) {
      if (vertex.digest == commit.leader) leader = vertex;
    }
    done_.push_back({leader, commit.vertices, commit.transactions});
  }
  if (commit.index > blocks_.size()) return Fail("a commit is skipped");
  if (blocks_[commit.index - 1] != block) {
    Fail("honest validators disagree on commit " + std::to_string(commit.index));
  }
}

void Oracle::OnFinalized(const consensus::Finalized& finalized) {
  const Digest digest =
      proto::CheckpointDigest(config_.chain, config_.epoch, finalized.index, finalized.block);
  std::set<PartyId> voters;
  for (const auto& [party, signature] : finalized.signatures) {
    if (!proto::Verify(config_.keys[Index(party)], digest, signature)) Fail("bad block signature");
    voters.insert(party);
  }
  if (voters.size() < config_.committee.quorum()) Fail("a block is final without a quorum");
  if (finalized.index <= blocks_.size() && blocks_[finalized.index - 1] != finalized.block) {
    Fail("another block is final");
  }
}

void Oracle::OnEvidence(const consensus::Evidence& evidence, bool against_honest) {
  const auto offender =
      proto::dag::VerifyEvidence(evidence.bytes, config_.chain, config_.epoch, config_.keys);
  if (!offender || *offender != evidence.offender) Fail("evidence is void");
  if (against_honest) Fail("evidence against an honest validator");
  offenders_.insert(evidence.offender);
}

PartyId Oracle::Leader(std::uint64_t round) {
  const auto known = leaders_.find(round);
  if (known != leaders_.end()) return known->second;
  const Digest name = proto::dag::CoinName(config_.chain, config_.epoch, round);
  std::vector<std::pair<PartyId, proto::CoinShare>> shares;
  // The last ones: validators mostly combine the first.
  for (std::size_t i = secrets_.size() - config_.coin.threshold; i < secrets_.size(); ++i) {
    const auto party = static_cast<PartyId>(i);
    shares.emplace_back(party, proto::MakeCoinShare(secrets_[i], party, name));
  }
  const Digest coin = proto::CombineCoin(config_.coin, name, shares);
  std::uint64_t value = 0;
  for (std::size_t i = 8; i-- > 0;) value = value << 8 | coin.bytes[i];
  const auto leader = static_cast<PartyId>(value % config_.committee.size());
  leaders_.emplace(round, leader);
  return leader;
}

void Oracle::CheckDefinition() {
  if (!failure_.empty()) return;
  const auto commits =
      dag_.Order([this](std::uint64_t round) { return Leader(round); }, config_.gc_depth);
  if (commits.size() < done_.size()) {
    return Fail("the definition commits " + std::to_string(commits.size()) + " leaders of the " +
                std::to_string(done_.size()) + " that are committed");
  }
  for (std::size_t i = 0; i < done_.size(); ++i) {
    std::vector<proto::Bytes> transactions;
    for (const auto& batch : commits[i].batches) {
      const auto& more = batches_[batch];
      transactions.insert(transactions.end(), more.begin(), more.end());
    }
    if (commits[i].leader != done_[i].leader || commits[i].vertices != done_[i].vertices ||
        transactions != done_[i].transactions) {
      return Fail("commit " + std::to_string(i + 1) + " is not what the definition says");
    }
  }
}

}  // namespace sim
