// Answers peers that lack something, from storage: every answer is bounded in bytes, and each peer
// gets kAnswersPerTickMax of them between two ticks.
#pragma once

#include <map>

#include "consensus/config.h"
#include "consensus/store/store.h"

namespace consensus {

class Server {
 public:
  Server(const Config& config, Store& store) : config_(config), store_(store) {}

  // Each thing that is here, as a message of its own, up to kAnswerBytesMax.
  void Answer(proto::PartyId from, const Request& request, Step& step);
  // Whole rounds from the asked one on, as many as fit; `oldest` and `highest` is what there is.
  void Answer(proto::PartyId from, const RangeRequest& request, std::uint64_t oldest,
              std::uint64_t highest, Step& step);
  void Tick() { answers_.clear(); }

 private:
  bool MayAnswer(proto::PartyId peer) { return ++answers_[peer] <= kAnswersPerTickMax; }

  const Config& config_;
  Store& store_;
  std::map<proto::PartyId, std::uint32_t> answers_;
};

}  // namespace consensus
