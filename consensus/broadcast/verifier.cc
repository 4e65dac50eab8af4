#include "consensus/broadcast/verifier.h"

#include <algorithm>
#include <set>

#include "consensus/wave.h"
#include "proto/checkpoint.h"

namespace consensus {

using proto::FaultKind;
using proto::PartyId;

namespace {

// Strictly ascending by `key`: sorted, and nothing twice.
template <class List, class KeyOf>
bool IsAscending(const List& list, KeyOf key) {
  return std::adjacent_find(list.begin(), list.end(), [&](const auto& a, const auto& b) {
           return key(a) >= key(b);
         }) == list.end();
}

bool HasDistinctBatches(const Header& header) {
  std::set<proto::Digest> batches;
  std::size_t bytes = 0;
  for (const auto& batch : header.batches) {
    batches.insert(batch.digest);
    bytes += batch.size;
  }
  return batches.size() == header.batches.size() && bytes <= proto::dag::kHeaderPayloadBytesMax;
}

}  // namespace

bool Verifier::IsSigned(PartyId by, const proto::Digest& digest,
                        const proto::Signature& signature) {
  ++signature_checks_;
  return proto::Verify(config_.keys[proto::Index(by)], digest, signature);
}

bool Verifier::IsWellFormed(const Header& header) const {
  if (header.chain != config_.chain || header.epoch != config_.epoch || header.round == 0 ||
      !IsMember(header.author)) {
    return false;
  }
  // The first round stands on nothing, every other on a quorum of the round before.
  const std::size_t parents_min = header.round == 1 ? 0 : config_.committee.quorum();
  const std::size_t parents_max = header.round == 1 ? 0 : config_.committee.size();
  if (header.parents.size() < parents_min || header.parents.size() > parents_max) return false;
  for (const auto& parent : header.parents) {
    if (parent.round + 1 != header.round || !IsMember(parent.author)) return false;
  }
  for (const auto& weak : header.weak) {
    if (weak.round == 0 || weak.round + 2 > header.round || !IsMember(weak.author)) return false;
  }
  const auto by_author = [](const Reference& link) { return link.author; };
  const auto by_place = [](const Reference& link) { return std::pair(link.round, link.author); };
  const auto by_index = [](const BlockVote& vote) { return vote.index; };
  return IsAscending(header.parents, by_author) && IsAscending(header.weak, by_place) &&
         IsAscending(header.block_votes, by_index) && HasDistinctBatches(header) &&
         header.coin_share.has_value() == RevealedWave(header.round).has_value();
}

bool Verifier::IsKnown(const Header& header) const {
  const auto round = headers_.find(header.round);
  if (round == headers_.end()) return false;
  const auto known = round->second.find(header.digest);
  return known != round->second.end() && known->second == header.signature;
}

std::optional<FaultKind> Verifier::Check(const Header& header) {
  if (IsKnown(header)) return std::nullopt;
  if (!IsWellFormed(header)) return FaultKind::kMalformed;
  if (!IsSigned(header.author, header.digest, header.signature)) return FaultKind::kBadSignature;
  if (const auto wave = RevealedWave(header.round)) {
    ++share_checks_;
    const auto name = proto::dag::CoinName(config_.chain, config_.epoch, *wave);
    if (!proto::VerifyCoinShare(config_.coin, header.author, name, *header.coin_share)) {
      return FaultKind::kWrongShare;
    }
  }
  for (const auto& vote : header.block_votes) {
    const auto digest =
        proto::CheckpointDigest(config_.chain, config_.epoch, vote.index, vote.block);
    if (!IsSigned(header.author, digest, vote.signature)) return FaultKind::kBadSignature;
  }
  Trust(header);
  return std::nullopt;
}

std::optional<FaultKind> Verifier::Check(const Vote& vote) {
  if (vote.epoch != config_.epoch || !IsMember(vote.voter) || !IsMember(vote.author)) {
    return FaultKind::kMalformed;
  }
  if (!IsSigned(vote.voter, proto::dag::VoteDigest(config_.chain, vote), vote.signature)) {
    return FaultKind::kBadSignature;
  }
  return std::nullopt;
}

bool Verifier::IsKnown(const Certificate& certificate) const {
  const auto round = certificates_.find(certificate.header.round);
  if (round == certificates_.end()) return false;
  const auto known = round->second.find(certificate.header.digest);
  return known != round->second.end() && known->second == certificate.votes &&
         IsKnown(certificate.header);
}

bool Verifier::IsOwnVote(const Header& header, PartyId voter,
                         const proto::Signature& signature) const {
  if (voter != config_.self) return false;
  const auto round = own_votes_.find(header.round);
  if (round == own_votes_.end()) return false;
  const auto own = round->second.find(header.digest);
  return own != round->second.end() && own->second == signature;
}

std::optional<FaultKind> Verifier::Check(const Certificate& certificate) {
  const Header& header = certificate.header;
  if (IsKnown(certificate)) return std::nullopt;
  const auto by_voter = [](const auto& vote) { return vote.first; };
  if (!IsWellFormed(header) || certificate.votes.size() != config_.committee.quorum() ||
      !IsAscending(certificate.votes, by_voter) || !IsMember(certificate.votes.back().first)) {
    return FaultKind::kMalformed;
  }
  if (!IsKnown(header) && !IsSigned(header.author, header.digest, header.signature)) {
    return FaultKind::kBadSignature;
  }
  const Vote statement{header.epoch, header.round, header.author, header.digest, {}, {}};
  const auto digest = proto::dag::VoteDigest(config_.chain, statement);
  for (const auto& [voter, signature] : certificate.votes) {
    if (IsOwnVote(header, voter, signature)) continue;
    if (!IsSigned(voter, digest, signature)) return FaultKind::kBadSignature;
  }
  return std::nullopt;
}

void Verifier::Trust(const Header& header) {
  headers_[header.round].emplace(header.digest, header.signature);
}

void Verifier::Trust(const Certificate& certificate) {
  certificates_[certificate.header.round].emplace(certificate.header.digest, certificate.votes);
}

void Verifier::Trust(const Vote& own) {
  own_votes_[own.round].insert_or_assign(own.header, own.signature);
}

void Verifier::Collect(std::uint64_t round) {
  own_votes_.erase(own_votes_.begin(), own_votes_.upper_bound(round));
  headers_.erase(headers_.begin(), headers_.upper_bound(round));
  certificates_.erase(certificates_.begin(), certificates_.upper_bound(round));
}

}  // namespace consensus
