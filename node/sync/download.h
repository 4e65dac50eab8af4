// Downloads a snapshot of the ledger's state from peers of whom none is trusted.
//
// It asks the members of one epoch for a block of that epoch, with n - f of their signatures; how
// the epoch's record came to be trusted is the caller's matter (the ledger's own state, or links,
// node/ledger/light_client.h). Every chunk is checked on arrival against the
// block's state root (VerifyStateChunk), by itself, so chunks of one snapshot may come from
// different peers. A peer that sends a wrong one is named and not asked again; one that is silent
// loses its turn. What a peer can say without proof is where a snapshot is cut: the least depth
// that was offered is tried, and a deeper one once f + 1 peers, so one honest, find a chunk too
// large. And that it keeps one at all: what f + 1 peers offer is preferred to what is newer, and
// whoever offered one that was not to be had is believed last.
//
// Memory: one chunk. What arrived is staged in the store with the list of what is done (`record`),
// so that a restart goes on where it was.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "node/ledger/block.h"
#include "node/ledger/proven_block.h"
#include "node/store/interfaces.h"
#include "proto/protocol.h"
#include "proto/wire/epoch.h"
#include "proto/wire/sync.h"

namespace node {

inline constexpr std::size_t kChunksAskedPerPeerMax = 4;
// Before a chunk is asked of another peer, and before the newest of the offers is taken.
inline constexpr std::uint64_t kChunkPatienceMs = 5000;
inline constexpr std::uint64_t kOfferPatienceMs = 1000;

// A download on disk.
struct DownloadRecord {
  proto::BlockHeader header;
  BlockSignatures signatures;
  std::uint8_t depth = 0;
  proto::Bytes done;      // A bit for each chunk.
  bool adopting = false;  // All is here, and being put in place of the old state.
};
proto::Bytes Encode(const DownloadRecord& record);
proto::Result<DownloadRecord> DecodeDownloadRecord(proto::ByteSpan bytes);

// Where a download keeps things in the store.
const proto::Bytes& DownloadKey();                  // The record,
const proto::Bytes& DownloadEpochKey();             // that of the block's epoch,
proto::Bytes StagedKey(proto::ByteSpan state_key);  // An entry of the state.
const proto::Bytes& StagedPrefix();

struct DownloadStatus {
  std::uint64_t height = 0;  // 0 while offers are awaited.
  std::uint32_t chunks_done = 0;
  std::uint32_t chunks_total = 0;
  std::uint64_t bytes = 0;             // Since the start of this process,
  std::uint64_t bytes_per_second = 0;  // and over that time.
  std::string why_not;                 // Why it does not go on; empty while it does.
};

class Download {
 public:
  struct Step {
    std::vector<proto::Outgoing<proto::sync::Message>> messages;
    std::vector<KeyWrite> writes;  // One batch, before what follows.
    bool clear = false;            // Before the writes: all that is staged is void.
    std::vector<proto::Fault> faults;
    std::vector<std::string> notes;
  };

  // Of a block above `height`. `self`: this node's number in the epoch, if it is a member. With a
  // record it goes on with that download.
  Download(const proto::Digest& chain, std::shared_ptr<const Epoch> epoch,
           std::optional<proto::PartyId> self, std::uint64_t height,
           std::optional<DownloadRecord> record, std::uint64_t now_ms);

  Step Start();
  Step On(proto::PartyId from, const proto::sync::SnapshotOffer& offer, std::uint64_t now_ms);
  Step On(proto::PartyId from, proto::sync::ChunkAnswer answer, std::uint64_t now_ms);
  // A few times a second.
  Step Beat(std::uint64_t now_ms);

  // Everything is staged.
  bool complete() const { return record_ && missing_.empty(); }
  // Whose members are asked.
  const std::shared_ptr<const Epoch>& epoch() const { return epoch_; }
  const std::optional<DownloadRecord>& record() const { return record_; }
  DownloadStatus status() const;

 private:
  struct Asked {
    proto::PartyId peer;
    std::uint64_t since_ms = 0;
  };

  void AskForOffers(Step& step);
  void Choose(Step& step);
  void Cut(std::uint8_t depth, Step& step);
  std::vector<proto::PartyId> Candidates() const;
  void AskForChunks(Step& step);
  // Begins anew with other offers.
  void GiveUp(const std::string& why, Step& step);
  void Ban(proto::PartyId peer, proto::FaultKind kind, const std::string& what, Step& step);
  std::vector<proto::PartyId> Peers() const;
  const std::string& NameOf(proto::PartyId peer) const;

  const proto::Digest chain_;
  const std::shared_ptr<const Epoch> epoch_;
  const std::optional<proto::PartyId> self_;
  const std::uint64_t height_;
  std::uint64_t now_ms_;
  const std::uint64_t started_ms_;

  std::map<proto::PartyId, proto::sync::SnapshotOffer> offers_;
  std::uint64_t offers_since_ms_ = 0;  // The first of them.
  std::uint64_t asked_ms_ = 0;
  std::string gave_up_;

  std::optional<DownloadRecord> record_;
  std::set<std::uint16_t> missing_;
  std::map<std::uint16_t, Asked> asked_;
  std::set<proto::PartyId> holders_;       // Peers that offered this snapshot: asked first.
  std::set<proto::PartyId> disappointed_;  // By these: what they offered was given up.
  std::set<proto::PartyId> silent_;        // Peers that let a question wait for too long.
  std::set<proto::PartyId> without_;       // Peers that do not have this snapshot.
  std::set<proto::PartyId> too_large_;     // Peers that found a chunk too large.
  std::set<proto::PartyId> banned_;
  std::size_t next_peer_;
  std::uint64_t bytes_ = 0;
  std::uint32_t noted_ = 0;  // Tenths of the download that were logged.
};

}  // namespace node
