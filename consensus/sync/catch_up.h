// Fetches whole ranges of rounds when this node is behind, page by page; certificates are verified
// one by one like any other, so any peer will do. Each page is asked of the next peer, so that a
// slow or lying one holds up its own turn alone: for kRetryTicks at most. Pages wait until the DAG
// has taken in most of what was fetched. The end is where the peer asked has no more; should it be
// wrong in that, the next certificate from elsewhere begins another catch-up.
#pragma once

#include <map>
#include <optional>

#include "consensus/config.h"
#include "consensus/step.h"

namespace consensus {

class CatchUp {
 public:
  explicit CatchUp(const Config& config) : config_(config) {}

  // Something of `peer` shows that there are rounds unknown here. No effect while a catch-up is
  // under way.
  void Begin(proto::PartyId peer);
  // Takes note of an answer (its certificates are the caller's). NeedSnapshot when f + 1 peers no
  // longer have the round that is needed.
  void OnAnswer(proto::PartyId from, const RangeAnswer& answer, Step& step);
  // Sends what is due, now that the DAG is whole up to `first_round` and reaches `highest_round`.
  void Continue(std::uint64_t first_round, std::uint64_t highest_round, Step& step);
  void Tick();
  // What was asked of `peer` is lost with the link.
  void PeerConnected(proto::PartyId peer);

  bool active() const { return peer_.has_value(); }

 private:
  void AskFrom(proto::PartyId peer);

  const Config& config_;
  std::optional<proto::PartyId> peer_;  // Asked now; none while there is nothing to catch up on.
  std::uint64_t next_round_ = 0;        // Of the next page; 0: where the DAG's knowledge ends.
  bool waiting_ = false;                // For the answer about next_round_.
  std::uint32_t age_ = 0;
  std::map<proto::PartyId, std::uint64_t> oldest_;  // Of peers that lack what is needed.
};

}  // namespace consensus
