// sim_epochs [--runs N] [--seed S]: ledgers whose members change, seed by seed, and what happened
// in them. Exit status 1 if a run fails; its seed and command are printed.

#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <string>

#include "tests/sim/membership/scenario.h"

int main(int count, char** texts) {
  std::uint64_t runs = 20;
  std::uint64_t first = 1;
  for (int i = 1; i < count; i += 2) {
    const std::string name = texts[i];
    if ((name != "--runs" && name != "--seed") || i + 1 == count) {
      std::fprintf(stderr, "usage: waxseal sim epochs [--runs N] [--seed S]\n");
      return 2;
    }
    (name == "--runs" ? runs : first) = std::strtoull(texts[i + 1], nullptr, 10);
  }
  std::map<std::string, std::uint64_t> faults, changes;
  std::uint64_t simulated = 0, blocks = 0, epochs = 0, failed = 0;
  const std::clock_t start = std::clock();
  const auto seconds = [start] {
    return static_cast<double>(std::clock() - start) / CLOCKS_PER_SEC;
  };
  const auto print = [](std::uint64_t number) { return static_cast<unsigned long long>(number); };
  for (std::uint64_t seed = first; seed < first + runs; ++seed) {
    const sim::EpochsOutcome outcome = sim::RunEpochs(seed);
    simulated += outcome.simulated;
    blocks += outcome.blocks;
    epochs += outcome.epochs;
    for (const auto& [kind, number] : outcome.faults) faults[kind] += number;
    for (const auto& [kind, number] : outcome.changes) changes[kind] += number;
    if (!outcome.failure.empty()) {
      ++failed;
      std::printf("FAILED %s\n  again: ./waxseal sim epochs --runs 1 --seed %llu\n",
                  outcome.failure.c_str(), print(seed));
      std::fflush(stdout);
    }
    if ((seed - first + 1) % 10 == 0) {
      std::fprintf(stderr, "seeds %llu to %llu: %llu failed, %.0f CPU s\n", print(first),
                   print(seed), print(failed), seconds());
    }
  }
  const auto list = [&](const char* title, const auto& counts) {
    std::printf("%s:", title);
    for (const auto& [kind, number] : counts) {
      std::printf("%s %llu %s", kind == counts.begin()->first ? "" : ",", print(number),
                  kind.c_str());
    }
    std::printf("\n");
  };
  list("changes of members", changes);
  list("faults injected", faults);
  std::printf(
      "%llu runs, %llu epochs, %llu blocks in %.1f CPU seconds: %.1f simulated seconds in each; "
      "%llu failed\n",
      print(runs), print(epochs), print(blocks), seconds(),
      static_cast<double>(simulated) / 1000 / seconds(), print(failed));
  return failed == 0 ? 0 : 1;
}
