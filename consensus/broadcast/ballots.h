// The votes that other validators cast for own headers, until n - f of them make a certificate.
//
// Headers stay open when newer ones are proposed: a late vote still certifies, and saves their
// batches a second proposal.
#pragma once

#include <cstdint>
#include <map>
#include <optional>

#include "consensus/step.h"
#include "proto/committee.h"

namespace consensus {

class Ballots {
 public:
  explicit Ballots(const proto::Committee& committee) : committee_(committee) {}

  void Open(Header header);
  // Whether `vote` would count: for an open header, by a voter not yet counted.
  bool Wants(const Vote& vote) const;
  // A vote that is wanted and verified. The certificate, when this completes it; the ballot closes.
  std::optional<Certificate> Add(const Vote& vote);
  void Close(std::uint64_t round);
  void Collect(std::uint64_t round);  // Closes all up to `round`.

  // The newest header that is still open, or null; and whether a party has voted for it.
  const Header* newest() const;
  bool HasVoted(proto::PartyId party) const;

 private:
  struct Ballot {
    Header header;
    std::map<proto::PartyId, proto::Signature> votes;
  };

  const proto::Committee committee_;
  std::map<std::uint64_t, Ballot> ballots_;
};

}  // namespace consensus
