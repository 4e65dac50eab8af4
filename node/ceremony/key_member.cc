#include "node/ceremony/key_member.h"

#include <algorithm>
#include <utility>

#include "node/ceremony/codec.h"
#include "proto/base/check.h"
#include "proto/base/overloaded.h"
#include "proto/crypto/hash.h"

namespace node {

using key_ceremony::Announce;
using key_ceremony::Contribute;
using key_ceremony::Fetch;
using key_ceremony::Forward;
using key_ceremony::RootOf;
using proto::Bytes;
using proto::Digest;
using proto::kEveryone;
using proto::PartyId;
using proto::PublicKey;
using proto::Result;

namespace key_ceremony {
namespace {

void Fields(auto& io, auto& m) {
  using M = std::remove_cvref_t<decltype(m)>;
  if constexpr (std::is_same_v<M, Announce>) {
    io(m.ephemeral);
  } else if constexpr (std::is_same_v<M, Contribute>) {
    io(m.commitments), io(m.sealed);
  } else if constexpr (std::is_same_v<M, Fetch>) {
    io(m.contribution.author), io(m.contribution.root), io(m.ephemeral);
  } else {
    static_assert(std::is_same_v<M, Forward>);
    io(m.author), io(m.commitments), io(m.sealed);
  }
}

}  // namespace

Bytes Encode(const Message& message) {
  return EncodeVariant(message, [](auto& io, const auto& m) { Fields(io, m); });
}

Result<Message> Decode(proto::ByteSpan bytes) {
  return DecodeVariant<Message>(bytes, [](auto& io, auto& m) { Fields(io, m); });
}

Digest RootOf(const Digest& context, PartyId author, const std::vector<Digest>& commitments) {
  proto::Hasher hasher("waxseal/key-ceremony/root");
  hasher.Add(context.bytes).Add(std::uint64_t{Index(author)});
  hasher.Add(std::uint64_t{commitments.size()});
  for (const Digest& commitment : commitments) hasher.Add(commitment.bytes);
  return hasher.Finish();
}

}  // namespace key_ceremony

namespace {

constexpr std::size_t kSeedBytes = 32;

Bytes DeriveSecret(proto::ByteSpan entropy, const Digest& context, std::string_view purpose) {
  const Digest derived = proto::Hasher("waxseal/key-ceremony/derive")
                             .Add(entropy)
                             .Add(context.bytes)
                             .AddSized(proto::AsBytes(purpose))
                             .Finish();
  return Bytes(derived.bytes.begin(), derived.bytes.end());
}

// A hash is no scalar with a probability of 2^-128.
proto::SecretKey EphemeralKey(proto::ByteSpan entropy, const Digest& context) {
  Bytes seed = DeriveSecret(entropy, context, "ephemeral");
  auto key = proto::SecretKey::From(seed);
  CHECK(key.has_value());
  proto::SecureErase(seed.data(), seed.size());
  return std::move(*key);
}

}  // namespace

Result<KeyMember> KeyMember::Open(Setup setup) {
  CHECK(setup.entropy.size() == kSeedBytes && Index(setup.self) < setup.members);
  Bytes stored = std::move(setup.stored);
  if (!stored.empty() && stored.size() < kSeedBytes) {
    return proto::Fail(proto::ErrorCode::kCorrupt, "what was stored of a key ceremony is cut off");
  }
  Bytes seed = stored.empty() ? DeriveSecret(setup.entropy, setup.context, "seed")
                              : Bytes(stored.begin(), stored.begin() + kSeedBytes);
  KeyMember member(std::move(setup), std::move(seed));
  Result<> decoded;
  if (!stored.empty()) decoded = member.DecodeStored(stored);
  proto::SecureErase(stored.data(), stored.size());
  if (!decoded) return tl::unexpected(decoded.error());
  return member;
}

KeyMember::KeyMember(Setup setup, Bytes seed)
    : context_(setup.context),
      self_(setup.self),
      sets_(proto::Committee(setup.members)),
      entropy_(std::move(setup.entropy)),
      seed_(std::move(seed)),
      own_(sets_, self_, context_, seed_),
      ephemeral_(EphemeralKey(entropy_, context_)) {
  Held held{own_.Commitments(), {}, true};
  for (const mpc::SetIndex set : SetsOf(sets_, {self_})) held.parts[set] = *own_.parts()[set];
  own_root_ = RootOf(context_, self_, held.commitments);
  held_.emplace(KeyAcknowledgement{self_, own_root_}, std::move(held));
}

KeyMember::Held::~Held() {
  for (auto& [set, part] : parts) proto::SecureErase(part.data(), part.size());
}

KeyMember::~KeyMember() {
  proto::SecureErase(entropy_.data(), entropy_.size());
  proto::SecureErase(seed_.data(), seed_.size());
}

Bytes KeyMember::Entropy(std::string_view purpose, const KeyAcknowledgement& what,
                         const PublicKey& key) const {
  const Digest derived = proto::Hasher("waxseal/key-ceremony/seal")
                             .Add(entropy_)
                             .Add(context_.bytes)
                             .AddSized(proto::AsBytes(purpose))
                             .Add(std::uint64_t{Index(what.author)})
                             .Add(what.root.bytes)
                             .Add(key.bytes)
                             .Finish();
  return Bytes(derived.bytes.begin(), derived.bytes.end());
}

// ---- what is stored -----------------------------------------------------------------------------

// Seed, then each contribution held whole: author, commitments, parts of the sets we share.
Bytes KeyMember::EncodeStored() const {
  Bytes out = seed_;
  out.reserve(kSeedBytes + held_.size() * 64 * sets_.count());  // Not moved: all of it is erased.
  Writer writer(out);
  for (const auto& [what, held] : held_) {
    if (what.author == self_) continue;
    std::vector<mpc::SetIndex> sets;
    std::vector<KeyPart> parts;
    for (const auto& [set, part] : held.parts) {
      sets.push_back(set);
      parts.push_back(part);
    }
    writer(what.author);
    writer(held.commitments);
    writer(sets);
    writer(parts);
    EraseParts(parts);
  }
  return out;
}

Result<> KeyMember::DecodeStored(proto::ByteSpan bytes) {
  Reader reader(bytes.subspan(kSeedBytes));
  while (!reader.done()) {
    PartyId author{};
    std::vector<Digest> commitments;
    std::vector<mpc::SetIndex> sets;
    std::vector<KeyPart> parts;
    reader(author);
    reader(commitments);
    reader(sets);
    reader(parts);
    const bool fits = reader.good() && Fits(author, commitments) && sets.size() == parts.size();
    Held held{std::move(commitments), {}, false};
    const bool kept = fits && Keep(held, author, sets, parts);
    EraseParts(parts);
    if (!kept) {
      return proto::Fail(proto::ErrorCode::kCorrupt,
                         "what was stored of a key ceremony does not fit its commitments");
    }
    const Digest root = RootOf(context_, author, held.commitments);
    held_.emplace(KeyAcknowledgement{author, root}, std::move(held));
  }
  return {};
}

bool KeyMember::Fits(PartyId author, const std::vector<Digest>& commitments) const {
  return Index(author) < sets_.committee().size() &&
         commitments.size() == SetsOf(sets_, {author}).size();
}

bool KeyMember::Keep(Held& held, PartyId author, const std::vector<mpc::SetIndex>& sets,
                     const std::vector<KeyPart>& parts) const {
  const std::vector<mpc::SetIndex> committed = SetsOf(sets_, {author});
  for (std::size_t i = 0; i < sets.size(); ++i) {
    const auto place = std::ranges::lower_bound(committed, sets[i]);
    if (place == committed.end() || *place != sets[i] || !sets_.Contains(sets[i], self_) ||
        PartCommitment(context_, author, sets[i], parts[i]) !=
            held.commitments[static_cast<std::size_t>(place - committed.begin())]) {
      return false;
    }
  }
  for (std::size_t i = 0; i < sets.size(); ++i) held.parts[sets[i]] = parts[i];
  held.whole = held.parts.size() == SetsOf(sets_, {author, self_}).size();
  return true;
}

// ---- messages -----------------------------------------------------------------------------------

KeyMember::Step KeyMember::Start() {
  Step step;
  // The seed before any commitment to it, so that a restart cannot change our root.
  step.outputs.emplace_back(key_ceremony::Store{EncodeStored()});
  step.Send(kEveryone, Announce{ephemeral_->public_key()});
  return step;
}

KeyMember::Step KeyMember::PeerConnected(PartyId peer) {
  Step step;
  if (ephemeral_) step.Send({peer}, Announce{ephemeral_->public_key()});
  SendContribution(step, peer);
  if (ephemeral_) {
    for (const KeyAcknowledgement& what : fetching_) {
      step.Send({peer}, Fetch{what, ephemeral_->public_key()});
    }
  }
  return step;
}

void KeyMember::SendContribution(Step& step, PartyId to) {
  const auto announced = announced_.find(to);
  if (announced == announced_.end() || to == self_) return;
  const KeyAcknowledgement what{self_, own_root_};
  Bytes entropy = Entropy("contribute", what, announced->second);
  step.Send({to}, Contribute{held_.at(what).commitments,
                             own_.SealFor(sets_, to, announced->second, entropy)});
  proto::SecureErase(entropy.data(), entropy.size());
}

KeyMember::Step KeyMember::Handle(PartyId from, Message message) {
  Step step;
  if (from == self_) return step;
  if (Index(from) >= sets_.committee().size()) {
    step.Blame(from, proto::FaultKind::kUnexpectedSender);
    return step;
  }
  std::visit(proto::Overloaded{
                 [&](const Announce& m) {
                   if (!m.ephemeral.OnCurve()) {
                     return step.Blame(from, proto::FaultKind::kMalformed);
                   }
                   announced_[from] = m.ephemeral;
                   SendContribution(step, from);
                 },
                 [&](const Contribute& m) { OnContribute(step, from, m); },
                 [&](const Fetch& m) { OnFetch(step, from, m); },
                 [&](const Forward& m) { OnForward(step, from, m); },
             },
             message);
  return step;
}

void KeyMember::OnContribute(Step& step, PartyId from, const Contribute& message) {
  if (!Fits(from, message.commitments)) return step.Blame(from, proto::FaultKind::kMalformed);
  const KeyAcknowledgement what{from, RootOf(context_, from, message.commitments)};
  // The first whole one counts; another is of use only if the ledger chose it.
  for (auto held = held_.lower_bound({from, {}}); held != held_.end(); ++held) {
    if (held->first.author != from) break;
    if (held->second.whole && held->first != what && !fetching_.contains(what)) {
      return step.Blame(from, proto::FaultKind::kEquivocation);
    }
    if (held->second.whole && held->first == what) return;
  }
  Receive(step, from, what, message.commitments, message.sealed, SetsOf(sets_, {from, self_}));
}

void KeyMember::OnForward(Step& step, PartyId from, const Forward& message) {
  if (!Fits(message.author, message.commitments)) {
    return step.Blame(from, proto::FaultKind::kMalformed);
  }
  const KeyAcknowledgement what{message.author,
                                RootOf(context_, message.author, message.commitments)};
  if (!fetching_.contains(what)) return;  // From somebody else already, or never asked for.
  Receive(step, from, what, message.commitments, message.sealed,
          SetsOf(sets_, {message.author, from, self_}));
}

void KeyMember::Receive(Step& step, PartyId from, const KeyAcknowledgement& what,
                        const std::vector<Digest>& commitments, const Bytes& sealed,
                        const std::vector<mpc::SetIndex>& sets) {
  if (!ephemeral_) return;
  auto parts = OpenParts(context_, what.author, self_, *ephemeral_, sealed, sets.size());
  // It may be sealed to the ephemeral key of our process before this one: no fault to speak of.
  if (!parts) return;
  const auto place = held_.find(what);
  Held held = place == held_.end() ? Held{commitments, {}, false} : std::move(place->second);
  const bool kept = Keep(held, what.author, sets, *parts);
  EraseParts(*parts);
  if (!kept) {
    step.Blame(from, proto::FaultKind::kWrongShare);
    if (place != held_.end()) place->second = std::move(held);
    return;
  }
  const bool whole = held.whole;
  held_.insert_or_assign(what, std::move(held));
  step.outputs.emplace_back(key_ceremony::Store{EncodeStored()});
  if (whole) Acknowledge(step, what);
  Follow(step);
}

void KeyMember::OnFetch(Step& step, PartyId from, const Fetch& message) {
  const auto held = held_.find(message.contribution);
  if (held == held_.end() || !held->second.whole) return;
  if (!message.ephemeral.OnCurve()) return step.Blame(from, proto::FaultKind::kMalformed);
  const PartyId author = message.contribution.author;
  std::vector<KeyPart> parts;
  for (const mpc::SetIndex set : SetsOf(sets_, {author, self_, from})) {
    parts.push_back(held->second.parts.at(set));
  }
  Bytes entropy = Entropy("forward", message.contribution, message.ephemeral);
  step.Send({from}, Forward{author, held->second.commitments,
                            SealParts(context_, author, from, message.ephemeral, parts, entropy)});
  EraseParts(parts);
  proto::SecureErase(entropy.data(), entropy.size());
}

// ---- the ledger ---------------------------------------------------------------------------------

void KeyMember::Acknowledge(Step& step, const KeyAcknowledgement& what) {
  if (!acknowledged_.emplace(what.author, what.root).second) return;
  if (ledger_ && ledger_->acknowledged(self_, what.author)) return;
  step.outputs.emplace_back(key_ceremony::Acknowledge{what});
}

KeyMember::Step KeyMember::OnLedger(const KeyCeremony& ceremony) {
  CHECK(ceremony.sets() == sets_.count());
  Step step;
  ledger_ = ceremony;
  for (const auto& [what, held] : held_) {
    if (held.whole) Acknowledge(step, what);
  }
  Follow(step);
  return step;
}

// Completes when the winners of all our sets are held; asks for those that are not.
void KeyMember::Follow(Step& step) {
  if (complete_ || !ledger_) return;
  bool all = true;
  std::set<KeyAcknowledgement> lacking;
  for (const mpc::SetIndex set : SetsOf(sets_, {self_})) {
    const auto& winner = ledger_->winner(set);
    const auto held = winner ? held_.find(*winner) : held_.end();
    if (held != held_.end() && held->second.parts.contains(set)) continue;
    all = false;
    if (winner) lacking.insert(*winner);
  }
  for (const KeyAcknowledgement& what : lacking) {
    if (!fetching_.contains(what)) step.Send(kEveryone, Fetch{what, ephemeral_->public_key()});
  }
  fetching_ = std::move(lacking);
  if (!all) return;

  complete_ = true;
  ephemeral_.reset();
  key_ceremony::Complete complete{std::vector<std::optional<KeyPart>>(sets_.count())};
  for (const mpc::SetIndex set : SetsOf(sets_, {self_})) {
    complete.keys[set] = proto::Hasher("waxseal/key-ceremony/key")
                             .Add(context_.bytes)
                             .Add(std::uint64_t{set})
                             .Add(held_.at(*ledger_->winner(set)).parts.at(set))
                             .Finish()
                             .bytes;
  }
  step.outputs.emplace_back(std::move(complete));
}

}  // namespace node
