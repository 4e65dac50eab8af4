// Evidence that a validator equivocated, in consensus or in preprocessing (proto/wire/evidence.h):
// two signed words of its own that contradict each other. The first accepted one is recorded with
// the validator, which from then on earns neither fees nor rewards, and takes all of its stake
// (validators.h).
#pragma once

#include "node/ledger/block.h"
#include "proto/wire/ledger.h"

namespace node {

Outcome Execute(Block& block, proto::PartyId sender, const proto::ReportEvidence& payload);

}  // namespace node
