// A cluster of validators' consensus under one seed: real signatures, simulated network, disks and
// ledgers, an adversary, and the oracles that must hold at every event.
//
// Network: each message is delayed at random (so reordered), sometimes delivered twice; links break
// and lose what is in flight, later both ends are told of the new link. Validators crash at the
// four instants of a step (before its writes, after them, after its messages, after its outputs),
// lose what was not synced and restart from the disk. Byzantine validators are silent, or *twins*:
// two honest cores with the same keys, each of whose headers is heard by a part of the others only,
// so that they equivocate in all that a validator can say; and some of their messages are lies
// (liar.h).
//
// After `quiet_after` all faults stop and the cluster must converge.
#pragma once

#include <algorithm>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <queue>
#include <random>
#include <set>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "consensus/core/core.h"
#include "consensus/wave.h"
#include "proto/base/check.h"
#include "proto/base/overloaded.h"
#include "proto/checkpoint.h"
#include "proto/crypto/hash.h"
#include "proto/wire/evidence.h"
#include "tests/sim/consensus/disk.h"
#include "tests/sim/consensus/liar.h"

namespace sim {

using proto::Bytes;
using proto::Digest;
using proto::PartyId;

struct ClusterOptions {
  std::uint16_t n = 4;
  std::uint64_t seed = 0;
  std::uint32_t gc_depth = 16;
  std::uint32_t retain_rounds = 100'000;
  std::uint16_t silent = 0;         // The last parties.
  std::uint16_t twins = 0;          // Before those.
  std::uint32_t lies_percent = 15;  // Of the twins' messages.
  std::uint64_t delay_max = 12;
  std::uint64_t tick = 10;
  std::uint32_t duplicates_percent = 5;
  std::uint32_t link_breaks = 4;
  std::uint32_t crashes = 2;
  std::uint64_t outage = 0;  // Validator 0 is down for so long.
  std::uint64_t down_time_max = 150;
  // Delays the vertices of the author that a round-robin coin would make the leader.
  bool starve_round_robin = false;
  std::uint32_t transactions = 8;
  std::uint64_t quiet_after = 500;
  std::uint64_t time_max = 20'000;
  std::uint64_t commits_min = 4;
};

class Cluster {
 public:
  explicit Cluster(const ClusterOptions& options)
      : options_(options), committee_(options.n), random_(options.seed) {
    MakeKeys();
    for (std::uint16_t i = 0; i < options_.n; ++i) {
      if (i >= options_.n - options_.silent) continue;
      const bool twin = i >= options_.n - options_.silent - options_.twins;
      for (int copy = 0; copy < (twin ? 2 : 1); ++copy) {
        Node& node = nodes_.emplace_back();
        node.party = PartyId{i};
        node.honest = !twin;
      }
    }
    for (std::size_t i = 0; i < nodes_.size(); ++i)
      Schedule(Between(0, 20), [=, this] { Boot(i); });
    Schedule(0, [this] { PlanFaults(); });
  }

  // Runs until the cluster has converged; false (and failure()) if it does not, or an oracle fails.
  bool Run() {
    while (failure_.empty() && !events_.empty() && !Converged()) {
      now_ = events_.top().time;
      if (now_ > options_.time_max) {
        Fail("no convergence: " + Describe());
        break;
      }
      const auto action = std::move(events_.top().action);
      events_.pop();
      ++steps_;
      action();
    }
    return failure_.empty();
  }

  const std::string& failure() const { return failure_; }
  Digest trace() const { return trace_; }
  std::uint64_t now() const { return now_; }
  std::uint64_t steps() const { return steps_; }
  std::uint64_t highest_round() const {
    std::uint64_t highest = 0;
    for (const auto& node : nodes_) {
      if (node.core) highest = std::max(highest, node.core->status().highest_round);
    }
    return highest;
  }
  consensus::Status status(std::size_t node) const { return nodes_[node].core->status(); }
  std::uint64_t commits() const { return blocks_.size(); }
  std::uint64_t commits_under_faults() const { return commits_under_faults_; }
  const std::set<PartyId>& evidence() const { return evidence_; }
  std::uint32_t restarts() const { return restarts_; }
  std::uint32_t ordered_twice() const { return ordered_twice_; }

