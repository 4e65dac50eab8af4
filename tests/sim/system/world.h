// Complete validators under one seed: consensus, ledger, MPC and storage of each, a client that
// asks a model in private, an adversary that speaks for one of them, and the oracles.
//
// Network: each message is delayed at random, so reordered, and sometimes comes twice; links break,
// lose what is under way and come back. Validators are killed in the middle of what they do (before
// their writes are synced, after that and before anything left, when half has left), lose what was
// not synced, and start again from their stores. One thread, virtual milliseconds, nothing but the
// seed decides: equal seeds give equal runs.
//
// Oracles, at every event: equal blocks at equal heights at all honest validators; money neither
// comes nor goes; no honest validator blames another; none signs two headers of a round, sends two
// different openings of a round or two different vectors of a layer, whatever crashes it went
// through (the masks would be used twice). At the end: every request is answered, proved to the
// client as a light client, and within kTolerance of the plan evaluated in the clear.
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

#include "mpc/party.h"
#include "mpc/plan/plan.h"
#include "node/inference/service.h"
#include "node/loop/ledger_machine.h"
#include "node/store/memory.h"
#include "proto/spec.h"
#include "tests/sim/system/adversary.h"

namespace sim {

struct WorldOptions {
  std::uint64_t seed = 1;
  std::uint32_t requests = 1;
  std::uint32_t pool_target = 1;
  std::uint64_t segment_values = mpc::kKeptValuesMax;  // Of the parts of the model's bundles.
  std::uint32_t crashes = 0;                           // Of each honest validator, at any time.
  // Chance that an honest validator is killed soon after it hears of a submission.
  std::uint32_t session_crashes_percent = 0;
  std::uint32_t link_breaks = 0;
  std::uint32_t duplicates_percent = 3;
  std::uint64_t faults_until = 3500;  // Crashes and breaks begin before.
  std::uint64_t delay_max = 12;
  std::uint64_t time_max = 200'000;
  std::uint64_t gc_depth = 50;
  std::uint32_t retain_rounds = 200'000;
  // One that is away for a while, and how it comes back.
  std::optional<std::uint16_t> absent;
  std::uint64_t absent_from = 0;
  std::uint64_t absent_until = 0;
  enum class Return : std::uint8_t { kAsItWas, kWiped, kOldCopy } absent_return{};
  std::uint64_t copied_at = 0;             // The old copy.
  std::uint32_t crashes_after_return = 0;  // Soon, one after the other.
  proto::PartyId liar{3};
  std::shared_ptr<Adversary> adversary;  // None: all are honest.
};

class Client;

class World {
 public:
  static constexpr double kTolerance = 0.03;

  explicit World(WorldOptions options);
  ~World();

  // Until all requests are answered, `until` holds and the honest agree; false (see failure()) when
  // an oracle fails or it takes too long.
  bool Run(const std::function<bool(const World&)>& until = {});
  const std::string& failure() const { return failure_; }

  // Depends on everything that was decided, and when.
  proto::Digest trace() const;
  std::uint64_t now() const { return now_; }
  std::uint64_t steps() const { return steps_; }
  std::uint32_t restarts() const { return restarts_; }
  const std::set<proto::PartyId>& blamed() const { return blamed_; }
  // The most advanced honest ledger.
  const node::Snapshot& ledger() const;
  bool Named(std::uint64_t request, proto::PartyId party, proto::Misdeed misdeed) const;
  std::size_t DeadAttempts() const;
  const Client& client() const { return *client_; }
  std::uint32_t rebases() const { return rebases_; }  // States that came by snapshot.
  const std::vector<std::string>& notes(std::uint16_t i) const;
  node::SyncStatus SyncOf(std::uint16_t i) const;
  std::size_t size_of_committee() const { return validators_.size(); }

