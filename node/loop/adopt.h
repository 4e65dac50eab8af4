// Puts a downloaded state in the place of the old one, in steps of bounded memory that a crash may
// interrupt anywhere: `adopting` is durable in the download's record before the first entry is
// touched, the staged entries stay until the last batch, and that batch, with the block's header
// and consensus' new base, ends it. FinishAdoption may be repeated from its beginning.
#pragma once

#include <optional>

#include "node/store/interfaces.h"
#include "node/sync/download.h"

namespace node {

// The download under way, if any, and the epoch that its block is of.
struct StoredDownload {
  DownloadRecord record;
  proto::EpochRecord epoch;
};
proto::Result<std::optional<StoredDownload>> FindDownload(const KeyValueStore& store);
// Forgets it.
proto::Result<> DropDownload(KeyValueStore& store);
// All that is staged is void.
proto::Result<> ClearStaged(KeyValueStore& store);

// The record is complete. From here on there is no way back.
proto::Result<> BeginAdoption(KeyValueStore& store, DownloadRecord& record);
// `last`: what goes with the state, in the batch that ends it.
proto::Result<> FinishAdoption(KeyValueStore& store, const DownloadRecord& record,
                               std::vector<KeyWrite> last);

}  // namespace node
