// What a client checks with nothing but the genesis document: that n - f validators signed a block,
// and that a record, a transaction or a receipt stands under its roots.
//
// Two conflicting signed blocks of one height would need f + 1 validators that signed both. That a
// block is the newest nobody can prove.
#pragma once

#include <optional>
#include <span>
#include <utility>

#include "proto/base/bytes.h"
#include "proto/crypto/merkle.h"
#include "proto/spec.h"
#include "proto/wire/block.h"

namespace node {

// kDenied unless n - f distinct validators of this genesis signed the header.
proto::Result<> VerifyHeader(
    const proto::Genesis& genesis, const proto::BlockHeader& header,
    std::span<const std::pair<proto::PartyId, proto::Signature>> signatures);

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
