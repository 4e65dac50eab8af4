// How a validator that lost its way finds it again: what it asks of its peers over the control
// channel, beside the DAG's messages, and what they answer. In the canonical format of fields.h,
// behind a zero byte, with which no message of the DAG begins.
//
//   WordQuery      "What is the newest header of mine that you hold?"   (consensus' vote guard)
//   SnapshotQuery  "Which snapshot of the ledger's state do you serve?"
//   ChunkQuery     "Send me this part of it."
#pragma once

#include <cstdint>
#include <optional>
#include <utility>
#include <variant>
#include <vector>

#include "proto/base/bytes.h"
#include "proto/committee.h"
#include "proto/crypto/signature.h"
#include "proto/wire/block.h"
#include "proto/wire/consensus.h"

namespace proto::sync {

// A snapshot is cut at one depth of the state's tree: into 2^depth chunks at most.
inline constexpr std::uint8_t kChunkDepthMax = 14;
// Servers choose the depth so that no chunk is larger than this, where they can.
inline constexpr std::size_t kChunkBytesTarget = 256 << 10;
// Together they bound a chunk's message well below the transport's.
inline constexpr std::size_t kChunkBytesMax = 8 << 20;
inline constexpr std::size_t kChunkEntriesMax = 1 << 16;
inline constexpr std::size_t kStateKeyBytesMax = 256;
inline constexpr std::size_t kSignaturesMax = 256;
inline constexpr std::size_t kMessageBytesMax = kChunkBytesMax + (1 << 20);

// `nonce` names the life of the process that asks: an answer to an earlier one does not count.
struct WordQuery {
  std::uint64_t epoch = 0;
  std::uint64_t nonce = 0;
};

struct WordAnswer {
  std::uint64_t epoch = 0;
  std::uint64_t nonce = 0;
  Bytes header;  // Encoded, signed by the asker; empty: none is known.
};

struct SnapshotQuery {};

struct SnapshotOffer {
  BlockHeader header;
  std::vector<std::pair<PartyId, Signature>> signatures;
  std::uint8_t depth = 0;
};

struct ChunkQuery {
  std::uint64_t height = 0;
  std::uint8_t depth = 0;
  std::uint16_t index = 0;  // The first `depth` bits of the chunk's paths.
};

// All entries of the state whose path begins with the chunk's bits, and the way from the root to
// them: see node/ledger/state_tree.h, VerifyStateChunk.
struct StateChunk {
  std::vector<std::pair<Bytes, Bytes>> entries;  // Key and value, ascending by path.
  std::vector<Digest> siblings;                  // From the root down.
  std::optional<StateProof::Leaf> leaf;          // Another's, where the way ends above the chunk.

  bool operator==(const StateChunk&) const = default;
};

enum class ChunkOutcome : std::uint8_t {
  kGiven = 1,
  kTooLarge,  // At this depth.
  kGone,      // The snapshot is not kept any more.
};

struct ChunkAnswer {
  ChunkQuery query;
  ChunkOutcome outcome = ChunkOutcome::kGone;
  StateChunk chunk;  // Empty unless given.
};

using Message =
    std::variant<WordQuery, WordAnswer, SnapshotQuery, SnapshotOffer, ChunkQuery, ChunkAnswer>;

Bytes Encode(const Message& message);
// kInvalidArgument or kCorrupt when malformed or beyond a limit.
Result<Message> DecodeMessage(ByteSpan bytes);
// Which of the control channel's two kinds the bytes claim to be.
inline bool IsSync(ByteSpan bytes) {
  return !bytes.empty() && bytes.front() == 0;
}

}  // namespace proto::sync
