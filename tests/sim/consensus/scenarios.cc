#include "tests/sim/consensus/scenarios.h"

#include <algorithm>
#include <array>

#include "tests/sim/consensus/cluster.h"

namespace sim {
namespace {

class Dice {
 public:
  explicit Dice(std::mt19937_64& random) : random_(random) {}

  std::uint32_t UpTo(std::uint64_t limit) { return Between(0, limit); }
  std::uint32_t Between(std::uint64_t low, std::uint64_t high) {
    return static_cast<std::uint32_t>(low + random_() % (high - low + 1));
  }
  template <class T, std::size_t N>
  T OneOf(const std::array<T, N>& values) {
    return values[random_() % N];
  }

 private:
  std::mt19937_64& random_;
};

std::uint16_t MaxFaulty(std::uint16_t n) {
  return proto::Committee(n).max_faulty();
}

// Mostly small: most errors need four validators, and large committees take their square in time.
std::uint16_t AnySize(Dice& dice) {
  constexpr std::array<std::uint16_t, 20> kSizes = {4, 4, 4, 4, 4, 4, 4, 4, 5,  5,
                                                    5, 5, 6, 6, 7, 7, 7, 8, 10, 16};
  return dice.OneOf(kSizes);
}

ClusterOptions Any(std::mt19937_64& random) {
  Dice dice(random);
  ClusterOptions options;
  options.n = AnySize(dice);
  options.gc_depth = dice.Between(4, 32);
  const std::uint16_t faulty = MaxFaulty(options.n);
  options.twins = static_cast<std::uint16_t>(dice.UpTo(faulty));
  options.silent = static_cast<std::uint16_t>(dice.UpTo(faulty - options.twins));
  options.lies_percent = dice.UpTo(50);
  options.delay_max = dice.Between(1, 60);
  options.tick = dice.Between(1, 40);
  options.duplicates_percent = dice.UpTo(30);
  options.link_breaks = dice.UpTo(12);
  options.crashes = dice.UpTo(5);
  options.swizzles = dice.UpTo(1);
  options.quiet_after = dice.Between(200, 600);
  return options;
}

ClusterOptions Honest(std::mt19937_64& random) {
  Dice dice(random);
  ClusterOptions options;
  options.n = AnySize(dice);
  options.delay_max = dice.Between(2, 40);
  options.crashes = 0;
  options.quiet_after = 400;
  return options;
}

ClusterOptions Swizzled(std::mt19937_64& random) {
  Dice dice(random);
  ClusterOptions options;
  options.n = AnySize(dice);
  options.silent = static_cast<std::uint16_t>(dice.UpTo(MaxFaulty(options.n)));
  options.swizzles = dice.Between(2, 5);
  options.link_breaks = dice.UpTo(6);
  options.crashes = dice.UpTo(2);
  options.gc_depth = dice.Between(4, 20);
  options.quiet_after = 700;
  return options;
}

ClusterOptions Starved(std::mt19937_64& random) {
  Dice dice(random);
  ClusterOptions options;
  options.n = AnySize(dice);
  options.starver = dice.UpTo(1) ? Starver::kAdaptive : Starver::kRoundRobin;
  options.link_breaks = 0;
  options.crashes = 0;
  options.quiet_after = 900;
  options.commits_min = 2;
  return options;
}

ClusterOptions Twinned(std::mt19937_64& random) {
  Dice dice(random);
  ClusterOptions options;
  options.n = AnySize(dice);
  options.twins =
      std::max<std::uint16_t>(1, static_cast<std::uint16_t>(dice.Between(1, MaxFaulty(options.n))));
  options.lies_percent = dice.UpTo(1) ? 0 : 20;
  options.partition = dice.UpTo(2) ? dice.Between(10, 120) : 0;
  options.crashes = dice.UpTo(2);
  options.link_breaks = dice.UpTo(4);
  return options;
}

ClusterOptions CrashedAtSync(std::mt19937_64& random) {
  Dice dice(random);
  ClusterOptions options;
  options.n = dice.OneOf(std::array<std::uint16_t, 3>{4, 4, 5});
  options.crash_at_sync = dice.Between(1, 90);
  options.crash_instant = dice.Between(1, 4);
  options.crashes = dice.UpTo(3);
  options.down_time_max = dice.OneOf(std::array<std::uint64_t, 3>{1, 20, 150});
  options.link_breaks = dice.UpTo(3);
  options.gc_depth = dice.Between(4, 16);
  options.quiet_after = 400;
  return options;
}

ClusterOptions Slow(std::mt19937_64& random) {
  Dice dice(random);
  ClusterOptions options;
  options.n = AnySize(dice);
  options.slow = static_cast<std::uint16_t>(dice.Between(1, MaxFaulty(options.n)));
  options.slow_factor = dice.OneOf(std::array<std::uint32_t, 4>{4, 10, 30, 1'000});
  options.gc_depth = dice.Between(4, 12);
  options.delay_max = 6;
  options.tick = 5;
  options.crashes = 0;
  options.link_breaks = 0;
  options.quiet_after = 900;
  // The others go on meanwhile: some forty rounds, of which every third wave commits.
  options.commits_under_faults_min = 5;
  options.slow_for_ever = dice.UpTo(1) != 0;
  return options;
}

ClusterOptions TinyGc(std::mt19937_64& random) {
  Dice dice(random);
  ClusterOptions options;
  options.n = AnySize(dice);
  options.gc_depth = dice.Between(4, 8);
  options.delay_max = dice.Between(20, 90);
  options.tick = dice.Between(1, 10);
  options.link_breaks = dice.UpTo(8);
  options.crashes = dice.UpTo(3);
  options.twins = static_cast<std::uint16_t>(dice.UpTo(1));
  options.transactions = 16;
  options.quiet_after = 900;
  return options;
}

ClusterOptions Away(std::mt19937_64& random) {
  Dice dice(random);
  ClusterOptions options;
  options.delay_max = 3;
  options.tick = 3;
  options.gc_depth = dice.Between(4, 16);
  options.crashes = dice.UpTo(1);
  options.link_breaks = dice.UpTo(2);
  options.outage = dice.Between(1'000, 4'000);
  options.quiet_after = options.outage + dice.UpTo(200);
  options.transactions = 20;
  return options;
}

}  // namespace

const std::vector<Scenario>& Scenarios() {
  static const std::vector<Scenario> scenarios = {
      {"any", "every kind of fault, by chance", 26, Any},
      {"honest", "nothing but delay and reordering", 6, Honest},
      {"swizzle", "validators cut off one by one, back in another order", 12, Swizzled},
      {"starver", "a scheduler that keeps the leaders' vertices back", 10, Starved},
      {"twins", "up to f validators run twice with the same keys", 14, Twinned},
      {"crash", "a crash at a durable write, unsynced and torn writes lost", 16, CrashedAtSync},
      {"slow", "up to f validators up to a thousand times slower, for a while or for ever", 6,
       Slow},
      {"tiny-gc", "a depth of 4 to 8 rounds and heavy reordering", 8, TinyGc},
      {"away", "one validator away for hundreds of rounds", 2, Away},
  };
  return scenarios;
}

const Scenario* FindScenario(std::string_view name) {
  for (const auto& scenario : Scenarios()) {
    if (scenario.name == name) return &scenario;
  }
  return nullptr;
}

const Scenario& ScenarioOf(std::uint64_t seed) {
  // Neighbouring seeds differ in their scenario.
  std::uint64_t ticket = seed * 37 % 100;
  for (const auto& scenario : Scenarios()) {
    if (ticket < scenario.weight) return scenario;
    ticket -= scenario.weight;
  }
  return Scenarios().front();
}

ClusterOptions OptionsOf(const Scenario& scenario, std::uint64_t seed) {
  std::mt19937_64 random(seed * 0x9e3779b97f4a7c15 + 1);
  ClusterOptions options = scenario.options(random);
  options.seed = seed;
  options.time_max = options.quiet_after + 20'000;
  return options;
}

Outcome RunSeed(const Scenario& scenario, std::uint64_t seed) {
  const ClusterOptions options = OptionsOf(scenario, seed);
  Cluster cluster(options);
  cluster.Run();
  Outcome outcome{cluster.failure(),
                  cluster.faults(),
                  cluster.now(),
                  cluster.highest_round(),
                  cluster.commits(),
                  cluster.waves_without_commit(),
                  cluster.oracle().offenders().size(),
                  cluster.trace()};
  if (outcome.failure.empty() && seed % 10 == 0) {
    Cluster again(options);
    again.Run();
    if (again.trace() != outcome.trace) outcome.failure = "the same seed gives another trace";
  }
  return outcome;
}

}  // namespace sim
