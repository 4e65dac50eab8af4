// What one member sends in one exchange of an online session, kept until the session ends: members
// that lag or start again are sent it again, the same bytes under the same signature.
//
// What goes to all is kept as it was sent. A batch's shares differ by receiver and are n / (t + 1)
// times as many as the round's: kept are the latter, and a receiver's vector is computed anew.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <vector>

#include "mpc/party.h"
#include "mpc/sharing/batch.h"
#include "proto/wire/session.h"

namespace mpc {

// What a member signs of an opening: all but `latest`; root = MerkleRootOfBytes(values).
proto::Digest OpeningDigest(const proto::Digest& chain, const proto::Opening& opening,
                            const proto::Digest& root);

class OwnOpening {
 public:
  // The same elements to everybody.
  OwnOpening(const PartyContext& context, std::uint64_t request, std::uint32_t exchange,
             std::span<const Fp> elements);
  // Of each batch's y_j a share to member j; `shares` are of the batches' values.
  OwnOpening(const PartyContext& context, std::uint64_t request, std::uint32_t exchange,
             const Batch& batch, std::vector<Fp> shares);

  bool to_everybody() const { return !batch_; }
  // As it goes to that member; signed when it is first asked for.
  proto::Opening For(proto::PartyId receiver);

 private:
  void Sign(proto::Opening& opening) const;

  const PartyContext* context_;
  proto::Opening opening_;  // Its head only, in batches.
  std::optional<Batch> batch_;
  std::vector<Fp> shares_;
  std::map<proto::PartyId, proto::Signature> signatures_;
};

}  // namespace mpc
