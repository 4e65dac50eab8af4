#include "tests/sim/consensus/cluster.h"

#include <algorithm>

#include "proto/base/overloaded.h"
#include "proto/crypto/hash.h"

namespace sim {

namespace {

// Above its last committed leader a validator keeps what it knows until the next commit: so many
// rounds of vertices, and what waits for others, is all that a run may hold in memory.
constexpr std::uint64_t kWavesOpenMax = 60;  // (2/3)^60 = 3e-11, see the commit rule's liveness.

Bytes Secret(std::string_view tag, std::uint64_t number) {
  const Digest digest = proto::Hasher(tag).Add(number).Finish();
  return {digest.bytes.begin(), digest.bytes.end()};
}

}  // namespace

Cluster::Cluster(const ClusterOptions& options)
    : options_(options), committee_(options.n), random_(options.seed) {
  MakeKeys();
  for (std::uint16_t i = 0; i < options_.n - options_.silent; ++i) {
    const bool twin = i >= options_.n - options_.silent - options_.twins;
    for (int copy = 0; copy < (twin ? 2 : 1); ++copy) {
      Node& node = nodes_.emplace_back();
      node.party = PartyId{i};
      node.honest = !twin;
    }
  }
  links_.resize(nodes_.size() * nodes_.size());
  broken_.resize(nodes_.size() * nodes_.size());
  for (std::size_t i = 0; i < nodes_.size(); ++i) Schedule(Between(0, 20), [=, this] { Boot(i); });
  Schedule(0, [this] { PlanFaults(); });
}

bool Cluster::Run() {
  std::uint64_t steps = 0;
  while (failure_.empty() && !events_.empty() && !(++steps % 16 == 0 && Converged())) {
    now_ = events_.top().time;
    if (now_ > options_.time_max) {
      Fail("no convergence: " + Describe());
      break;
    }
    const auto action = std::move(events_.top().action);
    events_.pop();
    action();
    if (!oracle_->failure().empty()) Fail(oracle_->failure());
  }
  if (commits_under_faults_ < options_.commits_under_faults_min) {
    Fail("only " + std::to_string(commits_under_faults_) + " commits while the faults lasted");
  }
  if (failure_.empty() && !options_.too_many_twins) {
    oracle_->CheckDefinition();
    if (!oracle_->failure().empty()) Fail(oracle_->failure());
  }
  return failure_.empty();
}

std::uint64_t Cluster::highest_round() const {
  std::uint64_t highest = 0;
  for (const auto& node : nodes_) {
    if (node.core) highest = std::max(highest, node.core->status().highest_round);
  }
  return highest;
}

void Cluster::Fail(const std::string& reason) {
  if (failure_.empty()) failure_ = "time " + std::to_string(now_) + ": " + reason;
}

void Cluster::MakeKeys() {
  for (std::uint16_t i = 0; i < options_.n; ++i) {
    secrets_.push_back(*proto::SecretKey::From(Secret("sim/key", i)));
    keys_.push_back(secrets_.back().public_key());
  }
  coin_.emplace(
      proto::DealCoin(committee_, committee_.validity(), Secret("sim/coin", options_.seed)));
  oracle_.emplace(ConfigOf(PartyId{0}), coin_->secrets);
}

consensus::Config Cluster::ConfigOf(PartyId party) const {
  static const Digest chain = proto::Hash("sim/chain", {});
  consensus::Config config{committee_,        keys_, chain, 1, coin_->public_key,
                           options_.gc_depth, party};
  config.retain_rounds = options_.retain_rounds;
  return config;
}

void Cluster::Boot(std::size_t i) {
  Node& node = nodes_[i];
  auto core = consensus::Core::Open(ConfigOf(node.party), secrets_[Index(node.party)].Clone(),
                                    coin_->secrets[Index(node.party)].Clone(), node.disk,
                                    node.blocks.size());
  if (!core) return Fail("a restart is refused: " + core.error().message);
  node.core = std::move(*core);
  const std::uint64_t life = node.life;
  Carry(i, node.core->Start());
  for (std::uint64_t index = 1; index <= node.blocks.size() && Lives(i, life); ++index) {
    if (!node.finalized.count(index)) Carry(i, node.core->SignBlock(index, node.blocks[index - 1]));
  }
  for (std::size_t j = 0; j < nodes_.size(); ++j) Connect(i, j);
  if (Lives(i, life)) ScheduleTick(i);
}

void Cluster::Crash(std::size_t i, std::uint64_t down_time) {
  Node& node = nodes_[i];
  if (!node.core) return;
  ++faults_["crashes"];
  ++node.life;
  node.core.reset();
  const std::size_t unsynced = node.disk.unsynced();
  const auto loss = node.disk.Crash(Between(0, unsynced), Chance(50));
  faults_["unsynced batches lost"] += loss.batches;
  faults_["torn batches"] += loss.torn;
  Schedule(down_time, [=, this] { Boot(i); });
}

void Cluster::ScheduleTick(std::size_t i) {
  const std::uint64_t life = nodes_[i].life;
  const std::uint64_t delay =
      options_.lockstep ? options_.tick - now_ % options_.tick : Between(1, options_.tick);
  Schedule(delay, [=, this] {
    if (!Lives(i, life)) return;
    Carry(i, nodes_[i].core->Tick());
    if (Lives(i, life)) ScheduleTick(i);
  });
}

void Cluster::Submit(std::size_t i, std::uint32_t number) {
  Node& node = nodes_[i];
  if (i + options_.silent >= nodes_.size()) return;  // It will not come.
  if (!node.core) return Schedule(20, [=, this] { Submit(i, number); });
  const std::uint64_t life = node.life;
  Bytes transaction = Secret("sim/transaction", number);
  auto step = node.core->Submit({transaction});
  if (!step) return Fail("a transaction is refused: " + step.error().message);
  Carry(i, std::move(*step));
  // Acknowledged only if the node lives: the step's writes are durable then.
  if (!Lives(i, life) || !node.honest) return;
  arrived_.try_emplace(transaction, now_);
  if (!options_.slow_for_ever || !IsSlow(i)) acknowledged_.insert(std::move(transaction));
}

// 0: none. Otherwise where in this step the validator crashes.
int Cluster::InstantOfCrash(std::size_t i, const consensus::Step& step) {
  if (const auto doom = doomed_.find(i); doom != doomed_.end()) {
    const int instant = doom->second;
    doomed_.erase(doom);
    return instant;
  }
  if (i == 0 && step.sync && ++synced_writes_ == options_.crash_at_sync) {
    return static_cast<int>(options_.crash_instant);
  }
  return 0;
}

// The host's duty, in its order; the adversary may stop it in between.
void Cluster::Carry(std::size_t i, consensus::Step step) {
  Node& node = nodes_[i];
  const std::uint64_t life = node.life;
  const int instant = InstantOfCrash(i, step);
  const auto crash = [&] { Crash(i, Between(1, options_.down_time_max)); };
  if (instant == 1) return crash();
  node.disk.Apply(step.writes, step.sync);
  if (node.honest) {
    for (const auto& write : step.writes) oracle_->OnWrite(write);
  }
  if (node.honest) CheckDurable(node, step);
  if (instant == 2) return crash();
  for (const auto& fault : step.faults) {
    if (node.honest && IsHonest(fault.party)) {
      Fail("honest validator " + std::to_string(Index(fault.party)) + " is blamed for " +
           std::to_string(static_cast<int>(fault.kind)));
    }
  }
  for (auto& [target, message] : step.messages) Post(i, target, std::move(message));
  if (instant == 3) return crash();
  for (auto& output : step.outputs) {
    if (Lives(i, life)) On(i, output);
  }
  if (instant == 4 && Lives(i, life)) return crash();
  if (Lives(i, life)) Observe(i);
}

// What a validator says, and what it executes, it will still know after any crash.
void Cluster::CheckDurable(const Node& node, const consensus::Step& step) {
  const Disk::Durable durable(node.disk);
  consensus::Store store(committee_, durable);
  for (const auto& [target, message] : step.messages) {
    if (const auto* const vote = std::get_if<consensus::Vote>(&message)) {
      const auto kept = store.FindVote(vote->round, vote->author);
      if (!kept || kept->header != vote->header) Fail("a vote leaves before it is durable");
    } else if (const auto* const header = std::get_if<consensus::Header>(&message)) {
      const auto own = store.FindOwn();
      // An older one, still without its certificate, may be sent again.
      if (!own || !own->header || own->header->round < header->round ||
          (own->header->round == header->round && own->header->digest != header->digest)) {
        Fail("an own header leaves before it is durable");
      }
    }
  }
  for (const auto& output : step.outputs) {
    const auto* const commit = std::get_if<consensus::Commit>(&output);
    if (!commit) continue;
    const auto state = store.FindState();
    if (!state || state->commit_index < commit->index || !store.FindCommit(commit->index)) {
      Fail("a commit is executed before it is durable");
    }
  }
}

void Cluster::On(std::size_t i, const consensus::Output& output) {
  Node& node = nodes_[i];
  std::visit(proto::Overloaded{
                 [&](const consensus::Commit& commit) { Execute(i, commit); },
                 [&](const consensus::Finalized& finalized) {
                   if (!node.honest) return;
                   oracle_->OnFinalized(finalized);
                   node.finalized.insert(finalized.index);
                 },
                 [&](const consensus::Evidence& evidence) {
                   oracle_->OnEvidence(evidence, IsHonest(evidence.offender));
                 },
                 [&](const consensus::NeedSnapshot&) { Fail("a snapshot is needed"); },
                 [&](const consensus::Halt& halt) {
                   if (!node.honest) return;
                   ++halted_;
                   if (!options_.too_many_twins) Fail("halt: " + halt.reason);
                 },
             },
             output);
}

// The ledger: a hash chain over the commits; a transaction is executed once.
void Cluster::Execute(std::size_t i, const consensus::Commit& commit) {
  Node& node = nodes_[i];
  if (commit.index > node.blocks.size() + 1) return Fail("a commit is skipped");
  const bool again = commit.index <= node.blocks.size();
  if (!again) {
    proto::Hasher hasher("sim/block");
    if (!node.blocks.empty()) hasher.Add(node.blocks.back().span());
    hasher.Add(commit.index).Add(commit.round).Add(commit.leader.span());
    for (const auto& vertex : commit.vertices) {
      hasher.Add(vertex.digest.span());
      const auto sent = first_sent_.find({vertex.round, vertex.author});
      if (!node.honest || quiet() || sent == first_sent_.end()) continue;
      const std::uint64_t delay = now_ - sent->second;
      ++latency_.vertices;
      latency_.vertex_sum += delay;
      if (vertex.digest != commit.leader) continue;
      ++latency_.leaders;
      latency_.leader_sum += delay;
    }
    for (const auto& transaction : commit.transactions) {
      if (node.executed.insert(transaction).second) {
        hasher.AddSized(transaction);
        const auto arrived = arrived_.find(transaction);
        if (!node.honest || quiet() || arrived == arrived_.end()) continue;
        ++latency_.transactions;
        latency_.transaction_sum += now_ - arrived->second;
      } else if (node.honest) {
        ++faults_["transactions ordered again"];
      }
    }
    node.blocks.push_back(hasher.Finish());
  }
  const Digest& block = node.blocks[commit.index - 1];
  if (node.honest && !again) {
    oracle_->OnExecuted(commit, block);
    if (!quiet()) commits_under_faults_ = oracle_->blocks().size();
  }
  Carry(i, node.core->SignBlock(commit.index, block));
}

// Memory: everything a core holds lies between gc and the newest round, or waits for it.
void Cluster::Observe(std::size_t i) {
  const Node& node = nodes_[i];
  if (!node.honest) return;
  const auto status = node.core->status();
  const std::uint64_t open =
      (status.highest_round - std::min(status.highest_round, status.last_leader_round)) / 2;
  if (!quiet()) waves_without_commit_ = std::max(waves_without_commit_, open);
  if (options_.starver == Starver::kClairvoyant || options_.too_many_twins) return;
  if (open > kWavesOpenMax && options_.starver != Starver::kNone) {
    Fail("no commit in " + std::to_string(open) + " waves");
  }
  const std::uint64_t rounds = options_.gc_depth + 2 * kWavesOpenMax + consensus::kRoundsAheadMax;
  if (status.vertices > rounds * options_.n || status.parked > (rounds + 1) * options_.n) {
    Fail("validator " + std::to_string(i) + " holds " + std::to_string(status.vertices) +
         " vertices and " + std::to_string(status.parked) + " parked items");
  }
}

bool Cluster::Converged() const {
  const auto& blocks = oracle_->blocks();
  if (!quiet() || blocks.size() < options_.commits_min) return false;
  if (options_.too_many_twins) return halted_ > 0;
  for (std::size_t i = 0; i < nodes_.size(); ++i) {
    const Node& node = nodes_[i];
    if (!node.honest || (options_.slow_for_ever && IsSlow(i))) continue;
    if (!node.core || node.blocks.size() + 1 < blocks.size()) return false;
    // Every block is final in the end; the newest may still be on their way.
    if (node.finalized.size() + 4 < blocks.size()) return false;
    for (const auto& transaction : acknowledged_) {
      if (!node.executed.count(transaction)) return false;
    }
  }
  return true;
}

std::string Cluster::Describe() const {
  std::string text = std::to_string(commits()) + " commits";
  for (const auto& node : nodes_) {
    text += "; " + std::to_string(Index(node.party)) + (node.honest ? "" : " (twin)") + ": ";
    if (!node.core) {
      text += "down";
      continue;
    }
    const auto status = node.core->status();
    std::size_t executed = 0;
    for (const auto& transaction : acknowledged_) executed += node.executed.count(transaction);
    text += "round " + std::to_string(status.highest_round) + " own " +
            std::to_string(status.own_round) + " commits " + std::to_string(node.blocks.size()) +
            " finalized " + std::to_string(node.finalized.size()) + " transactions " +
            std::to_string(executed) + "/" + std::to_string(acknowledged_.size()) +
            (status.catching_up ? " catching up" : "");
  }
  return text;
}

}  // namespace sim
