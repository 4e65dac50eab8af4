// The verification of an attempt: challenges, compression, the last triple, verdict and bundle.
#include <algorithm>
#include <utility>

#include "mpc/preprocessing/attempt.h"

namespace mpc {

using proto::FaultKind;
using proto::kEveryone;
using proto::PartyId;

void Attempt::ReleaseChallenges(Step& step) {
  if (state_ != State::kRunning) return;
  while (challenges_.named() < challenges_.count() &&
         product_layers() + challenges_.named() <= layers_.fixed()) {
    const std::uint32_t layer = product_layers() + challenges_.named();
    challenges_.Name(ChallengeName(PlaceOf(layer)), step.faults);
    step.Send(kEveryone, challenges_.own().back());
  }
}

void Attempt::On(PartyId from, const proto::CoinShareMessage& message, Step& step) {
  if (state_ != State::kRunning) return;
  if (message.step >= challenges_.count()) return step.Blame(from, FaultKind::kMalformed);
  const bool tossed = challenges_.coin(message.step).has_value();
  challenges_.Add(from, message, step.faults);
  if (tossed || !challenges_.coin(message.step)) return;
  progress_ = true;
  Advance(step);
}

void Attempt::Compress() {
  for (;;) {
    const std::uint32_t used = compression_ ? compression_->step() + 1 : 0;
    if (used == challenges_.count() || layers_.held() < product_layers() + used) return;
    const std::optional<proto::Digest>& coin = challenges_.coin(used);
    if (!coin) return;
    if (!compression_) {
      compression_ = std::make_unique<Compression>(context_, attempt_, preprocessor_,
                                                   layers_.opened(), *coin, kept_.get());
    } else {
      compression_->Fold(layers_.opened()[product_layers() + used - 1], *coin);
    }
  }
}

void Attempt::OpenTriple(Step& step) {
  if (opening_ || !compression_ || compression_->step() + 1 != challenges_.count()) return;
  proto::VerifyOpening opening{attempt_, EncodeElements(compression_->Triple()), {}};
  opening.signature = context_.key->Sign(OpeningDigest(PlaceOf(layers_.count()), opening.values));
  step.Send(kEveryone, opening);
  opening_ = std::move(opening);
}

void Attempt::On(PartyId from, const proto::VerifyOpening& message, Step& step) {
  if (state_ != State::kRunning || opened_by_[Index(from)]) return;
  if (layers_.fixed() < layers_.count()) {
    openings_.insert_or_assign(from, message);
    return;
  }
  CheckOpening(from, message, step);
}

void Attempt::CheckOpening(PartyId from, const proto::VerifyOpening& opening, Step& step) {
  if (opened_by_[Index(from)]) return;
  auto shares = DecodeElements(opening.values);
  if (!shares || shares->size() != proto::kOpeningElements) {
    return step.Blame(from, FaultKind::kMalformed);
  }
  const proto::Digest digest = OpeningDigest(PlaceOf(layers_.count()), opening.values);
  if (!Verify(context_.keys[Index(from)], digest, opening.signature)) {
    return step.Blame(from, FaultKind::kBadSignature);
  }
  opened_by_[Index(from)] = true;
  const std::vector<PartyId> known_wrong = triple_.wrong();
  triple_.Add(from, std::move(*shares));
  for (const PartyId wrong : triple_.wrong()) {
    if (std::ranges::count(known_wrong, wrong) == 0) step.Blame(wrong, FaultKind::kWrongShare);
  }
  if (judged_ || !triple_.decoded()) return;
  judged_ = true;
  const std::vector<Fp>& triple = triple_.values();
  step.outputs.push_back(
      PostVerdict{layers_.transcript(layers_.count()), triple[0] * triple[1] == triple[2]});
}

void Attempt::MakeBundle(Step& step) {
  if (bundle_made_ || layers_.held() < product_layers()) return;
  bundle_made_ = true;
  step.outputs.push_back(
      BundleReady{preprocessor_.MakeBundle(plan_digest_, layers_.opened(), kept_.get())});
}

}  // namespace mpc
