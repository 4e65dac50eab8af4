// Seeded runs of complete validators. WAXSEAL_SIM_RUNS sets the number of seeds of each scenario,
// WAXSEAL_SIM_SEED the first seed; a failure prints its seed.

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <memory>

#include <gtest/gtest.h>

#include "tests/sim/system/client.h"
#include "tests/sim/system/world.h"

namespace sim {
namespace {

using proto::Misdeed;
using proto::PartyId;

std::uint64_t FromEnvironment(const char* name, std::uint64_t otherwise) {
  const char* const text = std::getenv(name);
  return text ? std::strtoull(text, nullptr, 10) : otherwise;
}

using Until = std::function<bool(const World&)>;
using MakeOptions = std::function<WorldOptions()>;

void RunSeeds(std::uint64_t runs, const MakeOptions& make, const Until& until = {},
              const std::function<void(const World&)>& check = {}) {
  const std::uint64_t first = FromEnvironment("WAXSEAL_SIM_SEED", 1);
  for (std::uint64_t k = 0; k < FromEnvironment("WAXSEAL_SIM_RUNS", runs); ++k) {
    WorldOptions options = make();
    options.seed = first + k;
    SCOPED_TRACE("seed " + std::to_string(options.seed));
    World world(options);
    ASSERT_TRUE(world.Run(until)) << world.failure();
    if (FromEnvironment("WAXSEAL_SIM_VERBOSE", 0) != 0) {
      std::printf("seed %llu: %llu events, %llu ms, %llu blocks, %u restarts\n",
                  static_cast<unsigned long long>(options.seed),
                  static_cast<unsigned long long>(world.steps()),
                  static_cast<unsigned long long>(world.now()),
                  static_cast<unsigned long long>(world.ledger().header().height),
                  world.restarts());
    }
    if (check) check(world);
    if (testing::Test::HasFatalFailure()) return;
  }
}

template <class Liar, class... Args>
MakeOptions With(PartyId liar, Args... args) {
  return [=] {
    WorldOptions options;
    options.liar = liar;
    options.adversary = std::make_shared<Liar>(args...);
    return options;
  };
}

constexpr PartyId kLiar{3};

MakeOptions Honest(std::uint32_t requests) {
  return [requests] {
    WorldOptions options;
    options.requests = requests;
    return options;
  };
}

MakeOptions Faulty() {
  return [] {
    WorldOptions options;
    options.requests = 2;
    options.crashes = 2;
    options.session_crashes_percent = 50;
    options.link_breaks = 4;
    return options;
  };
}

void NotPaid(const World& world) {
  for (const std::uint64_t request : world.client().requests()) {
    const auto record = world.ledger().request(request);
    ASSERT_TRUE(record.has_value());
    EXPECT_EQ(record->paid.size(), 3u);
    EXPECT_EQ(std::ranges::count(record->paid, kLiar), 0);
  }
}

Until LiarIsNamed(Misdeed misdeed) {
  return [misdeed](const World& world) {
    return world.Named(world.client().requests()[0], kLiar, misdeed);
  };
}

TEST(SystemSim, Honest) {
  RunSeeds(3, Honest(2), {}, [](const World& world) { EXPECT_TRUE(world.blamed().empty()); });
}

TEST(SystemSim, EqualSeedsGiveEqualRuns) {
  proto::Digest traces[3];
  for (std::uint64_t k = 0; k < 3; ++k) {
    WorldOptions options = Faulty()();
    options.seed = 7 + k / 2;
    World world(options);
    ASSERT_TRUE(world.Run()) << world.failure();
    traces[k] = world.trace();
  }
  EXPECT_EQ(traces[0], traces[1]);
  EXPECT_NE(traces[0], traces[2]);
}

TEST(SystemSim, LinksBreakAndEverybodyIsKilledAndRestarts) {
  RunSeeds(5, Faulty(), {}, [](const World& world) { EXPECT_GT(world.restarts(), 0u); });
}

TEST(SystemSim, LiesInOpenings) {
  RunSeeds(5, With<LiesInOpenings>(kLiar), LiarIsNamed(Misdeed::kAccused));
}

TEST(SystemSim, LiesInOutput) {
  RunSeeds(5, With<LiesInOutput>(kLiar), LiarIsNamed(Misdeed::kWrongShare));
}

TEST(SystemSim, LiesToClient) {
  RunSeeds(5, With<LiesToClient>(kLiar), {},
           [](const World& world) { EXPECT_EQ(world.client().wrong(), std::set<PartyId>{kLiar}); });
}

TEST(SystemSim, SilentInMpc) {
  RunSeeds(5, With<SilentInMpc>(kLiar), {}, NotPaid);
}

TEST(SystemSim, Silent) {
  RunSeeds(5, With<Silent>(kLiar), {}, NotPaid);
}

// The first king of the first attempt.
TEST(SystemSim, SilentFirstKing) {
  RunSeeds(2, With<Silent>(PartyId{1}));
}

TEST(SystemSim, Equivocates) {
  RunSeeds(5, With<Equivocates>(kLiar), [](const World& world) {
    return world.ledger().validators()[Index(kLiar)].evidence.has_value();
  });
}

TEST(SystemSim, LiesInVectorsAndAsKingOfTheFirstAttempt) {
  RunSeeds(4, With<LiesInVectors>(PartyId{1}), {},
           [](const World& world) { EXPECT_GT(world.DeadAttempts(), 0u); });
}

// Bundles in parts, each an attempt of its own.
MakeOptions InParts(const MakeOptions& make) {
  return [make] {
    WorldOptions options = make();
    options.segment_values = 30;
    return options;
  };
}

TEST(SystemSim, InPartsUnderCrashesAndBrokenLinks) {
  RunSeeds(2, InParts(Faulty()), {},
           [](const World& world) { EXPECT_FALSE(world.ledger().attempt(1)->parts.empty()); });
}

TEST(SystemSim, LiesInVectorsOfParts) {
  RunSeeds(3, InParts(With<LiesInVectors>(PartyId{1})), {},
           [](const World& world) { EXPECT_GT(world.DeadAttempts(), 0u); });
  // The first part is good, and burnt with the rest.
  RunSeeds(3, InParts(With<LiesInVectors>(PartyId{1}, 0u, true)), {}, [](const World& world) {
    EXPECT_GT(world.DeadAttempts(), 0u);
    EXPECT_EQ(world.ledger().attempt(1)->status, proto::AttemptStatus::kBurnt);
  });
}

TEST(SystemSim, LiesAsKing) {
  RunSeeds(5, With<LiesAsKing>(PartyId{1}));
}

TEST(SystemSim, AttestsAnother) {
  RunSeeds(5, With<AttestsAnother>(kLiar), LiarIsNamed(Misdeed::kOtherTranscript));
}

TEST(SystemSim, SendsGarbage) {
  RunSeeds(5, With<SendsGarbage>(kLiar), {},
           [](const World& world) { EXPECT_EQ(world.blamed(), std::set<PartyId>{kLiar}); });
}

// One lies while the others are killed, one at a time or several at once.
TEST(SystemSim, LiesWhileOthersAreKilled) {
  const auto faulty = [](const MakeOptions& make) -> MakeOptions {
    return [make] {
      WorldOptions options = make();
      options.crashes = 1;
      options.session_crashes_percent = 30;
      options.link_breaks = 3;
      return options;
    };
  };
  RunSeeds(2, faulty(With<LiesInOpenings>(kLiar)));
  RunSeeds(2, faulty(With<LiesInOutput>(kLiar)));
  RunSeeds(2, faulty(With<SendsGarbage>(kLiar)));
  RunSeeds(2, faulty(With<Equivocates>(kLiar)));
}

}  // namespace
}  // namespace sim
