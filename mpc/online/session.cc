#include "mpc/online/session.h"

#include <algorithm>
#include <span>
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
proto::ByteSpan Encoding(std::span<const Fp> elements) {
  static_assert(sizeof(Fp) == Fp::kBytes);
  return {reinterpret_cast<const std::uint8_t*>(elements.data()), elements.size_bytes()};
}

Digest NextTranscript(const Digest& transcript, std::uint32_t round, std::span<const Fp> values) {
  return proto::Hasher("waxseal/mpc/online-round")
      .Add(transcript.span())
      .Add(std::uint64_t{round})
      .Add(proto::MerkleRootOfBytes(Encoding(values)).span())
      .Finish();
}

}  // namespace

Session::Session(const PartyContext& context, std::shared_ptr<const Plan> plan, Bundle bundle,
                 std::uint64_t request, std::vector<std::uint32_t> masked_tokens, bool until_end,
                 std::uint64_t batch_saving_min)
    : context_(context),
      request_(request),
      transcript_(FirstTranscript(context, bundle, request, masked_tokens, until_end)),
      evaluator_(std::move(plan), std::move(bundle), std::move(masked_tokens),
                 context.sets->count(), until_end),
      exchanges_(Exchanges(evaluator_, context.committee, batch_saving_min)),
      peers_(context.committee.size()) {
  CHECK(exchanges_.size() <= proto::kExchangesMax);
  for (Peer& peer : peers_) peer.resends.resize(exchanges_.size());
}

std::vector<Session::Exchange> Session::Exchanges(const Evaluator& evaluator,
                                                  const proto::Committee& committee,
                                                  std::uint64_t batch_saving_min) {
  std::vector<Exchange> exchanges;
  for (std::uint32_t round = 0; round < evaluator.rounds(); ++round) {
    const std::size_t size = evaluator.RoundSize(round);
    if (OpensInBatches(committee, size, batch_saving_min)) {
      const std::size_t groups = Batch(committee, size).groups();
      exchanges.push_back({Kind::kBatchShares, round, groups});
      exchanges.push_back({Kind::kBatchValues, round, groups});
    } else {
      exchanges.push_back({Kind::kShares, round, size});
    }
  }
  return exchanges;
}

std::uint32_t Session::RoundOf(std::uint32_t exchange) const {
  return exchange < exchanges_.size() ? exchanges_[exchange].round
                                      : static_cast<std::uint32_t>(evaluator_.rounds());
}

Batch Session::BatchOf(std::uint32_t round) const {
  return {context_.committee, evaluator_.RoundSize(round)};
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
  std::ranges::fill(peers_[Index(peer)].resends, std::uint8_t{0});
  if (!finished_ && peer != context_.self) step.Send(Target{peer}, AskProgress{request_});
  return step;
}

void Session::OnOpening(PartyId from, Opening opening, Step& step) {
  const std::uint32_t number = opening.exchange;
  if (opening.request != request_ || number >= exchanges_.size()) {
    return step.Blame(from, FaultKind::kMalformed);
  }
  Peer& peer = peers_[Index(from)];
  peer.latest = std::max({peer.latest, number, opening.latest});
  if (number + kExchangesBehind < exchange_) return;  // Too late to matter.
  if (finished_ && number >= exchange_) return;       // Not opened here any more.
  if (number > exchange_ + kExchangesAhead) {
    // Too early to keep. That it had been asked for counts no longer.
    peer.asked_until = std::min(peer.asked_until, number);
    return;
  }
  const auto& [kind, round, size] = exchanges_[number];
  const auto receiver = kind == Kind::kBatchShares ? std::optional(context_.self) : std::nullopt;
  if (opening.receiver != receiver || opening.values.size() != size * Fp::kBytes) {
    return step.Blame(from, FaultKind::kMalformed);
  }
  Received& received = received_[number];
  const auto [known, is_first] = received.openings.try_emplace(from, std::move(opening));
  if (!is_first) return OnSecond(from, known->second, opening, step);
  if (!received.decoder) return;  // Before its turn.
  Decode(received, from, step);
  Settle(received);
  if (number == exchange_) PassExchanges(step);
}

void Session::OnSecond(PartyId from, const Opening& first, const Opening& second, Step& step) {
  if (first.values.empty() || second.values == first.values) return;  // Decoded, or sent again.
  if (!IsSigned(from, second)) return step.Blame(from, FaultKind::kBadSignature);
  Convict(from, first, FaultKind::kEquivocation, step);
}

void Session::OnResend(PartyId from, const ResendOpenings& message, Step& step) {
  if (message.request != request_ || message.from_exchange >= exchanges_.size()) {
    return step.Blame(from, FaultKind::kMalformed);
  }
  Peer& peer = peers_[Index(from)];
  const std::size_t end =
      std::min<std::size_t>(own_.size(), std::size_t{message.from_exchange} + kExchangesAhead + 1);
  for (std::size_t i = message.from_exchange; i < end; ++i) {
    if (peer.resends[i] == kResendsMax) return step.Blame(from, FaultKind::kLimit);
    ++peer.resends[i];
    Opening opening = own_[i].For(from);
    opening.latest = static_cast<std::uint32_t>(own_.size() - 1);
    Send(Target{from}, std::move(opening), step);
  }
}

