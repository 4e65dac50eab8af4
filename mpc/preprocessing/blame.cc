#include "mpc/preprocessing/blame.h"

#include <algorithm>
#include <utility>

#include "mpc/field/combine.h"
#include "mpc/preprocessing/attempt.h"
#include "mpc/sharing/shamir.h"
#include "proto/base/check.h"
#include "proto/crypto/merkle.h"

namespace mpc {

using proto::FaultKind;
using proto::kEveryone;
using proto::PartyId;

namespace {

proto::Digest RootOf(const std::vector<Fp>& values) {
  return proto::MerkleRootOfBytes(EncodeElements(values));
}

}  // namespace

Blame::Blame(const PartyContext& context, std::shared_ptr<const Plan> plan, std::uint64_t attempt,
             std::vector<BlamedLayer> layers, std::vector<PartyId> excluded, const Segment& segment)
    : context_(context),
      plan_(std::move(plan)),
      attempt_(attempt),
      excluded_(std::move(excluded)),
      segment_(segment),
      plan_layers_(*plan_, context.sets->count(), segment),
      layers_(std::move(layers)),
      fixed_(LayerSizes(plan_layers_)),
      challenges_(context, attempt, fixed_.count() - product_layers() + 1),
      heard_(context.committee.size()) {
  CHECK(layers_.size() <= fixed_.count());
  for (std::uint32_t layer = 0; layer < layers_.size(); ++layer) {
    BlamedLayer& known = layers_[layer];
    fixed_.Fix(known.root);
    if (!known.values.empty()) fixed_.Adopt(layer, std::exchange(known.values, {}));
    if (SendersDigest(known.signatures) != known.senders) known.signatures.clear();
  }
  own_.attempt = attempt;
  const auto reveal = [&](std::uint64_t number, Revealed& revealed) {
    revealed.tallies.resize(context.sets->count());
    revealed.keys.resize(context.sets->count());
    const ReplicatedKeys own = context.replicated->ForAttempt(context.epoch, number);
    for (const auto& key : own.keys()) {
      if (key) own_.keys.insert(own_.keys.end(), key->begin(), key->end());
    }
  };
  reveal(attempt, own_keys_);
  if (segment_.masks) reveal(*segment_.masks, mask_keys_);
}

Place Blame::PlaceOf(std::uint32_t layer) const {
  return {context_.chain, context_.epoch, attempt_, layer, fixed_.transcript(layer)};
}

Blame::Step Blame::Start() {
  Step step;
  while (challenges_.named() < challenges_.count() &&
         product_layers() + challenges_.named() <= fixed_.fixed()) {
    const std::uint32_t layer = product_layers() + challenges_.named();
    challenges_.Name(ChallengeName(PlaceOf(layer)), step.faults);
  }
  Say(kEveryone, step);
  return step;
}

void Blame::Say(proto::Target target, Step& step) const {
  step.Send(target, own_);
  for (const proto::CoinShareMessage& share : challenges_.own()) step.Send(target, share);
}

Blame::Step Blame::Handle(PartyId from, Message message) {
  CHECK(Index(from) < context_.committee.size());
  Step step;
  std::visit(
      [&](const auto& m) {
        if (m.attempt != attempt_) return step.Blame(from, FaultKind::kMalformed);
        On(from, m, step);
      },
      message);
  return step;
}

Blame::Step Blame::PeerConnected(PartyId party) {
  Step step;
  std::erase_if(answers_, [&](const auto& answer) { return answer.first.first == party; });
  Say({party}, step);
  return step;
}

Blame::Step Blame::Tick() {
  Step step;
  if (found_ || next_ == layers_.size() || ++ticks_ % kBlameTicks != 0) return step;
  // Another member each time; what it does not have, the next one does.
  const std::uint16_t n = context_.committee.size();
  asked_ = static_cast<std::uint16_t>((asked_ + 1) % n);
  const auto party = static_cast<PartyId>(asked_);
  for (std::uint32_t layer = 0; party != context_.self && layer < layers_.size(); ++layer) {
    if (!fixed_.Holds(layer) || layers_[layer].signatures.empty()) {
      step.Send({party}, proto::FetchLayer{attempt_, layer});
    }
  }
  return step;
}

// ---- keys

void Blame::On(PartyId from, const proto::KeyReveal& message, Step& step) {
  if (heard_[Index(from)]) return;
  heard_[Index(from)] = true;
  if (message.keys.size() != own_.keys.size()) return step.Blame(from, FaultKind::kMalformed);
  const proto::ByteSpan said(message.keys);
  TakeKeys(from, said, own_keys_);
  if (segment_.masks) TakeKeys(from, said.subspan(said.size() / 2), mask_keys_);
  if (parties_.empty()) MakeParties();
  Advance(step);
}

void Blame::TakeKeys(PartyId from, proto::ByteSpan said, Revealed& revealed) const {
  const ReplicatedSets& sets = *context_.sets;
  for (SetIndex set = 0; set < sets.count(); ++set) {
    if (!sets.Contains(set, from)) continue;
    ReplicatedKeys::Key key;
    std::ranges::copy(said.first(key.size()), key.begin());
    said = said.subspan(key.size());
    if (revealed.keys[set]) continue;
    if (++revealed.tallies[set][key] == context_.committee.validity()) revealed.keys[set] = key;
  }
}

ReplicatedKeys Blame::KeysOf(PartyId party, const Revealed& revealed) const {
  const ReplicatedSets& sets = *context_.sets;
  auto keys = revealed.keys;
  for (SetIndex set = 0; set < sets.count(); ++set) {
    if (!sets.Contains(set, party)) keys[set].reset();
  }
  auto held = ReplicatedKeys::From(sets, party, std::move(keys));
  CHECK(held.has_value());
  return std::move(*held);
}

void Blame::MakeParties() {
  const auto known = [](const Revealed& revealed) {
    return std::ranges::all_of(revealed.keys, [](const auto& key) { return key.has_value(); });
  };
  if (!known(own_keys_) || !known(mask_keys_)) return;
  for (std::uint16_t i = 0; i < context_.committee.size(); ++i) {
    std::optional<ReplicatedKeys> masks;
    if (segment_.masks) masks = KeysOf(PartyId{i}, mask_keys_);
    parties_.push_back({std::make_unique<Preprocessor>(
                            *context_.sets, KeysOf(PartyId{i}, own_keys_), std::move(masks), *plan_,
                            context_.epoch, attempt_, segment_, excluded_),
                        nullptr});
  }
}

// ---- what was fixed

void Blame::On(PartyId from, const proto::FetchLayer& message, Step& step) {
  if (message.layer >= layers_.size() || from == context_.self) return;
  if (++answers_[{from, message.layer}] > kBlameAnswersMax) return;
  const std::uint32_t layer = message.layer;
  if (fixed_.Holds(layer)) {
    step.Send({from}, proto::LayerValues{attempt_, layer, EncodeElements(fixed_.opened()[layer])});
  }
  if (!layers_[layer].signatures.empty()) {
    step.Send({from}, proto::LayerSenders{attempt_, layer, layers_[layer].signatures});
  }
}

void Blame::On(PartyId from, const proto::LayerValues& message, Step& step) {
  if (message.layer >= layers_.size() || fixed_.Holds(message.layer)) return;
  if (!fixed_.Adopt(message.layer, message.values)) {
    return step.Blame(from, FaultKind::kInconsistent);
  }
  Advance(step);
}

void Blame::On(PartyId from, const proto::LayerSenders& message, Step& step) {
  if (message.layer >= layers_.size()) return;
  BlamedLayer& layer = layers_[message.layer];
  if (!layer.signatures.empty()) return;
  if (SendersDigest(message.senders) != layer.senders) {
    return step.Blame(from, FaultKind::kInconsistent);
  }
  layer.signatures = message.senders;
  Advance(step);
}

void Blame::On(PartyId from, const proto::CoinShareMessage& message, Step& step) {
  if (message.step >= challenges_.count()) return step.Blame(from, FaultKind::kMalformed);
  challenges_.Add(from, message, step.faults);
  Advance(step);
}

// ---- what it had to be

bool Blame::Ready() const {
  if (parties_.empty() || layers_[next_].signatures.empty() || fixed_.held() < next_) return false;
  return next_ < product_layers() || challenges_.coin(next_ - product_layers()).has_value();
}

void Blame::Advance(Step& step) {
  while (!found_ && next_ < layers_.size() && Ready()) {
    if (auto finding = Examine()) {
      found_ = true;
      step.outputs.push_back(std::move(*finding));
    }
    ++next_;
  }
}

std::vector<Fp> Blame::Expected(PartyId party) {
  Party& member = parties_[Index(party)];
  if (next_ < product_layers()) return member.preprocessor->Message(next_, fixed_.opened());
  if (!member.compression) {
    member.compression = std::make_unique<Compression>(context_, attempt_, *member.preprocessor,
                                                       fixed_.opened(), *challenges_.coin(0));
  }
  while (product_layers() + member.compression->step() < next_) {
    const std::uint32_t done = member.compression->step();
    member.compression->Fold(fixed_.opened()[product_layers() + done], *challenges_.coin(done + 1));
  }
  return member.compression->Message();
}

std::optional<proto::Finding> Blame::Examine() {
  const std::vector<proto::SignedRoot>& senders = layers_[next_].signatures;
  proto::Finding finding{attempt_, next_, senders, {}, {}};
  std::vector<Fp> points;
  for (const proto::SignedRoot& sender : senders) points.push_back(Point(sender.party));
  const std::vector<Fp> at_zero = LagrangeCoefficients(points, Fp());
  std::vector<Fp> right(fixed_.size(next_));
  bool lied = false;
  for (std::size_t i = 0; i < senders.size(); ++i) {
    const std::vector<Fp> vector = Expected(senders[i].party);
    finding.expected.push_back(RootOf(vector));
    lied = lied || finding.expected.back() != senders[i].root;
    const UInt128* const shares = Integers(vector.data());
    AddCombination(std::span(at_zero).subspan(i, 1), std::span(&shares, 1), right.size(),
                   right.data());
  }
  if (lied) return finding;
  finding.expected_root = RootOf(right);
  if (finding.expected_root == layers_[next_].root) return {};
  return finding;
}

}  // namespace mpc
