// The scenarios of `waxseal sim ledger`: what each seed means.
//
// A seed names a run completely: which scenario (unless one is asked for), which committee, which
// faults and when.
#pragma once

#include <cstdint>
#include <random>
#include <string>
#include <string_view>
#include <vector>

#include "tests/sim/consensus/options.h"

namespace sim {

struct Scenario {
  std::string_view name;
  std::string_view what;
  std::uint32_t weight;  // Of 100 seeds.
  ClusterOptions (*options)(std::mt19937_64& random);
};

const std::vector<Scenario>& Scenarios();
const Scenario* FindScenario(std::string_view name);
const Scenario& ScenarioOf(std::uint64_t seed);
ClusterOptions OptionsOf(const Scenario& scenario, std::uint64_t seed);

struct Outcome {
  std::string failure;  // Empty if all is well.
  Faults faults;
  std::uint64_t simulated = 0;  // Milliseconds.
  std::uint64_t rounds = 0;
  std::uint64_t commits = 0;
  std::uint64_t waves_without_commit = 0;
  std::uint64_t convicted = 0;  // Validators.
  std::uint64_t trace = 0;
};

// Every tenth seed is run twice and must give the same trace.
Outcome RunSeed(const Scenario& scenario, std::uint64_t seed);

}  // namespace sim
