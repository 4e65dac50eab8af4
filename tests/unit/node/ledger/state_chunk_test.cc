// Chunks of the state: together they are the state, and no altered one is accepted.

#include <map>
#include <random>

#include <gtest/gtest.h>

#include "node/ledger/state_tree.h"

namespace node {
namespace {

using proto::Bytes;
using proto::sync::StateChunk;

constexpr std::size_t kBytesMax = 1 << 20;

StateTree Tree(std::size_t entries, std::uint64_t seed) {
  std::mt19937_64 random(seed);
  std::vector<KeyWrite> writes;
  for (std::size_t i = 0; i < entries; ++i) {
    Bytes key;
    proto::PutU64(key, i);
    Bytes value(1 + random() % 60);
    for (auto& byte : value) byte = static_cast<std::uint8_t>(random());
    writes.push_back({std::move(key), std::move(value)});
  }
  return StateTree().Apply(writes);
}

std::uint16_t Chunks(std::uint8_t depth) {
  return static_cast<std::uint16_t>(1u << depth);
}

TEST(StateChunk, TogetherTheyAreTheState) {
  for (const std::size_t entries : {0u, 1u, 2u, 3u, 10u, 300u}) {
    const StateTree tree = Tree(entries, entries);
    for (const int at : {0, 1, 3, 8}) {
      const auto depth = static_cast<std::uint8_t>(at);
      std::vector<KeyWrite> writes;
      for (std::uint16_t index = 0; index < Chunks(depth); ++index) {
        const auto chunk = tree.Chunk(depth, index, kBytesMax);
        ASSERT_TRUE(chunk.has_value());
        EXPECT_TRUE(VerifyStateChunk(tree.root(), depth, index, *chunk));
        for (const auto& [key, value] : chunk->entries) writes.push_back({key, value});
      }
      EXPECT_EQ(writes.size(), entries);
      EXPECT_EQ(StateTree().Apply(writes).root(), tree.root());
    }
  }
}

TEST(StateChunk, DepthKeepsChunksSmall) {
  const StateTree tree = Tree(2000, 1);
  const std::uint8_t depth = tree.ChunkDepth(4096);
  EXPECT_GT(depth, 3);
  EXPECT_EQ(StateTree().ChunkDepth(1), 0);
  for (std::uint16_t index = 0; index < Chunks(depth); ++index) {
    EXPECT_TRUE(tree.Chunk(depth, index, 4096).has_value());
  }
  EXPECT_FALSE(tree.Chunk(0, 0, 4096).has_value());
}

// Every chunk is wrong for every other place, and with any entry gone, changed, added or moved.
TEST(StateChunk, NoOtherChunkPasses) {
  for (const std::size_t entries : {1u, 2u, 5u, 40u}) {
    const StateTree tree = Tree(entries, 7 * entries);
    for (const int at : {0, 2, 5}) {
      const auto depth = static_cast<std::uint8_t>(at);
      for (std::uint16_t index = 0; index < Chunks(depth); ++index) {
        const StateChunk good = *tree.Chunk(depth, index, kBytesMax);
        const auto refused = [&](const StateChunk& chunk) {
          EXPECT_FALSE(VerifyStateChunk(tree.root(), depth, index, chunk));
        };
        for (std::uint16_t other = 0; other < Chunks(depth); ++other) {
          const StateChunk foreign = *tree.Chunk(depth, other, kBytesMax);
          if (!foreign.entries.empty() && other != index) refused(foreign);
        }
        for (std::size_t i = 0; i < good.entries.size(); ++i) {
          StateChunk bad = good;
          bad.entries.erase(bad.entries.begin() + static_cast<std::ptrdiff_t>(i));
          refused(bad);
          bad = good;
          bad.entries[i].second[0] ^= 1;
          refused(bad);
          bad = good;
          bad.entries[i].first[7] ^= 1;
          refused(bad);
          bad = good;
          bad.entries.push_back(bad.entries[i]);
          refused(bad);
          if (i > 0) {
            bad = good;
            std::swap(bad.entries[i - 1], bad.entries[i]);
            refused(bad);
          }
        }
        for (std::size_t i = 0; i < good.siblings.size(); ++i) {
          StateChunk bad = good;
          bad.siblings[i].bytes[0] ^= 1;
          refused(bad);
          bad = good;
          bad.siblings.erase(bad.siblings.begin() + static_cast<std::ptrdiff_t>(i));
          refused(bad);
        }
        StateChunk bad = good;
        bad.siblings.push_back({});
        refused(bad);
        bad = good;
        if (good.leaf) {
          bad.leaf->path.bytes[31] ^= 1;
          refused(bad);
          bad = good;
          bad.leaf->value_hash.bytes[0] ^= 1;
          refused(bad);
          bad.leaf.reset();
          refused(bad);
        } else {
          bad.leaf.emplace();
          refused(bad);
        }
        EXPECT_FALSE(VerifyStateChunk(Tree(entries + 1, 3).root(), depth, index, good));
      }
    }
  }
}

// A path that ends in another's leaf proves the chunk empty, but cannot hide the chunk's own leaf.
TEST(StateChunk, OwnLeafCannotBeHidden) {
  const StateTree tree = Tree(1, 5);
  for (std::uint16_t index = 0; index < 4; ++index) {
    StateChunk chunk = *tree.Chunk(2, index, kBytesMax);
    if (chunk.entries.empty()) continue;
    const auto proof = tree.Prove(chunk.entries[0].first);
    chunk.entries.clear();
    chunk.leaf = proof.leaf;
    EXPECT_FALSE(VerifyStateChunk(tree.root(), 2, index, chunk));
  }
}

}  // namespace
}  // namespace node