 private:
  struct Node {
    PartyId party{};
    bool honest = true;
    Disk disk;
    std::unique_ptr<consensus::Core> core;
    std::uint64_t life = 0;  // Events of an earlier life are void.
    // The ledger: durable with the handling of each output.
    std::vector<Digest> blocks;
    std::set<Bytes> executed;
    std::map<std::uint64_t, Digest> finalized;
  };
  struct Event {
    std::uint64_t time;
    std::uint64_t sequence;
    mutable std::function<void()> action;
    bool operator<(const Event& other) const {  // std::priority_queue: the least first.
      return std::pair(time, sequence) > std::pair(other.time, other.sequence);
    }
  };

  std::uint64_t Between(std::uint64_t low, std::uint64_t high) {
    return low + random_() % (high - low + 1);
  }
  bool Chance(std::uint32_t percent) { return random_() % 100 < percent; }
  bool quiet() const { return now_ >= options_.quiet_after; }

  void Schedule(std::uint64_t delay, std::function<void()> action) {
    events_.push({now_ + delay, ++sequence_, std::move(action)});
  }

  void Fail(const std::string& reason) {
    if (failure_.empty()) {
      failure_ = "seed " + std::to_string(options_.seed) + " n " + std::to_string(options_.n) +
                 " time " + std::to_string(now_) + ": " + reason;
    }
  }

  static Bytes Secret(std::string_view tag, std::uint64_t number) {
    const Digest digest = proto::Hasher(tag).Add(number).Finish();
    return {digest.bytes.begin(), digest.bytes.end()};
  }

  void MakeKeys() {
    for (std::uint16_t i = 0; i < options_.n; ++i) {
      secrets_.push_back(*proto::SecretKey::From(Secret("sim/key", i)));
    }
    coin_.emplace(proto::DealCoin(committee_, committee_.validity(), Secret("sim/coin", 0)));
  }

  consensus::Config ConfigOf(const Node& node) const {
    consensus::Config config{committee_,
                             {},
                             {},
                             1,
                             coin_->public_key,
                             options_.gc_depth,
                             node.party,
                             options_.retain_rounds};
    for (const auto& secret : secrets_) config.keys.push_back(secret.public_key());
    config.chain = proto::Hash("sim/chain", {});
    return config;
  }

  void Boot(std::size_t i) {
    Node& node = nodes_[i];
    auto core = consensus::Core::Open(ConfigOf(node), secrets_[Index(node.party)].Clone(),
                                      coin_->secrets[Index(node.party)].Clone(), node.disk,
                                      node.blocks.size());
    if (!core) return Fail("a restart is refused: " + core.error().message);
    node.core = std::move(*core);
    Carry(i, node.core->Start());
    const std::uint64_t life = node.life;
    for (std::uint64_t index = 1; index <= node.blocks.size() && Lives(i, life); ++index) {
      if (!node.finalized.count(index))
        Carry(i, node.core->SignBlock(index, node.blocks[index - 1]));
    }
    for (std::size_t j = 0; j < nodes_.size(); ++j) Connect(i, j);
    if (Lives(i, life)) ScheduleTick(i);
  }

  bool Lives(std::size_t i, std::uint64_t life) const {
    return nodes_[i].core && nodes_[i].life == life;
  }

  void Crash(std::size_t i) { Crash(i, Between(1, options_.down_time_max)); }

  void Crash(std::size_t i, std::uint64_t down_time) {
    Node& node = nodes_[i];
    if (!node.core) return;
    ++restarts_;
    ++node.life;
    node.core.reset();
    node.disk.Crash();
    Schedule(down_time, [=, this] { Boot(i); });
  }

  void Connect(std::size_t i, std::size_t j) {
    if (i == j || !nodes_[i].core || !nodes_[j].core) return;
    Carry(i, nodes_[i].core->PeerConnected(nodes_[j].party));
    if (nodes_[j].core) Carry(j, nodes_[j].core->PeerConnected(nodes_[i].party));
  }

