#include "tests/sim/membership/scenario.h"

#include <array>
#include <random>

#include "tests/sim/membership/world.h"

namespace sim {
namespace {

// Founders 0 and 1 leave and change their key, 2 is away, 3 is silent.
constexpr std::uint16_t kLeaver = 0;
constexpr std::uint16_t kChanger = 1;
constexpr std::uint16_t kAway = 2;
constexpr std::uint16_t kSilent = 3;

EpochsOutcome RunOnce(std::uint64_t seed) {
  std::mt19937_64 random(seed * 0x9e3779b97f4a7c15 + 1);
  const auto between = [&](std::uint64_t low, std::uint64_t high) {
    return low + random() % (high - low + 1);
  };
  MembershipOptions options;
  options.seed = seed;
  constexpr std::array<std::uint16_t, 5> kFounders = {4, 4, 4, 5, 7};
  options.founders = kFounders[random() % kFounders.size()];
  options.epoch_commits = between(8, 16);
  options.epochs = between(3, 5);
  options.crashes = static_cast<std::uint32_t>(between(0, 3));
  options.link_breaks = static_cast<std::uint32_t>(between(0, 12));
  options.faults_until = between(3'000, 10'000);
  options.snapshots = between(0, 1) == 0;
  // At most one member is faulty for long: f is 1 with four founders.
  const std::uint64_t lasting = between(0, 3);
  if (lasting == 1) options.silent = kSilent;
  if (lasting >= 2) {
    using Return = MembershipOptions::Return;
    constexpr std::array<Return, 3> kReturns = {Return::kAsItWas, Return::kWiped, Return::kOldCopy};
    options.absent = kAway;
    options.absent_return = kReturns[random() % kReturns.size()];
    options.absent_from = between(1, options.epochs - 1);
    options.absent_until = between(options.absent_from, options.epochs - 1);
  }
  MembershipWorld world(options);
  EpochsOutcome outcome;
  const auto wish = [&](const char* what, auto ask) {
    if (between(0, 3) == 0) return;
    ++outcome.changes[what];
    ask();
  };
  const std::uint16_t first = options.founders;
  world.Join(1, first);
  ++outcome.changes["joins"];
  wish("joins", [&] { world.Join(between(1, 2), static_cast<std::uint16_t>(first + 1)); });
  wish("changed keys", [&] { world.Rotate(between(1, 2), kChanger); });
  wish("leaves", [&] { world.Leave(2, kLeaver); });
  world.Run();
  outcome.failure = world.failure();
  outcome.faults = world.faults();
  outcome.simulated = world.now();
  outcome.blocks = world.blocks();
  outcome.epochs = world.highest_epoch();
  outcome.trace = world.trace();
  return outcome;
}

}  // namespace

EpochsOutcome RunEpochs(std::uint64_t seed) {
  EpochsOutcome outcome = RunOnce(seed);
  if (outcome.failure.empty() && seed % 10 == 0 && RunOnce(seed).trace != outcome.trace) {
    outcome.failure = "the same seed gives another trace";
  }
  return outcome;
}

}  // namespace sim
