// What a validator's consensus is made with, and the limits that are nobody's choice.
#pragma once

#include <cstdint>
#include <vector>

#include "proto/base/bytes.h"
#include "proto/committee.h"
#include "proto/crypto/coin.h"
#include "proto/crypto/signature.h"

namespace consensus {

struct Config {
  // Equal on all nodes (from the genesis document), or honest nodes disagree.
  proto::Committee committee;
  std::vector<proto::PublicKey> keys;  // By party; the parties are sorted by key.
  proto::Digest chain;
  std::uint64_t epoch = 1;      // A core serves one; each has an archive of its own.
  proto::CoinPublicKey coin;    // Threshold from f + 1 to n - f.
  std::uint32_t gc_depth = 64;  // Rounds kept below the last committed leader; see below.

  // This node's own.
  proto::PartyId self{};
  std::uint32_t retain_rounds = 200'000;  // Certificates and batches kept below gc, for laggards.

  // Equal on all nodes again: commits of earlier epochs. Their indices go on, rounds begin anew.
  std::uint64_t commits_before = 0;
};

inline constexpr std::uint32_t kGcDepthMin = 4;
inline constexpr std::uint32_t kGcDepthMax = 1000;
// Beyond the highest known round by more than this, headers and certificates are not kept: they say
// that this node is behind, and it catches up by ranges.
inline constexpr std::uint64_t kRoundsAheadMax = 256;
// Beyond the highest known round by more than this, it fetches whole ranges besides.
inline constexpr std::uint64_t kRoundsBehindMax = 4;
// Batches of a peer that no certificate vouches for yet; beyond, its oldest goes.
inline constexpr std::size_t kLooseBytesPerPeerMax = 16 << 20;
// Batches kept in memory from their storing to their commit; beyond, commits read them again.
inline constexpr std::size_t kRecentBytesMax = 32 << 20;
// Own transactions waiting for an order; beyond, Submit refuses.
inline constexpr std::size_t kPendingBytesMax = 64 << 20;
inline constexpr std::size_t kOwnBatchesMax = 1024;
// Block votes are counted for commits that are at most this far above the newest, or below the last
// block signed here.
inline constexpr std::uint64_t kBlockVotesAheadMax = kRoundsAheadMax;
inline constexpr std::uint64_t kBlockVotesBehindMax = 1024;
// After a restart own votes go out again for so many of the newest blocks, and for those not final.
inline constexpr std::uint64_t kBlockVotesResentMax = 64;
inline constexpr std::uint64_t kBlockVotesOpenMax = 16'384;
// Ticks before an own header is sent again, and before a request goes to the next peer.
inline constexpr std::uint32_t kResendTicks = 8;
inline constexpr std::uint32_t kRetryTicks = 4;
// Ticks that a header waits for parents beyond the quorum (core/patience.h).
inline constexpr std::uint32_t kPatienceTicks = 2;
// Per peer and tick; the rest is for the peer to ask again.
inline constexpr std::uint32_t kAnswersPerTickMax = 16;
inline constexpr std::uint32_t kRequestsPerTickMax = 8;
inline constexpr std::uint64_t kRangeRoundsMax = 128;
inline constexpr std::size_t kAnswerBytesMax = 4 << 20;
inline constexpr std::uint64_t kPruneRoundsPerStepMax = 16;

}  // namespace consensus
