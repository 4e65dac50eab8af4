// What a validator keeps and gives to those that are behind.

#include "node/sync/server.h"

#include <gtest/gtest.h>

#include "tests/unit/node/sync/state_of_many_chunks.h"

namespace node::test {
namespace {

using proto::sync::ChunkOutcome;
using proto::sync::ChunkQuery;

TEST(SnapshotServer, KeepsOneBlockOfEachIntervalAndTheLastFew) {
  const ManyChunks chunks;
  const StateTree tree = ManyChunksTree(10);
  SnapshotServer server(kRetainRounds);  // Intervals of 10 rounds: every block is in another.
  EXPECT_FALSE(server.Offer(chunks.key()).has_value());
  for (std::uint64_t height = 1; height <= 7; ++height) {
    server.Add(chunks.BlockAt(height, tree));
    server.Add(chunks.BlockAt(height, tree));      // A second of its interval,
    server.Add(chunks.BlockAt(height - 1, tree));  // and an older one, change nothing.
    EXPECT_EQ(server.kept(), std::min<std::size_t>(height, kSnapshotsKept));
    EXPECT_EQ(server.Offer(chunks.key())->header.height, height);
    server.Beat();
  }
  EXPECT_EQ(server.Answer(chunks.key(), ChunkQuery{3, 0, 0})->outcome, ChunkOutcome::kGone);
  EXPECT_EQ(server.Answer(chunks.key(), ChunkQuery{4, 0, 0})->outcome, ChunkOutcome::kGiven);
  EXPECT_EQ(server.Answer(chunks.key(), ChunkQuery{8, 0, 0})->outcome, ChunkOutcome::kGone);
}

TEST(SnapshotServer, GivesEachPeerItsShareOfABeat) {
  const ManyChunks chunks;
  SnapshotServer server(kRetainRounds);
  server.Add(chunks.BlockAt(1, ManyChunksTree(10)));
  const auto& greedy = chunks.key();
  for (std::uint32_t i = 0; i < kChunksPerBeatMax; ++i) {
    EXPECT_TRUE(server.Answer(greedy, ChunkQuery{1, 0, 0}).has_value());
  }
  EXPECT_FALSE(server.Answer(greedy, ChunkQuery{1, 0, 0}).has_value());
  EXPECT_FALSE(server.Answer(greedy, ChunkQuery{9, 0, 0}).has_value()) << "nor what is cheap";
  EXPECT_FALSE(server.Offer(greedy).has_value());
  EXPECT_TRUE(server.Offer(chunks.epoch->validators.keys[0]).has_value()) << "others have theirs";
  server.Beat();
  EXPECT_TRUE(server.Answer(greedy, ChunkQuery{1, 0, 0}).has_value());
}

TEST(SnapshotServer, SaysWhenAChunkIsTooLargeAndGivesOnlyTrueOnes) {
  const ManyChunks chunks;
  const StateTree tree = ManyChunksTree(3000);
  SnapshotServer server(kRetainRounds);
  const ProvenBlock block = chunks.BlockAt(1, tree);
  server.Add(block);
  EXPECT_EQ(server.Answer(chunks.key(), ChunkQuery{1, 0, 0})->outcome, ChunkOutcome::kTooLarge);
  const std::uint8_t depth = server.Offer(chunks.key())->depth;
  EXPECT_GE(depth, 5);
  for (std::uint16_t index = 0; index < 1u << depth; ++index) {
    server.Beat();
    const auto answer = server.Answer(chunks.key(), ChunkQuery{1, depth, index});
    ASSERT_EQ(answer->outcome, ChunkOutcome::kGiven);
    EXPECT_TRUE(VerifyStateChunk(block.header.state_root, depth, index, answer->chunk));
  }
}

}  // namespace
}  // namespace node::test
