// What each message does.

#include <algorithm>
#include <utility>

#include "consensus/core/core.h"
#include "proto/base/check.h"
#include "proto/base/overloaded.h"

namespace consensus {

using proto::FaultKind;
using proto::PartyId;

void Core::On(PartyId from, Transactions batch, Step& step) {
  const proto::Digest digest = batch.digest;
  // An own batch is stored when it is sealed: another's vertex may wait for the same bytes.
  if (from == config_.self && store_.HasBatch(digest)) return Supply(digest, step);
  if (store_.HasBatch(digest) || loose_.Find(digest)) return;
  if (const auto round = backlog_.CertifiedNeed(digest)) {
    store_.Put(std::move(batch), *round);
  } else {
    loose_.Add(from, std::move(batch));
  }
  Supply(digest, step);
}

void Core::On(PartyId from, Header header, Step& step) {
  if (from != header.author) return step.Blame(from, FaultKind::kUnexpectedSender);
  if (header.round <= dag_.gc_round()) return;
  const Header* const first = FindSeen(header.round, header.author);
  const bool conflicts = first && first->digest != header.digest;
  if (conflicts && reported_.count(from)) return;  // One proof is enough.
  if (const auto fault = verifier_.Check(header)) return step.Blame(from, *fault);
  const std::uint64_t highest = dag_.highest_round();
  if (header.round > highest + kRoundsBehindMax) catch_up_.Begin(from);
  if (header.round > highest + kRoundsAheadMax) return;
  Watch(header, step);
  if (conflicts) return step.Blame(from, FaultKind::kEquivocation);
  coin_.Add(header);
  finality_.Add(header, sequencer_.index());
  if (!header.batches.empty()) payload_round_ = std::max(payload_round_, header.round);
  Consider(from, std::move(header), step);
}

void Core::On(PartyId from, const Vote& vote, Step& step) {
  if (from != vote.voter) return step.Blame(from, FaultKind::kUnexpectedSender);
  if (!ballots_.Wants(vote)) return;  // Late, or again.
  if (from != config_.self) {
    if (const auto fault = verifier_.Check(vote)) return step.Blame(from, *fault);
  }
  if (auto certificate = ballots_.Add(vote)) {
    verifier_.Trust(*certificate);
    step.Send(proto::kEveryone, std::move(*certificate));
  }
}

void Core::On(PartyId from, Certificate certificate, Step& step) {
  const Header& header = certificate.header;
  const bool collected = header.round <= dag_.gc_round();
  if (collected && !backlog_.IsNeeded(header.digest)) return;
  const std::uint64_t highest = dag_.highest_round();
  if (header.round > highest + kRoundsBehindMax) catch_up_.Begin(from);
  if (header.round > highest + kRoundsAheadMax) return;
  const CertificatePtr known = FindCertificate(header.round, header.author);
  if (known && known->header.digest == header.digest) return;
  if (const auto fault = verifier_.Check(certificate)) return step.Blame(from, *fault);
  if (known) return HaltOnConflict(*known, certificate, step);
  if (collected) {
    // Too old for the DAG, but a header to be voted for names it.
    store_.Put(certificate);
    return Supply(header.digest, step);
  }
  Consider(from, std::make_shared<const Certificate>(std::move(certificate)), step);
}

void Core::On(PartyId from, const Request& request, Step& step) {
  server_.Answer(from, request, step);
}

void Core::On(PartyId from, const RangeRequest& request, Step& step) {
  const std::uint64_t oldest = std::max(state_.pruned_round, state_.base_round) + 1;
  server_.Answer(from, request, oldest, dag_.highest_round(), step);
}

void Core::On(PartyId from, RangeAnswer answer, Step& step) {
  for (auto& certificate : std::exchange(answer.certificates, {})) {
    On(from, std::move(certificate), step);
    Order(step);  // Block votes are counted near the newest commit.
    if (halted_) return;
  }
  catch_up_.OnAnswer(from, answer, step);
  backlog_.Ask(false, step);
}

CertificatePtr Core::FindCertificate(std::uint64_t round, PartyId author) {
  if (auto certificate = dag_.Find(round, author)) return certificate;
  if (auto certificate = backlog_.FindCertificate(round, author)) return certificate;
  if (round > dag_.gc_round()) return nullptr;
  auto stored = store_.FindCertificate(round, author);
  return stored ? std::make_shared<const Certificate>(std::move(*stored)) : nullptr;
}

bool Core::IsStored(const BatchReference& batch) {
  const Transactions* const loose = loose_.Find(batch.digest);
  return loose ? loose->bytes.size() == batch.size : store_.HasBatch(batch);
}

void Core::StoreBatches(const Header& header) {
  for (const auto& reference : header.batches) {
    if (auto batch = loose_.Take(reference.digest)) {
      store_.Put(std::move(*batch), header.round);
    } else {
      store_.Refer(reference, header.round);
    }
  }
}

// A vote needs every link certified and stored here, however old: so f + 1 honest parties can hand
// each of them to a node that is further behind.
std::vector<Need> Core::NeedsOf(const Header& header) {
  std::vector<Need> needs;
  const auto need = [&](const Reference& link) {
    if (dag_.Contains(link)) return;
    if (link.round <= dag_.gc_round() && store_.HasCertificate(link)) return;
    needs.push_back(link);
  };
  std::for_each(header.parents.begin(), header.parents.end(), need);
  std::for_each(header.weak.begin(), header.weak.end(), need);
  for (const auto& batch : header.batches) {
    if (!IsStored(batch)) needs.push_back(batch.digest);
  }
  return needs;
}

// The DAG needs only what lies above gc.
std::vector<Need> Core::NeedsOf(const CertificatePtr& certificate) {
  std::vector<Need> needs = NeedsOf(certificate->header);
  std::erase_if(needs, [&](const Need& need) {
    const auto* const link = std::get_if<Reference>(&need);
    return link && link->round <= dag_.gc_round();
  });
  return needs;
}

void Core::Consider(PartyId source, Header header, Step& step) {
  if (const auto voted = store_.FindVote(header.round, header.author)) {
    // Sent again: the first may be lost with its link.
    if (voted->header == header.digest) SendVote(header, step);
    return;
  }
  const std::vector<Need> needs = NeedsOf(header);
  if (!needs.empty()) return backlog_.Park(std::move(header), source, needs);
  if (silent_ || observing_) return;  // Speak() comes back to it.
  StoreBatches(header);
  VoteRecord record{header.digest, {}};
  for (const auto& batch : header.batches) record.batches.push_back(batch.digest);
  store_.Put(header.round, header.author, record);
  if (const auto word = store_.FindWord(header.author); !word || word->round < header.round) {
    store_.PutWord(header);
  }
  store_.Sync();
  SendVote(header, step);
}

void Core::SendVote(const Header& header, Step& step) {
  Vote vote{header.epoch, header.round, header.author, header.digest, config_.self, {}};
  vote.signature = key_.Sign(proto::dag::VoteDigest(config_.chain, vote));
  verifier_.Trust(vote);
  step.Send({header.author}, vote);
}

void Core::Consider(PartyId source, CertificatePtr certificate, Step& step) {
  const Header& header = certificate->header;
  const std::vector<Need> needs = NeedsOf(certificate);
  if (!needs.empty()) return backlog_.Park(std::move(certificate), source, needs);
  Watch(header, step);
  Insert(certificate);
  Supply(header.digest, step);
}

void Core::Insert(const CertificatePtr& certificate) {
  const Header& header = certificate->header;
  StoreBatches(header);
  store_.Put(*certificate);
  dag_.Insert(certificate);
  coin_.Add(header);
  finality_.Add(header, sequencer_.index());
  seen_.erase({header.round, header.author});
  if (header.author == config_.self) {
    ballots_.Close(header.round);
    finality_.Sent(header.block_votes);
  }
}

void Core::Supply(const proto::Digest& digest, Step& step) {
  // One list, worked off here alone: no recursion through long chains of certificates.
  const bool outermost = ready_.empty();
  for (auto& item : backlog_.Supply(digest)) ready_.push_back(std::move(item));
  if (!outermost) return;
  for (std::size_t i = 0; i < ready_.size(); ++i) {
    std::visit(proto::Overloaded{
                   [&](CertificatePtr certificate) {
                     const PartyId author = certificate->header.author;
                     Consider(author, std::move(certificate), step);
                   },
                   [&](Header header) {
                     const PartyId author = header.author;
                     Consider(author, std::move(header), step);
                   },
               },
               std::move(ready_[i]));
  }
  ready_.clear();
}

const Header* Core::FindSeen(std::uint64_t round, PartyId author) const {
  if (const auto certificate = dag_.Find(round, author)) return &certificate->header;
  const auto seen = seen_.find({round, author});
  return seen == seen_.end() ? nullptr : &seen->second;
}

void Core::Watch(const Header& header, Step& step) {
  const Header* const first = FindSeen(header.round, header.author);
  if (!first) {
    seen_.emplace(std::pair(header.round, header.author), header);
  } else if (first->digest != header.digest) {
    Report(header.author, proto::dag::HeaderPair{*first, header}, step);
  }
}

void Core::HaltOnConflict(const Certificate& a, const Certificate& b, Step& step) {
  const auto vote_in = [](const Certificate& certificate, PartyId voter,
                          const proto::Signature& signature) {
    const Header& header = certificate.header;
    return Vote{header.epoch, header.round, header.author, header.digest, voter, signature};
  };
  for (const auto& [voter, signature] : a.votes) {
    for (const auto& [other, second] : b.votes) {
      if (voter != other) continue;
      Report(voter, proto::dag::VotePair{vote_in(a, voter, signature), vote_in(b, other, second)},
             step);
    }
  }
  HaltBecause("two certificates for round " + std::to_string(a.header.round) + " of validator " +
                  std::to_string(proto::Index(a.header.author)) +
                  ": more than f validators are faulty",
              step);
}

}  // namespace consensus
