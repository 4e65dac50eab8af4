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
             std::vector<BlamedLayer> layers, std::vector<PartyId> excluded)
    : context_(context),
      plan_(std::move(plan)),
      attempt_(attempt),
      excluded_(std::move(excluded)),
      plan_layers_(*plan_, context.sets->count()),
      layers_(std::move(layers)),
      fixed_(LayerSizes(*plan_, context.committee)),
      challenges_(context, attempt, fixed_.count() - product_layers() + 1),
      revealed_(context.committee.size()),
      tallies_(context.sets->count()),
      keys_(context.sets->count()) {
  CHECK(layers_.size() <= fixed_.count());
  for (std::uint32_t layer = 0; layer < layers_.size(); ++layer) {
    BlamedLayer& known = layers_[layer];
    fixed_.Fix(known.root);
    if (!known.values.empty()) fixed_.Adopt(layer, std::exchange(known.values, {}));
    if (SendersDigest(known.signatures) != known.senders) known.signatures.clear();
  }
  own_.attempt = attempt;
  const ReplicatedKeys own = context.replicated->ForAttempt(context.epoch, attempt);
  for (const auto& key : own.keys()) {
    if (key) own_.keys.insert(own_.keys.end(), key->begin(), key->end());
  }
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
  if (revealed_[Index(from)]) return;
  revealed_[Index(from)] = true;
  const ReplicatedSets& sets = *context_.sets;
  std::size_t count = 0;
  for (SetIndex set = 0; set < sets.count(); ++set) count += sets.Contains(set, from) ? 1 : 0;
  if (message.keys.size() != count * proto::kSetKeyBytes) {
    return step.Blame(from, FaultKind::kMalformed);
  }
  auto next = message.keys.begin();
  for (SetIndex set = 0; set < sets.count(); ++set) {
    if (!sets.Contains(set, from)) continue;
    ReplicatedKeys::Key key;
    std::copy_n(next, key.size(), key.begin());
    next += static_cast<std::ptrdiff_t>(key.size());
    TakeKey(set, key);
  }
  if (parties_.empty()) MakeParties();
  Advance(step);
}

void Blame::TakeKey(SetIndex set, const ReplicatedKeys::Key& key) {
  if (keys_[set]) return;
  if (++tallies_[set][key] == context_.committee.validity()) keys_[set] = key;
}

void Blame::MakeParties() {
  if (!std::ranges::all_of(keys_, [](const auto& key) { return key.has_value(); })) return;
  const ReplicatedSets& sets = *context_.sets;
  for (std::uint16_t i = 0; i < context_.committee.size(); ++i) {
    auto keys = keys_;
    for (SetIndex set = 0; set < sets.count(); ++set) {
      if (!sets.Contains(set, PartyId{i})) keys[set].reset();
    }
    auto held = ReplicatedKeys::From(sets, PartyId{i}, std::move(keys));
    CHECK(held.has_value());
    parties_.push_back({std::make_unique<Preprocessor>(sets, std::move(*held), *plan_,
                                                       context_.epoch, attempt_, excluded_),
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
