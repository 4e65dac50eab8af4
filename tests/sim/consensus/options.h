// What a simulated run is made of, and what is counted in it.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

namespace sim {

// How much of the coming leaders the network's scheduler knows. It keeps the vertex of the leader
// it expects from each validator until that one has fixed its parents for the next round.
enum class Starver {
  kNone,
  kRoundRobin,   // Guesses that the leaders take turns.
  kAdaptive,     // Starves a leader from when enough shares of its coin have left their authors.
  kClairvoyant,  // Knows every coin beforehand: no real scheduler does.
};

struct ClusterOptions {
  std::uint16_t n = 4;
  std::uint64_t seed = 0;
  std::uint32_t gc_depth = 16;
  std::uint32_t retain_rounds = 100'000;
  std::uint16_t silent = 0;         // The last parties.
  std::uint16_t twins = 0;          // Before those.
  bool too_many_twins = false;      // More than f may be: safety is meant to break.
  std::uint32_t lies_percent = 15;  // Of the twins' messages.

  // Network; one unit of time is a millisecond.
  std::uint64_t delay_min = 1;
  std::uint64_t delay_max = 12;
  std::uint64_t delay_mean = 0;      // If not 0: exponentially distributed, instead.
  std::uint64_t self_delay_max = 2;  // Of a message to oneself.
  std::uint64_t tick = 10;           // Between two ticks, at most.
  bool lockstep = false;             // All tick at the multiples of `tick`.
  std::uint32_t duplicates_percent = 5;
  std::uint32_t link_breaks = 4;
  std::uint32_t swizzles = 0;   // Times that a part is cut off one by one, and comes back.
  std::uint64_t partition = 0;  // Twins: so long, two halves do not hear each other. 0: none.
  std::vector<std::uint32_t> halves =
      {};                  // Of the first partitions, a bit a validator; then by chance.
  std::uint16_t slow = 0;  // The first parties' messages take slow_factor times as long.
  std::uint32_t slow_factor = 1;
  bool slow_for_ever = false;  // Also when all other faults stop; they need not keep up then.
  Starver starver = Starver::kNone;

  // Validators.
  std::uint32_t crashes = 2;
  std::uint64_t crash_at_sync = 0;  // Validator 0 crashes at its so-manieth durable write.
  std::uint32_t crash_instant = 1;  // 1: before the write, 2: after, 3: after messages, 4: outputs.
  std::uint64_t outage = 0;         // Validator 0 is down for so long.
  std::uint64_t down_time_max = 150;

  std::uint32_t transactions = 8;
  std::uint64_t quiet_after = 500;  // Then all faults stop.
  std::uint64_t time_max = 20'000;  // All must have converged by then.
  std::uint64_t commits_min = 4;
  std::uint64_t commits_under_faults_min = 0;
};

// Faults by kind.
using Faults = std::map<std::string, std::uint64_t>;

}  // namespace sim
