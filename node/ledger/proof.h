// Proofs that go with answers: made from what a validator has, checked with nothing but the
// genesis document.
//
// A proof holds when
//   1. each header is the parent of the next, and n - f validators signed the last one;
//   2. each record, or its absence, has a way to the first header's state root;
//   3. the transaction and its receipt stand at one place under the first header's two roots;
//   4. the receipts are all of the block's.
// Whoever makes a wrong one pass has found a collision of SHA-256, forged a Schnorr signature, or
// has f + 1 validators that signed two blocks of one height.
//
// It cannot show that the block is the newest, nor that a transaction was never executed: the state
// has no index of those. (An account's nonce says how many of its transactions were.)
#pragma once

#include <set>
#include <utility>
#include <vector>

#include "node/ledger/facts.h"
#include "node/ledger/proven_block.h"
#include "proto/spec.h"
#include "proto/wire/proof.h"

namespace node {

// The facts of a proof that holds; made by VerifyProof alone.
class Proven final : public ClaimedFacts {
 public:
  // The last header: the one that is signed.
  const proto::BlockHeader& signed_header() const { return proof().headers.back(); }

 private:
  friend proto::Result<Proven> VerifyProof(const proto::Genesis& genesis, proto::ByteSpan bytes);
  using ClaimedFacts::ClaimedFacts;
};

// `bytes`: as EncodeProof gives them. kDenied says which check failed; kCorrupt and kExhausted that
// this is no proof.
proto::Result<Proven> VerifyProof(const proto::Genesis& genesis, proto::ByteSpan bytes);

// Of the records, as they are in the block's state.
proto::Proof ProveRecords(const ProvenBlock& block, const std::set<proto::Bytes>& keys);
// Of the first header: `headers` leads to the one that is signed.
proto::Proof ProveBlock(std::vector<proto::BlockHeader> headers, BlockSignatures signatures);
// Adds the transaction at `index` of the first header's block, which has as many receipts as
// transactions.
void AddTransaction(proto::Proof& proof, const std::vector<proto::Bytes>& transactions,
                    std::vector<proto::Receipt> receipts, std::uint32_t index);
void AddReceipts(proto::Proof& proof, std::vector<proto::Receipt> receipts);

}  // namespace node
