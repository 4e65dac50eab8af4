// The validator as a process: threads, sockets, disk and clock around the pure parts.
//
//   ledger thread     LedgerMachine: consensus and ledger; paces the headers; one sync a round trip
//   service thread    Service: MPC; may compute for seconds without holding up the ledger
//   network threads   decode and enqueue
//   check threads     verify the transactions of peers' batches
//   interface threads JSON-RPC, on snapshots
//
// The two machines meet only through queues: the ledger's events go to the service with the
// snapshot they belong to, the service's transactions come back signed.
#pragma once

#include <atomic>
#include <functional>
#include <future>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <variant>

#include "node/inference/service.h"
#include "node/loop/checkers.h"
#include "node/loop/config.h"
#include "node/loop/delay_line.h"
#include "node/loop/key_file.h"
#include "node/loop/ledger_machine.h"
#include "node/loop/queue.h"
#include "node/net/network.h"
#include "node/rpc/backend.h"
#include "node/store/interfaces.h"

namespace node {

class RpcServer;
class Store;

class Host : public Backend {
 public:
  // What a validator is, before its storage is opened.
  struct Identity {
    Config config;
    proto::Genesis genesis;
    KeyFile keys;
  };
  explicit Host(Identity identity);

  // Reads genesis and keys, opens the store, restores the machines. Every error is a sentence for
  // the operator.
  static proto::Result<std::unique_ptr<Host>> Open(const Config& config);
  // The same for a host that differs in what it sends: the adversaries of tests.
  template <class Derived>
  static proto::Result<std::unique_ptr<Derived>> OpenAs(const Config& config) {
    auto identity = ReadIdentity(config);
    if (!identity) return tl::unexpected(identity.error());
    auto host = std::make_unique<Derived>(std::move(*identity));
    if (auto opened = host->OpenStores(); !opened) return tl::unexpected(opened.error());
    return host;
  }
  ~Host() override;

  // Listens, dials and serves. Once.
  proto::Result<> Start();
  // Ends all threads; what was accepted is durable already.
  void Stop();
  // Why the validator stopped by itself: consensus halted, or the disk failed. Empty while it runs.
  std::string failure() const;

  const Config& config() const { return config_; }
  const proto::Genesis& genesis() const override { return genesis_; }
  const proto::Digest& chain() const override { return chain_; }
  proto::PartyId self() const override { return self_; }
  Snapshot latest() const override;
  std::optional<ProvenBlock> proven() const override;
  const KeyValueStore& store() const override;
  proto::Result<proto::Digest> Submit(proto::Bytes transaction) override;
  proto::Result<std::vector<proto::Result<proto::Digest>>> SubmitAll(
      std::vector<proto::Bytes> transactions) override;
  Counters counters() const override;
  proto::Result<std::vector<mpc::Fp>> MaskShares(std::uint64_t attempt) override;
  proto::Result<> AddModelFile(proto::Bytes bytes) override;
  proto::Result<proto::Bytes> ReadModelFile(const proto::Digest& digest) override;
  ServiceStatus service_status() const override;
  SyncStatus sync_status() const override;
  std::vector<PeerLink> peers() const override;
  proto::Signature Sign(const proto::Digest& digest) const override;
  proto::Bytes Entropy(std::size_t count) const override { return node::Entropy(count); }
  std::optional<std::string> why_not_ready() const override;

 protected:
  // What this validator's MPC sends and posts, on its way out.
  virtual Service::Step BeforeSending(Service::Step step) { return step; }

 private:
  struct FromPeer {
    proto::PartyId party;
    proto::dag::Message message;
  };
  struct SyncFromPeer {
    proto::PartyId party;
    proto::sync::Message message;
  };
  struct Connected {
    proto::PartyId party;
  };
  using Answers = std::vector<proto::Result<proto::Digest>>;
  struct Submission {
    std::vector<proto::CheckedTransaction> transactions;
    std::shared_ptr<std::promise<proto::Result<Answers>>> answer;  // None for our own.
  };
  struct Checked {
    std::vector<proto::CheckedTransaction> transactions;
  };
  using LedgerItem = std::variant<FromPeer, SyncFromPeer, Connected, Submission, Checked>;

  struct Bulk {
    proto::PartyId party;
    InferenceMessage message;
  };
  struct Decided {
    Snapshot snapshot;
    std::vector<Event> events;
  };
  // The state is a snapshot's: what happened before it was not told.
  struct Rebased {
    Snapshot snapshot;
  };
  using Call = std::function<Service::Step(Service&)>;
  using ServiceItem = std::variant<Bulk, Connected, Decided, Rebased, Call>;

  static proto::Result<Identity> ReadIdentity(const Config& config);
  proto::Result<> OpenStores();
  void LedgerLoop();
  void ServiceLoop();
  void Dispatch(LedgerMachine::Step step);
  void Dispatch(Service::Step step);
  void Fail(const std::string& reason);
  void OnMessage(proto::PartyId from, Channel channel, proto::Bytes bytes);

  const Config config_;
  const proto::Genesis genesis_;
  const proto::Digest chain_;
  const KeyFile keys_;
  proto::PartyId self_{};
  mpc::ReplicatedSets sets_;
  std::optional<mpc::ReplicatedKeys> replicated_;
  mpc::PartyContext context_;

  std::unique_ptr<Store> store_;
  std::unique_ptr<BulkStore> files_;
  std::unique_ptr<LedgerMachine> machine_;  // The ledger thread's.
  std::unique_ptr<Service> service_;        // The service thread's.
  std::unique_ptr<Network> network_;
  std::unique_ptr<RpcServer> rpc_;

  std::unique_ptr<Checkers> checkers_;
  std::unique_ptr<DelayLine> delay_line_;  // None but in benchmarks.

  std::vector<std::atomic<std::uint64_t>> undecodable_;  // Messages, by peer.
  std::vector<std::uint64_t> mpc_faults_;                // By peer; the service thread's.
  Queue<LedgerItem> ledger_queue_;
  Queue<ServiceItem> service_queue_;
  std::uint64_t messages_sent_ = 0;  // The ledger thread's.
  std::atomic<bool> stopping_ = false;
  std::thread ledger_thread_;
  std::thread service_thread_;

  mutable std::mutex mutex_;  // Guards what follows.
  std::optional<Snapshot> latest_;
  std::optional<ProvenBlock> proven_;
  SyncStatus sync_status_;
  ServiceStatus service_status_;
  Counters counters_;
  std::string failure_;
};

}  // namespace node
