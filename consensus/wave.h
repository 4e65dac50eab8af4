// Rounds and waves: a leader every even round, its votes in the round after, its coin two after.
//
//   round r (even)   vertices; one of them will have been the leader
//   round r + 1      strong parents are votes
//   round r + 2      every header carries its author's share of the coin of r
//
// The coin must come after the votes are fixed: known earlier, the network's scheduler could starve
// the leader for ever. Leaders in consecutive rounds would break safety under this rule.
#pragma once

#include <cstdint>
#include <optional>

namespace consensus {

inline constexpr std::uint64_t kFirstLeaderRound = 2;
inline constexpr std::uint64_t kLeaderDistance = 2;
inline constexpr std::uint64_t kRevealDistance = 2;

constexpr bool IsLeaderRound(std::uint64_t round) {
  return round >= kFirstLeaderRound && round % kLeaderDistance == 0;
}

// The wave whose coin share is due in headers of `round`.
constexpr std::optional<std::uint64_t> RevealedWave(std::uint64_t round) {
  if (round < kFirstLeaderRound + kRevealDistance || !IsLeaderRound(round - kRevealDistance)) {
    return std::nullopt;
  }
  return round - kRevealDistance;
}

}  // namespace consensus
