#include "mpc/online/session.h"

#include <algorithm>
#include <utility>

#include "proto/base/check.h"
#include "proto/base/overloaded.h"
#include "proto/crypto/hash.h"
#include "proto/crypto/merkle.h"

namespace mpc {

using proto::AskProgress;
using proto::Digest;
using proto::FaultKind;
using proto::kEveryone;
using proto::Opening;
using proto::PartyId;
using proto::Progress;
using proto::ResendOpenings;
using proto::Target;

namespace {

// What an opening takes besides its values: numbers and signature.
constexpr std::uint64_t kOpeningHeadBytes = 80;

Digest FirstTranscript(const PartyContext& context, const Bundle& bundle, std::uint64_t request,
                       const std::vector<std::uint32_t>& masked_tokens, bool until_end) {
  proto::Hasher hasher("waxseal/mpc/online");
  hasher.Add(context.chain.span()).Add(request).Add(bundle.epoch).Add(bundle.attempt);
  hasher.Add(bundle.plan.span()).Add(std::uint64_t{masked_tokens.size()});
  for (const std::uint32_t token : masked_tokens) hasher.Add(std::uint64_t{token});
  hasher.Add(std::uint64_t{until_end ? 1u : 0u});
  return hasher.Finish();
}

// An element's memory is its encoding (EncodeElements).
proto::ByteSpan Encoding(const std::vector<Fp>& elements) {
  static_assert(sizeof(Fp) == Fp::kBytes);
  return {reinterpret_cast<const std::uint8_t*>(elements.data()), elements.size() * Fp::kBytes};
}

Digest NextTranscript(const Digest& transcript, std::uint32_t round,
                      const std::vector<Fp>& values) {
  return proto::Hasher("waxseal/mpc/online-round")
      .Add(transcript.span())
      .Add(std::uint64_t{round})
      .Add(proto::MerkleRootOfBytes(Encoding(values)).span())
      .Finish();
}

}  // namespace

Digest OpeningDigest(const Digest& chain, std::uint64_t request, std::uint32_t round,
                     const Digest& root) {
  return proto::Hasher("waxseal/mpc/opening")
      .Add(chain.span())
      .Add(request)
      .Add(std::uint64_t{round})
      .Add(root.span())
      .Finish();
}

Session::Session(const PartyContext& context, std::shared_ptr<const Plan> plan, Bundle bundle,
                 std::uint64_t request, std::vector<std::uint32_t> masked_tokens, bool until_end)
    : context_(context),
      request_(request),
      transcript_(FirstTranscript(context, bundle, request, masked_tokens, until_end)),
      evaluator_(std::move(plan), std::move(bundle), std::move(masked_tokens),
                 context.sets->count(), until_end),
      peers_(context.committee.size()) {
  CHECK(evaluator_.rounds() <= proto::kOpeningRoundsMax);
  for (Peer& peer : peers_) peer.resends.resize(evaluator_.rounds());
}

Session::Step Session::Start() {
  CHECK(!started_);
  started_ = true;
  Step step;
  Advance(step);
  for (std::uint16_t i = 0; !finished_ && i < context_.committee.size(); ++i) {
    if (PartyId{i} != context_.self) step.Send(Target{PartyId{i}}, AskProgress{request_});
  }
  return step;
}

Session::Step Session::Handle(PartyId from, Message message) {
  CHECK(started_ && Index(from) < context_.committee.size());
  Step step;
  std::visit(proto::Overloaded{
                 [&](Opening& opening) { OnOpening(from, std::move(opening), step); },
                 [&](const ResendOpenings& resend) { OnResend(from, resend, step); },
                 [&](const AskProgress& ask) {
                   if (ask.request != request_) return step.Blame(from, FaultKind::kMalformed);
                   const auto opened = static_cast<std::uint32_t>(own_.size());
                   step.Send(Target{from}, Progress{request_, opened});
                 },
                 [&](const Progress& progress) { OnProgress(from, progress, step); },
             },
             message);
  return step;
}

Session::Step Session::PeerConnected(PartyId peer) {
  CHECK(started_ && Index(peer) < context_.committee.size());
  Step step;
  if (!finished_ && peer != context_.self) step.Send(Target{peer}, AskProgress{request_});
  return step;
}

void Session::OnOpening(PartyId from, Opening opening, Step& step) {
  if (opening.request != request_ || opening.round >= evaluator_.rounds()) {
    return step.Blame(from, FaultKind::kMalformed);
  }
  Peer& peer = peers_[Index(from)];
  peer.latest = std::max({peer.latest, opening.round, opening.latest});
  if (opening.round + kRoundsBehind < round_) return;  // Too late to matter.
  if (finished_ && opening.round >= round_) return;    // Not opened here any more.
  if (opening.round > round_ + kRoundsAhead) {
    // Too early to keep. That it had been asked for counts no longer.
    peer.asked_until = std::min(peer.asked_until, opening.round);
    return;
  }
  if (opening.values.size() != evaluator_.RoundSize(opening.round) * Fp::kBytes) {
    return step.Blame(from, FaultKind::kMalformed);
  }
  const std::uint32_t number = opening.round;
  Round& round = rounds_[number];
  const auto [known, is_first] = round.openings.try_emplace(from, std::move(opening));
  if (!is_first) return OnSecond(from, known->second, opening, step);
  if (!round.decoder) return;  // Before its turn.
  Decode(round, from, step);
  Settle(round);
  if (number == round_) PassRounds(step);
}

void Session::OnSecond(PartyId from, const Opening& first, const Opening& second, Step& step) {
  if (first.values.empty() || second.values == first.values) return;  // Decoded, or sent again.
  if (!IsSigned(from, second)) return step.Blame(from, FaultKind::kBadSignature);
  Convict(from, first, FaultKind::kEquivocation, step);
}

void Session::OnResend(PartyId from, const ResendOpenings& message, Step& step) {
  if (message.request != request_ || message.from_round >= evaluator_.rounds()) {
    return step.Blame(from, FaultKind::kMalformed);
  }
  Peer& peer = peers_[Index(from)];
  const std::size_t end =
      std::min<std::size_t>(own_.size(), std::size_t{message.from_round} + kRoundsAhead + 1);
  for (std::size_t i = message.from_round; i < end; ++i) {
    if (peer.resends[i] == kResendsMax) return step.Blame(from, FaultKind::kLimit);
    ++peer.resends[i];
    Opening opening = own_[i];
    opening.latest = own_.back().round;
    bytes_sent_ += opening.values.size() + kOpeningHeadBytes;
    step.Send(Target{from}, std::move(opening));
  }
}

void Session::OnProgress(PartyId from, const Progress& message, Step& step) {
  if (message.request != request_ || message.opened > evaluator_.rounds()) {
    return step.Blame(from, FaultKind::kMalformed);
  }
  if (finished_ || from == context_.self || message.opened == 0) return;
  Peer& peer = peers_[Index(from)];
  peer.latest = std::max(peer.latest, message.opened - 1);
  // The first round whose opening was sent and is not here.
  for (std::uint32_t round = round_; round < message.opened; ++round) {
    const auto known = rounds_.find(round);
    if (known == rounds_.end() || known->second.openings.count(from) == 0) {
      if (round <= round_ + kRoundsAhead) Ask(from, round, step);
      return;
    }
  }
}

void Session::Decode(Round& round, PartyId from, Step& step) {
  const Opening& opening = round.openings.at(from);
  auto elements = DecodeElements(opening.values);
  if (!elements) return Convict(from, opening, FaultKind::kMalformed, step);
  round.decoder->Add(from, std::move(*elements));
  for (const PartyId party : round.decoder->wrong()) {
    if (accused_.count(party) != 0) continue;
    Convict(party, round.openings.at(party), FaultKind::kWrongShare, step);
  }
}

void Session::Settle(Round& round) {
  if (!round.decoder->decoded()) return;
  for (auto& [party, opening] : round.openings) opening.values = proto::Bytes();
}

void Session::PassRounds(Step& step) {
  const std::uint32_t before = round_;
  while (!finished_ && rounds_[round_].decoder->decoded()) {
    const std::vector<Fp>& values = rounds_[round_].decoder->values();
    transcript_ = NextTranscript(transcript_, round_, values);
    evaluator_.Opened(values);
    ++round_;
    if (round_ > kRoundsBehind) rounds_.erase(round_ - kRoundsBehind - 1);
    Advance(step);
  }
  if (finished_ || round_ == before) return;
  // Openings of this round that were dropped, for they came too early or answered for other rounds.
  for (std::uint16_t i = 0; i < context_.committee.size(); ++i) {
    const PartyId party{i};
    if (party == context_.self || rounds_[round_].openings.count(party) != 0) continue;
    if (peers_[i].latest >= round_ && peers_[i].asked_until <= round_) Ask(party, round_, step);
  }
}

void Session::Advance(Step& step) {
  auto shares = evaluator_.Advance();
  if (!shares) {
    finished_ = true;
    step.outputs.push_back({transcript_,
                            evaluator_.output(),
                            evaluator_.steps(),
                            {accused_.begin(), accused_.end()},
                            round_,
                            bytes_sent_});
    return;
  }
  Opening opening{request_, round_, round_, EncodeElements(*shares), {}};
  opening.signature = context_.key->Sign(
      OpeningDigest(context_.chain, request_, round_, proto::MerkleRootOfBytes(opening.values)));
  bytes_sent_ += (opening.values.size() + kOpeningHeadBytes) * (context_.committee.size() - 1);
  own_.push_back(opening);
  step.Send(kEveryone, std::move(opening));

  Round& round = rounds_[round_];
  round.decoder.emplace(context_.committee, shares->size());
  for (const auto& [party, early] : round.openings) Decode(round, party, step);
  Settle(round);
}

void Session::Ask(PartyId peer, std::uint32_t from_round, Step& step) {
  peers_[Index(peer)].asked_until = from_round + kRoundsAhead + 1;
  step.Send(Target{peer}, ResendOpenings{request_, from_round});
}

bool Session::IsSigned(PartyId party, const Opening& opening) const {
  const Digest root = proto::MerkleRootOfBytes(opening.values);
  return proto::Verify(context_.keys[Index(party)],
                       OpeningDigest(context_.chain, request_, opening.round, root),
                       opening.signature);
}

void Session::Convict(PartyId party, const Opening& opening, FaultKind kind, Step& step) {
  if (!IsSigned(party, opening)) return step.Blame(party, FaultKind::kBadSignature);
  accused_.insert(party);
  step.Blame(party, kind);
}

}  // namespace mpc
