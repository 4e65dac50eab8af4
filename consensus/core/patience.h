// How long an own header waits for more parents than a quorum.
//
// Votes are strong parents: a header that leaves at the first n - f certificates leaves out the
// slowest vertex, and a leader without f + 1 votes waits for the next one. Where links are alike
// the rest of the round is a moment behind its quorum. So a header waits for the authors that were
// in time the last time, its predecessor's parents, for at most kPatienceTicks ticks. Who is late
// or silent is waited for once; who comes back is waited for again as soon as it was in time by
// itself. It only delays headers: nothing is decided by it.
#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

#include "consensus/config.h"
#include "consensus/step.h"

namespace consensus {

class Patience {
 public:
  // Whether the header of `round`, for which there is a tick and these vertices of the round before
  // are a quorum, should wait for more.
  template <class Vertices>
  bool Waits(std::uint64_t round, const Vertices& vertices) {
    waiting_ = false;
    if (round != round_ + 1 || ticks_ >= kPatienceTicks) return false;
    const auto is_missing = [&](proto::PartyId author) {
      return std::ranges::none_of(vertices,
                                  [&](const auto& v) { return v->header.author == author; });
    };
    waiting_ = std::ranges::any_of(awaited_, is_missing);
    return waiting_;
  }
  void Tick() { ticks_ += waiting_; }
  void Sent(const HeaderFields& header) {
    round_ = header.round;
    awaited_.clear();
    for (const auto& parent : header.parents) awaited_.push_back(parent.author);
    ticks_ = 0;
    waiting_ = false;
  }

 private:
  std::uint64_t round_ = 0;  // Of the last header.
  std::vector<proto::PartyId> awaited_;
  std::uint32_t ticks_ = 0;
  bool waiting_ = false;
};

}  // namespace consensus
