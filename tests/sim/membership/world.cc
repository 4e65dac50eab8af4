#include "tests/sim/membership/world.h"

#include <algorithm>
#include <limits>

#include "node/rpc/block_reader.h"
#include "proto/base/check.h"
#include "proto/crypto/hash.h"
#include "tests/sim/membership/world_node.h"

namespace sim {

using node::LedgerMachine;
using proto::Bytes;
using proto::Digest;
using proto::PartyId;
using proto::PublicKey;

namespace {

constexpr std::size_t kAll = std::numeric_limits<std::size_t>::max();
// As node/loop's host paces them, in milliseconds.
constexpr std::uint64_t kHeaderDelay = 15;
constexpr std::uint64_t kIdleDelay = 250;
constexpr std::uint64_t kSyncBeat = 250;
constexpr std::uint64_t kFollowPause = 100;
constexpr std::uint64_t kStallPatience = 3000;
constexpr std::uint64_t kClientPause = 60;
constexpr std::uint64_t kFunds = 1'000'000'000;
constexpr std::uint64_t kStake = 1'000'000;
constexpr std::uint64_t kAmount = 7;

proto::SecretKey KeyOf(std::uint64_t seed, std::string_view what, std::uint64_t number) {
  const Digest digest = proto::Hasher(what).Add(seed).Add(number).Finish();
  return std::move(*proto::SecretKey::From(digest.span()));
}

}  // namespace

MembershipWorld::MembershipWorld(MembershipOptions options)
    : options_(options), random_(options.seed) {
  MakeGenesis();
  for (std::uint16_t i = 0; i < size(); ++i) {
    if (options_.silent == i) continue;
    Schedule(Between(0, 20), [this, i] { Boot(i); });
  }
  Schedule(0, [this] {
    PlanFaults();
    OnNewEpoch();
  });
  Schedule(kClientPause, [this] { Drive(); });
}

MembershipWorld::~MembershipWorld() = default;

void MembershipWorld::MakeGenesis() {
  const std::uint64_t seed = options_.seed;
  const proto::Committee committee(options_.founders);
  for (std::uint16_t i = 0; i < options_.founders + options_.candidates; ++i) {
    nodes_.push_back(
        std::make_unique<Node>(KeyOf(seed, "sim/node", i), KeyOf(seed, "sim/next", i)));
  }
  std::ranges::sort(nodes_.begin(), nodes_.begin() + options_.founders, {},
                    [](const auto& node) { return node->key.public_key(); });
  auto coin = proto::DealCoin(committee, committee.validity(),
                              proto::Hasher("sim/coin").Add(seed).Finish().span());
  proto::ChainSpec& spec = genesis_.spec;
  spec.name = "membership";
  spec.gc_depth = 50;
  spec.transaction_bytes_max = 1 << 18;
  spec.transaction_fee = 1;
  spec.model_fee = 1;
  spec.open_deadline_rounds = 20'000;
  spec.attempts_in_progress_max = 1;
  spec.pool_target_max = 1;
  spec.waiting_requests_max = 4;
  spec.funded_balance = kFunds;
  spec.epoch_commits = options_.epoch_commits;
  spec.stake_min = kStake;
  spec.unbonding_rounds = 40;
  genesis_.coin_threshold = committee.validity();
  client_ = KeyOf(seed, "sim/client", 0);
  genesis_.accounts.push_back({client_->public_key(), kFunds});
  for (std::uint16_t i = 0; i < size(); ++i) {
    Node& node = *nodes_[i];
    node.name = "node" + std::to_string(i);
    genesis_.accounts.push_back({node.key.public_key(), kFunds});
    if (i >= options_.founders) continue;
    genesis_.validators.push_back(Card(i, node.key));
    genesis_.validators.back().coin_key = coin.public_key.verification[i];
    node.coin = std::move(coin.secrets[i]);
  }
  std::ranges::sort(genesis_.accounts, {}, &proto::FundedAccount::key);
  chain_ = proto::ChainId(genesis_);
}

proto::ValidatorSpec MembershipWorld::Card(std::uint16_t i, const proto::SecretKey& key) const {
  proto::ValidatorSpec card;
  card.name = nodes_[i]->name;
  card.key = key.public_key();
  card.certificate = "certificate of " + card.name;
  card.certificate_signature = key.Sign(proto::CertificateDigest(card.certificate));
  card.peer_address = "127.0.0.1:" + std::to_string(1000 + i);
  card.rpc_address = "127.0.0.1:" + std::to_string(2000 + i);
  return card;
}

// ---- what nodes ask for -------------------------------------------------------------------------

void MembershipWorld::Join(std::uint64_t epoch, std::uint16_t node) {
  wishes_.push_back({epoch, node, [this, node] {
                       return proto::JoinValidators{Card(node, nodes_[node]->key), kStake};
                     }});
}

void MembershipWorld::Leave(std::uint64_t epoch, std::uint16_t node) {
  wishes_.push_back({epoch, node, [] { return proto::LeaveValidators{}; }});
}

void MembershipWorld::Rotate(std::uint64_t epoch, std::uint16_t node) {
  wishes_.push_back({epoch, node, [this, node] {
                       const Node& who = *nodes_[node];
                       return proto::RotateValidator{
                           Card(node, who.next),
                           who.next.Sign(proto::RotationDigest(chain_, who.key.public_key(),
                                                               who.next.public_key()))};
                     }});
}

// ---- running ------------------------------------------------------------------------------------

bool MembershipWorld::Run(const std::function<bool(const MembershipWorld&)>& until) {
  while (failure_.empty() && !(Settled() && (!until || until(*this)))) {
    now_ = events_.top().time;
    const auto action = std::move(events_.top().action);
    events_.pop();
    action();
    if (now_ > options_.time_max) Fail("not done in time: " + Describe());
  }
  for (std::uint16_t i = 0; i < size() && failure_.empty(); ++i) {
    if (nodes_[i]->machine) CheckHistory(i);
  }
  return failure_.empty();
}

void MembershipWorld::Fail(const std::string& reason) {
  if (failure_.empty()) {
    failure_ =
        "seed " + std::to_string(options_.seed) + " time " + std::to_string(now_) + ": " + reason;
  }
}

std::string MembershipWorld::Describe() const {
  std::string out = std::to_string(blocks_.size()) + " blocks";
  for (const auto& node : nodes_) {
    out += "; " + node->name;
    if (!node->machine) {
      out += " down";
      continue;
    }
    const auto& latest = node->machine->latest();
    out += " epoch " + std::to_string(node->machine->epoch()->record.number) + " of " +
           std::to_string(latest.epoch()->record.number) + " height " +
           std::to_string(latest.header().height) + " round " +
           std::to_string(node->machine->status().own_round) +
           (node->machine->follows() ? " follows" : "");
    const auto sync = node->machine->sync_status();
    if (!sync.why_not.empty()) out += " (" + sync.why_not + ")";
  }
  const auto& turn = LedgerOf(0).turn();
  out += "; turn " + std::to_string(turn.epoch) + " with " + std::to_string(turn.dealings.size()) +
         " dealings";
  return out;
}

const node::Snapshot& MembershipWorld::LedgerOf(std::uint16_t i) const {
  if (nodes_[i]->machine) return nodes_[i]->machine->latest();
  for (const auto& node : nodes_) {
    if (node->machine) return node->machine->latest();
  }
  CHECK(false);
  return nodes_[0]->machine->latest();
}

const proto::EpochRecord& MembershipWorld::epoch() const {
  const proto::EpochRecord* newest = nullptr;
  for (const auto& node : nodes_) {
    if (!node->machine) continue;
    const proto::EpochRecord& record = node->machine->epoch()->record;
    if (newest == nullptr || record.number > newest->number) newest = &record;
  }
  return *newest;
}

bool MembershipWorld::IsMember(std::uint16_t i) const {
  const auto keys = epoch().keys();
  return std::ranges::binary_search(keys, nodes_[i]->key.public_key()) ||
         std::ranges::binary_search(keys, nodes_[i]->next.public_key());
}

node::SyncStatus MembershipWorld::SyncOf(std::uint16_t i) const {
  return nodes_[i]->machine ? nodes_[i]->machine->sync_status() : node::SyncStatus{};
}

const std::vector<std::string>& MembershipWorld::notes(std::uint16_t i) const {
  return nodes_[i]->notes;
}

bool MembershipWorld::Spoke(std::uint16_t i, std::uint64_t epoch) const {
  return std::ranges::any_of(said_, [&](const auto& entry) {
    const auto& [what, key, in, round, author] = entry.first;
    return what == "header" && in == epoch && NodeOf(key) == i;
  });
}

bool MembershipWorld::Settled() const {
  if (highest_epoch_ < options_.epochs) return false;
  if (std::ranges::any_of(wishes_, [](const Wish& wish) { return !wish.sent; })) return false;
  std::optional<std::uint64_t> number;
  for (const auto& node : nodes_) {
    if (node->away) return false;
    if (!node->machine) {
      if (options_.silent && nodes_[*options_.silent] == node) continue;
      return false;
    }
    const std::uint64_t in = node->machine->epoch()->record.number;
    if (number && *number != in) return false;
    number = in;
    if (node->machine->latest().account(client_->public_key()).nonce < options_.transfers) {
      return false;
    }
  }
  // All members vote.
  for (std::uint16_t i = 0; i < size(); ++i) {
    if (nodes_[i]->machine && IsMember(i) && !SyncOf(i).votes && !SyncOf(i).observing) return false;
  }
  return true;
}

void MembershipWorld::ScheduleFor(std::uint16_t i, std::uint64_t delay,
                                  std::function<void()> action) {
  Schedule(delay, [this, i, life = nodes_[i]->life, action = std::move(action)] {
    if (nodes_[i]->machine && nodes_[i]->life == life) action();
  });
}

std::optional<std::uint16_t> MembershipWorld::NodeOf(const PublicKey& key) const {
  for (std::uint16_t i = 0; i < size(); ++i) {
    if (nodes_[i]->key.public_key() == key || nodes_[i]->next.public_key() == key) return i;
  }
  return std::nullopt;
}

// ---- faults -------------------------------------------------------------------------------------

void MembershipWorld::PlanFaults() {
  for (std::uint16_t i = 0; i < size(); ++i) {
    if (options_.silent == i) continue;
    for (std::uint32_t k = 0; k < options_.crashes; ++k) {
      Schedule(Between(100, options_.faults_until), [this, i] { nodes_[i]->doomed = true; });
    }
  }
  for (std::uint32_t k = 0; k < options_.link_breaks; ++k) {
    Schedule(Between(100, options_.faults_until), [this] {
      const auto i = static_cast<std::uint16_t>(random_() % size());
      const auto j = static_cast<std::uint16_t>(random_() % size());
      if (i == j) return;
      const std::pair<std::uint16_t, std::uint16_t> link = std::minmax(i, j);
      ++broken_[link];
      ++links_[link];
      ++faults_["broken links"];
      Schedule(Between(50, 1500), [this, link] {
        if (--broken_[link] == 0) Connect(link.first, link.second);
      });
    });
  }
}

void MembershipWorld::OnNewEpoch() {
  if (!options_.absent) return;
  const std::uint16_t i = *options_.absent;
  Node& node = *nodes_[i];
  const std::uint64_t copied_in = options_.copied_in ? options_.copied_in : options_.absent_from;
  if (highest_epoch_ == copied_in) node.copy = node.store;
  if (highest_epoch_ == options_.absent_from) {
    Schedule(300, [this, i] {
      nodes_[i]->away = true;
      if (nodes_[i]->machine) Kill(i, false);
    });
  }
  if (highest_epoch_ == options_.absent_until) {
    // In the same epoch: some time after it went.
    const bool soon = options_.absent_from == options_.absent_until;
    Schedule(soon ? 900 : 200, [this, i] {
      Node& who = *nodes_[i];
      who.away = false;
      ++faults_["absences"];
      if (options_.absent_return == MembershipOptions::Return::kWiped) {
        who.store = {};
        ++faults_["stores wiped"];
      }
      if (options_.absent_return == MembershipOptions::Return::kOldCopy) {
        who.store = *who.copy;
        ++faults_["stores of old"];
      }
      if (options_.absent_return != MembershipOptions::Return::kAsItWas) who.checked = 0;
      Boot(i);
    });
  }
}

void MembershipWorld::Boot(std::uint16_t i) {
  Node& node = *nodes_[i];
  if (node.away || node.machine) return;
  node::ValidatorKeys keys;
  keys.keys.push_back(node.key.Clone());
  keys.keys.push_back(node.next.Clone());
  if (node.coin) keys.first_coin = node.coin->Clone();
  auto machine = LedgerMachine::Open(genesis_, std::move(keys), node.store,
                                     {options_.retain_rounds, node.life * size() + i});
  if (!machine) return Fail(node.name + ": " + machine.error().message);
  node.machine = std::move(*machine);
  // Killed when a snapshot was in place, and nobody had heard of it.
  const auto header = node::ReadHeader(node.store, node.checked + 1);
  const std::uint64_t height = node.machine->latest().header().height;
  if (header && !*header && height > node.checked) {
    ++rebases_;
    node.checked = height - 1;
  }
  node.grown_at = now_;
  const std::uint64_t life = node.life;
  const auto lives = [&] { return node.machine && node.life == life; };
  Call(i, [](LedgerMachine& m) { m.Start(); });
  for (std::uint16_t j = 0; j < size() && lives(); ++j) Connect(i, j);
  if (lives()) Tick(i);
  if (lives()) Beat(i);
  if (lives()) Follow(i);
}

std::size_t MembershipWorld::Kill(std::uint16_t i, bool comes_back) {
  Node& node = *nodes_[i];
  ++restarts_;
  ++node.life;
  node.doomed = false;
  node.machine.reset();
  const std::size_t unsynced = node.store.unsynced();
  const std::size_t kept = Between(0, unsynced);
  node.store.Crash(kept);
  ++faults_["crashes"];
  faults_["unsynced batches lost"] += unsynced - kept;
  if (comes_back) Schedule(Between(1, 600), [this, i] { Boot(i); });
  return kept;
}

void MembershipWorld::Connect(std::uint16_t i, std::uint16_t j) {
  if (i == j || broken_[std::minmax(i, j)] > 0) return;
  for (const auto& [one, other] : {std::pair(i, j), std::pair(j, i)}) {
    if (!nodes_[i]->machine || !nodes_[j]->machine) return;
    for (const proto::SecretKey* key : {&nodes_[other]->key, &nodes_[other]->next}) {
      Call(one, [peer = key->public_key()](LedgerMachine& m) { m.PeerConnected(peer); });
    }
  }
}

// ---- the host's duties --------------------------------------------------------------------------

void MembershipWorld::Tick(std::uint16_t i) {
  const bool pending = nodes_[i]->machine->has_pending();
  ScheduleFor(i, pending ? kHeaderDelay : kIdleDelay, [this, i] {
    const std::uint64_t life = nodes_[i]->life;
    Call(i, [](LedgerMachine& m) { m.Tick(); });
    if (nodes_[i]->machine && nodes_[i]->life == life) Tick(i);
  });
}

void MembershipWorld::Beat(std::uint16_t i) {
  ScheduleFor(i, kSyncBeat, [this, i] {
    const std::uint64_t life = nodes_[i]->life;
    Call(i, [this](LedgerMachine& m) { m.Beat(now_); });
    if (nodes_[i]->machine && nodes_[i]->life == life) Beat(i);
  });
}

void MembershipWorld::Follow(std::uint16_t i) {
  ScheduleFor(i, Between(kFollowPause / 2, kFollowPause), [this, i] {
    Node& node = *nodes_[i];
    const std::uint64_t life = node.life;
    const std::uint64_t height = node.machine->latest().header().height;
    if (height != node.height) node.grown_at = now_;
    node.height = height;
    const auto server = static_cast<std::uint16_t>(random_() % size());
    const bool asks = (node.machine->follows() || now_ > node.grown_at + kStallPatience) &&
                      !node.machine->sync_status().download;
    if (asks && server != i && nodes_[server]->machine && broken_[std::minmax(i, server)] == 0) {
      const auto page = node::ReadPage(nodes_[server]->store, node.machine->wanted_height(),
                                       node.machine->epoch()->record.number);
      if (!page) return Fail(page.error().message);
      const auto decoded = node::DecodePage(node::EncodePage(*page));
      if (!decoded) return Fail(decoded.error().message);
      if (options_.snapshots && !decoded->link.empty()) FollowLinks(i, server);
      Call(i, [&](LedgerMachine& m) {
        if (const auto followed = m.Follow(*decoded); !followed) {
          Fail("an honest page is refused: " + followed.error().message);
        }
      });
    }
    if (node.machine && node.life == life) Follow(i);
  });
}

void MembershipWorld::FollowLinks(std::uint16_t i, std::uint16_t server) {
  if (!nodes_[i]->machine) return;
  std::vector<proto::EpochLink> links;
  for (std::uint64_t number = nodes_[i]->machine->epoch()->record.number + 1;; ++number) {
    const auto bytes = node::ReadLink(nodes_[server]->store, number);
    if (!bytes || !*bytes) break;
    links.push_back(*proto::DecodeLink(**bytes));
  }
  Call(i, [&](LedgerMachine& m) {
    if (const auto followed = m.FollowLinks(links); !followed) {
      Fail("honest links are refused: " + followed.error().message);
    }
  });
}

void MembershipWorld::Call(std::uint16_t i, const std::function<void(LedgerMachine&)>& call,
                           bool flush) {
  Node& node = *nodes_[i];
  if (!node.machine) return;
  const std::size_t before = node.store.unsynced();
  call(*node.machine);
  const std::uint64_t instant = node.doomed ? Between(1, 3) : 0;
  if (instant == 1) {
    // Words that nobody heard, nor this world, may have been among what survived.
    node.knows_more |= Kill(i) > before;
    return;
  }
  if (!flush) return;
  LedgerMachine::Step step = node.machine->Flush();
  // Durable, so it may leave at any time, also in a later life.
  for (const LedgerMachine::Message& message : step.messages) CheckSaid(message, i);
  if (instant == 2) {
    Kill(i);
    return;
  }
  if (step.halt) return Fail(node.name + " halts: " + *step.halt);
  for (const auto& [who, kind] : step.faults) {
    const auto accused = NodeOf(who);
    Fail(node.name + " blames " + (accused ? nodes_[*accused]->name : "a stranger") + " for kind " +
         std::to_string(static_cast<int>(kind)));
  }
  if (step.rebased) {
    ++rebases_;
    node.checked = node.machine->latest().header().height - 1;
  }
  CheckBlocks(i);
  Carry(i, std::move(step), instant == 3 ? 1 : kAll);
  if (instant == 3) Kill(i);
}

void MembershipWorld::Carry(std::uint16_t i, LedgerMachine::Step step, std::size_t leaving) {
  const std::uint64_t number = nodes_[i]->machine->epoch()->record.number;
  if (number > highest_epoch_) {
    highest_epoch_ = number;
    OnNewEpoch();
  }
  for (auto& note : step.notes) nodes_[i]->notes.push_back(std::move(note));
  for (const Bytes& forward : step.forwards) {
    Schedule(Between(1, 12), [this, forward] { Submit(forward, 2); });
  }
  for (auto& [to, message] : step.questions) {
    const auto server = NodeOf(to.key);
    if (!server || *server == i || broken_[std::minmax(i, *server)] > 0) continue;
    ScheduleFor(
        *server, Between(1, 12), [this, i, server = *server, key = to.key, question = message] {
          const auto answer = nodes_[server]->machine->Answer(question);
          if (!answer) return;
          ScheduleFor(i, Between(1, 12), [this, i, key, answer = *answer] {
            Call(i, [&](LedgerMachine& m) { m.Handle(key, 0, proto::sync::Message(answer)); });
          });
        });
  }
  const auto own = [&](const PublicKey& key) { return NodeOf(key) == i; };
  for (auto& message : step.sync_messages) {
    const auto to = NodeOf(message.to);
    if (!to || leaving-- == 0) return;
    const auto& members = nodes_[i]->machine->epoch()->validators.keys;
    const auto sender = std::ranges::find_if(members, own);
    const PublicKey from = sender == members.end() ? nodes_[i]->key.public_key() : *sender;
    const Bytes bytes = proto::sync::Encode(message.message);
    Deliver(
        i, *to,
        [this, i, to = *to, bytes, epoch = message.epoch](LedgerMachine& m, const PublicKey& who) {
          auto decoded = proto::sync::DecodeMessage(bytes);
          if (!decoded) return Fail("an honest message is refused: " + decoded.error().message);
          if (const auto* answer = std::get_if<proto::sync::WordAnswer>(&*decoded)) {
            told_[{to, nodes_[to]->life, answer->epoch}].insert(i);
          }
          m.Handle(who, epoch, std::move(*decoded));
        },
        from, bytes);
  }
  for (auto& message : step.messages) {
    const node::Members& members = message.epoch->validators;
    const auto sender = std::ranges::find_if(members.keys, own);
    CHECK(sender != members.keys.end());
    const Bytes bytes = proto::dag::Encode(message.message);
    for (std::uint16_t p = 0; p < members.committee.size(); ++p) {
      if (!message.target.Includes(PartyId{p})) continue;
      const auto to = NodeOf(members.keys[p]);
      CHECK(to.has_value());
      if (*to == i) continue;
      if (leaving-- == 0) return;
      Deliver(
          i, *to,
          [this, bytes, epoch = members.epoch](LedgerMachine& m, const PublicKey& who) {
            auto decoded = proto::dag::DecodeMessage(bytes);
            if (!decoded) {
              return Fail("an honest message is refused: " + decoded.error().message);
            }
            m.Handle(who, epoch, std::move(*decoded));
          },
          *sender, bytes);
    }
  }
}

void MembershipWorld::Deliver(std::uint16_t from, std::uint16_t to,
                              std::function<void(LedgerMachine&, const PublicKey&)> handle,
                              const PublicKey& sender, const Bytes& bytes) {
  const std::pair<std::uint16_t, std::uint16_t> link = std::minmax(from, to);
  if (from != to && broken_[link] > 0) {
    ++faults_["messages lost"];
    return;
  }
  const std::uint64_t times = links_[link];
  const std::uint64_t delay = from == to ? 0 : Between(1, 12);
  const std::uint64_t hash = proto::GetU64(proto::Sha256(bytes).span());
  ScheduleFor(to, delay, [=, this] {
    if (from != to && links_[link] != times) {  // Lost with the link.
      ++faults_["messages lost"];
      return;
    }
    for (const std::uint64_t word : {now_, std::uint64_t{to}, hash}) {
      trace_ = (trace_ ^ word) * 0x100000001b3;
    }
    Call(to, [&](LedgerMachine& m) { handle(m, sender); });
  });
}

// ---- clients ------------------------------------------------------------------------------------

void MembershipWorld::Submit(const Bytes& transaction, std::size_t copies) {
  for (std::size_t k = 0; k < 4 * copies && copies > 0; ++k) {
    const auto i = static_cast<std::uint16_t>(random_() % size());
    if (!nodes_[i]->machine || !nodes_[i]->machine->self()) continue;
    --copies;
    // A refusal is no reason to give up: it may lag, or be executed.
    Call(i, [&](LedgerMachine& m) { (void)m.Submit(transaction); });
  }
}

void MembershipWorld::Drive() {
  const node::Snapshot* newest = nullptr;
  for (const auto& node : nodes_) {
    if (!node->machine) continue;
    const node::Snapshot& latest = node->machine->latest();
    if (newest == nullptr || latest.header().height > newest->header().height) newest = &latest;
  }
  Schedule(kClientPause, [this] { Drive(); });
  if (newest == nullptr) return;
  const node::Snapshot ledger = *newest;
  const auto sign = [&](const proto::SecretKey& key, std::uint64_t nonce, proto::Payload payload) {
    proto::Transaction transaction;
    transaction.chain = chain_;
    transaction.sender = key.public_key();
    transaction.nonce = nonce;
    transaction.payload = std::move(payload);
    return proto::SignTransaction(key, std::move(transaction));
  };
  const std::uint64_t done = ledger.account(client_->public_key()).nonce;
  // Spread over the epochs, and one over each of their ends.
  const std::uint64_t due = options_.transfers * highest_epoch_ / options_.epochs;
  for (std::uint64_t nonce = done; nonce < std::min<std::uint64_t>(due, done + 3); ++nonce) {
    Submit(sign(*client_, nonce, proto::Transfer{nodes_[0]->key.public_key(), kAmount}), 2);
  }
  for (Wish& wish : wishes_) {
    if (wish.sent || highest_epoch_ < wish.epoch) continue;
    const Node& node = *nodes_[wish.node];
    const std::uint64_t nonce = ledger.account(node.key.public_key()).nonce;
    if (wish.nonce == 0) wish.nonce = nonce + 1;
    if (nonce >= wish.nonce) {
      wish.sent = true;
    } else {
      Submit(sign(node.key, nonce, wish.payload()), 2);
    }
  }
}

}  // namespace sim
