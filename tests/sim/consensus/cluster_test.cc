// Seeded runs of whole clusters. WAXSEAL_SIM_RUNS sets the number of seeds of each scenario,
// WAXSEAL_SIM_SEED the first seed.

#include "tests/sim/consensus/cluster.h"

#include <cstdlib>

#include <gtest/gtest.h>

namespace sim {
namespace {

std::uint64_t FromEnvironment(const char* name, std::uint64_t otherwise) {
  const char* const text = std::getenv(name);
  return text ? std::strtoull(text, nullptr, 10) : otherwise;
}

void RunSeeds(ClusterOptions options, std::uint64_t runs) {
  const std::uint64_t first = FromEnvironment("WAXSEAL_SIM_SEED", 1);
  for (std::uint64_t k = 0; k < FromEnvironment("WAXSEAL_SIM_RUNS", runs); ++k) {
    options.seed = first + k;
    Cluster cluster(options);
    ASSERT_TRUE(cluster.Run()) << cluster.failure();
  }
}

TEST(ConsensusSim, HonestFour) {
  RunSeeds({}, 60);
}

TEST(ConsensusSim, FourWithOneSilent) {
  RunSeeds({.silent = 1}, 30);
}

TEST(ConsensusSim, FourWithOneEquivocating) {
  RunSeeds({.twins = 1}, 40);
}

TEST(ConsensusSim, SevenWithOneEquivocatingAndOneSilent) {
  RunSeeds({.n = 7, .silent = 1, .twins = 1}, 12);
}

TEST(ConsensusSim, TinyGarbageCollectionDepth) {
  RunSeeds({.gc_depth = 4, .delay_max = 40, .link_breaks = 8, .crashes = 3}, 40);
}

// A scheduler that could foresee the leaders would stop all commits; it cannot foresee the coin.
TEST(ConsensusSim, AStarverThatGuessesTheLeadersDoesNotStopCommits) {
  const std::uint64_t runs = FromEnvironment("WAXSEAL_SIM_RUNS", 6);
  for (std::uint64_t seed = 1; seed <= runs; ++seed) {
    Cluster cluster({.seed = seed, .link_breaks = 0, .crashes = 0, .starve_round_robin = true});
    ASSERT_TRUE(cluster.Run()) << cluster.failure();
    EXPECT_GE(cluster.commits_under_faults(), 3u) << "seed " << seed;
  }
}

TEST(ConsensusSim, SameSeedSameTrace) {
  const auto trace = [](std::uint64_t seed) {
    Cluster cluster({.seed = seed, .twins = 1});
    EXPECT_TRUE(cluster.Run()) << cluster.failure();
    return cluster.trace();
  };
  EXPECT_EQ(trace(7), trace(7));
  EXPECT_NE(trace(7), trace(8));
}

}  // namespace
}  // namespace sim
