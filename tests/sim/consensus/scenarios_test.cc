// The simulator's share of the default tests: 500 seeds, with signatures and coins that cost
// nothing (fast_crypto.cc). `waxseal sim ledger` runs more of them, and any one again.

#include "tests/sim/consensus/scenarios.h"

#include <cstdio>

#include <gtest/gtest.h>

#include "tests/sim/consensus/cluster.h"

namespace sim {
namespace {

struct Sum {
  Faults faults;
  std::uint64_t convicted = 0;
  std::uint64_t commits = 0;
};

Sum RunSeeds(std::uint64_t first, std::uint64_t count) {
  Sum sum;
  for (std::uint64_t seed = first; seed < first + count; ++seed) {
    const Scenario& scenario = ScenarioOf(seed);
    const Outcome outcome = RunSeed(scenario, seed);
    EXPECT_EQ(outcome.failure, "") << "again: ./waxseal sim ledger --runs 1 --seed " << seed
                                   << " --scenario " << scenario.name;
    if (!outcome.failure.empty()) break;
    for (const auto& [kind, number] : outcome.faults) sum.faults[kind] += number;
    sum.convicted += outcome.convicted;
    sum.commits += outcome.commits;
  }
  return sum;
}

// A run in which nothing went wrong proves nothing: each kind of fault occurs in each part.
void ExpectMischief(const Sum& sum) {
  for (const char* kind : {"broken links", "crashes", "duplicates", "lies", "messages held",
                           "messages lost", "messages slowed", "partitions", "torn batches",
                           "unsynced batches lost", "validators cut off"}) {
    EXPECT_GE(sum.faults.count(kind), 1u) << kind;
  }
  EXPECT_GE(sum.convicted, 1u);
  EXPECT_GE(sum.commits, 100u);
}

// In parts, for as many processors.
TEST(SimulatedLedger, Seeds1To125) {
  ExpectMischief(RunSeeds(1, 125));
}
TEST(SimulatedLedger, Seeds126To250) {
  ExpectMischief(RunSeeds(126, 125));
}
TEST(SimulatedLedger, Seeds251To375) {
  ExpectMischief(RunSeeds(251, 125));
}
TEST(SimulatedLedger, Seeds376To500) {
  ExpectMischief(RunSeeds(376, 125));
}

TEST(SimulatedLedger, EverySeedHasAScenario) {
  std::uint32_t weight = 0;
  for (const auto& scenario : Scenarios()) {
    weight += scenario.weight;
    std::uint32_t seeds = 0;
    for (std::uint64_t seed = 0; seed < 100; ++seed) seeds += &ScenarioOf(seed) == &scenario;
    EXPECT_EQ(seeds, scenario.weight) << scenario.name;
  }
  EXPECT_EQ(weight, 100u);
}

// Every durable write of a validator's first rounds, and every instant around it.
TEST(SimulatedLedger, ACrashAtEachDurableWriteIsSurvived) {
  for (std::uint32_t instant = 1; instant <= 4; ++instant) {
    for (std::uint64_t sync = 1; sync <= 60; ++sync) {
      Cluster cluster({.seed = 1,
                       .link_breaks = 0,
                       .crashes = 0,
                       .crash_at_sync = sync,
                       .crash_instant = instant,
                       .down_time_max = 30,
                       .quiet_after = 250});
      ASSERT_TRUE(cluster.Run()) << "write " << sync << " instant " << instant << ": "
                                 << cluster.failure();
      ASSERT_EQ(cluster.faults().count("crashes"), 1u);
    }
  }
}

ClusterOptions Starved(std::uint64_t seed, Starver starver) {
  return {.seed = seed,
          .delay_max = 6,
          .tick = 4,
          .link_breaks = 0,
          .starver = starver,
          .crashes = 0,
          .quiet_after = 1'200};
}

// The coin is learnt when the votes are fixed: a scheduler that acts on it at once is too late, and
// one that guesses is mostly wrong.
TEST(SimulatedLedger, ASchedulerThatKeepsLeadersBackDoesNotStopCommits) {
  for (const Starver starver : {Starver::kAdaptive, Starver::kRoundRobin}) {
    std::uint64_t waves = 0;
    std::uint64_t leaders = 0;
    for (std::uint64_t seed = 1; seed <= 12; ++seed) {
      Cluster cluster(Starved(seed, starver));
      ASSERT_TRUE(cluster.Run()) << "seed " << seed << ": " << cluster.failure();
      EXPECT_GE(cluster.faults().count("messages held"), 1u);
      waves += cluster.highest_round() / 2;
      leaders += cluster.commits();
    }
    // At least every third wave's leader is voted for, whatever was done before its coin is known.
    EXPECT_GE(3 * leaders, waves);
  }
}

// The same scheduler stops all commits once it can foresee the coin: so the test above has teeth.
TEST(SimulatedLedger, ASchedulerThatForeseesTheCoinStopsAllCommits) {
  for (std::uint64_t seed = 1; seed <= 4; ++seed) {
    Cluster cluster(Starved(seed, Starver::kClairvoyant));
    ASSERT_TRUE(cluster.Run()) << "seed " << seed << ": " << cluster.failure();
    EXPECT_EQ(cluster.commits_under_faults(), 0u);
    EXPECT_GE(cluster.waves_without_commit(), 15u);
  }
}

// More than f twins: what the oracles are for. Each half of the network certifies its own DAG.
TEST(SimulatedLedger, MoreThanFTwinsBreakSafetyAndAreSeen) {
  std::uint64_t broken = 0;
  for (std::uint64_t seed = 1; seed <= 10; ++seed) {
    Cluster cluster({.seed = seed,
                     .twins = 2,
                     .too_many_twins = true,
                     .lies_percent = 0,
                     .link_breaks = 0,
                     .partition = 600,
                     .crashes = 0,
                     .quiet_after = 500});
    broken += !cluster.Run();
    EXPECT_TRUE(cluster.failure().find("a second certificate") != std::string::npos ||
                cluster.failure().find("disagree") != std::string::npos)
        << cluster.failure();
  }
  EXPECT_EQ(broken, 10u);
}

// Four validators, one of them twice: every division into two halves, in every order of three
// (Twins' scenarios: the coin decides who leads).
TEST(SimulatedLedger, TwinsInEveryPartition) {
  std::uint64_t convicted = 0;
  for (std::uint32_t divisions = 0; divisions < 512; ++divisions) {
    Cluster cluster({.seed = divisions,
                     .twins = 1,
                     .lies_percent = 0,
                     .delay_max = 4,
                     .tick = 4,
                     .duplicates_percent = 0,
                     .link_breaks = 0,
                     .partition = 40,
                     .halves = {divisions & 7, divisions >> 3 & 7, divisions >> 6 & 7},
                     .crashes = 0,
                     .transactions = 2,
                     .quiet_after = 121,
                     .commits_min = 2});
    ASSERT_TRUE(cluster.Run()) << "divisions " << divisions << ": " << cluster.failure();
    convicted += !cluster.oracle().offenders().empty();
  }
  EXPECT_GE(convicted, 100u);
}

TEST(SimulatedLedger, FiftyValidators) {
  Cluster cluster({.n = 50,
                   .seed = 1,
                   .silent = 8,
                   .twins = 2,
                   .duplicates_percent = 0,
                   .link_breaks = 4,
                   .crashes = 2,
                   .quiet_after = 150});
  ASSERT_TRUE(cluster.Run()) << cluster.failure();
  EXPECT_GE(cluster.commits(), 4u);
}

// Far more rounds than are kept ahead: by ranges, while the others go on.
TEST(SimulatedLedger, AValidatorThatWasAwayForLongCatchesUp) {
  for (std::uint64_t seed = 1; seed <= 2; ++seed) {
    Cluster cluster({.seed = seed,
                     .delay_max = 3,
                     .tick = 3,
                     .crashes = 0,
                     .outage = 4'000,
                     .transactions = 20,
                     .quiet_after = 4'100});
    ASSERT_TRUE(cluster.Run()) << "seed " << seed << ": " << cluster.failure();
    EXPECT_GE(cluster.highest_round(), consensus::kRoundsAheadMax + 64);
    EXPECT_LE(cluster.now(), 4'500u);
  }
}

// A node and round cost n (n - f) signature checks in certificates and votes, n for headers, a
// block vote for each header in every commit (at most one in two rounds), and n / 2 shares of the
// coin; own ones are not checked, nor own votes, of which more than half of the others'
// certificates have one.
TEST(SimulatedLedger, ARoundCostsWhatItSays) {
  for (const std::uint16_t n : {std::uint16_t{4}, std::uint16_t{7}}) {
    const std::uint64_t quorum = proto::Committee(n).quorum();
    Cluster cluster({.n = n,
                     .seed = 1,
                     .duplicates_percent = 0,
                     .link_breaks = 0,
                     .crashes = 0,
                     .quiet_after = 1'000});
    ASSERT_TRUE(cluster.Run()) << cluster.failure();
    const auto status = cluster.status(0);
    const std::uint64_t rounds = status.highest_round;
    EXPECT_GE(rounds, 20u);
    EXPECT_LE(status.signature_checks,
              (rounds + 1) * ((n - 1) * quorum - (n - 1) / 2 + (quorum - 1) + (n - 1) + n / 2));
    EXPECT_LE(status.share_checks, (rounds / 2 + 1) * (n - 1));
    std::printf("n = %d: %llu rounds, %.1f signature and %.1f share checks a node and round\n", n,
                static_cast<unsigned long long>(rounds),
                static_cast<double>(status.signature_checks) / static_cast<double>(rounds),
                static_cast<double>(status.share_checks) / static_cast<double>(rounds));
  }
}

TEST(SimulatedLedger, SameSeedSameTrace) {
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
