#include "node/inference/epoch_member.h"

#include <algorithm>
#include <charconv>
#include <utility>

#include "node/inference/names.h"
#include "proto/base/check.h"
#include "proto/base/overloaded.h"
#include "proto/crypto/ecies.h"
#include "proto/crypto/hash.h"

namespace node {

using proto::Bytes;
using proto::Digest;
using proto::PartyId;
using proto::Result;

Result<std::unique_ptr<EpochMember>> EpochMember::Open(Setup setup, BulkStore& files) {
  Keys keys = std::exchange(setup.keys, {});
  std::unique_ptr<EpochMember> member(new EpochMember(std::move(setup), files));
  if (member->epoch_.record.number > proto::kFirstEpoch) {
    if (auto opened = member->OpenMaker(); !opened) return tl::unexpected(opened.error());
    return member;
  }
  auto replicated = mpc::ReplicatedKeys::From(member->sets_, member->self(), std::move(keys));
  if (!replicated) return tl::unexpected(replicated.error());
  member->replicated_ = std::move(*replicated);
  member->context_.replicated = &*member->replicated_;
  return member;
}

EpochMember::EpochMember(Setup setup, BulkStore& files)
    : epoch_(std::move(setup.epoch)),
      key_(std::move(setup.key)),
      coin_(std::move(setup.coin)),
      sets_(epoch_.computing->committee),
      entropy_(std::move(setup.entropy)),
      files_(files),
      context_{members().committee,
               {},
               &key_,
               members().keys,
               setup.chain,
               epoch_.record.number,
               &sets_,
               nullptr,
               ComputingCoin(epoch_.record),
               &coin_} {
  const auto found = members().Find(key_.public_key());
  CHECK(found.has_value());
  context_.self = *found;
}

EpochMember::~EpochMember() {
  proto::SecureErase(entropy_.data(), entropy_.size());
}

// ---- the keys -----------------------------------------------------------------------------------

Digest EpochMember::CeremonyContext() const {
  return proto::Hasher("waxseal/epoch-keys")
      .Add(context_.chain.span())
      .Add(epoch_.record.number)
      .Finish();
}

Result<> EpochMember::OpenMaker() {
  const std::string name = CeremonyName(epoch_.record.number);
  Bytes stored;
  if (files_.Has(name)) {
    const auto sealed = files_.Get(name);
    if (!sealed) return tl::unexpected(sealed.error());
    auto opened = proto::OpenSealed(key_, CeremonyContext().span(), *sealed);
    if (!opened) return tl::unexpected(opened.error());
    stored = std::move(*opened);
  }
  auto maker =
      KeyMember::Open({CeremonyContext(), members().committee.size(), self(), entropy_, stored});
  proto::SecureErase(stored.data(), stored.size());
  if (!maker) return tl::unexpected(maker.error());
  maker_.emplace(std::move(*maker));
  return {};
}

Result<> EpochMember::Store(const Bytes& secret) {
  const Digest context = CeremonyContext();
  Digest entropy = proto::Hasher("waxseal/epoch-keys/seal")
                       .Add(entropy_)
                       .Add(context.span())
                       .Add(++sealed_)
                       .Finish();
  const Bytes sealed = proto::Seal(key_.public_key(), context.span(), secret, entropy.span());
  proto::SecureErase(entropy.bytes.data(), entropy.bytes.size());
  return files_.Put(CeremonyName(epoch_.record.number), sealed);
}

// Brings the maker into line with the ledger's acknowledgements.
void EpochMember::FollowLedger(Step& step) {
  if (!maker_) return;
  const auto record = snapshot_->keys(epoch_.record.number);
  if (!record || record->ceremony == ceremony_) return;
  ceremony_ = record->ceremony;
  const auto ceremony = KeyCeremony::Decode(ceremony_);
  CHECK(ceremony.has_value());  // The ledger wrote it.
  Absorb(maker_->OnLedger(*ceremony), step);
}

void EpochMember::Absorb(KeyMember::Step child, Step& step) {
  // A commitment must not leave before what it is to is durable.
  for (auto& output : child.outputs) {
    auto* const store = std::get_if<key_ceremony::Store>(&output);
    if (store == nullptr) continue;
    const auto stored = Store(store->bytes);
    proto::SecureErase(store->bytes.data(), store->bytes.size());
    if (stored) continue;
    step.notes.push_back("the keys' ceremony cannot be stored: " + stored.error().message);
    return;
  }
  for (auto& output : step.Absorb(std::move(child), [](key_ceremony::Message message) {
         return InferenceMessage(std::move(message));
       })) {
    std::visit(
        proto::Overloaded{
            [](key_ceremony::Store&) {},
            [&](key_ceremony::Acknowledge& acknowledge) {
              const auto& [author, root] = acknowledge.acknowledgement;
              posted_.push_back(acknowledge.acknowledgement);
              step.outputs.push_back(proto::AcknowledgeKeys{epoch_.record.number, author, root});
            },
            [&](key_ceremony::Complete& complete) {
              Keys keys(complete.keys.begin(), complete.keys.end());
              for (auto& key : complete.keys) {
                if (key) proto::SecureErase(key->data(), key->size());
              }
              Begin(std::move(keys), step);
            },
        },
        output);
  }
}

void EpochMember::Begin(Keys keys, Step& step) {
  auto replicated = mpc::ReplicatedKeys::From(sets_, self(), std::move(keys));
  CHECK(replicated.has_value());  // The maker gives those of its sets.
  replicated_ = std::move(*replicated);
  context_.replicated = &*replicated_;
  step.notes.push_back("epoch " + std::to_string(epoch_.record.number) +
                       ": this member has its keys for MPC");
  service_ = std::make_unique<Service>(context_, files_);
  step.Merge(service_->Resume(*snapshot_, now_us_));
  early_bytes_ = 0;
  for (Early& early : std::exchange(early_, {})) {
    step.Merge(service_->Handle(early.from, std::move(early.message), now_us_));
  }
}

// ---- calls --------------------------------------------------------------------------------------

EpochMember::Step EpochMember::Resume(const Snapshot& snapshot, std::uint64_t now_us) {
  now_us_ = now_us;
  snapshot_ = snapshot;
  Step step;
  if (maker_) {
    Absorb(maker_->Start(), step);
    FollowLedger(step);
  } else {
    service_ = std::make_unique<Service>(context_, files_);
    step.Merge(service_->Resume(snapshot, now_us));
  }
  return step;
}

EpochMember::Step EpochMember::OnEvents(const Snapshot& snapshot, const std::vector<Event>& events,
                                        std::uint64_t now_us) {
  now_us_ = now_us;
  snapshot_ = snapshot;
  Step step;
  if (service_) step.Merge(service_->OnEvents(snapshot, events, now_us));
  FollowLedger(step);
  return step;
}

EpochMember::Step EpochMember::Handle(PartyId from, InferenceMessage message,
                                      std::uint64_t now_us) {
  now_us_ = now_us;
  Step step;
  if (auto* const keys = std::get_if<key_ceremony::Message>(&message)) {
    if (maker_) Absorb(maker_->Handle(from, std::move(*keys)), step);
  } else if (service_) {
    step.Merge(service_->Handle(from, std::move(message), now_us));
  } else {
    const std::size_t size =
        sizeof message + std::visit(proto::Overloaded{
                                        [](const FileBytes& m) { return m.bytes.size(); },
                                        [](const FetchFile&) { return std::size_t{0}; },
                                        [](const auto& m) { return WireBytes(m); },
                                    },
                                    message);
    if (early_bytes_ + size > kEarlyBytesMax) return step;
    early_bytes_ += size;
    early_.push_back({from, std::move(message)});
  }
  return step;
}

EpochMember::Step EpochMember::Tick(std::uint64_t now_us) {
  now_us_ = now_us;
  Step step;
  if (service_) step.Merge(service_->Tick(now_us));
  if (!maker_ || !snapshot_ || ++ticks_ % kAcknowledgeAgainTicks != 0) return step;
  const auto record = snapshot_->keys(epoch_.record.number);
  if (!record || record->made || epoch_.record.number != snapshot_->epoch()->record.number) {
    return step;
  }
  const auto ceremony = KeyCeremony::Decode(record->ceremony);
  CHECK(ceremony.has_value());
  for (const auto& [author, root] : posted_) {
    if (ceremony->acknowledged(self(), author)) continue;
    step.outputs.push_back(proto::AcknowledgeKeys{epoch_.record.number, author, root});
  }
  return step;
}

EpochMember::Step EpochMember::PeerConnected(PartyId party, std::uint64_t now_us) {
  now_us_ = now_us;
  Step step;
  if (maker_) Absorb(maker_->PeerConnected(party), step);
  if (service_) step.Merge(service_->PeerConnected(party, now_us));
  return step;
}

bool EpochMember::IsDone() const {
  if (!snapshot_ || snapshot_->epoch()->record.number <= epoch_.record.number) return false;
  return !service_ || service_->IsDone();
}

Result<> EpochMember::EraseBefore(std::uint64_t epoch, BulkStore& files) {
  const auto names = files.List(CeremonyPrefix());
  if (!names) return tl::unexpected(names.error());
  for (const std::string& name : *names) {
    std::uint64_t number = 0;
    const char* const end = name.data() + name.size();
    const auto read = std::from_chars(name.data() + CeremonyPrefix().size(), end, number);
    if (read.ec != std::errc() || read.ptr != end || number >= epoch) continue;
    if (auto erased = files.Erase(name); !erased) return erased;
  }
  return {};
}

}  // namespace node