  void ScheduleTick(std::size_t i) {
    const std::uint64_t life = nodes_[i].life;
    Schedule(Between(1, options_.tick), [=, this] {
      if (!Lives(i, life)) return;
      Carry(i, nodes_[i].core->Tick());
      if (Lives(i, life)) ScheduleTick(i);
    });
  }

  void PlanFaults() {
    for (std::uint32_t k = 0; k < options_.link_breaks; ++k) {
      const std::size_t i = Between(0, nodes_.size() - 1);
      const std::size_t j = Between(0, nodes_.size() - 1);
      if (i == j) continue;
      Schedule(Between(10, options_.quiet_after), [=, this] {
        ++broken_[{i, j}];
        ++broken_[{j, i}];
        ++epochs_[std::minmax(i, j)];
        Schedule(Between(1, 100), [=, this] {
          --broken_[{i, j}];
          --broken_[{j, i}];
          Connect(i, j);
        });
      });
    }
    for (std::uint32_t k = 0; k < options_.crashes; ++k) {
      // The crash happens inside the next step after that time, at one of its four instants.
      const std::size_t i = Between(0, nodes_.size() - 1);
      Schedule(Between(20, options_.quiet_after), [=, this] { doomed_[i] = Between(1, 4); });
    }
    if (options_.outage > 0) {
      Schedule(50, [this] { Crash(0, options_.outage); });
    }
    for (std::uint32_t k = 0; k < options_.transactions; ++k) {
      const std::size_t i = Between(0, nodes_.size() - 1);
      Schedule(Between(5, options_.quiet_after), [=, this] { Submit(i, k); });
    }
  }

  void Submit(std::size_t i, std::uint32_t number) {
    Node& node = nodes_[i];
    if (!node.core) return Schedule(20, [=, this] { Submit(i, number); });
    const std::uint64_t life = node.life;
    Bytes transaction = Secret("sim/transaction", number);
    auto step = node.core->Submit({transaction});
    if (!step) return Fail("a transaction is refused: " + step.error().message);
    Carry(i, std::move(*step));
    // Acknowledged only if the node lives: the step's writes are durable then.
    if (Lives(i, life) && node.honest) acknowledged_.insert(std::move(transaction));
  }

  // The host's duty, in its order; the adversary may stop it in between.
  void Carry(std::size_t i, consensus::Step step) {
    Node& node = nodes_[i];
    const std::uint64_t life = node.life;
    const auto doom = doomed_.find(i);
    const std::uint64_t instant = doom == doomed_.end() ? 0 : doom->second;
    if (instant) doomed_.erase(doom);
    if (instant == 1) return Crash(i);
    node.disk.Apply(step.writes, step.sync);
    if (instant == 2) return Crash(i);
    for (const auto& fault : step.faults) {
      if (node.honest && IsHonest(fault.party)) {
        Fail("honest party " + std::to_string(Index(fault.party)) + " is blamed for " +
             std::to_string(static_cast<int>(fault.kind)));
      }
    }
    for (auto& [target, message] : step.messages) Post(i, target, message);
    if (instant == 3) return Crash(i);
    for (auto& output : step.outputs) {
      if (Lives(i, life)) On(i, output);
    }
    if (instant == 4 && Lives(i, life)) Crash(i);
  }

  bool IsHonest(PartyId party) const {
    return Index(party) < options_.n - options_.silent - options_.twins;
  }

