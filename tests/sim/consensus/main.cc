// sim_ledger [--runs N] [--seed S] [--scenario NAME] [--latency] [--latency-ms MS]: seeded runs of
// whole clusters, and what happened in them. Exit status 1 if a run fails; its seed and command are
// printed. How far it is goes to the standard error every kProgressEvery runs, so a stop loses no
// more than that.

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <string>

#include "tests/sim/consensus/cluster.h"
#include "tests/sim/consensus/scenarios.h"

namespace {

constexpr std::uint64_t kProgressEvery = 100;

struct Arguments {
  std::uint64_t runs = 500;
  std::uint64_t seed = 1;
  const sim::Scenario* scenario = nullptr;  // All.
  bool latency = false;
  std::uint64_t link_ms = 0;  // Of the links, to tell the latencies in; 0: in message delays.
  bool usage = false;
};

Arguments Parse(int count, char** texts) {
  Arguments arguments;
  for (int i = 1; i < count; ++i) {
    const std::string name = texts[i];
    if (name == "--latency") {
      arguments.latency = true;
      continue;
    }
    const char* const value = i + 1 < count ? texts[++i] : nullptr;
    if (name == "--runs" && value) {
      arguments.runs = std::strtoull(value, nullptr, 10);
    } else if (name == "--seed" && value) {
      arguments.seed = std::strtoull(value, nullptr, 10);
    } else if (name == "--latency-ms" && value) {
      arguments.latency = true;
      arguments.link_ms = std::strtoull(value, nullptr, 10);
    } else if (name == "--scenario" && value && sim::FindScenario(value)) {
      arguments.scenario = sim::FindScenario(value);
    } else {
      arguments.usage = true;
    }
  }
  return arguments;
}

struct Sum {
  std::uint64_t runs = 0, simulated = 0, rounds = 0, commits = 0, convicted = 0, waves = 0;
};

// Delay from a header's sending to its commit at every validator, of the leaders and of all
// vertices; and from a transaction's arrival at a validator, at a time of its own, to its execution
// at every validator: it waits for the next header besides. No computation, no disk. A validator
// ticks ten times in three delays (as with 15 ms and links of 50); in the constant models all tick
// at once, when all certificates have come.
int PrintLatency(std::uint64_t link_ms) {
  constexpr std::uint64_t kDelay = 1'000;
  struct Model {
    const char* name;
    std::uint64_t min, max, mean;
    bool crashed;
    bool lockstep;
  };
  constexpr Model kModels[] = {
      {"constant", kDelay, kDelay, 0, false, true},
      {"constant +-1%", kDelay - kDelay / 100, kDelay + kDelay / 100, 0, false, false},
      {"uniform +-50%", kDelay / 2, kDelay + kDelay / 2, 0, false, false},
      {"exponential", 0, 0, kDelay, false, false},
      {"constant, f silent", kDelay, kDelay, 0, true, true},
      {"exponential, f silent", 0, 0, kDelay, true, false},
  };
  const double unit = link_ms == 0 ? 1 : static_cast<double>(link_ms);
  std::printf("in %s\n", link_ms == 0 ? "message delays" : "ms");
  std::printf("%-24s %4s %7s %8s %8s %11s %8s %16s\n", "delays", "n", "commits", "leader", "vertex",
              "transaction", "waves", "rounds / 3 delays");
  for (const auto& model : kModels) {
    for (const int size : {4, 7, 10, 16, 50}) {
      const auto n = static_cast<std::uint16_t>(size);
      sim::ClusterOptions options;
      options.n = n;
      options.seed = 1;
      options.silent = model.crashed ? proto::Committee(n).max_faulty() : 0;
      options.delay_min = model.min;
      options.delay_max = model.max;
      options.delay_mean = model.mean;
      options.self_delay_max = 0;
      options.tick = model.lockstep ? 3 * kDelay + 1 : kDelay * 3 / 10;
      options.lockstep = model.lockstep;
      options.duplicates_percent = 0;
      options.link_breaks = 0;
      options.crashes = 0;
      options.quiet_after = (n == 50 ? 60 : n > 7 ? 300 : 1'000) * kDelay;
      options.transactions = static_cast<std::uint32_t>(options.quiet_after / kDelay);
      options.time_max = options.quiet_after + 1'000 * kDelay;
      sim::Cluster cluster(options);
      if (!cluster.Run()) {
        std::printf("FAILED %s n = %d: %s\n", model.name, n, cluster.failure().c_str());
        return 1;
      }
      const auto& latency = cluster.latency();
      const auto mean = [unit](std::uint64_t sum, std::uint64_t count) {
        return unit * static_cast<double>(sum) / static_cast<double>(count) / kDelay;
      };
      const auto rounds = static_cast<double>(cluster.highest_round());
      std::printf("%-24s %4d %7llu %8.1f %8.1f %11.1f %8.2f %16.2f\n", model.name, n,
                  static_cast<unsigned long long>(cluster.commits()),
                  mean(latency.leader_sum, latency.leaders),
                  mean(latency.vertex_sum, latency.vertices),
                  mean(latency.transaction_sum, latency.transactions),
                  rounds / 2 / static_cast<double>(cluster.commits()),
                  rounds / (static_cast<double>(cluster.now()) / (3 * kDelay)));
      std::fflush(stdout);
    }
  }
  return 0;
}

int Usage() {
  std::fprintf(stderr,
               "usage: waxseal sim ledger [--real] [--runs N] [--seed S] [--scenario NAME]\n"
               "       waxseal sim ledger --latency | --latency-ms MS\n\n");
  for (const auto& scenario : sim::Scenarios()) {
    std::fprintf(stderr, "  %-10s %s\n", std::string(scenario.name).c_str(),
                 std::string(scenario.what).c_str());
  }
  return 2;
}

}  // namespace

int main(int count, char** texts) {
  const Arguments arguments = Parse(count, texts);
  if (arguments.usage || arguments.runs == 0) return Usage();
  if (arguments.latency) return PrintLatency(arguments.link_ms);
  std::map<std::string_view, Sum> sums;
  sim::Faults faults;
  std::uint64_t simulated = 0;
  std::uint64_t failed = 0;
  const std::clock_t start = std::clock();
  for (std::uint64_t seed = arguments.seed; seed < arguments.seed + arguments.runs; ++seed) {
    const sim::Scenario& scenario =
        arguments.scenario ? *arguments.scenario : sim::ScenarioOf(seed);
    const sim::Outcome outcome = sim::RunSeed(scenario, seed);
    Sum& sum = sums[scenario.name];
    ++sum.runs;
    sum.simulated += outcome.simulated;
    sum.rounds += outcome.rounds;
    sum.commits += outcome.commits;
    sum.convicted += outcome.convicted;
    sum.waves = std::max(sum.waves, outcome.waves_without_commit);
    simulated += outcome.simulated;
    for (const auto& [kind, number] : outcome.faults) faults[kind] += number;
    const std::uint64_t done = seed - arguments.seed + 1;
    if (!outcome.failure.empty()) ++failed;
    if (done % kProgressEvery == 0) {
      std::fprintf(stderr, "seeds %llu to %llu: %llu failed, %.0f CPU s\n",
                   static_cast<unsigned long long>(arguments.seed),
                   static_cast<unsigned long long>(seed), static_cast<unsigned long long>(failed),
                   static_cast<double>(std::clock() - start) / CLOCKS_PER_SEC);
    }
    if (outcome.failure.empty()) continue;
    std::printf(
        "FAILED seed %llu, %s: %s\n  again: ./waxseal sim ledger --runs 1 --seed %llu --scenario "
        "%s\n",
        static_cast<unsigned long long>(seed), std::string(scenario.name).c_str(),
        outcome.failure.c_str(), static_cast<unsigned long long>(seed),
        std::string(scenario.name).c_str());
    std::fflush(stdout);
  }
  const double seconds = static_cast<double>(std::clock() - start) / CLOCKS_PER_SEC;
  const auto print = [](std::uint64_t number) { return static_cast<unsigned long long>(number); };
  std::printf("%-10s %6s %12s %9s %9s %10s %10s\n", "scenario", "runs", "simulated s", "rounds",
              "commits", "offenders", "open waves");
  for (const auto& [name, sum] : sums) {
    std::printf("%-10s %6llu %12.1f %9llu %9llu %10llu %10llu\n", std::string(name).c_str(),
                print(sum.runs), static_cast<double>(sum.simulated) / 1000, print(sum.rounds),
                print(sum.commits), print(sum.convicted), print(sum.waves));
  }
  std::printf("faults injected:");
  for (const auto& [kind, number] : faults) {
    std::printf("%s %llu %s", kind == faults.begin()->first ? "" : ",", print(number),
                kind.c_str());
  }
  std::printf("\n%llu runs in %.1f CPU seconds: %.1f simulated seconds in each; %llu failed\n",
              print(arguments.runs), seconds, static_cast<double>(simulated) / 1000 / seconds,
              print(failed));
  return failed == 0 ? 0 : 1;
}
