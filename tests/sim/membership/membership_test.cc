// Committees that change while nodes crash, are silent, away, wiped or cut off.

#include <algorithm>
#include <cstdlib>
#include <functional>

#include <gtest/gtest.h>

#include "tests/sim/membership/scenario.h"
#include "tests/sim/membership/world.h"

namespace sim {
namespace {

using Return = MembershipOptions::Return;

constexpr std::uint16_t kJoiner = 4;
constexpr std::uint16_t kSecondJoiner = 5;

std::uint64_t FromEnvironment(const char* name, std::uint64_t otherwise) {
  const char* const text = std::getenv(name);
  return text ? std::strtoull(text, nullptr, 10) : otherwise;
}

bool Noted(const MembershipWorld& world, std::uint16_t node, const std::string& what) {
  return std::ranges::any_of(world.notes(node), [&](const std::string& note) {
    return note.find(what) != std::string::npos;
  });
}

void RunSeeds(std::uint64_t runs, const MembershipOptions& made,
              const std::function<void(MembershipWorld&)>& plan,
              const std::function<void(const MembershipWorld&)>& check = {},
              const std::function<bool(const MembershipWorld&)>& until = {}) {
  const std::uint64_t first = FromEnvironment("WAXSEAL_SIM_SEED", 1);
  for (std::uint64_t k = 0; k < FromEnvironment("WAXSEAL_SIM_RUNS", runs); ++k) {
    MembershipOptions options = made;
    options.seed = first + k;
    SCOPED_TRACE("seed " + std::to_string(options.seed));
    MembershipWorld world(options);
    plan(world);
    ASSERT_TRUE(world.Run(until)) << world.failure();
    if (check) check(world);
    if (testing::Test::HasFailure()) return;
  }
}

// Two join, a founder leaves, another changes its key.
void Changes(MembershipWorld& world) {
  world.Join(1, kJoiner);
  world.Join(2, kSecondJoiner);
  world.Rotate(2, 1);
  world.Leave(2, 0);
}

TEST(MembershipSim, ValidatorsJoinLeaveAndChangeKeys) {
  MembershipOptions options;
  options.epochs = 5;
  RunSeeds(1, options, Changes, [](const MembershipWorld& world) {
    EXPECT_TRUE(world.IsMember(kJoiner));
    EXPECT_TRUE(world.IsMember(kSecondJoiner));
    EXPECT_TRUE(world.IsMember(1));
    EXPECT_FALSE(world.IsMember(0));
    EXPECT_EQ(world.epoch().validators.size(), 5u);
    EXPECT_TRUE(world.Spoke(kJoiner, 2) || world.Spoke(kJoiner, 3));
    EXPECT_FALSE(world.Spoke(kJoiner, 1));
    EXPECT_FALSE(world.Spoke(0, 5));
  });
}

TEST(MembershipSim, UnderCrashesAndBrokenLinks) {
  MembershipOptions options;
  options.epochs = 4;
  options.crashes = 3;
  options.link_breaks = 12;
  RunSeeds(1, options, Changes,
           [](const MembershipWorld& world) { EXPECT_GE(world.restarts(), 6u); });
}

TEST(MembershipSim, WithASilentMember) {
  MembershipOptions options;
  options.silent = 3;
  options.link_breaks = 6;
  RunSeeds(1, options, [](MembershipWorld& world) { world.Join(1, kJoiner); });
}

// It misses two epochs and their committees, and finds the way by links: to a snapshot of the
// newest epoch, or along the blocks.
TEST(MembershipSim, AMemberComesBackAfterWholeEpochs) {
  for (const bool snapshots : {true, false}) {
    MembershipOptions options;
    options.snapshots = snapshots;
    options.absent = 2;
    options.absent_from = 1;
    options.absent_until = 4;
    options.epochs = 5;
    RunSeeds(
        1, options, [](MembershipWorld& world) { world.Join(1, kJoiner); },
        [&](const MembershipWorld& world) {
          EXPECT_TRUE(world.IsMember(2));
          EXPECT_TRUE(world.Spoke(2, 5));
          EXPECT_FALSE(world.Spoke(2, 3));
          EXPECT_EQ(world.rebases() > 0, snapshots);
        },
        [](const MembershipWorld& world) { return world.SyncOf(2).votes && world.Spoke(2, 5); });
  }
}

// What it lost it may have said in this epoch: it observes, says why, and votes in the next.
TEST(MembershipSim, OneThatLostItsStoreVotesInTheNextEpochOnly) {
  for (const Return how : {Return::kWiped, Return::kOldCopy}) {
    MembershipOptions options;
    options.absent = 2;
    options.absent_from = 2;
    options.absent_until = 2;
    options.absent_return = how;
    options.epoch_commits = 40;
    options.epochs = 4;
    RunSeeds(
        1, options, [](MembershipWorld&) {},
        [](const MembershipWorld& world) {
          EXPECT_TRUE(Noted(world, 2, "the storage was lost or is an old copy"));
          EXPECT_TRUE(Noted(world, 2, "it will not vote in epoch 2"));
        },
        [](const MembershipWorld& world) { return world.Spoke(2, 3) || world.Spoke(2, 4); });
  }
}

// The copy is of an epoch before the one that it spoke in last.
TEST(MembershipSim, AnOldCopyOfAnEarlierEpochNeverContradictsItself) {
  MembershipOptions options;
  options.absent = 2;
  options.copied_in = 2;
  options.absent_from = 3;
  options.absent_until = 3;
  options.absent_return = Return::kOldCopy;
  options.epoch_commits = 40;
  options.epochs = 4;
  RunSeeds(
      1, options, [](MembershipWorld&) {},
      [](const MembershipWorld& world) {
        EXPECT_TRUE(world.Spoke(2, 3));
        EXPECT_TRUE(Noted(world, 2, "it will not vote in epoch 3"));
      },
      [](const MembershipWorld& world) { return world.Spoke(2, 4) || world.Spoke(2, 5); });
}

// `waxseal sim epochs` runs more of them.
TEST(MembershipSim, Seeds1To3) {
  std::map<std::string, std::uint64_t> faults;
  std::map<std::string, std::uint64_t> changes;
  for (std::uint64_t seed = 1; seed <= 3; ++seed) {
    const EpochsOutcome outcome = RunEpochs(seed);
    ASSERT_EQ(outcome.failure, "") << "again: ./waxseal sim epochs --runs 1 --seed " << seed;
    for (const auto& [kind, number] : outcome.faults) faults[kind] += number;
    for (const auto& [kind, number] : outcome.changes) changes[kind] += number;
  }
  for (const char* kind : {"absences", "broken links", "crashes", "messages lost"}) {
    EXPECT_GE(faults[kind], 1u) << kind;
  }
  for (const char* kind : {"changed keys", "joins", "leaves"}) EXPECT_GE(changes[kind], 1u) << kind;
}

TEST(MembershipSim, SameSeedSameTrace) {
  const auto trace = [](std::uint64_t seed) {
    MembershipOptions options;
    options.seed = seed;
    options.epochs = 2;
    options.crashes = 1;
    MembershipWorld world(options);
    EXPECT_TRUE(world.Run()) << world.failure();
    return world.trace();
  };
  EXPECT_EQ(trace(7), trace(7));
}

}  // namespace
}  // namespace sim
