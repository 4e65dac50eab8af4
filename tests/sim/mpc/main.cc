// sim_mpc [--runs N] [--seed S] [--n N]: seeded runs of a whole private request, from keys to the
// answer, under an adversary. Exit status 1 if a run fails; its seed and command are printed.

#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <string>

#include "tests/sim/mpc/scenario.h"

namespace {

unsigned long long current_seed = 0;
unsigned current_members = 0;

// A CHECK of the code under test failed.
void OnAbort(int) {
  std::fprintf(stderr, "FAILED seed %llu: aborted\n  again: ./waxseal sim mpc --runs 1 --seed %llu",
               current_seed, current_seed);
  std::fprintf(stderr, current_members != 0 ? " --n %u\n" : "\n", current_members);
}

struct Sum {
  std::uint64_t runs = 0, attempts = 0, dead = 0, convicted = 0, restarts = 0, deliveries = 0;
  std::uint64_t opened_preprocessing = 0, opened_online = 0, in_batches = 0;
};

}  // namespace

int main(int count, char** texts) {
  unsigned long long runs = 200;
  unsigned long long seed = 1;
  for (int i = 1; i < count; i += 2) {
    const std::string name = texts[i];
    const unsigned long long value = i + 1 < count ? std::strtoull(texts[i + 1], nullptr, 10) : 0;
    if (name == "--runs" && value > 0) {
      runs = value;
    } else if (name == "--seed" && i + 1 < count) {
      seed = value;
    } else if (name == "--n" && (value == 4 || value == 7 || value == 10 || value == 13)) {
      current_members = static_cast<unsigned>(value);
    } else {
      std::fprintf(stderr, "usage: waxseal sim mpc [--runs N] [--seed S] [--n 4|7|10|13]\n");
      return 2;
    }
  }
  std::signal(SIGABRT, OnAbort);
  std::map<std::uint16_t, Sum> sums;
  std::map<std::string, std::uint64_t> faults;
  std::uint64_t failed = 0;
  std::uint64_t equivocators = 0;
  const std::clock_t start = std::clock();
  for (current_seed = seed; current_seed < seed + runs; ++current_seed) {
    const auto outcome =
        mpc::sim::RunSeed(current_seed, static_cast<std::uint16_t>(current_members));
    Sum& sum = sums[outcome.members];
    ++sum.runs;
    sum.attempts += outcome.attempts;
    sum.dead += outcome.dead;
    sum.convicted += outcome.convicted;
    sum.restarts += outcome.restarts;
    sum.deliveries += outcome.deliveries;
    sum.opened_preprocessing += outcome.opened_preprocessing;
    sum.opened_online += outcome.opened_online;
    sum.in_batches += outcome.in_batches;
    equivocators += outcome.equivocators;
    for (const auto& [name, number] : outcome.faults) faults[name] += number;
    if (outcome.failure.empty()) continue;
    ++failed;
    std::printf("FAILED seed %llu: %s\n  again: ./waxseal sim mpc --runs 1 --seed %llu --n %u\n",
                current_seed, outcome.failure.c_str(), current_seed, outcome.members);
  }
  const double seconds = static_cast<double>(std::clock() - start) / CLOCKS_PER_SEC;
  std::printf("seeds %llu to %llu, %llu failed, %.1f CPU seconds\n\n", seed, seed + runs - 1,
              static_cast<unsigned long long>(failed), seconds);
  std::printf("%4s %6s %9s %6s %10s %9s %11s %20s %14s %12s\n", "n", "runs", "attempts", "dead",
              "convicted", "restarts", "deliveries", "openings offline", "online", "in batches");
  for (const auto& [n, sum] : sums) {
    std::printf(
        "%4u %6llu %9llu %6llu %10llu %9llu %11llu %20llu %14llu %12llu\n", n,
        static_cast<unsigned long long>(sum.runs), static_cast<unsigned long long>(sum.attempts),
        static_cast<unsigned long long>(sum.dead), static_cast<unsigned long long>(sum.convicted),
        static_cast<unsigned long long>(sum.restarts),
        static_cast<unsigned long long>(sum.deliveries),
        static_cast<unsigned long long>(sum.opened_preprocessing),
        static_cast<unsigned long long>(sum.opened_online),
        static_cast<unsigned long long>(sum.in_batches));
  }
  std::printf("\nfaults:");
  for (const auto& [name, number] : faults) {
    std::printf(" %s %llu;", name.c_str(), static_cast<unsigned long long>(number));
  }
  std::printf(" evidence of two vectors %llu\n", static_cast<unsigned long long>(equivocators));
  return failed == 0 ? 0 : 1;
}
