// One seed: a committee of 4, 7, 10 or 13 preprocesses a bundle, attempt after attempt, with up to
// t members that lie, and answers one private request with it.
#pragma once

#include <cstdint>
#include <map>
#include <string>

namespace mpc::sim {

struct Outcome {
  std::string failure;  // Empty if the run was right.
  std::uint16_t members = 0;
  std::uint64_t attempts = 0, dead = 0, convicted = 0, equivocators = 0;
  std::uint64_t deliveries = 0, restarts = 0;
  std::uint64_t opened_preprocessing = 0, opened_online = 0;  // Values received.
  std::uint64_t in_batches = 0;                 // Of them online, shares of batches' values.
  std::map<std::string, std::uint64_t> faults;  // By what a member did.
};

// `members` 0: as the seed says.
Outcome RunSeed(std::uint64_t seed, std::uint16_t members = 0);

}  // namespace mpc::sim