 private:
  friend class Client;
  struct Validator;
  enum class Channel : std::uint8_t { kControl, kBulk };
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
  void Schedule(std::uint64_t delay, std::function<void()> action) {
    events_.push({now_ + delay, ++sequence_, std::move(action)});
  }
  // In the life that the validator has now, or never.
  void ScheduleFor(std::uint16_t i, std::uint64_t delay, std::function<void()> action);
  void Fail(const std::string& reason);
  bool IsLiar(std::uint16_t i) const { return options_.adversary && Index(options_.liar) == i; }
  std::uint16_t size() const { return static_cast<std::uint16_t>(validators_.size()); }
  Adversary::Position PositionOf(std::uint16_t i);

  proto::PartyId PartyOf(const proto::PublicKey& key) const;
  void MakeGenesis();
  void PlanFaults();
  void Boot(std::uint16_t i);
  void Kill(std::uint16_t i);
  void Connect(std::uint16_t i, std::uint16_t j);
  void LedgerTick(std::uint16_t i);
  void ServiceTick(std::uint16_t i);
  void Beat(std::uint16_t i);
  void Rebase(std::uint16_t i);
  void PlanAbsence();
  void Return(std::uint16_t i);

  // One call of a machine, and what its host does with what comes of it.
  void OnLedger(std::uint16_t i, const std::function<void(node::LedgerMachine&)>& call,
                bool flush = true);
  void OnService(std::uint16_t i, const std::function<node::Service::Step(node::Service&)>& call);
  void Carry(std::uint16_t i, node::LedgerMachine::Step step, std::size_t leaving);
  void Carry(std::uint16_t i, node::Service::Step step, std::size_t leaving);
  void Dispatch(std::uint16_t from, std::uint16_t to, Channel channel, const proto::Bytes& bytes);
  void Deliver(std::uint16_t from, std::uint16_t to, Channel channel, const proto::Bytes& bytes);
  void SubmitOwn(std::uint16_t i, proto::Payload payload);

  void CheckFaults(std::uint16_t i, const std::vector<proto::Fault>& faults);
  void CheckBlocks(std::uint16_t i);
  void Once(std::string_view what, std::uint16_t i, std::uint64_t a, std::uint64_t b,
            const proto::Digest& digest);
  void CheckSaid(std::uint16_t i, const proto::dag::Message& message);
  void CheckSaid(std::uint16_t i, const node::InferenceMessage& message);
  bool Settled() const;
  std::string Describe() const;

  // What the client may do.
  bool Up(std::uint16_t i) const;
  void SubmitFor(std::uint16_t i, const proto::Bytes& transaction);
  void UploadTo(std::uint16_t i, const proto::Bytes& file);
  std::optional<std::vector<mpc::Fp>> MasksFrom(std::uint16_t i, std::uint64_t attempt);
  // Of a validator that is up.
  const std::optional<node::ProvenBlock>& ProvenBy(std::uint16_t i) const;
  const node::Snapshot& LedgerOf(std::uint16_t i) const;
  const node::KeyValueStore& StoreOf(std::uint16_t i) const;

  const WorldOptions options_;
  std::mt19937_64 random_;
  proto::Genesis genesis_;
  proto::Digest chain_;
  mpc::ReplicatedSets sets_;
  std::vector<std::unique_ptr<Validator>> validators_;
  std::unique_ptr<Client> client_;

  std::priority_queue<Event> events_;
  std::uint64_t now_ = 0;
  std::uint64_t sequence_ = 0;
  std::uint64_t steps_ = 0;
  std::map<std::pair<std::uint16_t, std::uint16_t>, int> broken_;  // Lesser party first.
  std::map<std::pair<std::uint16_t, std::uint16_t>, std::uint64_t> epochs_;

  std::vector<proto::Digest> blocks_;  // Of the honest, by height from 1.
  std::map<std::tuple<std::string, std::uint16_t, std::uint64_t, std::uint64_t>, proto::Digest>
      said_;
  std::set<proto::PartyId> blamed_;
  std::uint32_t restarts_ = 0;
  std::uint32_t rebases_ = 0;
  std::string failure_;
};

}  // namespace sim