  void Post(std::size_t from, const proto::Target& target, consensus::Message message) {
    if (!nodes_[from].honest && !quiet() && Chance(options_.lies_percent)) {
      message = Liar(secrets_[Index(nodes_[from].party)], random_).Lie(std::move(message));
    }
    const Bytes bytes = proto::dag::Encode(message);
    if (bytes.size() > proto::dag::kMessageBytesMax) return Fail("a message is too large");
    if (const auto* const certificate = std::get_if<consensus::Certificate>(&message);
        certificate && nodes_[from].honest) {
      const auto& header = certificate->header;
      Once("certificate", header.round, header.author, PartyId{0}, header.digest);
    }
    if (const auto* const header = std::get_if<consensus::Header>(&message);
        header && nodes_[from].honest) {
      Once("header", header->round, header->author, PartyId{0}, header->digest);
    }
    if (const auto* const vote = std::get_if<consensus::Vote>(&message);
        vote && nodes_[from].honest) {
      Once("vote", vote->round, vote->author, vote->voter, vote->header);
    }
    for (std::size_t to = 0; to < nodes_.size(); ++to) {
      if (!target.Includes(nodes_[to].party) || !Hears(from, to, message)) continue;
      const int copies = !quiet() && Chance(options_.duplicates_percent) ? 2 : 1;
      const std::uint64_t extra = IsStarved(message) && from != to ? 20 * options_.delay_max : 0;
      for (int copy = 0; copy < copies; ++copy) Send(from, to, bytes, extra);
    }
  }

  bool IsStarved(const consensus::Message& message) const {
    if (!options_.starve_round_robin || quiet()) return false;
    const auto* const certificate = std::get_if<consensus::Certificate>(&message);
    const auto* const header =
        certificate ? &certificate->header : std::get_if<consensus::Header>(&message);
    return header && consensus::IsLeaderRound(header->round) &&
           Index(header->author) == header->round / 2 % options_.n;
  }

  // An honest validator, whatever crashes it went through, says one thing; a vertex has one
  // certificate.
  void Once(const char* what, std::uint64_t round, PartyId author, PartyId voter,
            const Digest& digest) {
    const auto [it, is_new] = said_.emplace(std::tuple(what, round, author, voter), digest);
    if (!is_new && it->second != digest) Fail(std::string("a second ") + what);
  }

  // A twin's headers and batches reach one half of the others each, by chance for every message.
  bool Hears(std::size_t from, std::size_t to, const consensus::Message& message) {
    if (nodes_[from].party == nodes_[to].party) return from == to;
    if (nodes_[from].honest || quiet()) return true;
    return !std::holds_alternative<consensus::Header>(message) || Chance(50);
  }

  void Send(std::size_t from, std::size_t to, const Bytes& bytes, std::uint64_t extra) {
    if (broken_[{from, to}] > 0) return;
    const std::uint64_t life = nodes_[to].life;
    const std::uint64_t epoch = epochs_[std::minmax(from, to)];
    const std::uint64_t delay = from == to ? Between(0, 2) : Between(1, options_.delay_max) + extra;
    Schedule(delay, [=, this] {
      if (!Lives(to, life) || epochs_[std::minmax(from, to)] != epoch) return;
      auto message = proto::dag::DecodeMessage(bytes);
      if (!message) return Fail("an honest message does not decode: " + message.error().message);
      trace_ = proto::Hasher("sim/trace")
                   .Add(trace_.span())
                   .Add(now_)
                   .Add(std::uint64_t{to})
                   .Add(bytes)
                   .Finish();
      Carry(to, nodes_[to].core->Handle(nodes_[from].party, std::move(*message)));
    });
  }

  void On(std::size_t i, const consensus::Output& output) {
    std::visit(proto::Overloaded{
                   [&](const consensus::Commit& commit) { Execute(i, commit); },
                   [&](const consensus::Finalized& finalized) { OnFinalized(i, finalized); },
                   [&](const consensus::Evidence& evidence) {
                     const Node& node = nodes_[i];
                     const auto config = ConfigOf(node);
                     const auto offender = proto::dag::VerifyEvidence(evidence.bytes, config.chain,
                                                                      config.epoch, config.keys);
                     if (!offender || *offender != evidence.offender) Fail("evidence is void");
                     if (IsHonest(evidence.offender)) Fail("evidence against an honest party");
                     evidence_.insert(evidence.offender);
                   },
                   [&](const consensus::NeedSnapshot&) { Fail("a snapshot is needed"); },
                   [&](const consensus::Halt& halt) {
                     if (nodes_[i].honest) Fail("halt: " + halt.reason);
                   },
               },
               output);
  }

