// A signed block whose state is cut into many chunks, and the peers that serve it.
#pragma once

#include <map>
#include <memory>
#include <vector>

#include "node/sync/download.h"
#include "node/sync/server.h"
#include "tests/unit/node/ledger/world.h"

namespace node::test {

inline constexpr std::size_t kEntries = 1600;
inline constexpr std::size_t kEntryBytes = 2000;
inline constexpr std::uint32_t kRetainRounds = 80;

// Any tree may stand under a header that the committee signs.
inline StateTree ManyChunksTree(std::size_t entries = kEntries) {
  std::vector<KeyWrite> writes;
  for (std::size_t i = 0; i < entries; ++i) {
    Bytes key;
    proto::PutU64(key, i);
    writes.push_back({std::move(key), Bytes(kEntryBytes, static_cast<std::uint8_t>(i))});
  }
  return StateTree().Apply(writes);
}

struct ManyChunks {
  explicit ManyChunks(std::uint16_t n = 4) : world(n), epoch(world.ledger.snapshot().epoch()) {}

  // A block of the height, at round 10 times that.
  ProvenBlock BlockAt(std::uint64_t height, const StateTree& tree) const {
    proto::BlockHeader header = world.ledger.header();
    header.height = header.commit_index = height;
    header.round = 10 * height;
    header.state_root = tree.root();
    BlockSignatures signatures;
    const Digest digest = proto::CheckpointDigest(world.ledger.chain().id, proto::kFirstEpoch,
                                                  header.commit_index, proto::BlockDigest(header));
    for (std::uint16_t i = 0; i < world.committee.quorum(); ++i) {
      signatures.emplace_back(PartyId{i}, world.validators[i].Sign(digest));
    }
    return {header, signatures,
            Snapshot(std::make_shared<const Chain>(world.genesis), epoch, header, tree)};
  }
  // That of the last party.
  Download NewDownload(std::optional<DownloadRecord> record = std::nullopt,
                       std::uint64_t now_ms = 0) const {
    return Download(world.ledger.chain().id, epoch, self(), 0, std::move(record), now_ms);
  }
  PartyId self() const { return static_cast<PartyId>(world.committee.size() - 1); }
  const proto::PublicKey& key() const { return epoch->validators.keys[Index(self())]; }

  World world;
  std::shared_ptr<const Epoch> epoch;
};

}  // namespace node::test
