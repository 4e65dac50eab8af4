#include "node/ceremony/genesis_ceremony.h"

#include <algorithm>
#include <utility>

#include "proto/base/check.h"
#include "proto/base/overloaded.h"
#include "proto/crypto/dealing.h"
#include "proto/crypto/hash.h"

namespace node::genesis {

using proto::Bytes;
using proto::Digest;
using proto::Genesis;
using proto::kEveryone;
using proto::PartyId;
using proto::Signature;
using proto::Target;

namespace {

constexpr std::uint64_t kFirstEpoch = 1;

// What a message is called when its author is told of.
const char* NameOf(const Commitment&) {
  return "commitments";
}
const char* NameOf(const Echo&) {
  return "echoes";
}
const char* NameOf(const Showing&) {
  return "dealings";
}
const char* NameOf(const SealedParts&) {
  return "key parts";
}
const char* NameOf(const Agreement&) {
  return "signatures of the genesis document";
}

proto::SecretKey SecretKeyFrom(Bytes seed) {
  for (;;) {  // Once, but for a probability of 2^-128.
    auto key = proto::SecretKey::From(seed);
    const Digest next = proto::Hash("waxseal/genesis/next", {seed});
    seed.assign(next.bytes.begin(), next.bytes.end());
    if (key) {
      proto::SecureErase(seed.data(), seed.size());
      return std::move(*key);
    }
  }
}

}  // namespace

Digest ProposalId(const Genesis& proposal) {
  return proto::Hash("waxseal/genesis/proposal", {proto::AsBytes(FormatGenesis(proposal))});
}

Ceremony::Ceremony(Setup setup)
    : proposal_(std::move(setup.proposal)),
      proposal_id_(ProposalId(proposal_)),
      committee_(proposal_.committee()),
      self_(setup.self),
      key_(std::move(setup.key)),
      members_(setup.members),
      keys_(proposal_.keys()),
      signed_before_(std::move(setup.signed_before)),
      adopted_(setup.adopted),
      sets_(proto::Committee(setup.members)),
      heard_(proposal_.validators.size()),
      entropy_(std::move(setup.entropy)) {
  CHECK(Index(self_) < committee_.size() && keys_[Index(self_)] == key_.public_key());
  CHECK(members_ <= committee_.size() && entropy_.size() == 32);
  CHECK(signed_before_ || !adopted_);
}

Ceremony::~Ceremony() {
  EraseSecrets();
}

const std::string& Ceremony::name(PartyId party) const {
  return proposal_.validators[Index(party)].name;
}

std::vector<PartyId> Ceremony::parties() const {
  std::vector<PartyId> all;
  for (std::uint16_t i = 0; i < committee_.size(); ++i) all.push_back(PartyId{i});
  return all;
}

Bytes Ceremony::Derive(std::string_view purpose, std::uint64_t index) const {
  CHECK(!entropy_.empty());
  const Digest derived = proto::Hasher("waxseal/genesis/derive")
                             .Add(entropy_)
                             .Add(session_.bytes)
                             .AddSized(proto::AsBytes(purpose))
                             .Add(index)
                             .Finish();
  return Bytes(derived.bytes.begin(), derived.bytes.end());
}

Digest Ceremony::DealingContext(PartyId dealer) const {
  return proto::Hasher("waxseal/genesis/coin")
      .Add(session_.bytes)
      .Add(kFirstEpoch)
      .Add(std::uint64_t{Index(dealer)})
      .Finish();
}

Digest Ceremony::PartsContext() const {
  return proto::Hasher("waxseal/genesis/parts").Add(session_.bytes).Add(kFirstEpoch).Finish();
}

void Ceremony::EraseSecrets() {
  proto::SecureErase(entropy_.data(), entropy_.size());
  entropy_.clear();
  ephemeral_.reset();
  contribution_.reset();
  for (auto& [author, parts] : parts_) {
    EraseParts(parts);
  }
  parts_.clear();
}

// ---- what is said and heard ---------------------------------------------------------------------

void Ceremony::Say(Step& step, Target target, Message message) {
  // Of openings only the last counts.
  if (std::holds_alternative<Opening>(message)) said_.clear();
  said_.push_back({target, message});
  step.Send(target, std::move(message));
}

Ceremony::Step Ceremony::PeerConnected(PartyId peer) {
  Step step;
  for (const auto& [target, message] : said_) {
    if (target.Includes(peer)) step.Send({peer}, message);
  }
  return step;
}

Ceremony::Step Ceremony::Start() {
  Step step;
  SayOpening(step);
  return step;
}

Ceremony::Step Ceremony::Malformed(PartyId peer) {
  Step step;
  Fail(step, peer, "sent what is no message of a ceremony; does its validator run already?");
  return step;
}

Ceremony::Step Ceremony::GiveUp(const std::string& reason) {
  Step step;
  Fail(step, std::nullopt, reason);
  return step;
}

void Ceremony::Fail(Step& step, std::optional<PartyId> culprit, std::string reason) {
  if (stage_ == Stage::kFailed || stage_ == Stage::kAgreed) return;
  stage_ = Stage::kFailed;
  EraseSecrets();
  if (culprit) {
    step.Blame(*culprit, proto::FaultKind::kInconsistent);
    reason = name(*culprit) + " " + reason;
  }
  reason.resize(std::min(reason.size(), kReasonBytesMax));
  said_.clear();
  Say(step, kEveryone, Refusal{session_, reason});
  step.outputs.emplace_back(Failed{culprit, std::move(reason)});
}

template <class T>
void Ceremony::Note(Step& step, PartyId from, std::optional<T>& slot, T message) {
  if (!slot) {
    slot = std::move(message);
  } else if (*slot != message) {
    Fail(step, from, std::string("contradicts itself: it sent two different ") + NameOf(message));
  }
}

Ceremony::Step Ceremony::Handle(PartyId from, Message message) {
  Step step;
  CHECK(Index(from) < heard_.size());
  if (stage_ == Stage::kFailed) return step;
  Heard& heard = heard_[Index(from)];
  std::visit(proto::Overloaded{
                 [&](Opening& m) { OnOpening(step, from, std::move(m)); },
                 [&](Commitment& m) { Note(step, from, heard.commitment, std::move(m)); },
                 [&](Echo& m) { Note(step, from, heard.echo, std::move(m)); },
                 [&](Showing& m) { Note(step, from, heard.showing, std::move(m)); },
                 [&](SealedParts& m) { Note(step, from, heard.parts, std::move(m)); },
                 [&](Agreement& m) { Note(step, from, heard.agreement, std::move(m)); },
                 [&](Certificate& m) { OnCertificate(step, from, m); },
                 [&](Refusal& m) { OnRefusal(step, from, m); },
             },
             message);
  Advance(step);
  return step;
}

void Ceremony::OnOpening(Step& step, PartyId from, Opening opening) {
  if (opening.nonces.size() != heard_.size() || opening.nonce == Digest()) {
    return Fail(step, from, "opened with what cannot be");
  }
  if (opening.proposal != proposal_id_) {
    return Fail(step, from, "joined with another proposal; all must use the same file");
  }
  Heard& heard = heard_[Index(from)];
  const bool anew = !heard.opening || heard.opening->nonce != opening.nonce;
  if (!anew && opening.version <= heard.opening->version) return;
  if (stage_ == Stage::kOpening) {
    if (anew) heard = Heard();
    heard.opening = std::move(opening);
    if (anew) SayOpening(step);
    return;
  }
  if (stage_ == Stage::kAgreed) return;
  if (anew) return Fail(step, from, "was restarted during the ceremony");
  for (const PartyId party : parties()) {
    if (opening.nonces[Index(party)] != heard_[Index(party)].opening->nonce) {
      return Fail(step, party, "was restarted during the ceremony, as " + name(from) + " says");
    }
  }
}

void Ceremony::OnCertificate(Step& step, PartyId from, const Certificate& certificate) {
  if (stage_ != Stage::kAgreeing && stage_ != Stage::kAgreed) return;
  const Digest chain = ChainId(*agreed_);
  if (certificate.chain != chain || certificate.signatures.size() != keys_.size()) {
    return Fail(step, from, "claims to have completed another genesis document");
  }
  for (std::size_t i = 0; i < keys_.size(); ++i) {
    if (!Verify(keys_[i], AgreementDigest(chain), certificate.signatures[i])) {
      return Fail(step, from,
                  "claims a signature that " + proposal_.validators[i].name + " did not make");
    }
  }
  heard_[Index(from)].certified = true;
  if (stage_ == Stage::kAgreeing) Complete(step, certificate.signatures);
}

void Ceremony::OnRefusal(Step& step, PartyId from, const Refusal& refusal) {
  if (from == self_) return;
  // Before the session begins who gives up is awaited again, and nobody else need start anew.
  if (stage_ == Stage::kOpening) {
    heard_[Index(from)] = Heard();
    return;
  }
  if (refusal.session != session_) return;  // Of an earlier run.
  Fail(step, std::nullopt, name(from) + " ended the ceremony: " + refusal.reason);
}

template <class T>
bool Ceremony::AllSaid(std::optional<T> Heard::*slot) const {
  return std::ranges::all_of(heard_, [&](const Heard& heard) { return (heard.*slot).has_value(); });
}

// All openings list the same nonces: those heard.
bool Ceremony::AllOpen() const {
  if (!AllSaid(&Heard::opening)) return false;
  std::vector<Digest> nonces;
  for (const Heard& heard : heard_) nonces.push_back(heard.opening->nonce);
  return std::ranges::all_of(heard_,
                             [&](const Heard& heard) { return heard.opening->nonces == nonces; });
}

void Ceremony::Advance(Step& step) {
  for (;;) {
    const Stage before = stage_;
    switch (stage_) {
      case Stage::kOpening:
        if (AllOpen()) Begin(step);
        break;
      case Stage::kCommitting:
        if (AllSaid(&Heard::commitment)) EchoCommitments(step);
        break;
      case Stage::kEchoing:
        if (AllSaid(&Heard::echo)) Show(step);
        break;
      case Stage::kShowing:
        CheckShown(step);
        break;
      case Stage::kAgreeing:
        if (AllSaid(&Heard::agreement)) {
          const Digest chain = ChainId(*agreed_);
          std::vector<Signature> signatures;
          for (const PartyId party : parties()) {
            const Agreement& agreement = *heard_[Index(party)].agreement;
            if (agreement.chain != chain ||
                !Verify(keys_[Index(party)], AgreementDigest(chain), agreement.signature)) {
              return Fail(step, party, "signed another genesis document than the one that follows");
            }
            signatures.push_back(agreement.signature);
          }
          Complete(step, std::move(signatures));
        }
        break;
      case Stage::kAgreed:
      case Stage::kFailed:
        return;
    }
    if (stage_ == before) return;
  }
}

// ---- the rounds ---------------------------------------------------------------------------------

void Ceremony::SayOpening(Step& step) {
  Opening opening{proposal_id_, {}, std::vector<Digest>(heard_.size()), ++version_, {}};
  std::ranges::copy(Derive("nonce"), opening.nonce.bytes.begin());
  for (const PartyId party : parties()) {
    const Heard& heard = heard_[Index(party)];
    if (heard.opening) opening.nonces[Index(party)] = heard.opening->nonce;
  }
  opening.nonces[Index(self_)] = opening.nonce;
  if (signed_before_) opening.chain = ChainId(*signed_before_);
  Say(step, kEveryone, std::move(opening));
}

void Ceremony::Begin(Step& step) {
  proto::Hasher hasher("waxseal/genesis/session");
  hasher.Add(proposal_id_.bytes);
  for (const Heard& heard : heard_) hasher.Add(heard.opening->nonce.bytes);
  const Digest session = hasher.Finish();
  if (signed_before_) {
    const Digest chain = ChainId(*signed_before_);
    const auto other = std::ranges::find_if(
        heard_, [&](const Heard& heard) { return heard.opening->chain != chain; });
    if (other == heard_.end()) {
      session_ = session;
      return Agree(step, *signed_before_);
    }
    if (adopted_) {
      const auto party = static_cast<PartyId>(other - heard_.begin());
      return Fail(step, party, "has not signed the genesis document that this home holds already");
    }
    // Who has not signed it shows that nobody has all signatures.
    step.outputs.emplace_back(Forgotten{});
  }
  session_ = session;
  Commit(step);
}

void Ceremony::Commit(Step& step) {
  stage_ = Stage::kCommitting;
  dealing_ =
      EncodeDealing(Deal(DealingContext(self_), keys_, committee_.validity(), Derive("dealing")));
  ephemeral_ = SecretKeyFrom(Derive("ephemeral"));
  Commitment commitment;
  commitment.dealing = DealingDigest(session_, self_, dealing_);
  commitment.ephemeral = ephemeral_->public_key();
  if (is_member(self_)) {
    contribution_.emplace(sets_, self_, PartsContext(), Derive("parts"));
    commitment.parts = contribution_->Commitments();
  }
  commitment.signature = key_.Sign(CommitmentDigest(session_, self_, commitment));
  Say(step, kEveryone, std::move(commitment));
}

void Ceremony::EchoCommitments(Step& step) {
  Echo echo;
  for (const PartyId party : parties()) {
    const Commitment& commitment = *heard_[Index(party)].commitment;
    const std::size_t parts = is_member(party) ? SetsOf(sets_, {party}).size() : 0;
    const Digest digest = CommitmentDigest(session_, party, commitment);
    if (!Verify(keys_[Index(party)], digest, commitment.signature)) {
      return Fail(step, party, "sent a commitment without a valid signature");
    }
    if (commitment.parts.size() != parts || !commitment.ephemeral.OnCurve()) {
      return Fail(step, party, "sent a commitment that cannot be");
    }
    echo.commitments.push_back(digest);
    echo.signatures.push_back(commitment.signature);
  }
  stage_ = Stage::kEchoing;
  Say(step, kEveryone, std::move(echo));
}

void Ceremony::Show(Step& step) {
  const auto own = [&](PartyId party) {
    return CommitmentDigest(session_, party, *heard_[Index(party)].commitment);
  };
  for (const PartyId witness : parties()) {
    const Echo& echo = *heard_[Index(witness)].echo;
    if (echo.commitments.size() != heard_.size() || echo.signatures.size() != heard_.size()) {
      return Fail(step, witness, "sent an echo too short");
    }
    for (const PartyId author : parties()) {
      const Digest& digest = echo.commitments[Index(author)];
      if (digest == own(author)) continue;
      // Two signed commitments of one author convict it; an unsigned one its witness.
      if (Verify(keys_[Index(author)], digest, echo.signatures[Index(author)])) {
        return Fail(step, author,
                    "signed two different commitments, as " + name(witness) + " shows");
      }
      return Fail(step, witness, "echoes a commitment that " + name(author) + " did not sign");
    }
  }
  stage_ = Stage::kShowing;
  Say(step, kEveryone, Showing{dealing_});
  if (!contribution_) return;
  for (const PartyId party : parties()) {
    if (party == self_ || !is_member(party)) continue;
    Say(step, {party},
        SealedParts{contribution_->SealFor(sets_, party, heard_[Index(party)].commitment->ephemeral,
                                           Derive("seal", Index(party)))});
  }
}

void Ceremony::CheckShown(Step& step) {
  bool complete = true;
  for (const PartyId party : parties()) {
    const Heard& heard = heard_[Index(party)];
    if (heard.showing && !dealings_.contains(party)) CheckDealing(step, party);
    const bool parts_due = party != self_ && is_member(party) && is_member(self_);
    if (stage_ != Stage::kFailed && parts_due && heard.parts && !parts_.contains(party)) {
      CheckParts(step, party);
    }
    if (stage_ == Stage::kFailed) return;
    complete = complete && dealings_.contains(party) && (!parts_due || parts_.contains(party));
  }
  if (complete) Prepare(step);
}

void Ceremony::CheckDealing(Step& step, PartyId from) {
  const Heard& heard = heard_[Index(from)];
  if (DealingDigest(session_, from, heard.showing->dealing) != heard.commitment->dealing) {
    return Fail(step, from, "showed another dealing than it committed to");
  }
  auto dealing = proto::DecodeDealing(heard.showing->dealing);
  const auto valid =
      dealing ? VerifyDealing(DealingContext(from), keys_, committee_.validity(), *dealing)
              : tl::unexpected(dealing.error());
  if (!valid) return Fail(step, from, "sent a bad dealing: " + valid.error().message);
  dealings_.emplace(from, std::move(*dealing));
}

void Ceremony::CheckParts(Step& step, PartyId from) {
  const Heard& heard = heard_[Index(from)];
  // Commitments are listed by the author's sets; of those we are in the ones we share.
  const std::vector<mpc::SetIndex> committed = SetsOf(sets_, {from});
  const std::vector<mpc::SetIndex> shared = SetsOf(sets_, {from, self_});
  auto parts =
      OpenParts(PartsContext(), from, self_, *ephemeral_, heard.parts->sealed, shared.size());
  if (!parts) return Fail(step, from, "sent key parts that do not open: " + parts.error().message);
  for (std::size_t i = 0; i < shared.size(); ++i) {
    const auto place = std::ranges::lower_bound(committed, shared[i]) - committed.begin();
    if (PartCommitment(PartsContext(), from, shared[i], (*parts)[i]) !=
        heard.commitment->parts[static_cast<std::size_t>(place)]) {
      EraseParts(*parts);
      return Fail(step, from, "sent a key part that it did not commit to");
    }
  }
  parts_.emplace(from, std::move(*parts));
}

void Ceremony::Prepare(Step& step) {
  std::vector<proto::Dealing> dealings;
  std::vector<proto::CoinSecret> shares;
  for (auto& [dealer, dealing] : dealings_) {
    auto share =
        OpenDealing(DealingContext(dealer), keys_, committee_.validity(), self_, key_, dealing);
    if (!share) return Fail(step, dealer, "sent a bad dealing: " + share.error().message);
    shares.push_back(std::move(*share));
    dealings.push_back(std::move(dealing));
  }
  const auto coin = CombineKeys(dealings, committee_.size());
  auto secret = CombineShares(shares);
  if (!coin || !secret || !Matches(*coin, self_, *secret)) {
    return Fail(step, std::nullopt, "the dealings do not add up to a key");
  }

  Prepared prepared{proposal_, std::move(*secret), {}};
  prepared.genesis.coin_threshold = coin->threshold;
  for (const PartyId party : parties()) {
    prepared.genesis.validators[Index(party)].coin_key = coin->verification[Index(party)];
  }
  if (is_member(self_)) {
    prepared.replicated.resize(sets_.count());
    for (const mpc::SetIndex set : SetsOf(sets_, {self_})) {
      proto::Hasher hasher("waxseal/genesis/replicated-key");
      hasher.Add(PartsContext().bytes).Add(std::uint64_t{set});
      for (std::uint16_t i = 0; i < members_; ++i) {
        const PartyId author{i};
        if (!sets_.Contains(set, author)) continue;
        if (author == self_) {
          hasher.Add(*contribution_->parts()[set]);
          continue;
        }
        const auto shared = SetsOf(sets_, {author, self_});
        const auto place = std::ranges::lower_bound(shared, set) - shared.begin();
        hasher.Add(parts_.at(author)[static_cast<std::size_t>(place)]);
      }
      prepared.replicated[set] = hasher.Finish().bytes;
    }
  }
  Genesis genesis = prepared.genesis;
  EraseSecrets();
  step.outputs.emplace_back(std::move(prepared));
  Agree(step, std::move(genesis));
}

void Ceremony::Agree(Step& step, Genesis genesis) {
  stage_ = Stage::kAgreeing;
  agreed_ = std::move(genesis);
  const Digest chain = ChainId(*agreed_);
  Say(step, kEveryone, Agreement{chain, key_.Sign(AgreementDigest(chain))});
}

void Ceremony::Complete(Step& step, std::vector<Signature> signatures) {
  stage_ = Stage::kAgreed;
  EraseSecrets();
  Say(step, kEveryone, Certificate{ChainId(*agreed_), signatures});
  step.outputs.emplace_back(Agreed{*agreed_, std::move(signatures)});
}

// ---- for people ---------------------------------------------------------------------------------

std::string Ceremony::waiting_for() const {
  const auto without = [&](const char* what, auto has) {
    std::string names;
    for (const PartyId party : parties()) {
      if (!has(party)) names += (names.empty() ? "" : ", ") + name(party);
    }
    return names.empty() ? "" : std::string(what) + " of " + names;
  };
  const auto said = [&](auto slot) {
    return [this, slot](PartyId party) { return (heard_[Index(party)].*slot).has_value(); };
  };
  switch (stage_) {
    case Stage::kOpening: {
      const std::string absent = without("the arrival", said(&Heard::opening));
      if (!absent.empty()) return absent;
      // Here are all; some have not heard of all, or of another process of one.
      std::string words;
      for (const PartyId party : parties()) {
        for (const PartyId other : parties()) {
          const Digest& heard = heard_[Index(party)].opening->nonces[Index(other)];
          if (heard == heard_[Index(other)].opening->nonce) continue;
          words += (words.empty() ? "" : ", ") + name(party) + " about " + name(other);
        }
      }
      return words.empty() ? words : "word that all are here, of " + words;
    }
    case Stage::kCommitting:
      return without("commitments", said(&Heard::commitment));
    case Stage::kEchoing:
      return without("echoes", said(&Heard::echo));
    case Stage::kShowing:
      return without("dealings and key parts", [&](PartyId party) {
        const bool parts_due = party != self_ && is_member(party) && is_member(self_);
        return dealings_.contains(party) && (!parts_due || parts_.contains(party));
      });
    case Stage::kAgreeing:
      return without("signatures", said(&Heard::agreement));
    case Stage::kAgreed:
      return without("confirmation", [&](PartyId party) {
        return party == self_ || heard_[Index(party)].certified;
      });
    case Stage::kFailed:
      break;
  }
  return "";
}

bool Ceremony::everyone_knows() const {
  return stage_ == Stage::kAgreed && waiting_for().empty();
}

}  // namespace node::genesis
