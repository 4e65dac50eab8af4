#include "tests/sim/system/world.h"

#include <algorithm>
#include <limits>

#include "node/rpc/block_reader.h"
#include "proto/crypto/hash.h"
#include "tests/sim/system/client.h"
#include "tests/sim/system/world_validator.h"

namespace sim {

using node::InferenceMessage;
using node::LedgerMachine;
using node::Service;
using proto::Bytes;
using proto::Digest;
using proto::PartyId;

namespace {

constexpr std::uint16_t kValidators = 4;
constexpr std::size_t kAll = std::numeric_limits<std::size_t>::max();
// As node/loop's host paces them, in milliseconds.
constexpr std::uint64_t kHeaderDelay = 15;
constexpr std::uint64_t kIdleDelay = 250;
constexpr std::uint64_t kServiceTick = 100;
constexpr std::uint64_t kSyncBeat = 250;
constexpr std::uint64_t kClientTick = 30;
constexpr std::uint64_t kFunds = 1'000'000'000;

proto::SecretKey KeyOf(std::uint64_t seed, std::string_view what, std::uint64_t number) {
  const Digest digest = proto::Hasher(what).Add(seed).Add(number).Finish();
  return std::move(*proto::SecretKey::From(digest.span()));
}

proto::ChainSpec Spec() {
  proto::ChainSpec spec;
  spec.name = "simulated";
  spec.gc_depth = 50;
  spec.transaction_bytes_max = 1 << 18;
  spec.transaction_fee = 10;
  spec.model_fee = 1000;
  spec.open_deadline_rounds = 20'000;
  spec.attempts_in_progress_max = 1;
  spec.pool_target_max = 8;
  spec.waiting_requests_max = 64;
  spec.funded_balance = kFunds;
  return spec;
}

}  // namespace

World::World(WorldOptions options)
    : options_(std::move(options)), random_(options_.seed), sets_(proto::Committee(kValidators)) {
  MakeGenesis();
  for (std::uint16_t i = 0; i < size(); ++i) Schedule(Between(0, 20), [this, i] { Boot(i); });
  Schedule(0, [this] { PlanFaults(); });
}

World::~World() = default;

void World::MakeGenesis() {
  const std::uint64_t seed = options_.seed;
  const proto::Committee committee(kValidators);
  const auto entropy = [&](std::string_view what) {
    return proto::Hasher(what).Add(seed).Finish();
  };
  std::vector<proto::SecretKey> keys;
  for (std::uint16_t i = 0; i < kValidators; ++i) keys.push_back(KeyOf(seed, "sim/validator", i));
  std::ranges::sort(keys, {}, &proto::SecretKey::public_key);
  proto::CoinKeys coin =
      proto::DealCoin(committee, committee.validity(), entropy("sim/coin").span());
  auto replicated = mpc::DealReplicatedKeys(sets_, entropy("sim/replicated").span());

  genesis_.spec = Spec();
  genesis_.spec.gc_depth = options_.gc_depth;
  genesis_.coin_threshold = committee.validity();
  for (std::uint16_t i = 0; i < kValidators; ++i) {
    proto::ValidatorSpec& spec = genesis_.validators.emplace_back();
    spec.name = "node" + std::to_string(i);
    spec.key = keys[i].public_key();
    spec.coin_key = coin.public_key.verification[i];
    // There is no TLS here; a fixed text keeps the chain's id a function of the seed.
    spec.certificate = "certificate of " + spec.name;
    spec.certificate_signature = keys[i].Sign(proto::CertificateDigest(spec.certificate));
    spec.peer_address = "127.0.0.1:" + std::to_string(1000 + i);
    spec.rpc_address = "127.0.0.1:" + std::to_string(2000 + i);
  }
  proto::SecretKey account = KeyOf(seed, "sim/client", 0);
  genesis_.accounts.push_back({account.public_key(), kFunds});
  chain_ = proto::ChainId(genesis_);

  for (std::uint16_t i = 0; i < kValidators; ++i) {
    auto& validator = *validators_.emplace_back(std::make_unique<Validator>(
        std::move(keys[i]), std::move(coin.secrets[i]), std::move(replicated[i])));
    validator.context.emplace(mpc::PartyContext{
        committee, PartyId{i}, &validator.key, genesis_.keys(), chain_, proto::kFirstEpoch, &sets_,
        &validator.replicated, genesis_.coin_key(), &validator.coin});
  }
  client_ = std::make_unique<Client>(*this, std::move(account));
}

bool World::Run(const std::function<bool(const World&)>& until) {
  while (failure_.empty() && !(Settled() && (!until || until(*this)))) {
    now_ = events_.top().time;
    const auto action = std::move(events_.top().action);
    events_.pop();
    ++steps_;
    action();
    if (now_ > options_.time_max) {
      Fail("not done in time: " + Describe());
    }
  }
  return failure_.empty();
}

std::string World::Describe() const {
  if (std::ranges::none_of(validators_, [](const auto& v) { return v->machine != nullptr; })) {
    return "all are down";
  }
  std::string text = std::to_string(blocks_.size()) + " blocks, " + std::to_string(DeadAttempts()) +
                     " dead attempts";
  const proto::Totals totals = ledger().totals();
  if (const auto attempt = ledger().attempt(totals.attempts)) {
    text += ", the newest of " + std::to_string(totals.attempts) + " " +
            std::string(proto::Name(attempt->status)) + " with " +
            std::to_string(attempt->layers.size()) + " layers";
  }
  for (const std::uint64_t number : client_->requests()) {
    const auto record = number ? ledger().request(number) : std::nullopt;
    text += "; request " + std::to_string(number) + " " +
            (record ? std::string(proto::Name(record->status)) : "unknown");
  }
  for (std::uint16_t i = 0; i < size(); ++i) {
    text += "; " + genesis_.validators[i].name + (IsLiar(i) ? " (liar)" : "");
    if (!Up(i)) {
      text += " down";
      continue;
    }
    const auto status = validators_[i]->machine->status();
    text += " round " + std::to_string(status.own_round) + "/" +
            std::to_string(status.highest_round) + " commit " +
            std::to_string(status.commit_index) + (status.catching_up ? " catching up" : "");
  }
  return text;
}

bool World::Settled() const {
  if (options_.absent && now_ < options_.absent_until) return false;
  if (now_ < options_.faults_until && (options_.crashes || options_.link_breaks)) return false;
  if (!client_->done()) return false;
  for (std::uint16_t i = 0; i < size(); ++i) {
    if (!IsLiar(i) && (!validators_[i]->machine || validators_[i]->checked + 8 < blocks_.size())) {
      return false;
    }
  }
  return true;
}

void World::Fail(const std::string& reason) {
  if (!failure_.empty()) return;
  failure_ = "seed " + std::to_string(options_.seed) + " time " + std::to_string(now_) + " step " +
             std::to_string(steps_) + ": " + reason;
}

proto::Digest World::trace() const {
  proto::Hasher hasher("sim/trace");
  for (const Digest& block : blocks_) hasher.Add(block.span());
  return hasher.Add(now_).Add(steps_).Finish();
}

const node::Snapshot& World::ledger() const {
  const node::Snapshot* best = nullptr;
  for (std::uint16_t i = 0; i < size(); ++i) {
    const auto& machine = validators_[i]->machine;
    if (IsLiar(i) || !machine) continue;
    if (!best || best->header().height < machine->latest().header().height) {
      best = &machine->latest();
    }
  }
  CHECK(best != nullptr);
  return *best;
}

bool World::Named(std::uint64_t request, PartyId party, proto::Misdeed misdeed) const {
  const auto record = ledger().request(request);
  return record && std::ranges::count(record->named, proto::NamedParty{party, misdeed}) == 1;
}

std::size_t World::DeadAttempts() const {
  std::size_t dead = 0;
  for (std::uint64_t number = 1; number <= ledger().totals().attempts; ++number) {
    dead += ledger().attempt(number)->status == proto::AttemptStatus::kDead ? 1u : 0u;
  }
  return dead;
}

Adversary::Position World::PositionOf(std::uint16_t i) {
  return {*validators_[i]->context, validators_[i]->machine->latest(), random_};
}

// ---- lives and links ----------------------------------------------------------------------------

void World::ScheduleFor(std::uint16_t i, std::uint64_t delay, std::function<void()> action) {
  Schedule(delay, [this, i, life = validators_[i]->life, action = std::move(action)] {
    if (validators_[i]->machine && validators_[i]->life == life) action();
  });
}

void World::PlanFaults() {
  for (std::uint16_t i = 0; i < size(); ++i) {
    for (std::uint32_t k = 0; k < (IsLiar(i) ? 0 : options_.crashes); ++k) {
      Schedule(Between(50, options_.faults_until), [this, i] { validators_[i]->doomed = true; });
    }
  }
  for (std::uint32_t k = 0; k < options_.link_breaks; ++k) {
    const auto i = static_cast<std::uint16_t>(Between(0, size() - 2u));
    const auto j = static_cast<std::uint16_t>(Between(i + 1u, size() - 1u));
    Schedule(Between(50, options_.faults_until), [this, i, j] {
      ++broken_[{i, j}];
      ++epochs_[{i, j}];
      Schedule(Between(1, 150), [this, i, j] {
        --broken_[{i, j}];
        Connect(i, j);
      });
    });
  }
  if (options_.absent) PlanAbsence();
  // The client's clock.
  Schedule(kClientTick, [this] {
    const auto poll = [this](const auto& self) -> void {
      client_->Poll();
      Schedule(kClientTick, [self] { self(self); });
    };
    poll(poll);
  });
}

void World::PlanAbsence() {
  const std::uint16_t i = *options_.absent;
  Schedule(options_.copied_at, [this, i] {
    validators_[i]->copy = {validators_[i]->store, validators_[i]->files};
  });
  Schedule(options_.absent_from, [this, i] {
    validators_[i]->away = true;
    if (validators_[i]->machine) Kill(i);
  });
  Schedule(options_.absent_until, [this, i] { Return(i); });
}

void World::Return(std::uint16_t i) {
  Validator& validator = *validators_[i];
  validator.away = false;
  if (options_.absent_return == WorldOptions::Return::kWiped) {
    validator.store = {};
    validator.files = {};
  }
  if (options_.absent_return == WorldOptions::Return::kOldCopy) {
    validator.store = validator.copy.first;
    validator.files = validator.copy.second;
  }
  if (options_.absent_return != WorldOptions::Return::kAsItWas) validator.checked = 0;
  Boot(i);
  for (std::uint32_t k = 0; k < options_.crashes_after_return; ++k) {
    Schedule(Between(1, 400) + 400 * k, [&validator] { validator.doomed = true; });
  }
}

void World::Rebase(std::uint16_t i) {
  ++rebases_;
  Validator& validator = *validators_[i];
  validator.service = std::make_unique<Service>(*validator.context, validator.files);
  OnService(i, [&](Service& service) {
    return service.Resume(validator.machine->latest(), now_ * 1000);
  });
}

const std::vector<std::string>& World::notes(std::uint16_t i) const {
  return validators_[i]->notes;
}

node::SyncStatus World::SyncOf(std::uint16_t i) const {
  return validators_[i]->machine ? validators_[i]->machine->sync_status() : node::SyncStatus{};
}

void World::Boot(std::uint16_t i) {
  Validator& validator = *validators_[i];
  if (validator.away || validator.machine) return;
  node::ValidatorKeys keys;
  keys.keys.push_back(validator.key.Clone());
  keys.first_coin = validator.coin.Clone();
  auto machine = LedgerMachine::Open(genesis_, std::move(keys), validator.store,
                                     {options_.retain_rounds, validator.life * size() + i});
  if (!machine) return Fail("validator " + std::to_string(i) + ": " + machine.error().message);
  validator.machine = std::move(*machine);
  // Killed when a snapshot was in place, and nobody had heard of it.
  const auto next = node::ReadHeader(validator.store, validator.checked + 1);
  const std::uint64_t height = validator.machine->latest().header().height;
  if (next && !*next && height > validator.checked) {
    ++rebases_;
    validator.checked = height - 1;
  }
  validator.service = std::make_unique<Service>(*validator.context, validator.files);
  validator.events_at = now_;
  const std::uint64_t life = validator.life;
  const auto lives = [&] { return validator.machine && validator.life == life; };
  OnService(i, [&](Service& service) {
    return service.Resume(validator.machine->latest(), now_ * 1000);
  });
  if (!lives()) return;
  OnLedger(i, [](LedgerMachine& m) { m.Start(); });
  for (std::uint16_t j = 0; j < size() && lives(); ++j) Connect(i, j);
  if (lives()) LedgerTick(i);
  if (lives()) Beat(i);
  if (lives()) ServiceTick(i);
}

PartyId World::PartyOf(const proto::PublicKey& key) const {
  const auto keys = genesis_.keys();
  return static_cast<PartyId>(std::ranges::lower_bound(keys, key) - keys.begin());
}

void World::Kill(std::uint16_t i) {
  Validator& validator = *validators_[i];
  ++restarts_;
  ++validator.life;
  validator.doomed = false;
  validator.machine.reset();
  validator.service.reset();
  validator.store.Crash(Between(0, validator.store.unsynced()));
  Schedule(Between(1, 400), [this, i] { Boot(i); });
}

void World::Connect(std::uint16_t i, std::uint16_t j) {
  if (i == j || broken_[std::minmax(i, j)] > 0) return;
  for (const auto& [one, other] : {std::pair(i, j), std::pair(j, i)}) {
    if (!validators_[i]->machine || !validators_[j]->machine) return;
    const PartyId peer{other};
    OnLedger(one,
             [key = genesis_.validators[other].key](LedgerMachine& m) { m.PeerConnected(key); });
    ScheduleFor(one, Between(0, 3), [this, self = one, peer] {
      OnService(self, [this, peer](Service& s) { return s.PeerConnected(peer, now_ * 1000); });
    });
  }
}

void World::LedgerTick(std::uint16_t i) {
  const bool pending = validators_[i]->machine->has_pending();
  ScheduleFor(i, pending ? kHeaderDelay : kIdleDelay, [this, i] {
    const std::uint64_t life = validators_[i]->life;
    OnLedger(i, [](LedgerMachine& m) { m.Tick(); });
    if (validators_[i]->machine && validators_[i]->life == life) LedgerTick(i);
  });
}

void World::Beat(std::uint16_t i) {
  ScheduleFor(i, kSyncBeat, [this, i] {
    const std::uint64_t life = validators_[i]->life;
    OnLedger(i, [this](LedgerMachine& m) { m.Beat(now_); });
    if (validators_[i]->machine && validators_[i]->life == life) Beat(i);
  });
}

void World::ServiceTick(std::uint16_t i) {
  ScheduleFor(i, Between(kServiceTick / 2, kServiceTick), [this, i] {
    const std::uint64_t life = validators_[i]->life;
    OnService(i, [this](Service& s) { return s.Tick(now_ * 1000); });
    if (validators_[i]->machine && validators_[i]->life == life) ServiceTick(i);
  });
}

// ---- the host's duties --------------------------------------------------------------------------

void World::OnLedger(std::uint16_t i, const std::function<void(LedgerMachine&)>& call, bool flush) {
  Validator& validator = *validators_[i];
  if (!validator.machine) return;
  call(*validator.machine);
  const std::uint64_t instant = validator.doomed ? Between(1, 4) : 0;
  if (instant == 1) return Kill(i);
  if (!flush) return;
  LedgerMachine::Step step = validator.machine->Flush();
  if (instant == 2) return Kill(i);
  if (step.halt && !IsLiar(i)) return Fail(genesis_.validators[i].name + " halts: " + *step.halt);
  std::vector<proto::Fault> faults;
  for (const auto& [who, kind] : step.faults) faults.push_back({PartyOf(who), kind});
  CheckFaults(i, faults);
  if (step.rebased) validator.checked = validator.machine->latest().header().height - 1;
  if (!IsLiar(i)) CheckBlocks(i);
  // At instant 4 it dies in its service, below.
  Carry(i, std::move(step), instant == 3 ? 1 : kAll);
  if (instant == 3) Kill(i);
}

void World::OnService(std::uint16_t i, const std::function<Service::Step(Service&)>& call) {
  Validator& validator = *validators_[i];
  if (!validator.service) return;
  Service::Step step = call(*validator.service);
  CheckFaults(i, step.faults);
  if (!validator.doomed) return Carry(i, std::move(step), kAll);
  Carry(i, std::move(step), Between(0, 2));
  Kill(i);
}

void World::Carry(std::uint16_t i, LedgerMachine::Step step, std::size_t leaving) {
  for (auto& [epoch, to, message] : step.sync_messages) {
    if (IsLiar(i) && !options_.adversary->Serve(PositionOf(i), message)) continue;
    Dispatch(i, Index(PartyOf(to)), Channel::kControl, proto::sync::Encode(message));
  }
  if (step.rebased) Rebase(i);
  for (auto& note : step.notes) validators_[i]->notes.push_back(std::move(note));
  for (auto& [epoch, target, message] : step.messages) {
    CHECK(epoch->record.number == proto::kFirstEpoch);
    if (!IsLiar(i)) CheckSaid(i, message);
    for (std::uint16_t to = 0; to < size(); ++to) {
      if (!target.Includes(PartyId{to}) || to == i) continue;
      if (leaving == 0) return;
      if (leaving != kAll) --leaving;
      if (IsLiar(i)) {
        for (const auto& said : options_.adversary->Say(PositionOf(i), PartyId{to}, message)) {
          Dispatch(i, to, Channel::kControl, proto::dag::Encode(said));
        }
      } else {
        Dispatch(i, to, Channel::kControl, proto::dag::Encode(message));
      }
    }
  }
  if (step.events.empty()) return;
  Validator& validator = *validators_[i];
  for (const node::Event& event : step.events) {
    if (!std::holds_alternative<node::RequestSubmitted>(event) || IsLiar(i)) continue;
    if (!Chance(options_.session_crashes_percent)) continue;
    ScheduleFor(i, Between(0, 150), [&validator] { validator.doomed = true; });
  }
  // In order, and some time later.
  validator.events_at = std::max(validator.events_at, now_ + Between(0, 4));
  ScheduleFor(i, validator.events_at - now_,
              [this, i, snapshot = validator.machine->latest(), events = std::move(step.events)] {
                OnService(i, [&](Service& service) {
                  return service.OnEvents(snapshot, events, now_ * 1000);
                });
              });
}

void World::Carry(std::uint16_t i, Service::Step step, std::size_t leaving) {
  for (auto& [target, message] : step.messages) {
    if (!IsLiar(i)) CheckSaid(i, message);
    for (std::uint16_t to = 0; to < size(); ++to) {
      if (!target.Includes(PartyId{to})) continue;
      if (leaving == 0) return;
      if (leaving != kAll) --leaving;
      if (IsLiar(i)) {
        for (const auto& sent : options_.adversary->Send(PositionOf(i), PartyId{to}, message)) {
          Dispatch(i, to, Channel::kBulk, Encode(sent));
        }
      } else {
        Dispatch(i, to, Channel::kBulk, Encode(message));
      }
    }
  }
  for (proto::Payload& payload : step.outputs) {
    if (leaving == 0) return;
    if (leaving != kAll) --leaving;
    if (IsLiar(i)) {
      for (auto& posted : options_.adversary->Post(PositionOf(i), std::move(payload))) {
        SubmitOwn(i, std::move(posted));
      }
    } else {
      SubmitOwn(i, std::move(payload));
    }
  }
}

void World::SubmitOwn(std::uint16_t i, proto::Payload payload) {
  proto::Transaction transaction;
  transaction.chain = chain_;
  transaction.sender = validators_[i]->key.public_key();
  transaction.payload = std::move(payload);
  ScheduleFor(
      i, Between(0, 3),
      [this, i, bytes = proto::SignTransaction(validators_[i]->key, std::move(transaction))] {
        OnLedger(i, [&](LedgerMachine& machine) {
          const auto submitted = machine.Submit(bytes);
          if (!submitted && !IsLiar(i) && !machine.sync_status().observing) {
            Fail(genesis_.validators[i].name +
                 " does not take its own transaction: " + submitted.error().message);
          }
        });
      });
}

void World::Dispatch(std::uint16_t from, std::uint16_t to, Channel channel, const Bytes& bytes) {
  if (from == to) {
    return ScheduleFor(to, 0, [=, this] { Deliver(from, to, channel, bytes); });
  }
  const std::pair<std::uint16_t, std::uint16_t> link = std::minmax(from, to);
  const int copies = Chance(options_.duplicates_percent) ? 2 : 1;
  for (int copy = 0; copy < copies && broken_[link] == 0; ++copy) {
    ScheduleFor(to, Between(1, options_.delay_max), [=, this, epoch = epochs_[link]] {
      if (epochs_[link] == epoch) Deliver(from, to, channel, bytes);
    });
  }
  if (!options_.adversary || IsLiar(from)) return;
  const std::uint16_t liar = Index(options_.liar);
  if (!validators_[liar]->machine) return;
  for (const Bytes& injected : options_.adversary->Inject(PositionOf(liar), bytes)) {
    const auto victim = static_cast<std::uint16_t>(Between(0, size() - 1u));
    const Channel on = Chance(50) ? Channel::kControl : Channel::kBulk;
    if (victim == liar) continue;
    ScheduleFor(victim, Between(1, options_.delay_max),
                [=, this] { Deliver(liar, victim, on, injected); });
  }
}

void World::Deliver(std::uint16_t from, std::uint16_t to, Channel channel, const Bytes& bytes) {
  if (channel == Channel::kControl && proto::sync::IsSync(bytes)) {
    auto message = proto::sync::DecodeMessage(bytes);
    if (!message) {
      if (!IsLiar(from)) Fail("an honest message is refused: " + message.error().message);
      return;
    }
    OnLedger(to, [&](LedgerMachine& m) {
      m.Handle(genesis_.validators[from].key, proto::kFirstEpoch, std::move(*message));
    });
  } else if (channel == Channel::kControl) {
    auto message = proto::dag::DecodeMessage(bytes);
    if (!message) {
      if (!IsLiar(from)) Fail("an honest message is refused: " + message.error().message);
      return;
    }
    // Some calls share one sync with the next.
    OnLedger(
        to,
        [&](LedgerMachine& m) {
          m.Handle(genesis_.validators[from].key, proto::kFirstEpoch, std::move(*message));
        },
        !Chance(25));
  } else {
    auto message = node::DecodeInferenceMessage(bytes);
    if (!message) {
      if (!IsLiar(from)) Fail("an honest message is refused: " + message.error().message);
      return;
    }
    OnService(to, [&](Service& service) {
      return service.Handle(PartyId{from}, std::move(*message), now_ * 1000);
    });
  }
}

}  // namespace sim
