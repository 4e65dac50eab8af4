// What a client checks with nothing but the genesis document: that n - f validators of the right
// epoch signed a block, and that a record, a transaction or a receipt stands under its roots.
//
// The genesis document gives the first epoch's keys. The last header of each epoch, signed by n - f
// of its members, names the next one's record by hash: a link for each change leads to the newest.
// Two conflicting signed blocks of one height would need f + 1 validators of an epoch that signed
// both. That a block is the newest nobody can prove, nor that an epoch's members whose stake is
// paid out long since do not sign another history: who was away for longer than the unbonding time
// should compare with somebody it trusts.
#pragma once

#include <optional>
#include <span>
#include <utility>
#include <vector>

#include "proto/base/bytes.h"
#include "proto/crypto/merkle.h"
#include "proto/spec.h"
#include "proto/wire/block.h"
#include "proto/wire/epoch.h"

namespace node {

using Signatures = std::span<const std::pair<proto::PartyId, proto::Signature>>;

// kDenied unless n - f distinct validators of the epoch signed the header, and it is theirs.
proto::Result<> VerifyHeader(const proto::Digest& chain, const proto::EpochRecord& epoch,
                             const proto::BlockHeader& header, Signatures signatures);

// kDenied unless the link leads from `epoch` to the one after it.
proto::Result<> VerifyLink(const proto::Digest& chain, const proto::EpochRecord& epoch,
                           const proto::EpochLink& link);

// The epochs that are proved to a client, from the first on.
class LightClient {
 public:
  explicit LightClient(const proto::Genesis& genesis);

  // Takes the next epoch in; kDenied unless the link leads from the newest one here. A link to an
  // epoch that is here already changes nothing.
  proto::Result<> Follow(const proto::EpochLink& link);
  // A header of any epoch that is here.
  proto::Result<> VerifyHeader(const proto::BlockHeader& header, Signatures signatures) const;

  const proto::Genesis& genesis() const { return genesis_; }
  const proto::EpochRecord& epoch() const { return epochs_.back(); }
  // That in which the height lies, as far as this client knows.
  const proto::EpochRecord& EpochOf(std::uint64_t height) const;
  // None beyond the newest.
  const proto::EpochRecord* epoch(std::uint64_t number) const;

 private:
  proto::Genesis genesis_;
  proto::Digest chain_;
  std::vector<proto::EpochRecord> epochs_;  // By number.
};

// A header of the first epoch.
inline proto::Result<> VerifyHeader(const proto::Genesis& genesis, const proto::BlockHeader& header,
                                    Signatures signatures) {
  return VerifyHeader(proto::ChainId(genesis), proto::FirstEpoch(genesis), header, signatures);
}

// kDenied unless `value` (or absence) is what `key` has under the root.
proto::Result<> VerifyState(const proto::Digest& state_root, proto::ByteSpan key,
                            const std::optional<proto::Bytes>& value,
                            const proto::StateProof& proof);

// kDenied unless the transaction's bytes, or the receipt, stand at the proof's index of the block.
proto::Result<> VerifyTransaction(const proto::BlockHeader& header, proto::ByteSpan transaction,
                                  const proto::MerkleProof& proof);
proto::Result<> VerifyReceipt(const proto::BlockHeader& header, const proto::Receipt& receipt,
                              const proto::MerkleProof& proof);

}  // namespace node
