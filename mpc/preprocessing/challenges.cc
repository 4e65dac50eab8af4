#include "mpc/preprocessing/challenges.h"

#include <utility>

#include "proto/base/check.h"

namespace mpc {

using proto::PartyId;

Challenges::Challenges(const PartyContext& context, std::uint64_t attempt, std::uint32_t count)
    : context_(context), attempt_(attempt), steps_(count) {
  CHECK(context.coin.threshold > context.committee.max_faulty());
}

void Challenges::Name(const proto::Digest& name, std::vector<proto::Fault>& faults) {
  CHECK(named() < count());
  StepState& state = steps_[named()];
  state.name = name;
  own_.push_back({attempt_, named(), MakeCoinShare(*context_.coin_secret, context_.self, name)});
  for (const auto& [from, share] : std::exchange(state.waiting, {})) {
    Check(state, from, share, faults);
  }
}

void Challenges::Add(PartyId from, const proto::CoinShareMessage& message,
                     std::vector<proto::Fault>& faults) {
  CHECK(message.step < count());
  StepState& state = steps_[message.step];
  if (state.coin || state.verified.count(from) == 1) return;
  if (message.step >= named()) {
    state.waiting.emplace(from, message.share);
    return;
  }
  Check(state, from, message.share, faults);
}

void Challenges::Check(StepState& state, PartyId from, const proto::CoinShare& share,
                       std::vector<proto::Fault>& faults) {
  if (state.coin) return;
  if (!VerifyCoinShare(context_.coin, from, state.name, share)) {
    faults.push_back({from, proto::FaultKind::kWrongShare});
    return;
  }
  state.verified.emplace(from, share);
  if (state.verified.size() < context_.coin.threshold) return;
  state.coin =
      CombineCoin(context_.coin, state.name, {state.verified.begin(), state.verified.end()});
}

}  // namespace mpc
