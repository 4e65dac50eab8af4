// Models: registered by anybody who pays for it, active once n - t validators have said that they
// hold the package and found it to be what the manifest says. From then on a pool of bundles is
// kept for each of its buckets.
#pragma once

#include "node/ledger/block.h"
#include "proto/wire/ledger.h"

namespace node {

Outcome Execute(Block& block, const proto::PublicKey& sender, const proto::RegisterModel& payload);
Outcome Execute(Block& block, const proto::PublicKey& sender, const proto::ModelReady& payload);

}  // namespace node
