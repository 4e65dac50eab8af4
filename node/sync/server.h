// Serves snapshots of the ledger's state to validators that are too far behind to catch up by
// certificates. A snapshot is the immutable tree under a proven block: taking one costs nothing,
// keeping it what the ledger has changed since. Nothing stops for it.
//
// Which blocks: the first proven one in each epoch, and in each interval of rounds, so that
// validators hold the same ones and a chunk that one does not give comes from another. Together the
// kept ones span half of the rounds whose certificates are kept: whoever has downloaded one finds
// the certificates above.
#pragma once

#include <deque>
#include <map>
#include <optional>

#include "node/ledger/proven_block.h"
#include "proto/wire/sync.h"

namespace node {

inline constexpr std::size_t kSnapshotsKept = 4;
inline constexpr std::uint64_t kSnapshotIntervalMax = 4096;
// Chunks for one peer between two beats; what it asks beyond that is not answered.
inline constexpr std::uint32_t kChunksPerBeatMax = 16;

class SnapshotServer {
 public:
  // `retain_rounds`: how long certificates are kept.
  explicit SnapshotServer(std::uint32_t retain_rounds);

  // A block was proven; older than one before is ignored.
  void Add(const ProvenBlock& block);
  std::optional<proto::sync::SnapshotOffer> Offer(const proto::PublicKey& from);
  // None: beyond the peer's share of this beat.
  std::optional<proto::sync::ChunkAnswer> Answer(const proto::PublicKey& from,
                                                 const proto::sync::ChunkQuery& query);
  void Beat() { answers_.clear(); }

  std::size_t kept() const { return kept_.size(); }

 private:
  struct Kept {
    ProvenBlock block;
    std::uint8_t depth = 0;
  };
  bool MayAnswer(const proto::PublicKey& peer) { return ++answers_[peer] <= kChunksPerBeatMax; }

  const std::uint64_t interval_;
  std::deque<Kept> kept_;  // Ascending by height.
  std::map<proto::PublicKey, std::uint32_t> answers_;
};

}  // namespace node
