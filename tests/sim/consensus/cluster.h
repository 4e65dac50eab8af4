// A cluster of validators' consensus under one seed: simulated network, disks and ledgers, an
// adversary, and the oracles that must hold at every event (oracle.h). One thread, one queue of
// events, one source of chance: equal options give equal runs.
//
// Network: each message is delayed at random (so reordered), sometimes delivered twice; links break
// and lose what is in flight, later both ends are told of the new link; a part of the validators is
// cut off one by one and comes back in another order (swizzle-clog); a scheduler keeps the vertices
// of the leaders it expects (options.h: Starver); some validators are slow.
//
// Validators crash at the four instants of a step (before its writes, after them, after its
// messages, after its outputs), lose what was not synced (disk.h) and restart from the disk.
// Byzantine validators are silent, or *twins*: two honest cores with the same keys, each of whose
// headers is heard by a part of the others only, so that they equivocate in all that a validator
// can say (Bano et al. 2020, "Twins: BFT systems made robust"); and some of their messages are lies
// (liar.h).
//
// After `quiet_after` all faults stop and the cluster must converge.
#pragma once

#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <queue>
#include <random>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "consensus/core/core.h"
#include "tests/sim/consensus/disk.h"
#include "tests/sim/consensus/options.h"
#include "tests/sim/consensus/oracle.h"

namespace sim {

using proto::Bytes;
using proto::Digest;
using proto::PartyId;

class Cluster {
 public:
  explicit Cluster(const ClusterOptions& options);

  // Runs until the cluster has converged; false (and failure()) if it does not, or an oracle fails.
  bool Run();

  const std::string& failure() const { return failure_; }
  // Over all deliveries, in order: who, when, what.
  std::uint64_t trace() const { return trace_; }
  std::uint64_t now() const { return now_; }
  std::uint64_t highest_round() const;
  consensus::Status status(std::size_t node) const { return nodes_[node].core->status(); }
  std::uint64_t commits() const { return oracle_->blocks().size(); }
  std::uint64_t commits_under_faults() const { return commits_under_faults_; }
  // The most waves that any honest validator knew above its last committed leader, under faults.
  std::uint64_t waves_without_commit() const { return waves_without_commit_; }
  std::uint64_t synced_writes() const { return synced_writes_; }  // Of validator 0.
  const Oracle& oracle() const { return *oracle_; }
  const Faults& faults() const { return faults_; }
  bool any_halted() const { return halted_ > 0; }
  // From a header's first sending to its commit at each honest validator, summed: leaders, and all.
  // From a transaction's arrival at a validator to its execution at each honest one, likewise.
  struct Latency {
    std::uint64_t leaders = 0, leader_sum = 0, vertices = 0, vertex_sum = 0;
    std::uint64_t transactions = 0, transaction_sum = 0;
  };
  const Latency& latency() const { return latency_; }

 private:
  struct Node {
    PartyId party{};
    bool honest = true;
    int half = 0;  // Of a partition.
    Disk disk;
    std::unique_ptr<consensus::Core> core;
    std::uint64_t life = 0;  // Events of an earlier life are void.
    int clogged = 0;
    // The ledger: durable with the handling of each output.
    std::vector<Digest> blocks;
    std::set<Bytes> executed;
    std::set<std::uint64_t> finalized;
  };
  // What the scheduler sees of a message, and its bytes.
  struct Packet {
    std::size_t from = 0;
    std::size_t to = 0;
    std::shared_ptr<const Bytes> bytes;
    std::optional<consensus::Reference> vertex;  // A header's or a certificate's.
    std::uint64_t sent = 0;
    std::uint64_t life = 0;
    std::uint64_t link = 0;
    bool held = false;
  };
  struct Event {
    std::uint64_t time;
    std::uint64_t sequence;
    mutable std::function<void()> action;
    bool operator<(const Event& other) const {  // std::priority_queue: the least first.
      return std::pair(time, sequence) > std::pair(other.time, other.sequence);
    }
  };

  // cluster.cc: keys, validators and their hosts.
  void MakeKeys();
  consensus::Config ConfigOf(PartyId party) const;
  void Boot(std::size_t i);
  void Crash(std::size_t i, std::uint64_t down_time);
  void ScheduleTick(std::size_t i);
  void Submit(std::size_t i, std::uint32_t number);
  void Carry(std::size_t i, consensus::Step step);
  int InstantOfCrash(std::size_t i, const consensus::Step& step);
  void CheckDurable(const Node& node, const consensus::Step& step);
  void On(std::size_t i, const consensus::Output& output);
  void Execute(std::size_t i, const consensus::Commit& commit);
  void Observe(std::size_t i);
  bool Converged() const;
  std::string Describe() const;

  // network.cc: the messages' way, and what the adversary does to it.
  void PlanFaults();
  void BreakLink(std::size_t i, std::size_t j);
  void Swizzle();
  void Clog(std::size_t i);
  void Unclog(std::size_t i);
  void Divide();
  void Connect(std::size_t i, std::size_t j);
  void Post(std::size_t from, const proto::Target& target, consensus::Message message);
  bool Hears(std::size_t from, std::size_t to, const consensus::Message& message);
  std::uint64_t Delay(const Packet& packet);
  void Send(Packet packet);
  void Deliver(const Packet& packet);
  bool IsHeld(const Packet& packet);
  bool IsStarved(std::uint64_t round, PartyId author);
  std::uint64_t& LinkOf(std::size_t i, std::size_t j);
  bool IsCut(std::size_t i, std::size_t j) const;

  std::uint64_t Between(std::uint64_t low, std::uint64_t high) {
    return low + random_() % (high - low + 1);
  }
  bool Chance(std::uint32_t percent) { return random_() % 100 < percent; }
  bool quiet() const { return now_ >= options_.quiet_after; }
  bool IsSlow(std::size_t i) const { return Index(nodes_[i].party) < options_.slow; }
  bool IsHonest(PartyId party) const {
    return Index(party) < options_.n - options_.silent - options_.twins;
  }
  bool Lives(std::size_t i, std::uint64_t life) const {
    return nodes_[i].core && nodes_[i].life == life;
  }
  void Schedule(std::uint64_t delay, std::function<void()> action) {
    events_.push({now_ + delay, ++sequence_, std::move(action)});
  }
  void Fail(const std::string& reason);

  const ClusterOptions options_;
  const proto::Committee committee_;
  std::mt19937_64 random_;
  std::vector<proto::SecretKey> secrets_;
  std::vector<proto::PublicKey> keys_;
  std::optional<proto::CoinKeys> coin_;
  std::optional<Oracle> oracle_;
  std::deque<Node> nodes_;
  std::priority_queue<Event> events_;
  std::uint64_t now_ = 0;
  std::uint64_t sequence_ = 0;
  std::vector<std::uint64_t> links_;  // How often each was made anew.
  std::vector<int> broken_;           // How many breaks of each last.
  std::map<std::size_t, int> doomed_;
  std::map<std::uint64_t, std::set<PartyId>> shares_sent_;  // By wave.

  std::set<Bytes> acknowledged_;
  std::uint64_t commits_under_faults_ = 0;
  std::uint64_t waves_without_commit_ = 0;
  std::uint64_t synced_writes_ = 0;
  std::uint32_t halted_ = 0;
  std::map<std::pair<std::uint64_t, PartyId>, std::uint64_t> first_sent_;
  std::map<Bytes, std::uint64_t> arrived_;  // Transactions that were acknowledged.
  Latency latency_;
  Faults faults_;
  std::string failure_;
  std::uint64_t trace_ = 0xcbf29ce484222325;
};

}  // namespace sim
