// Validators that come back: from long absence, with an empty store, with an old copy of it; by
// snapshots that peers lie about, and that are interrupted.

#include <algorithm>
#include <cstdlib>
#include <functional>
#include <memory>

#include <gtest/gtest.h>

#include "tests/sim/system/client.h"
#include "tests/sim/system/world.h"

namespace sim {
namespace {

using proto::PartyId;
using Return = WorldOptions::Return;

constexpr std::uint16_t kAway = 2;
constexpr PartyId kLiar{3};

std::uint64_t FromEnvironment(const char* name, std::uint64_t otherwise) {
  const char* const text = std::getenv(name);
  return text ? std::strtoull(text, nullptr, 10) : otherwise;
}

bool Noted(const World& world, const std::string& what) {
  return std::ranges::any_of(world.notes(kAway), [&](const std::string& note) {
    return note.find(what) != std::string::npos;
  });
}

std::string Notes(const World& world) {
  std::string out;
  for (const std::string& note : world.notes(kAway)) out += "\n  " + note;
  return out;
}

// Away for so long that nobody keeps the certificates it needs.
WorldOptions Away(Return how) {
  WorldOptions options;
  options.absent = kAway;
  options.absent_from = 1000;  // Some headers after the copy, even at the pace of an idle chain.
  options.absent_until = 6000;
  options.absent_return = how;
  options.copied_at = 400;
  options.gc_depth = 10;
  options.retain_rounds = 24;
  options.liar = kLiar;
  return options;
}

void RunSeeds(std::uint64_t runs, const std::function<WorldOptions()>& make,
              const std::function<bool(const World&)>& until,
              const std::function<void(const World&)>& check) {
  const std::uint64_t first = FromEnvironment("WAXSEAL_SIM_SEED", 1);
  for (std::uint64_t k = 0; k < FromEnvironment("WAXSEAL_SIM_RUNS", runs); ++k) {
    WorldOptions options = make();
    options.seed = first + k;
    SCOPED_TRACE("seed " + std::to_string(options.seed));
    World world(options);
    ASSERT_TRUE(world.Run(until)) << world.failure() << Notes(world);
    check(world);
    if (testing::Test::HasFailure()) return;
  }
}

bool Votes(const World& world) {
  return world.SyncOf(kAway).votes;
}
bool Observes(const World& world) {
  return world.SyncOf(kAway).observing;
}

TEST(SyncSim, ReturnsBySnapshotAndVotesAgain) {
  RunSeeds(
      3, [] { return Away(Return::kAsItWas); }, Votes,
      [](const World& world) {
        EXPECT_EQ(world.rebases(), 1u);
        EXPECT_TRUE(world.blamed().empty());
        EXPECT_TRUE(Noted(world, "fetching the state of block"));
        EXPECT_FALSE(Observes(world));
      });
}

TEST(SyncSim, ReturnsByCertificatesWhileTheyAreKept) {
  const auto make = [] {
    WorldOptions options = Away(Return::kAsItWas);
    options.retain_rounds = 200'000;
    return options;
  };
  RunSeeds(2, make, Votes, [](const World& world) { EXPECT_EQ(world.rebases(), 0u); });
}

TEST(SyncSim, AWipedValidatorFollowsAndDoesNotVote) {
  RunSeeds(
      3, [] { return Away(Return::kWiped); }, Observes,
      [](const World& world) {
        EXPECT_GE(world.rebases(), 1u);
        EXPECT_FALSE(Votes(world));
        EXPECT_TRUE(Noted(world, "the storage was lost or is an old copy"));
      });
}

// The oracle of the world: no honest validator signs two headers or votes for one place, whatever
// its storage was replaced by. Votes on both sides of the copy are what makes it bite.
TEST(SyncSim, AnOldCopyNeverContradictsItself) {
  for (const std::uint32_t retain : {24u, 200'000u}) {
    const auto make = [&] {
      WorldOptions options = Away(Return::kOldCopy);
      options.retain_rounds = retain;
      return options;
    };
    RunSeeds(4, make, Observes, [](const World& world) {
      EXPECT_FALSE(Votes(world));
      EXPECT_TRUE(Noted(world, "old copy"));
    });
  }
}

// The copy comes back at once: peers are at the very rounds that it voted for before.
TEST(SyncSim, ACopyOfAMomentAgoNeverContradictsItself) {
  const auto make = [] {
    WorldOptions options = Away(Return::kOldCopy);
    options.retain_rounds = 200'000;
    options.absent_until = options.absent_from + 30;
    return options;
  };
  RunSeeds(6, make, Observes, [](const World&) {});
}

// Ten minutes of an almost idle network between the copy and its return. In the slow suite.
TEST(SyncSim, DISABLED_AnOldCopyOfTenMinutesAgo) {
  const auto make = [] {
    WorldOptions options = Away(Return::kOldCopy);
    options.absent_from = 300'000;
    options.absent_until = 600'400;
    options.time_max = 800'000;
    return options;
  };
  RunSeeds(1, make, Observes, [](const World& world) {
    EXPECT_GE(world.rebases(), 1u);
    EXPECT_FALSE(Votes(world));
  });
}

TEST(SyncSim, AllStartAtOnceAndVote) {
  const auto make = [] {
    WorldOptions options;
    options.crashes = 1;
    return options;
  };
  const auto all = [](const World& world) {
    for (std::uint16_t i = 0; i < world.size_of_committee(); ++i) {
      if (!world.SyncOf(i).votes) return false;
    }
    return true;
  };
  RunSeeds(2, make, all, [](const World&) {});
}

TEST(SyncSim, ADownloadSurvivesCrashes) {
  const auto make = [] {
    WorldOptions options = Away(Return::kWiped);
    options.crashes_after_return = 4;
    return options;
  };
  const auto done = [](const World& world) { return Observes(world) && world.restarts() >= 5; };
  RunSeeds(3, make, done, [](const World& world) { EXPECT_GE(world.rebases(), 1u); });
}

template <class Liar>
std::function<WorldOptions()> Served() {
  return [] {
    WorldOptions options = Away(Return::kAsItWas);
    options.adversary = std::make_shared<Liar>();
    return options;
  };
}

TEST(SyncSim, AServerOfFalseChunksIsNamedAndAnotherUsed) {
  std::size_t named = 0;  // Where it was asked for one before the others had given all.
  RunSeeds(3, Served<LiesInChunks>(), Votes, [&](const World& world) {
    EXPECT_GE(world.rebases(), 1u);
    named += world.blamed().count(kLiar);
  });
  EXPECT_GE(named, 1u);
}

TEST(SyncSim, AFalseOfferIsNamedAndAnotherUsed) {
  RunSeeds(3, Served<LiesInOffers>(), Votes, [](const World& world) {
    EXPECT_EQ(world.rebases(), 1u);
    EXPECT_EQ(world.blamed(), std::set<PartyId>{kLiar});
    EXPECT_TRUE(Noted(world, "offered a snapshot of a false block"));
  });
}

TEST(SyncSim, ASilentServerHoldsNobodyUp) {
  RunSeeds(2, Served<ServesNothing>(), Votes,
           [](const World& world) { EXPECT_EQ(world.rebases(), 1u); });
}

}  // namespace
}  // namespace sim
