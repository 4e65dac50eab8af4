// Seeded runs of whole clusters. WAXSEAL_SIM_RUNS sets the number of seeds of each scenario,
// WAXSEAL_SIM_SEED the first seed.

#include "tests/sim/consensus/cluster.h"

#include <cstdio>
#include <cstdlib>
#include <ctime>

#include <gtest/gtest.h>

namespace sim {
namespace {

std::uint64_t FromEnvironment(const char* name, std::uint64_t otherwise) {
  const char* const text = std::getenv(name);
  return text ? std::strtoull(text, nullptr, 10) : otherwise;
}

// What the adversary achieved over all seeds: a run in which nothing went wrong proves nothing.
struct Mischief {
  std::uint64_t restarts = 0;
  std::uint64_t convicted = 0;  // Runs with evidence.
};

Mischief RunSeeds(ClusterOptions options, std::uint64_t runs) {
  Mischief mischief;
  const std::uint64_t first = FromEnvironment("WAXSEAL_SIM_SEED", 1);
  for (std::uint64_t k = 0; k < FromEnvironment("WAXSEAL_SIM_RUNS", runs); ++k) {
    options.seed = first + k;
    Cluster cluster(options);
    const bool passed = cluster.Run();
    EXPECT_TRUE(passed) << cluster.failure();
    if (!passed) break;
    mischief.restarts += cluster.restarts();
    mischief.convicted += !cluster.evidence().empty();
  }
  return mischief;
}

TEST(ConsensusSim, HonestFour) {
  const Mischief mischief = RunSeeds({}, 60);
  EXPECT_GE(mischief.restarts, 1u);
  EXPECT_EQ(mischief.convicted, 0u);
}

TEST(ConsensusSim, FourWithOneSilent) {
  RunSeeds({.silent = 1}, 30);
}

TEST(ConsensusSim, FourWithOneEquivocating) {
  const Mischief mischief = RunSeeds({.twins = 1}, 40);
  EXPECT_GE(mischief.convicted, 1u);
}

TEST(ConsensusSim, SevenWithOneEquivocatingAndOneSilent) {
  const Mischief mischief = RunSeeds({.n = 7, .silent = 1, .twins = 1}, 12);
  EXPECT_GE(mischief.convicted, 1u);
}

TEST(ConsensusSim, TinyGarbageCollectionDepth) {
  RunSeeds({.gc_depth = 4, .delay_max = 40, .link_breaks = 8, .crashes = 3}, 40);
}

// Committees that are not 3f + 1, and everything else by chance.
TEST(ConsensusSim, AnyMix) {
  const std::uint64_t first = FromEnvironment("WAXSEAL_SIM_SEED", 1);
  const std::uint64_t runs = FromEnvironment("WAXSEAL_SIM_RUNS", 25);
  for (std::uint64_t seed = first; seed < first + runs; ++seed) {
    std::mt19937_64 random(seed);
    const auto up_to = [&](std::uint32_t limit) {
      return static_cast<std::uint32_t>(random() % (limit + 1));
    };
    ClusterOptions options;
    options.n = static_cast<std::uint16_t>(4 + up_to(3));
    options.seed = seed;
    options.gc_depth = 4 + up_to(28);
    const std::uint16_t faulty = proto::Committee(options.n).max_faulty();
    options.twins = static_cast<std::uint16_t>(up_to(faulty));
    options.silent = static_cast<std::uint16_t>(up_to(faulty - options.twins));
    options.lies_percent = up_to(50);
    options.delay_max = 1 + up_to(60);
    options.tick = 1 + up_to(40);
    options.duplicates_percent = up_to(30);
    options.link_breaks = up_to(12);
    options.crashes = up_to(5);
    options.quiet_after = 200 + up_to(400);
    Cluster cluster(options);
    ASSERT_TRUE(cluster.Run()) << cluster.failure();
  }
}

// Far more rounds than are kept ahead: by ranges, while the others go on.
TEST(ConsensusSim, AValidatorThatWasAwayForLongCatchesUp) {
  const std::uint64_t runs = FromEnvironment("WAXSEAL_SIM_RUNS", 2);
  for (std::uint64_t seed = 1; seed <= runs; ++seed) {
    Cluster cluster({.seed = seed,
                     .delay_max = 3,
                     .tick = 3,
                     .crashes = 0,
                     .outage = 4'000,
                     .transactions = 20,
                     .quiet_after = 4'100});
    ASSERT_TRUE(cluster.Run()) << cluster.failure();
    EXPECT_GE(cluster.highest_round(), consensus::kRoundsAheadMax + 64);
    std::printf("caught up on %llu rounds within %llu units\n",
                static_cast<unsigned long long>(cluster.highest_round()),
                static_cast<unsigned long long>(cluster.now() - 4'050));
  }
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

// A node and round cost n (n - f) signature checks in certificates and votes, n for headers, a
// block vote for each header in every commit (at most one in two rounds), and n / 2 shares of the
// coin; own ones are not checked.
TEST(ConsensusSim, ARoundCostsWhatItSays) {
  for (const std::uint16_t n : {std::uint16_t{4}, std::uint16_t{7}}) {
    const std::uint64_t quorum = proto::Committee(n).quorum();
    Cluster cluster({.n = n,
                     .seed = 1,
                     .duplicates_percent = 0,
                     .link_breaks = 0,
                     .crashes = 0,
                     .quiet_after = 1'000});
    const std::clock_t start = std::clock();
    ASSERT_TRUE(cluster.Run()) << cluster.failure();
    const double seconds = static_cast<double>(std::clock() - start) / CLOCKS_PER_SEC;
    const auto status = cluster.status(0);
    const std::uint64_t rounds = status.highest_round;
    EXPECT_GE(rounds, 20u);
    EXPECT_LE(status.signature_checks,
              (rounds + 1) * ((n - 1) * quorum + (quorum - 1) + (n - 1) + n / 2));
    EXPECT_LE(status.share_checks, (rounds / 2 + 1) * (n - 1));
    std::printf(
        "n = %d: %llu rounds, %.1f signature and %.1f share checks a node and round, "
        "%.0f rounds of the whole cluster in a CPU second\n",
        n, static_cast<unsigned long long>(rounds),
        static_cast<double>(status.signature_checks) / static_cast<double>(rounds),
        static_cast<double>(status.share_checks) / static_cast<double>(rounds),
        static_cast<double>(rounds) / seconds);
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
