// What a seed of `waxseal sim epochs` means: founders and candidates, who joins, leaves and changes
// its key when, which nodes crash, are silent or away and come back with what, which links break.
#pragma once

#include <cstdint>
#include <map>
#include <string>

namespace sim {

struct EpochsOutcome {
  std::string failure;  // Empty if all is well.
  std::map<std::string, std::uint64_t> faults;
  std::map<std::string, std::uint64_t> changes;  // Of the members.
  std::uint64_t simulated = 0;                   // Milliseconds.
  std::uint64_t blocks = 0;
  std::uint64_t epochs = 0;
  std::uint64_t trace = 0;
};

// Every tenth seed is run twice and must give the same trace.
EpochsOutcome RunEpochs(std::uint64_t seed);

}  // namespace sim