  // The ledger: a hash chain over the commits.
  void Execute(std::size_t i, const consensus::Commit& commit) {
    Node& node = nodes_[i];
    if (commit.index <= node.blocks.size()) return;  // Delivered again.
    if (commit.index != node.blocks.size() + 1) return Fail("a commit is skipped");
    proto::Hasher hasher("sim/block");
    if (!node.blocks.empty()) hasher.Add(node.blocks.back().span());
    hasher.Add(commit.index).Add(commit.round).Add(commit.leader.span());
    for (const auto& vertex : commit.vertices) hasher.Add(vertex.digest.span());
    for (const auto& transaction : commit.transactions) {
      hasher.AddSized(transaction);
      if (!node.executed.insert(transaction).second && node.honest) ++ordered_twice_;
    }
    const Digest block = hasher.Finish();
    node.blocks.push_back(block);
    if (node.honest) {
      if (blocks_.size() < commit.index) blocks_.push_back(block);
      if (!quiet()) commits_under_faults_ = blocks_.size();
      if (blocks_[commit.index - 1] != block) return Fail("honest nodes disagree on a commit");
    }
    Carry(i, node.core->SignBlock(commit.index, block));
  }

  void OnFinalized(std::size_t i, const consensus::Finalized& finalized) {
    Node& node = nodes_[i];
    if (!node.honest) return;
    const auto config = ConfigOf(node);
    const Digest digest =
        proto::CheckpointDigest(config.chain, config.epoch, finalized.index, finalized.block);
    std::set<PartyId> voters;
    for (const auto& [party, signature] : finalized.signatures) {
      if (!proto::Verify(config.keys[Index(party)], digest, signature)) Fail("bad block vote");
      voters.insert(party);
    }
    if (voters.size() < committee_.quorum()) Fail("a block is final without a quorum");
    if (finalized.index <= blocks_.size() && blocks_[finalized.index - 1] != finalized.block) {
      Fail("another block is final");
    }
    node.finalized[finalized.index] = finalized.block;
  }

  bool Converged() const {
    if (!quiet() || blocks_.size() < options_.commits_min) return false;
    for (const auto& node : nodes_) {
      if (!node.honest) continue;
      if (!node.core || node.blocks.size() + 1 < blocks_.size()) return false;
      for (const auto& transaction : acknowledged_) {
        if (!node.executed.count(transaction)) return false;
      }
      // Every block is final in the end; the newest may still be on their way.
      for (std::uint64_t index = 1; index + 4 < blocks_.size(); ++index) {
        if (!node.finalized.count(index)) return false;
      }
    }
    return true;
  }

  std::string Describe() const {
    std::string text = std::to_string(blocks_.size()) + " commits";
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

  const ClusterOptions options_;
  const proto::Committee committee_;
  std::mt19937_64 random_;
  std::vector<proto::SecretKey> secrets_;
  std::optional<proto::CoinKeys> coin_;
  std::deque<Node> nodes_;
  std::priority_queue<Event> events_;
  std::uint64_t now_ = 0;
  std::uint64_t sequence_ = 0;
  std::uint64_t steps_ = 0;
  std::map<std::pair<std::size_t, std::size_t>, int> broken_;
  std::map<std::pair<std::size_t, std::size_t>, std::uint64_t> epochs_;  // Of links.
  std::map<std::size_t, std::uint64_t> doomed_;

  // What the oracles know.
  std::vector<Digest> blocks_;  // Of the honest nodes.
  std::map<std::tuple<std::string, std::uint64_t, PartyId, PartyId>, Digest> said_;
  std::set<Bytes> acknowledged_;
  std::set<PartyId> evidence_;
  std::uint64_t commits_under_faults_ = 0;
  std::uint32_t restarts_ = 0;
  std::uint32_t ordered_twice_ = 0;
  std::string failure_;
  Digest trace_;
};

}  // namespace sim
