#include "mpc/preprocessing/attempt.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <string>
#include <utility>

#include "proto/attempt.h"
#include "proto/base/check.h"
#include "proto/base/overloaded.h"
#include "proto/crypto/merkle.h"

namespace mpc {

using proto::FaultKind;
using proto::kEveryone;
using proto::PartyId;

namespace {

proto::Result<> CheckSizes(const std::vector<std::size_t>& sizes) {
  if (sizes.size() >= proto::kAttemptLayersMax) {
    return proto::Fail(proto::ErrorCode::kExhausted,
                       "a bundle of this model takes " + std::to_string(sizes.size()) +
                           " layers of preprocessing; the limit is " +
                           std::to_string(proto::kAttemptLayersMax - 1));
  }
  const std::size_t widest = *std::max_element(sizes.begin(), sizes.end());
  if (widest > proto::kLayerBytesMax / Fp::kBytes) {
    return proto::Fail(proto::ErrorCode::kExhausted,
                       "a bundle of this model opens " + std::to_string(widest) +
                           " values in one layer of preprocessing; the limit is " +
                           std::to_string(proto::kLayerBytesMax / Fp::kBytes));
  }
  return {};
}

// LayerSizes of each segment's attempt.
std::vector<std::vector<std::size_t>> SegmentSizes(const Plan& plan,
                                                   const proto::Committee& committee,
                                                   std::uint64_t values) {
  const std::size_t sets = ReplicatedSets(committee).count();
  std::vector<std::vector<std::size_t>> sizes;
  for (const Segment& segment : CutPlan(plan, sets, values, 0)) {
    sizes.push_back(LayerSizes(Layers(plan, sets, segment)));
  }
  return sizes;
}

}  // namespace

std::vector<std::size_t> LayerSizes(const Layers& layers) {
  std::vector<std::size_t> sizes;
  for (std::uint32_t layer = 0; layer < layers.depth(); ++layer) {
    sizes.push_back(layers.size(layer));
  }
  const std::vector<std::size_t> steps = CompressionSizes(layers.pairs());
  sizes.insert(sizes.end(), steps.begin(), steps.end());
  return sizes;
}

std::uint64_t PreprocessingBytes(const Layers& layers, const proto::Committee& committee) {
  const std::uint64_t others = committee.quorum() - 1u;
  const std::vector<std::size_t> sizes = LayerSizes(layers);
  std::uint64_t elements = 0;
  for (std::uint32_t layer = 0; layer < sizes.size(); ++layer) {
    const bool to_all = layer >= layers.depth() || layers.Public(layer);
    elements += sizes[layer] * (others + (to_all ? committee.size() - 1u : others));
  }
  return elements * Fp::kBytes;
}

std::vector<std::size_t> LayerSizes(const Plan& plan, const proto::Committee& committee) {
  return LayerSizes(Layers(plan, ReplicatedSets(committee).count()));
}

std::vector<std::uint32_t> SegmentLayers(const Plan& plan, const proto::Committee& committee,
                                         std::uint64_t values) {
  std::vector<std::uint32_t> layers;
  for (const std::vector<std::size_t>& sizes : SegmentSizes(plan, committee, values)) {
    layers.push_back(static_cast<std::uint32_t>(sizes.size()));
  }
  return layers;
}

double PreprocessingLeakageBits(const Plan& plan, const proto::Committee& committee) {
  const ReplicatedSets sets(committee);
  const Layers layers(plan, sets.count());
  double distance = 0;
  for (ReductionId id = 0; id < layers.reductions(); ++id) {
    const Reduction& reduction = layers.reduction(id);
    if (reduction.masking != Masking::kBounded) continue;
    // Phases are at most 2^drop in size, and a little; their complex products below 2^(2 drop + 1).
    distance += static_cast<double>(reduction.claims) *
                std::exp2(2.0 * reduction.drop + 2 - static_cast<double>(sets.mask_bits()));
  }
  return -std::log2(distance);
}

double InferenceLeakageBits(const Plan& plan, const proto::Committee& committee) {
  const double offline = PreprocessingLeakageBits(plan, committee);
  const double online = LeakageBits(plan, ReplicatedSets(committee).mask_bits());
  return -std::log2(std::exp2(-offline) + std::exp2(-online));
}

proto::Result<> CheckPreprocessing(const Plan& plan, const proto::Committee& committee,
                                   std::uint64_t segment_values) {
  for (const std::vector<std::size_t>& sizes : SegmentSizes(plan, committee, segment_values)) {
    if (auto ok = CheckSizes(sizes); !ok) return ok;
  }
  const double bits = InferenceLeakageBits(plan, committee);
  if (bits < kLeakageBitsMin) {
    char text[192];
    std::snprintf(text, sizeof text,
                  "an inference by a committee of %u would leak 2^-%.1f of statistical distance, "
                  "more than 2^-%.0f: its ranges or its phase bits are too wide for its masks",
                  unsigned{committee.size()}, bits, kLeakageBitsMin);
    return proto::Fail(proto::ErrorCode::kInvalidArgument, text);
  }
  return {};
}

std::vector<PartyId> KingsOf(const ReplicatedSets& sets, std::uint64_t attempt,
                             const std::vector<PartyId>& excluded) {
  const std::uint16_t n = sets.committee().size();
  std::vector<PartyId> kings;
  for (std::uint16_t rank = 0; rank < n; ++rank) {
    const auto king = static_cast<PartyId>((attempt + rank) % n);
    if (std::ranges::count(excluded, king) == 0) kings.push_back(king);
  }
  const SetIndex holders = HoldersOf(sets, attempt, excluded);
  std::stable_partition(kings.begin(), kings.end(),
                        [&](PartyId king) { return sets.Contains(holders, king); });
  return kings;
}

Attempt::Attempt(const PartyContext& context, std::shared_ptr<const Plan> plan,
                 proto::Digest plan_digest, std::uint64_t attempt,
                 std::vector<proto::Bytes> known_layers, const Segment& segment,
                 const std::vector<PartyId>& excluded)
    : context_(context),
      plan_(std::move(plan)),
      plan_digest_(plan_digest),
      attempt_(attempt),
      preprocessor_(context, *plan_, attempt, segment, excluded),
      known_(std::move(known_layers)),
      layers_(LayerSizes(preprocessor_.layers())),
      challenges_(context, attempt, layers_.count() - product_layers() + 1),
      opened_by_(context.committee.size()),
      triple_(context.committee, proto::kOpeningElements) {
  const proto::Committee& committee = context.committee;
  CHECK(committee.quorum() == Agreement(committee));  // n = 3t + 1
  CHECK(CheckSizes(LayerSizes(preprocessor_.layers())).has_value());
  CHECK(known_.size() <= layers_.count());
  std::size_t values = 0;
  for (std::uint32_t layer = 0; layer < product_layers(); ++layer) values += layers_.size(layer);
  if (values <= kKeptValuesMax) kept_ = std::make_unique<KeptShares>();
  CHECK(excluded.size() <= committee.max_faulty());
  trusted_.assign(committee.size(), true);
  for (const PartyId party : excluded) trusted_[Index(party)] = false;
  kings_ = KingsOf(*context.sets, attempt, excluded);
  const SetIndex holders = preprocessor_.reductions().holders();
  for (std::uint16_t i = 0; i < committee.size(); ++i) {
    first_senders_.push_back(context.sets->Contains(holders, PartyId{i}));
  }
  std::vector<bool> needed;
  for (std::uint32_t layer = 0; layer < layers_.count(); ++layer) {
    needed.push_back(Public(layer) || first_senders_[Index(context.self)]);
  }
  layers_ = FixedLayers(LayerSizes(preprocessor_.layers()), std::move(needed));
  senders_allowed_ = context.self == KingOf(0) ? first_senders_ : trusted_;
}

Attempt::~Attempt() {
  Erase();
}

void Attempt::Erase() {
  const auto erase = [](auto& values) {
    proto::SecureErase(values.data(), values.size() * sizeof values[0]);
  };
  if (round_.vector) erase(round_.vector->values);
  if (opening_) erase(opening_->values);
  for (auto& [party, held] : held_) {
    if (held.vector) erase(held.vector->values);
  }
  round_ = {};
  held_.clear();
  opening_.reset();
  compression_.reset();
  kept_.reset();
}

// ---- where this member stands

Place Attempt::PlaceOf(std::uint32_t layer) const {
  return {context_.chain, context_.epoch, attempt_, layer, layers_.transcript(layer)};
}

PartyId Attempt::KingOf(std::uint32_t rank) const {
  return kings_[rank];
}

bool Attempt::Engaged(PartyId king) const {
  for (std::uint32_t rank = 0; rank < engaged_; ++rank) {
    if (KingOf(rank) == king) return true;
  }
  return false;
}

bool Attempt::SendsTo(PartyId king) const {
  if (!trusted_[Index(context_.self)] || !Engaged(king)) return false;
  return engaged_ > 1 || first_senders_[Index(context_.self)];
}

// ---- inputs

Attempt::Step Attempt::Start() {
  CHECK(!started_);
  started_ = true;
  Step step;
  if (state_ != State::kRunning) return step;
  ReleaseChallenges(step);
  BeginRound(step);
  FetchMissing(step);
  return step;
}

Attempt::Step Attempt::Handle(PartyId from, Message message) {
  CHECK(started_ && Index(from) < context_.committee.size());
  Step step;
  if (state_ == State::kDead) return step;
  std::visit(
      [&](auto& m) {
        if (m.attempt != attempt_) return step.Blame(from, FaultKind::kMalformed);
        On(from, std::move(m), step);
      },
      message);
  return step;
}

Attempt::Step Attempt::OnLayerFixed(std::uint32_t layer, proto::Digest root,
                                    proto::ByteSpan known) {
  CHECK(layer == layers_.fixed() && layer < layers_.count());
  Step step;
  if (state_ == State::kDead) return step;
  layers_.Fix(root);
  progress_ = true;
  ForgiveFirstKing(root);
  if (const auto it = round_.candidates.find(root); it != round_.candidates.end()) {
    layers_.Hold(layer, std::move(it->second));
  } else if (layer < known_.size()) {
    layers_.Adopt(layer, known_[layer]);
    known_[layer] = proto::Bytes();
  } else if (!known.empty()) {
    layers_.Adopt(layer, known);
  }
  if (!started_) return step;
  if (layers_.Holds(layer)) OnHeld(layer, step);
  if (Lacks(layer)) Fetch(layer, step);
  ReleaseChallenges(step);
  BeginRound(step);
  return step;
}

Attempt::Step Attempt::OnVerdict(bool certified) {
  CHECK(started_ && state_ == State::kRunning);
  Step step;
  Erase();
  state_ = certified ? State::kCertified : State::kDead;
  if (certified) {
    CHECK(layers_.fixed() == layers_.count());
    MakeBundle(step);
  } else {
    layers_ = FixedLayers(LayerSizes(preprocessor_.layers()));
    openings_.clear();
  }
  return step;
}

Attempt::Step Attempt::Tick() {
  Step step;
  if (!started_ || state_ == State::kDead) return step;
  if (std::exchange(progress_, false)) idle_ticks_ = 0;
  if (++idle_ticks_ < kTicksOfPatience << second_chances_) return step;
  idle_ticks_ = 0;
  FetchMissing(step);
  if (state_ != State::kRunning || judged_) return step;
  if (layers_.fixed() == layers_.count() || engaged_ == kings_.size()) {
    // Everybody has been tried: something was lost.
    step.Send(kEveryone, proto::FetchLayer{attempt_, layers_.fixed()});
  } else {
    const bool withheld = !SendsTo(KingOf(0));
    const PartyId king = KingOf(engaged_++);
    if (round_.vector) {
      if (withheld && SendsTo(KingOf(0))) step.Send({KingOf(0)}, *round_.vector);
      if (SendsTo(king)) step.Send({king}, *round_.vector);
    } else {
      SendVector(step);
    }
    TakeHeld(king, step);
    // Some holder does not echo: now everybody is asked to.
    if (round_.king && round_.king->layer()) SendKingLayer(step);
  }
  if (round_.king && !round_.king->layer()) {
    senders_allowed_ = trusted_;
    ServeAsKing(step);
  }
  return step;
}

Attempt::Step Attempt::PeerConnected(PartyId party) {
  CHECK(Index(party) < context_.committee.size());
  Step step;
  if (!started_ || state_ == State::kDead) return step;
  std::erase_if(answers_, [&](const auto& answer) { return answer.first.first == party; });
  for (const auto& [layer, asked] : asked_) {
    if (asked == party) step.Send({party}, proto::FetchLayer{attempt_, layer});
  }
  SendAgain(party, step);
  return step;
}

// ---- the present layer

void Attempt::BeginRound(Step& step) {
  if (state_ != State::kRunning) return;
  if (round_.vector) {
    proto::SecureErase(round_.vector->values.data(), round_.vector->values.size());
  }
  round_ = {};
  const std::uint32_t layer = layers_.fixed();
  if (layer < layers_.count()) {
    round_.king = std::make_unique<LayerKing>(context_, PlaceOf(layer), layers_.size(layer));
    for (std::uint16_t i = 0; i < context_.committee.size(); ++i) TakeHeld(PartyId{i}, step);
  }
  Advance(step);
}

void Attempt::Advance(Step& step) {
  if (state_ != State::kRunning) return;
  Compress();
  SendVector(step);
  OpenTriple(step);
  if (layers_.fixed() < layers_.count()) return;
  for (auto& [from, opening] : std::exchange(openings_, {})) CheckOpening(from, opening, step);
}

void Attempt::SendVector(Step& step) {
  const std::uint32_t layer = layers_.fixed();
  // A layer known from disk is fixed: the host is about to say so.
  if (layer == layers_.count() || round_.vector || layer < known_.size()) return;
  if (layers_.held() < layer) return;
  // Not computed before a king wants it.
  bool wanted = false;
  for (std::uint32_t rank = 0; rank < engaged_; ++rank) wanted = wanted || SendsTo(KingOf(rank));
  if (!wanted) return;
  std::vector<Fp> message;
  if (layer < product_layers()) {
    message = preprocessor_.Message(layer, layers_.opened(), kept_.get());
  } else if (compression_ && compression_->step() == layer - product_layers()) {
    message = compression_->Message();
  } else {
    return;
  }
  proto::LayerVector vector{attempt_, layer, EncodeElements(message), {}};
  proto::SecureErase(message.data(), message.size() * sizeof(Fp));
  round_.vector_root = proto::MerkleRootOfBytes(vector.values);
  vector.signature = context_.key->Sign(VectorDigest(PlaceOf(layer), round_.vector_root));
  for (std::uint32_t rank = 0; rank < engaged_; ++rank) {
    if (SendsTo(KingOf(rank))) step.Send({KingOf(rank)}, vector);
  }
  round_.vector = std::move(vector);
}

// Hashed before, where this member's own words come back to it.
proto::Digest Attempt::RootOf(const proto::Bytes& values) const {
  if (round_.vector && values == round_.vector->values) return round_.vector_root;
  if (round_.king->layer() && values == round_.king->layer()->values) return round_.king->root();
  return proto::MerkleRootOfBytes(values);
}

void Attempt::On(PartyId from, proto::LayerVector message, Step& step) {
  if (state_ != State::kRunning) return;
  if (message.layer >= layers_.count() || message.values.size() != layers_.bytes(message.layer)) {
    return step.Blame(from, FaultKind::kMalformed);
  }
  if (message.layer < layers_.fixed()) return;
  if (message.layer > layers_.fixed()) {
    auto& held = held_[from].vector;
    if (!held || held->layer < message.layer) held = std::move(message);
    return;
  }
  if (round_.king->Has(from)) {
    if (++round_.repetitions[from] > kRepetitionsMax) return;
    const proto::Digest root = proto::MerkleRootOfBytes(message.values);
    if (Verify(context_.keys[Index(from)], VectorDigest(PlaceOf(message.layer), root),
               message.signature)) {
      Witness({from, root, message.signature}, step);
    }
    return;
  }
  const proto::Digest root = RootOf(message.values);
  if (const auto fault = round_.king->AddVector(from, message, root)) {
    return step.Blame(from, *fault);
  }
  Witness(round_.king->Signed(from), step);
  progress_ = true;
  ServeAsKing(step);
}

void Attempt::ServeAsKing(Step& step) {
  if (!round_.king || !round_.king->Make(senders_allowed_)) return;
  senders_allowed_ = round_.king->Senders();  // They answer: the next layer's, too.
  SendKingLayer(step);
}

void Attempt::SendKingLayer(Step& step) const {
  const proto::KingLayer& layer = *round_.king->layer();
  if (Public(layer.layer) || engaged_ > 1) return step.Send(kEveryone, layer);
  for (std::uint16_t i = 0; i < context_.committee.size(); ++i) {
    if (first_senders_[i]) step.Send({PartyId{i}}, layer);
  }
}

void Attempt::On(PartyId from, proto::KingLayer message, Step& step) {
  if (state_ != State::kRunning) return;
  if (message.layer >= layers_.count() || message.values.size() != layers_.bytes(message.layer)) {
    return step.Blame(from, FaultKind::kMalformed);
  }
  if (message.layer < layers_.fixed()) return;
  if (message.layer > layers_.fixed() || !Engaged(from)) {
    auto& held = held_[from].layer;
    if (!held || held->layer <= message.layer) held = std::move(message);
    return;
  }
  AcceptKingLayer(from, std::move(message), step);
}

void Attempt::TakeHeld(PartyId from, Step& step) {
  auto node = held_.extract(from);
  if (node.empty()) return;
  Held& held = node.mapped();
  if (held.vector) On(from, std::move(*held.vector), step);
  if (held.layer) On(from, std::move(*held.layer), step);
}

void Attempt::ForgiveFirstKing(const proto::Digest& fixed_root) {
  if (engaged_ == 1) return;
  // Outside the holders nothing may be heard of it.
  const bool told = first_senders_[Index(context_.self)] || Public(layers_.fixed() - 1);
  if ((told || round_.first_choice) && round_.first_choice != fixed_root) return;
  if (second_chances_ == kSecondChancesMax) return;
  ++second_chances_;
  engaged_ = 1;
}

bool Attempt::SendersVouch(const proto::KingLayer& message) const {
  if (message.senders.size() != context_.committee.quorum()) return false;
  const Place place = PlaceOf(message.layer);
  for (std::size_t i = 0; i < message.senders.size(); ++i) {
    const auto& [party, root, signature] = message.senders[i];
    if (Index(party) >= context_.committee.size() || !trusted_[Index(party)]) return false;
    if (i > 0 && party <= message.senders[i - 1].party) return false;
    if (!Verify(context_.keys[Index(party)], VectorDigest(place, root), signature)) return false;
  }
  return true;
}

void Attempt::Witness(const proto::SignedRoot& signed_root, Step& step) {
  const auto [first, added] = round_.signed_roots.try_emplace(signed_root.party, signed_root);
  if (added || first->second.root == signed_root.root) return;
  if (!round_.equivocators.insert(signed_root.party).second) return;
  step.Blame(signed_root.party, FaultKind::kEquivocation);
  step.outputs.push_back(Equivocation{PlaceOf(layers_.fixed()), first->second, signed_root});
}

void Attempt::AcceptKingLayer(PartyId king, proto::KingLayer message, Step& step) {
  Round::FromKing& from_king = round_.kings[king];
  if (++from_king.layers > kKingLayersMax) return step.Blame(king, FaultKind::kLimit);
  if (!SendersVouch(message)) return step.Blame(king, FaultKind::kBadSignature);
  for (const proto::SignedRoot& sender : message.senders) Witness(sender, step);
  const proto::Digest root = RootOf(message.values);
  if (std::ranges::count(from_king.roots, root) == 0) {
    if (from_king.roots.size() == kKingValuesMax) return step.Blame(king, FaultKind::kLimit);
    from_king.roots.push_back(root);
  }
  if (round_.candidates.count(root) == 0) {
    auto values = DecodeElements(message.values);
    if (!values) return step.Blame(king, FaultKind::kMalformed);
    round_.candidates.emplace(root, std::move(*values));
    step.outputs.push_back(LayerKnown{message.layer, root, std::move(message.values)});
  }
  progress_ = true;
  if (king == KingOf(0) && std::ranges::all_of(message.senders, [&](const auto& sender) {
        return first_senders_[Index(sender.party)];
      })) {
    round_.first_choice = root;
  }
  const proto::Digest senders = SendersDigest(message.senders);
  step.outputs.push_back(SendersKnown{message.layer, senders, message.senders});
  const proto::Digest digest = proto::EchoDigest(context_.chain, context_.epoch, attempt_,
                                                 message.layer, king, root, senders);
  proto::Echo echo{attempt_, message.layer, king, root, senders, context_.key->Sign(digest)};
  step.Send({king}, echo);
  std::erase_if(round_.echoes, [&](const proto::Echo& sent) { return sent.king == king; });
  round_.echoes.push_back(std::move(echo));
}

void Attempt::On(PartyId from, const proto::Echo& message, Step& step) {
  if (message.layer >= layers_.count() || message.king != context_.self) {
    return step.Blame(from, FaultKind::kMalformed);
  }
  // One of a later layer was meant for this king before a restart.
  if (state_ != State::kRunning || message.layer != layers_.fixed()) return;
  if (const auto fault = round_.king->AddEcho(from, message)) return step.Blame(from, *fault);
  if (auto certificate = round_.king->TakeCertificate()) {
    progress_ = true;
    step.outputs.push_back(PostCertificate{std::move(*certificate)});
  }
}

}  // namespace mpc
