// The host's service thread: this node's part in the MPC of each epoch that has work here.

#include <algorithm>
#include <bit>
#include <utility>

#include <spdlog/spdlog.h>

#include "node/inference/names.h"
#include "node/ledger/epochs.h"
#include "node/loop/host.h"
#include "node/rpc/server.h"
#include "proto/base/overloaded.h"

namespace node {

using proto::ErrorCode;
using proto::PartyId;
using proto::Result;
using std::chrono::steady_clock;

namespace {

constexpr std::chrono::milliseconds kServiceTick{250};

}  // namespace

const proto::SecretKey* Host::KeyIn(const Members& members) const {
  if (members.Find(keys_.validator.public_key())) return &keys_.validator;
  if (next_ && members.Find(next_->validator.public_key())) return &next_->validator;
  return nullptr;
}

// Why this node has no part in an epoch in which it should; nothing when it has, or should not.
std::optional<std::string> Host::MakePart(const Snapshot& snapshot, std::uint64_t number) {
  const auto record = snapshot.epoch(number);
  if (!record || parts_.contains(number)) return {};
  const Epoch epoch(*record);
  if (!epoch.computing) return "nobody computes: inference pauses";
  const proto::SecretKey* own = KeyIn(*epoch.computing);
  if (own == nullptr) return {};
  Result<proto::CoinSecret> coin = proto::Fail(ErrorCode::kNotFound, "there is no coin share");
  if (number == proto::kFirstEpoch) {
    if (keys_.coin) coin = keys_.coin->Clone();
  } else if (const auto dealings = snapshot.dealings(number)) {
    coin = EpochCoinSecret(chain_, epoch, *dealings, *own);
  }
  if (!coin) return coin.error().message;
  const bool is_past = number < snapshot.epoch()->record.number;
  if (is_past && number > proto::kFirstEpoch && !files_->Has(CeremonyName(number))) return {};
  EpochMember::Setup setup{*record, own->Clone(), chain_, std::move(*coin), {}, Entropy(32)};
  if (number == proto::kFirstEpoch) setup.keys = keys_.replicated;
  auto part = EpochMember::Open(std::move(setup), *files_);
  if (!part) return part.error().message;
  EpochMember& member = *parts_.emplace(number, std::move(*part)).first->second;
  Dispatch(member, member.Resume(snapshot, NowUs()));
  return {};
}

void Host::UpdateParts(const Snapshot& snapshot) {
  const std::uint64_t number = snapshot.epoch()->record.number;
  const bool is_new = parts_.empty() || parts_.rbegin()->first < number;
  // After a restart, requests of the epoch before may be unfinished.
  if (!std::exchange(resumed_, true) && number > proto::kFirstEpoch) MakePart(snapshot, number - 1);
  if (is_new) {
    if (const auto why = MakePart(snapshot, number)) spdlog::info("epoch {}: {}", number, *why);
  }
  std::erase_if(parts_, [&](const auto& entry) { return entry.second->IsDone(); });
  // Not before the end of an epoch is proved and durable: its core may have to come back.
  std::uint64_t first = std::min<std::uint64_t>(number, followed_epoch_);
  if (!parts_.empty()) first = std::min(first, parts_.begin()->first);
  EraseKeysBefore(first);
  early_bytes_ = 0;
  for (Bulk& message : std::exchange(early_, {})) Handle(std::move(message));
}

void Host::EraseKeysBefore(std::uint64_t epoch) {
  if (epoch <= proto::kFirstEpoch || epoch <= erased_before_) return;
  erased_before_ = epoch;
  keys_.EraseFirstEpoch();
  auto erased = EpochMember::EraseBefore(epoch, *files_);
  if (erased) erased = ForgetFirstEpoch(config_.Path(config_.keys));
  if (erased) {
    spdlog::info("the MPC keys of all epochs before {} are erased", epoch);
  } else {
    spdlog::warn("keys of epochs before {} stay: {}", epoch, erased.error().message);
  }
}

Service* Host::NewestService() {
  for (auto part = parts_.rbegin(); part != parts_.rend(); ++part) {
    if (part->second->service() != nullptr) return part->second->service();
  }
  return nullptr;
}

void Host::Handle(Bulk message) {
  const auto part = parts_.find(message.epoch);
  if (part == parts_.end()) {
    if (message.epoch != latest().epoch()->record.number + 1) return;
    if (early_bytes_ + message.size > kEarlyEpochBytesMax) return;
    early_bytes_ += message.size;
    early_.push_back(std::move(message));
    return;
  }
  EpochMember& member = *part->second;
  const auto party = member.members().Find(message.from);
  if (party) Dispatch(member, member.Handle(*party, std::move(message.message), NowUs()));
}

void Host::ServiceLoop() {
  UpdateParts(latest());
  auto last_tick = steady_clock::now();
  while (!stopping_) {
    std::vector<ServiceItem> items = service_queue_.Take(last_tick + kServiceTick);
    // People wait for answers to calls, and these are short.
    std::stable_partition(items.begin(), items.end(), [](const ServiceItem& item) {
      return std::holds_alternative<Call>(item);
    });
    for (ServiceItem& item : items) {
      if (stopping_) return;
      std::visit(proto::Overloaded{
                     [&](Bulk& m) { Handle(std::move(m)); },
                     [&](Connected& c) {
                       for (auto& [number, part] : parts_) {
                         const auto party = part->members().Find(c.peer);
                         if (party) Dispatch(*part, part->PeerConnected(*party, NowUs()));
                       }
                     },
                     [&](Decided& d) {
                       for (auto& [number, part] : parts_) {
                         Dispatch(*part, part->OnEvents(d.snapshot, d.events, NowUs()));
                       }
                       UpdateParts(d.snapshot);
                     },
                     [&](Rebased& r) {
                       parts_.clear();
                       resumed_ = false;
                       UpdateParts(r.snapshot);
                     },
                     [&](Call& call) { call(); },
                 },
                 item);
    }
    if (steady_clock::now() >= last_tick + kServiceTick) {
      last_tick = steady_clock::now();
      for (auto& [number, part] : parts_) Dispatch(*part, part->Tick(NowUs()));
    }
  }
}

void Host::Dispatch(EpochMember& part, Service::Step step) {
  step = BeforeSending(std::move(step));
  const Members& members = part.members();
  const PartyId self = part.self();
  for (const std::string& note : step.notes) spdlog::info("{}", note);
  for (const proto::Fault& fault : step.faults) {
    if (!std::has_single_bit(++mpc_faults_)) continue;
    spdlog::warn("{} misbehaves in MPC: kind {}",
                 members.keys[Index(fault.party)].hex().substr(0, 8), static_cast<int>(fault.kind));
  }
  for (auto& [target, message] : step.messages) {
    std::shared_ptr<const proto::Bytes> bytes;
    for (std::uint16_t i = 0; i < members.committee.size(); ++i) {
      const auto party = static_cast<PartyId>(i);
      if (!target.Includes(party) || party == self) continue;
      if (!bytes) bytes = Frame(members.epoch, Encode(message));
      peers_->Send(members.keys[i], Channel::kBulk, bytes);
    }
    if (target.Includes(self)) {
      service_queue_.Push(Bulk{members.keys[Index(self)], members.epoch, std::move(message), 0});
    }
  }
  for (proto::Payload& payload : step.outputs) {
    proto::Transaction transaction;
    transaction.chain = chain_;
    transaction.sender = part.key().public_key();
    transaction.payload = std::move(payload);
    Submission submission;
    submission.transactions.push_back(
        machine_->Check(proto::SignTransaction(part.key(), std::move(transaction))));
    ledger_queue_.Push(std::move(submission));
  }
  if (part.service() == nullptr) return;
  const std::lock_guard lock(mutex_);
  const ServiceStatus& status = part.service()->status();
  for (const auto& [number, effort] : status.attempts) service_status_.attempts[number] = effort;
  for (const auto& [number, effort] : status.requests) service_status_.requests[number] = effort;
  for (const auto& [model, loaded] : status.models) service_status_.models[model] = loaded;
  for (auto* efforts : {&service_status_.attempts, &service_status_.requests}) {
    while (efforts->size() > kEffortsMax) efforts->erase(efforts->begin());
  }
  for (const auto& [number, steps] : part.service()->answers()) {
    std::vector<AnswerStep>& known = answers_[number];
    for (std::size_t i = known.size(); i < steps.size(); ++i) known.push_back(steps[i]);
  }
  while (answers_.size() > kAnswersMax) answers_.erase(answers_.begin());
  rpc_->Notify();
}

}  // namespace node
