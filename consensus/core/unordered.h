// What a validator took in and its epoch did not order in time.
#pragma once

#include <vector>

#include "consensus/config.h"
#include "consensus/store/store.h"

namespace consensus {

// Own transactions in an epoch's archive that stand in no commit up to `index`: where the ledger
// ended the epoch with that commit, or went on without this node's core, these were not executed
// through it and are the next epoch's. kCorrupt when the archive is damaged.
proto::Result<std::vector<proto::Bytes>> Unordered(const Config& config, const Archive& archive,
                                                   std::uint64_t index);

}  // namespace consensus
