// How members of an attempt come to hold what is fixed.
#include <algorithm>
#include <utility>

#include "mpc/preprocessing/attempt.h"

namespace mpc {

using proto::FaultKind;
using proto::PartyId;

void Attempt::OnHeld(std::uint32_t layer, Step& step) {
  asked_.erase(layer);
  for (const PartyId party : std::exchange(waiting_[layer], {})) {
    step.Send({party},
              proto::LayerValues{attempt_, layer, EncodeElements(layers_.opened()[layer])});
  }
}

void Attempt::Fetch(std::uint32_t layer, Step& step) {
  const std::uint16_t n = context_.committee.size();
  const auto next = [&](PartyId party) { return static_cast<PartyId>((Index(party) + 1) % n); };
  PartyId party = asked_.count(layer) == 1 ? next(asked_[layer]) : next(context_.self);
  // Of n - t that echoed the values, t + 1 are honest and one of those is a holder.
  const auto has = [&](PartyId p) { return Public(layer) || first_senders_[Index(p)]; };
  while (party == context_.self || !has(party)) party = next(party);
  asked_[layer] = party;
  step.Send({party}, proto::FetchLayer{attempt_, layer});
}

void Attempt::FetchMissing(Step& step) {
  for (std::uint32_t layer = 0; layer < layers_.fixed(); ++layer) {
    if (Lacks(layer)) Fetch(layer, step);
  }
}

void Attempt::On(PartyId from, const proto::FetchLayer& message, Step& step) {
  if (message.layer > layers_.count()) return step.Blame(from, FaultKind::kMalformed);
  if (from == context_.self || ++answers_[{from, message.layer}] > kAnswersMax) return;
  if (message.layer < layers_.fixed() && layers_.Holds(message.layer)) {
    return step.Send({from}, proto::LayerValues{attempt_, message.layer,
                                                EncodeElements(layers_.opened()[message.layer])});
  }
  if (message.layer < layers_.count()) {
    auto& waiting = waiting_[message.layer];
    if (std::ranges::count(waiting, from) == 0) waiting.push_back(from);
  }
  if (message.layer >= layers_.fixed()) SendAgain(from, step);
}

void Attempt::On(PartyId from, proto::LayerValues message, Step& step) {
  const std::uint32_t layer = message.layer;
  if (layer >= layers_.count()) return step.Blame(from, FaultKind::kMalformed);
  if (!Lacks(layer)) return;
  if (!layers_.Adopt(layer, message.values)) {
    step.Blame(from, FaultKind::kInconsistent);
    if (asked_.count(layer) == 1 && asked_[layer] == from) Fetch(layer, step);
    return;
  }
  progress_ = true;
  step.outputs.push_back(LayerKnown{layer, layers_.root(layer), std::move(message.values)});
  OnHeld(layer, step);
  if (state_ == State::kCertified) return MakeBundle(step);
  Advance(step);
}

void Attempt::SendAgain(PartyId party, Step& step) {
  if (state_ != State::kRunning) return;
  if (round_.vector && SendsTo(party)) step.Send({party}, *round_.vector);
  if (round_.king && round_.king->layer() &&
      (Public(round_.king->layer()->layer) || engaged_ > 1 || first_senders_[Index(party)])) {
    step.Send({party}, *round_.king->layer());
  }
  for (const proto::Echo& echo : round_.echoes) {
    if (echo.king == party) step.Send({party}, echo);
  }
  for (const proto::CoinShareMessage& share : challenges_.own()) step.Send({party}, share);
  if (opening_) step.Send({party}, *opening_);
}

}  // namespace mpc
