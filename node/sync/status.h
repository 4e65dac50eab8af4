// How far a validator is from taking part, for `status` and metrics.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "node/sync/download.h"

namespace node {

struct SyncStatus {
  bool votes = true;       // It votes and proposes.
  bool observing = false;  // Nor will it, in this epoch.
  std::string why_not;     // One sentence; empty while it votes.
  bool catching_up = false;
  std::uint64_t highest_round = 0;         // Known here.
  std::optional<DownloadStatus> download;  // Of a snapshot.
  std::size_t snapshots_kept = 0;          // For others.
};

}  // namespace node
