// Private requests, the client's part.
//
//   opened --(owner submits)--> submitted --(n - t equal attestations)--> computed
//          --(shares decode)--> completed;      opened --(deadline)--> expired
//
// The price is escrowed from opening to the end. A request is given the oldest bundle of its
// bucket, at once or when one is certified, in the order of opening; only its owner may submit, and
// the first submission counts. A deadline counts rounds of committed leaders from when the bundle
// was assigned; then the bundle is burnt, its price goes to its makers, the rest back to the owner.
// What is submitted never expires. What follows a submission is in outputs.h.
#pragma once

#include "node/ledger/block.h"
#include "proto/wire/ledger.h"

namespace node {

Outcome Execute(Block& block, const proto::PublicKey& sender, const proto::OpenRequest& payload);
Outcome Execute(Block& block, const proto::PublicKey& sender,
                const proto::SubmitInference& payload);

// At the beginning of a block.
void ExpireRequests(Block& block);

}  // namespace node
