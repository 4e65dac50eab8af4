// What a member contributes to the replicated keys of MPC (design: for each set A of n - t members
// a key that exactly A's members know): 32 random bytes, a *part*, for each set that holds it.
//
// A part is committed to by its hash (binding, and hiding: it has 256 bits of entropy) before
// anything depends on it, and travels sealed to an ephemeral key of one other member of its set,
// never to anybody else. Both ceremonies build on this: genesis hashes the parts of all members of
// A into A's key, later epochs let one part win.
#pragma once

#include <optional>
#include <vector>

#include "mpc/sharing/replicated.h"
#include "proto/crypto/signature.h"

namespace node {

using KeyPart = mpc::ReplicatedKeys::Key;

// One's own parts by set, present where `party` is a member; erased.
class Contribution {
 public:
  // `seed`: 32 secret bytes; the same ones give the same parts in the same context alone.
  Contribution(const mpc::ReplicatedSets& sets, proto::PartyId party, const proto::Digest& context,
               proto::ByteSpan seed);
  Contribution(Contribution&&) noexcept = default;
  Contribution& operator=(Contribution&&) = delete;
  ~Contribution();

  const std::vector<std::optional<KeyPart>>& parts() const { return parts_; }
  // The hashes of the parts, by set, of the sets that hold `party`.
  std::vector<proto::Digest> Commitments() const;
  // The parts that `recipient` may know, sealed to its ephemeral key. `entropy`: 32 bytes, used
  // once.
  proto::Bytes SealFor(const mpc::ReplicatedSets& sets, proto::PartyId recipient,
                       const proto::PublicKey& ephemeral, proto::ByteSpan entropy) const;

 private:
  proto::PartyId party_;
  proto::Digest context_;
  std::vector<std::optional<KeyPart>> parts_;
};

// Sets that hold all of `parties`, ascending.
std::vector<mpc::SetIndex> SetsOf(const mpc::ReplicatedSets& sets,
                                  std::initializer_list<proto::PartyId> parties);

proto::Digest PartCommitment(const proto::Digest& context, proto::PartyId author, mpc::SetIndex set,
                             const KeyPart& part);

// Parts of `author`'s contribution for `recipient`, sealed to its ephemeral key (OnCurve, CHECKed).
// `entropy`: 32 secret bytes, used for one content alone.
proto::Bytes SealParts(const proto::Digest& context, proto::PartyId author,
                       proto::PartyId recipient, const proto::PublicKey& ephemeral,
                       const std::vector<KeyPart>& parts, proto::ByteSpan entropy);
// What SealParts made, opened. kCorrupt when it was sealed for another key, place or context, or
// has not `count` parts. Who opens checks the parts against their commitments, and erases them.
proto::Result<std::vector<KeyPart>> OpenParts(const proto::Digest& context, proto::PartyId author,
                                              proto::PartyId recipient,
                                              const proto::SecretKey& ephemeral,
                                              proto::ByteSpan sealed, std::size_t count);
void EraseParts(std::vector<KeyPart>& parts);

}  // namespace node
