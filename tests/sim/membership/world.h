// Nodes with consensus, ledger and storage, but no MPC, through epochs whose members change.
//
// More nodes than members: founders and candidates. Each message is delayed at random, so
// reordered; links break, lose what is under way and come back; nodes are killed in the middle of
// what they do and lose what was not synced; one may be silent for ever, one away for whole epochs
// and come back with its store, without it, or with an old copy. Those that follow ask a random
// node for pages, as the host does over the interface. A client sends transfers to two nodes each,
// and again until they are executed; candidates join, members leave and change keys, all by
// transaction. One thread, virtual milliseconds, nothing but the seed decides.
//
// Oracles, at every step: equal blocks at equal heights at all nodes, over all epochs; no key signs
// two headers of a round or two votes for one place; nor says anything new in an epoch before n - f
// - 1 others told the process which words of its own they hold; nobody is blamed; no transaction is
// executed twice. At the end: every transfer is executed; from each node's store alone a light
// client follows links from genesis to the newest epoch and believes the node's signed headers,
// each of whose parents is the one before.
#pragma once

#include <cstdint>
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

#include "node/loop/ledger_machine.h"
#include "node/store/memory.h"
#include "proto/spec.h"

namespace sim {

struct MembershipOptions {
  std::uint64_t seed = 1;
  std::uint16_t founders = 4;
  std::uint16_t candidates = 2;
  std::uint64_t epoch_commits = 12;
  std::uint64_t epochs = 4;  // The run ends in this one or a later one.
  std::uint32_t transfers = 40;
  std::uint32_t crashes = 0;  // Of each node, while faults last.
  std::uint32_t link_breaks = 0;
  std::uint64_t faults_until = 4'000;
  std::optional<std::uint16_t> silent;  // A founder that never runs.
  std::optional<std::uint16_t> absent;  // From the first epoch that is at least `absent_from` on.
  std::uint64_t absent_from = 1;
  std::uint64_t absent_until = 3;
  std::uint64_t copied_in = 0;  // The epoch of the old copy; else that in which it goes.
  enum class Return : std::uint8_t { kAsItWas, kWiped, kOldCopy } absent_return{};
  std::uint32_t retain_rounds = 200'000;
  bool snapshots = true;  // Over epochs; else by blocks alone.
  std::uint64_t time_max = 600'000;
};

class MembershipWorld {
 public:
  explicit MembershipWorld(MembershipOptions options);
  ~MembershipWorld();

  // At an epoch (when the first node reaches it) a node asks for something.
  void Join(std::uint64_t epoch, std::uint16_t node);
  void Leave(std::uint64_t epoch, std::uint16_t node);
  void Rotate(std::uint64_t epoch, std::uint16_t node);

  // Until the last epoch is reached, all transfers are executed, `until` holds and all nodes that
  // run agree; false (see failure()) when an oracle fails or it takes too long.
  bool Run(const std::function<bool(const MembershipWorld&)>& until = {});
  const std::string& failure() const { return failure_; }

  const proto::EpochRecord& epoch() const;  // Of the most advanced node.
  // Whether the node is a member of that epoch, under one of its keys.
  bool IsMember(std::uint16_t node) const;
  node::SyncStatus SyncOf(std::uint16_t node) const;
  const std::vector<std::string>& notes(std::uint16_t node) const;
  std::uint64_t now() const { return now_; }
  std::uint64_t blocks() const { return blocks_.size(); }
  std::uint64_t highest_epoch() const { return highest_epoch_; }
  // Over all that was delivered, in order: when, to whom, what.
  std::uint64_t trace() const { return trace_; }
  const std::map<std::string, std::uint64_t>& faults() const { return faults_; }
  std::uint32_t restarts() const { return restarts_; }
  std::uint32_t rebases() const { return rebases_; }
  // Headers that the node's keys signed in an epoch.
  bool Spoke(std::uint16_t node, std::uint64_t epoch) const;
  const node::Snapshot& LedgerOf(std::uint16_t node) const;

 private:
  struct Node;
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
  void Schedule(std::uint64_t delay, std::function<void()> action) {
    events_.push({now_ + delay, ++sequence_, std::move(action)});
  }
  void ScheduleFor(std::uint16_t i, std::uint64_t delay, std::function<void()> action);
  std::uint16_t size() const { return static_cast<std::uint16_t>(nodes_.size()); }
  void Fail(const std::string& reason);
  std::optional<std::uint16_t> NodeOf(const proto::PublicKey& key) const;
  proto::ValidatorSpec Card(std::uint16_t i, const proto::SecretKey& key) const;

  void MakeGenesis();
  void PlanFaults();
  void Boot(std::uint16_t i);
  // How many of the batches that were not synced survive.
  std::size_t Kill(std::uint16_t i, bool comes_back = true);
  void Connect(std::uint16_t i, std::uint16_t j);
  void Tick(std::uint16_t i);
  void Beat(std::uint16_t i);
  void Follow(std::uint16_t i);
  void FollowLinks(std::uint16_t i, std::uint16_t server);
  void Call(std::uint16_t i, const std::function<void(node::LedgerMachine&)>& call,
            bool flush = true);
  void Carry(std::uint16_t i, node::LedgerMachine::Step step, std::size_t leaving);
  void Deliver(std::uint16_t from, std::uint16_t to,
               std::function<void(node::LedgerMachine&, const proto::PublicKey&)> handle,
               const proto::PublicKey& sender, const proto::Bytes& bytes);
  void OnNewEpoch();
  void Submit(const proto::Bytes& transaction, std::size_t copies);
  void Drive();
  void CheckBlocks(std::uint16_t i);
  void CheckSaid(const node::LedgerMachine::Message& message, std::uint16_t i);
  void CheckHistory(std::uint16_t i);
  bool Settled() const;
  std::string Describe() const;

  const MembershipOptions options_;
  std::mt19937_64 random_;
  proto::Genesis genesis_;
  proto::Digest chain_;
  std::vector<std::unique_ptr<Node>> nodes_;
  std::optional<proto::SecretKey> client_;
  std::vector<proto::Bytes> transfers_;
  // What nodes ask for, as payloads made when they are sent, by epoch.
  struct Wish {
    std::uint64_t epoch;
    std::uint16_t node;
    std::function<proto::Payload()> payload;
    std::uint64_t nonce = 0;
    bool sent = false;
  };
  std::vector<Wish> wishes_;

  std::priority_queue<Event> events_;
  std::uint64_t now_ = 0;
  std::uint64_t sequence_ = 0;
  std::map<std::pair<std::uint16_t, std::uint16_t>, int> broken_;           // Lesser node first.
  std::map<std::pair<std::uint16_t, std::uint16_t>, std::uint64_t> links_;  // Times broken.
  std::uint64_t highest_epoch_ = 1;

  std::vector<proto::Digest> blocks_;  // By height from 1.
  std::set<proto::Digest> executed_;   // Transactions, in blocks_.
  std::map<std::tuple<std::string, proto::PublicKey, std::uint64_t, std::uint64_t, std::uint64_t>,
           proto::Digest>
      said_;
  // Who told the node, in its life, about its words of an epoch.
  std::map<std::tuple<std::uint16_t, std::uint64_t, std::uint64_t>, std::set<std::uint16_t>> told_;
  std::uint32_t restarts_ = 0;
  std::uint32_t rebases_ = 0;
  std::map<std::string, std::uint64_t> faults_;  // By kind.
  std::uint64_t trace_ = 0xcbf29ce484222325;
  std::string failure_;
};

}  // namespace sim
