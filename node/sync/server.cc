#include "node/sync/server.h"

#include <algorithm>
#include <utility>

namespace node {

using proto::sync::ChunkAnswer;
using proto::sync::ChunkOutcome;
using proto::sync::ChunkQuery;
using proto::sync::SnapshotOffer;

SnapshotServer::SnapshotServer(std::uint32_t retain_rounds)
    : interval_(std::clamp<std::uint64_t>(retain_rounds / (2 * kSnapshotsKept), 1,
                                          kSnapshotIntervalMax)) {}

void SnapshotServer::Add(const ProvenBlock& block) {
  const auto interval_of = [&](const ProvenBlock& b) { return b.header.round / interval_; };
  if (!kept_.empty()) {
    const ProvenBlock& last = kept_.back().block;
    const bool is_new_epoch = block.header.height > last.header.height &&
                              block.header.committee_hash != last.header.committee_hash;
    if (!is_new_epoch && interval_of(block) <= interval_of(last)) return;
  }
  kept_.push_back({block, block.snapshot.tree().ChunkDepth(proto::sync::kChunkBytesTarget)});
  if (kept_.size() > kSnapshotsKept) kept_.pop_front();
}

std::optional<SnapshotOffer> SnapshotServer::Offer(const proto::PublicKey& from) {
  if (kept_.empty() || !MayAnswer(from)) return std::nullopt;
  const Kept& newest = kept_.back();
  return SnapshotOffer{newest.block.header, newest.block.signatures, newest.depth};
}

std::optional<ChunkAnswer> SnapshotServer::Answer(const proto::PublicKey& from,
                                                  const ChunkQuery& query) {
  if (!MayAnswer(from)) return std::nullopt;
  const auto kept =
      std::ranges::find(kept_, query.height, [](const Kept& k) { return k.block.header.height; });
  if (kept == kept_.end()) return ChunkAnswer{query, ChunkOutcome::kGone, {}};
  auto chunk =
      kept->block.snapshot.tree().Chunk(query.depth, query.index, proto::sync::kChunkBytesMax / 2);
  if (!chunk) return ChunkAnswer{query, ChunkOutcome::kTooLarge, {}};
  return ChunkAnswer{query, ChunkOutcome::kGiven, std::move(*chunk)};
}

}  // namespace node
