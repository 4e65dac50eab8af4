// Which contributions make the replicated keys of an epoch's computing members, as the ledger
// decides it.
//
// For each set A of n - t members somebody's part must become A's key. Members send each other
// their contributions in private (node/ceremony/key_member.h) and post an acknowledgement of each
// that they hold whole: author and root, the hash of the author's commitments. The part of A that
// first has t + 1 acknowledgements of one root by members of A ordered wins. So
//
//   - it wins with an honest member of A among its holders, who forwards it to the others of A;
//   - t members, silent or lying, stop nothing: A holds t + 1 honest ones, each of which sends its
//     contribution to all and acknowledges the others';
//   - a set of honest members alone, the only kind whose key must stay unknown to the corrupt, has
//     an honest author.
//
// The state is the list of acknowledgements in their order; a member acknowledges one root an
// author, so it has at most n^2 entries of 34 bytes. Cost: C(n, t) comparisons an entry.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "mpc/sharing/replicated.h"
#include "proto/base/bytes.h"
#include "proto/committee.h"

namespace node {

struct KeyAcknowledgement {
  proto::PartyId author;  // By their numbers in MPC.
  proto::Digest root;

  auto operator<=>(const KeyAcknowledgement&) const = default;
};

class KeyCeremony {
 public:
  using Winner = KeyAcknowledgement;

  // `members`: how many compute in the epoch, 1 to mpc::kReplicatedPartiesMax (CHECKed).
  explicit KeyCeremony(std::uint16_t members);

  // An ordered acknowledgement by `member`; whether it counts. One that names nobody, or an author
  // that this member has acknowledged before, changes nothing.
  bool Acknowledge(proto::PartyId member, const KeyAcknowledgement& acknowledgement);

  // Every set has a winner: an honest holder of each key will see to the rest.
  bool done() const { return undecided_ == 0; }
  const std::optional<Winner>& winner(mpc::SetIndex set) const { return winners_[set]; }
  std::size_t sets() const { return winners_.size(); }
  std::uint16_t members() const { return members_; }
  // The root that the member acknowledged of the author.
  std::optional<proto::Digest> acknowledged(proto::PartyId member, proto::PartyId author) const;

  // The ledger's record.
  proto::Bytes Encode() const;
  static proto::Result<KeyCeremony> Decode(proto::ByteSpan bytes);

  bool operator==(const KeyCeremony& other) const {
    return members_ == other.members_ && entries_ == other.entries_;
  }

 private:
  struct Entry {
    proto::PartyId member;
    KeyAcknowledgement what;

    bool operator==(const Entry&) const = default;
  };

  std::uint16_t members_;
  std::vector<std::uint16_t> sets_;  // Members as bits, in the order of mpc::ReplicatedSets.
  std::vector<Entry> entries_;
  std::vector<std::optional<Winner>> winners_;
  std::size_t undecided_;
};

}  // namespace node
