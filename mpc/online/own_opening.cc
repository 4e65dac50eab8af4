#include "mpc/online/own_opening.h"

#include <utility>

#include "proto/crypto/hash.h"
#include "proto/crypto/merkle.h"

namespace mpc {

using proto::Digest;
using proto::Opening;
using proto::PartyId;

Digest OpeningDigest(const Digest& chain, const Opening& opening, const Digest& root) {
  const std::uint64_t receiver = opening.receiver ? Index(*opening.receiver) + 1u : 0u;
  return proto::Hasher("waxseal/mpc/opening")
      .Add(chain.span())
      .Add(opening.request)
      .Add(std::uint64_t{opening.exchange})
      .Add(receiver)
      .Add(root.span())
      .Finish();
}

OwnOpening::OwnOpening(const PartyContext& context, std::uint64_t request, std::uint32_t exchange,
                       std::span<const Fp> elements)
    : context_(&context), opening_{request, exchange, exchange, EncodeElements(elements), {}, {}} {
  Sign(opening_);
}

OwnOpening::OwnOpening(const PartyContext& context, std::uint64_t request, std::uint32_t exchange,
                       const Batch& batch, std::vector<Fp> shares)
    : context_(&context),
      opening_{request, exchange, exchange, {}, {}, {}},
      batch_(batch),
      shares_(std::move(shares)) {}

Opening OwnOpening::For(PartyId receiver) {
  if (!batch_) return opening_;
  Opening opening = opening_;
  opening.receiver = receiver;
  opening.values = EncodeElements(batch_->For(receiver, shares_));
  const auto known = signatures_.find(receiver);
  if (known != signatures_.end()) {
    opening.signature = known->second;
  } else {
    Sign(opening);
    signatures_.emplace(receiver, opening.signature);
  }
  return opening;
}

void OwnOpening::Sign(Opening& opening) const {
  const Digest root = proto::MerkleRootOfBytes(opening.values);
  opening.signature = context_->key->Sign(OpeningDigest(context_->chain, opening, root));
}

}  // namespace mpc
