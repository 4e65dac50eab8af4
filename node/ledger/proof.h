// Proofs that go with answers, checked with nothing but the genesis document. (prove.h makes them.)
//
// A proof holds when
//   0. each link leads from one epoch to the next, from genesis on;
//   1. each header is the parent of the next, and n - f validators of its epoch signed the
//      last one;
//   2. each record, or its absence, has a way to the first header's state root;
//   3. the transaction and its receipt stand at one place under the first header's two roots;
//   4. the receipts are all of the block's.
// Whoever makes a wrong one pass has found a collision of SHA-256, forged a Schnorr signature, or
// has f + 1 validators that signed two blocks of one height.
//
// It cannot show that the block is the newest, nor that a transaction was never executed: the state
// has no index of those. (An account's nonce says how many of its transactions were.)
#pragma once

#include <string>
#include <utility>

#include "node/ledger/facts.h"
#include "node/ledger/light_client.h"
#include "proto/spec.h"
#include "proto/wire/proof.h"

namespace node {

// The facts of a proof that holds; made by VerifyProof alone.
class Proven final : public ClaimedFacts {
 public:
  // The last header: the one that is signed.
  const proto::BlockHeader& signed_header() const { return proof().headers.back(); }

 private:
  friend proto::Result<Proven> VerifyProof(LightClient& client, proto::ByteSpan bytes);
  using ClaimedFacts::ClaimedFacts;
};

// A record's key for people: its readable beginning, and the rest in digits.
std::string NameOfKey(proto::ByteSpan key);

// `bytes`: as EncodeProof gives them. kDenied says which check failed; kCorrupt and kExhausted that
// this is no proof. The client keeps what it learns of epochs.
proto::Result<Proven> VerifyProof(LightClient& client, proto::ByteSpan bytes);
// Without any knowledge but the genesis document.
proto::Result<Proven> VerifyProof(const proto::Genesis& genesis, proto::ByteSpan bytes);

}  // namespace node
