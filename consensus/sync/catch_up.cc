#include "consensus/sync/catch_up.h"

#include <algorithm>

namespace consensus {

using proto::PartyId;

namespace {

PartyId After(PartyId peer, const Config& config) {
  const std::uint32_t n = config.committee.size();
  const std::uint32_t next = (proto::Index(peer) + 1) % n;
  return static_cast<PartyId>(next == proto::Index(config.self) ? (next + 1) % n : next);
}

}  // namespace

void CatchUp::Begin(PartyId peer) {
  if (!peer_) AskFrom(peer == config_.self ? After(peer, config_) : peer);
}

void CatchUp::AskFrom(PartyId peer) {
  peer_ = peer;
  next_round_ = 0;
  waiting_ = false;
  age_ = 0;
}

void CatchUp::OnAnswer(PartyId from, const RangeAnswer& answer, Step& step) {
  if (!peer_ || from != *peer_ || !waiting_ || answer.first_round != next_round_) return;
  waiting_ = false;
  age_ = 0;
  if (answer.oldest_round > next_round_) {
    oldest_[from] = answer.oldest_round;
    if (oldest_.size() >= config_.committee.validity()) {
      std::uint64_t oldest = oldest_.begin()->second;
      for (const auto& [peer, round] : oldest_) oldest = std::min(oldest, round);
      step.outputs.emplace_back(NeedSnapshot{oldest});
      oldest_.clear();
    }
    return AskFrom(After(from, config_));
  }
  oldest_.clear();
  const bool more = answer.next_round > next_round_ && answer.next_round <= answer.highest_round;
  if (!more) {
    peer_.reset();
    return;
  }
  peer_ = After(from, config_);
  next_round_ = answer.next_round;
}

void CatchUp::Continue(std::uint64_t first_round, std::uint64_t highest_round, Step& step) {
  if (!peer_ || waiting_) return;
  if (next_round_ == 0) next_round_ = std::max<std::uint64_t>(first_round, 1);
  // Half of what may be kept ahead is left to the page itself.
  if (next_round_ > highest_round + kRoundsAheadMax / 2) return;
  waiting_ = true;
  step.Send({*peer_}, RangeRequest{next_round_});
}

void CatchUp::Tick() {
  if (peer_ && ++age_ >= kRetryTicks) AskFrom(After(*peer_, config_));
}

void CatchUp::PeerConnected(PartyId peer) {
  if (peer_ == peer) waiting_ = false;
}

}  // namespace consensus
