#include "consensus/broadcast/ballots.h"

#include <utility>

#include "proto/base/check.h"

namespace consensus {

void Ballots::Open(Header header) {
  const std::uint64_t round = header.round;
  CHECK(ballots_.emplace(round, Ballot{std::move(header), {}}).second);
}

bool Ballots::Wants(const Vote& vote) const {
  const auto it = ballots_.find(vote.round);
  return it != ballots_.end() && it->second.header.author == vote.author &&
         it->second.header.digest == vote.header && it->second.votes.count(vote.voter) == 0;
}

std::optional<Certificate> Ballots::Add(const Vote& vote) {
  CHECK(Wants(vote));
  Ballot& ballot = ballots_.at(vote.round);
  ballot.votes.emplace(vote.voter, vote.signature);
  if (ballot.votes.size() < committee_.quorum()) return std::nullopt;
  Certificate certificate{std::move(ballot.header), {ballot.votes.begin(), ballot.votes.end()}};
  Close(vote.round);
  return certificate;
}

void Ballots::Close(std::uint64_t round) {
  ballots_.erase(round);
}

void Ballots::Collect(std::uint64_t round) {
  ballots_.erase(ballots_.begin(), ballots_.upper_bound(round));
}

const Header* Ballots::newest() const {
  return ballots_.empty() ? nullptr : &ballots_.rbegin()->second.header;
}

bool Ballots::HasVoted(proto::PartyId party) const {
  return !ballots_.empty() && ballots_.rbegin()->second.votes.count(party) == 1;
}

}  // namespace consensus
