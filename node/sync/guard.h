// Keeps a validator that has forgotten what it said from contradicting it.
//
// Storage that is whole is no older than what left the node. Storage that was lost, or restored
// from an old copy, is: votes and headers that peers hold are missing from it, and a validator that
// went on from there would sign others for the same rounds. It cannot see that by itself, so at
// every start, before its first vote or header, it asks its peers for the newest header of its own
// that they hold, and waits for n - f - 1 of them (a quorum with itself: one round trip). A header
// that its storage does not know, signed by its own key, proves the loss; from then on, also after
// restarts, it only observes: it follows, executes and serves, and neither votes nor proposes for
// the rest of the epoch. In the next epoch, or under a fresh key, there is nothing to contradict.
//
// Why that suffices. Peers hold a header durably before they vote for it, and never drop the newest
// (consensus/store, 'w'), so a certified header h newer than the copy is held by n - f - 1 others,
// at least n - 2f - 1 of them honest.
//   - Any n - f answers from others contain one of these honest holders: n - f + (n - 2f - 1) and f
//     liars leave at least one. Answers are heeded whenever they come, also after the node speaks.
//   - With n - f - 1 answers the same holds unless f peers lie *and* every honest one that holds h
//     is among the f that stay silent. Since h went to everybody, that takes a copy younger than
//     the time a header needs to reach one of the honest peers that answer, or f liars and a
//     network that held back a header to them for as long as the copy is old.
// Waiting for one more answer would stop a network with f validators down for good whenever another
// restarts, though its storage is whole; so it does not wait. What no question can find is what it
// said after the copy to liars alone, before any honest peer had a header of it: a window of about
// one round before the copy was made.
//
// Epochs. A member of an earlier epoch than the asked one answers that it holds no header, which is
// true; one of a later epoch does not answer (it has forgotten), and the asker finds out that it is
// behind. Every epoch asks anew, one round trip before its first header: a copy from an earlier
// epoch may have passed the guard there, by members who stopped in it and left since, and what this
// node said in later epochs the later committees know.
//
// A liar can neither invent such a header (it is signed) nor stop the start (it is not waited for).
// All n starting at once answer each other from storage: nobody waits for anybody to speak.
#pragma once

#include <cstdint>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "proto/committee.h"
#include "proto/crypto/signature.h"
#include "proto/protocol.h"
#include "proto/wire/sync.h"

namespace node {

class Guard {
 public:
  using Messages = std::vector<proto::Outgoing<proto::sync::Message>>;

  // `nonce`: never used by this node before.
  Guard(proto::Committee committee, proto::PartyId self, proto::PublicKey key, proto::Digest chain,
        std::uint64_t epoch, std::uint64_t nonce)
      : committee_(committee),
        self_(self),
        key_(key),
        chain_(chain),
        epoch_(epoch),
        nonce_(nonce) {}

  std::uint64_t epoch() const { return epoch_; }
  // To those that have not answered yet: at the start, on a new link, and from time to time.
  Messages Ask() const;
  Messages AskOne(proto::PartyId peer) const;

  struct Verdict {
    std::optional<std::string> forgot;  // Proven: what.
    bool fault = false;                 // The answer shows a header that is none of this node's.
  };
  // `own_round`: of the newest own header in storage, 0 without one.
  Verdict On(proto::PartyId from, const proto::sync::WordAnswer& answer, std::uint64_t own_round);

  // Whether it has asked enough to speak.
  bool certain() const { return answered_.size() + 1 >= committee_.quorum(); }
  std::size_t answers() const { return answered_.size(); }
  std::size_t needed() const { return committee_.quorum() - std::size_t{1}; }

 private:
  const proto::Committee committee_;
  const proto::PartyId self_;
  const proto::PublicKey key_;
  const proto::Digest chain_;
  const std::uint64_t epoch_;
  const std::uint64_t nonce_;
  std::set<proto::PartyId> answered_;
};

}  // namespace node