void Session::OnProgress(PartyId from, const Progress& message, Step& step) {
  if (message.request != request_ || message.opened > exchanges_.size()) {
    return step.Blame(from, FaultKind::kMalformed);
  }
  if (finished_ || from == context_.self || message.opened == 0) return;
  Peer& peer = peers_[Index(from)];
  peer.latest = std::max(peer.latest, message.opened - 1);
  // The first exchange whose opening was sent and is not here.
  for (std::uint32_t number = exchange_; number < message.opened; ++number) {
    const auto known = received_.find(number);
    if (known != received_.end() && known->second.openings.count(from) != 0) continue;
    if (number <= exchange_ + kExchangesAhead) return Ask(from, number, step);
    // For its turn. If it had been asked for, the request was lost, or the answer.
    peer.asked_until = std::min(peer.asked_until, number);
    return;
  }
}

void Session::Decode(Received& received, PartyId from, Step& step) {
  const Opening& opening = received.openings.at(from);
  auto elements = DecodeElements(opening.values);
  if (!elements) return Convict(from, opening, FaultKind::kMalformed, step);
  received.decoder->Add(from, std::move(*elements));
  for (const PartyId party : received.decoder->wrong()) {
    if (accused_.count(party) != 0) continue;
    Convict(party, received.openings.at(party), FaultKind::kWrongShare, step);
  }
}

void Session::Settle(Received& received) {
  if (!received.decoder->decoded()) return;
  for (auto& [party, opening] : received.openings) opening.values = proto::Bytes();
}

void Session::PassExchanges(Step& step) {
  const std::uint32_t before = exchange_;
  while (!finished_ && received_[exchange_].decoder->decoded()) {
    const std::span<const Fp> values = received_[exchange_].decoder->values();
    const auto [kind, round, size] = exchanges_[exchange_++];
    if (kind == Kind::kBatchShares) {
      Begin(OwnOpening(context_, request_, exchange_, values), step);
    } else {
      const auto opened = values.first(evaluator_.RoundSize(round));
      transcript_ = NextTranscript(transcript_, round, opened);
      evaluator_.Opened(opened);
      Advance(step);
    }
    if (exchange_ > kExchangesBehind) received_.erase(exchange_ - kExchangesBehind - 1);
  }
  if (finished_ || exchange_ == before) return;
  // Openings of this exchange that were dropped, for they came too early or answered for others.
  for (std::uint16_t i = 0; i < context_.committee.size(); ++i) {
    const PartyId party{i};
    if (party == context_.self || received_[exchange_].openings.count(party) != 0) continue;
    if (peers_[i].latest >= exchange_ && peers_[i].asked_until <= exchange_) {
      Ask(party, exchange_, step);
    }
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
                            round(),
                            exchange_,
                            bytes_sent_});
    return;
  }
  const auto& [kind, round, size] = exchanges_[exchange_];
  Begin(kind == Kind::kShares
            ? OwnOpening(context_, request_, exchange_, *shares)
            : OwnOpening(context_, request_, exchange_, BatchOf(round), std::move(*shares)),
        step);
}

void Session::Begin(OwnOpening own, Step& step) {
  own_.push_back(std::move(own));
  if (own_.back().to_everybody()) {
    Send(kEveryone, own_.back().For(context_.self), step);
  } else {
    for (std::uint16_t i = 0; i < context_.committee.size(); ++i) {
      Send(Target{PartyId{i}}, own_.back().For(PartyId{i}), step);
    }
  }
  const auto& [kind, round, size] = exchanges_[exchange_];
  Received& received = received_[exchange_];
  received.decoder = kind == Kind::kShares        ? RobustDecoder(context_.committee, size)
                     : kind == Kind::kBatchShares ? BatchOf(round).SharesDecoder()
                                                  : BatchOf(round).ValuesDecoder();
  for (const auto& [party, early] : received.openings) Decode(received, party, step);
  Settle(received);
}

void Session::Send(Target target, Opening opening, Step& step) {
  const std::uint64_t others =
      target.party ? (*target.party == context_.self ? 0 : 1) : context_.committee.size() - 1u;
  bytes_sent_ += (opening.values.size() + kOpeningHeadBytes) * others;
  step.Send(target, std::move(opening));
}

void Session::Ask(PartyId peer, std::uint32_t from_exchange, Step& step) {
  peers_[Index(peer)].asked_until = from_exchange + kExchangesAhead + 1;
  step.Send(Target{peer}, ResendOpenings{request_, from_exchange});
}

bool Session::IsSigned(PartyId party, const Opening& opening) const {
  const Digest root = proto::MerkleRootOfBytes(opening.values);
  return proto::Verify(context_.keys[Index(party)], OpeningDigest(context_.chain, opening, root),
                       opening.signature);
}

void Session::Convict(PartyId party, const Opening& opening, FaultKind kind, Step& step) {
  if (!IsSigned(party, opening)) return step.Blame(party, FaultKind::kBadSignature);
  accused_.insert(party);
  step.Blame(party, kind);
}

}  // namespace mpc
