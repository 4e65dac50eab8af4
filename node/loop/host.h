// The node as a process: threads, sockets, disk and clock around the pure parts.
//
//   ledger thread     LedgerMachine: consensus and ledger; paces the headers; one sync a round trip
//   service thread    EpochMembers: MPC, one for each epoch that has unfinished work here; may
//                     compute for seconds without holding up the ledger
//   follower thread   fetches pages of blocks while this node is no member or is left behind, hands
//                     its transactions to members, and changes the network with the epoch
//   network thread    all links; decodes and enqueues
//   check threads     verify the transactions of peers' batches
//   interface threads JSON-RPC, on snapshots
//
// The machines meet only through queues: the ledger's events go to the services with the snapshot
// they belong to, their transactions come back signed.
//
// Every message to a peer begins with the number of its epoch. Peers are the members of the present
// epoch and of the one before it, which may have requests to finish.
#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <functional>
#include <future>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <variant>

#include "node/inference/epoch_member.h"
#include "node/loop/checkers.h"
#include "node/loop/config.h"
#include "node/loop/delay_line.h"
#include "node/loop/key_file.h"
#include "node/loop/ledger_machine.h"
#include "node/loop/peers.h"
#include "node/loop/queue.h"
#include "node/net/network.h"
#include "node/rpc/backend.h"
#include "node/store/interfaces.h"

namespace node {

class RpcServer;
class Store;

// Bulk messages of the next epoch kept until it begins here.
inline constexpr std::size_t kEarlyEpochBytesMax = std::size_t{64} << 20;
// Transactions that wait here, at a node that is no member, for members to take them; from half of
// either on nobody's are taken any more.
inline constexpr std::size_t kForwardsMax = 20'000;
inline constexpr std::size_t kForwardsBytesMax = std::size_t{128} << 20;
// Requests whose answers' steps are kept for those who ask.
inline constexpr std::size_t kAnswersMax = 64;
// Own questions about snapshots that wait to be asked; what is lost is asked again.
inline constexpr std::size_t kQuestionsMax = 1024;

class Host : public Backend {
 public:
  // What a node is, before its storage is opened.
  struct Identity {
    Config config;
    proto::Genesis genesis;
    KeyFile keys;
    std::optional<KeyFile> next;  // During a change of keys.
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
  // Where the interface listens.
  const std::string& rpc_address() const { return rpc_address_; }
  const proto::Genesis& genesis() const override { return genesis_; }
  const proto::Digest& chain() const override { return chain_; }
  proto::PublicKey key() const override;
  Snapshot latest() const override;
  std::optional<ProvenBlock> proven() const override;
  const KeyValueStore& store() const override;
  proto::Result<proto::Digest> Submit(proto::Bytes transaction) override;
  proto::Result<std::vector<proto::Result<proto::Digest>>> SubmitAll(
      std::vector<proto::Bytes> transactions) override;
  Counters counters() const override;
  proto::Result<std::vector<mpc::Fp>> MaskShares(std::uint64_t attempt) override;
  std::vector<AnswerStep> AnswerSteps(std::uint64_t request, std::uint64_t from,
                                      std::size_t count) const override;
  proto::Result<> AddModelFile(proto::Bytes bytes) override;
  proto::Result<proto::SharedBytes> ReadModelFile(const proto::Digest& digest) override;
  ServiceStatus service_status() const override;
  SyncStatus sync_status() const override;
  std::optional<proto::sync::Message> SyncAnswer(proto::sync::Message question) override;
  std::vector<PeerLink> peers() const override;
  proto::Signature Sign(std::uint64_t epoch, const proto::Digest& digest) const override;
  proto::Bytes Entropy(std::size_t count) const override { return node::Entropy(count); }
  std::optional<std::string> why_not_ready() const override;

 protected:
  // What this validator's MPC sends and posts, on its way out.
  virtual Service::Step BeforeSending(Service::Step step) { return step; }

 private:
  struct FromPeer {
    proto::PublicKey from;
    std::uint64_t epoch;
    proto::dag::Message message;
  };
  struct SyncFromPeer {
    proto::PublicKey from;
    std::uint64_t epoch;
    proto::sync::Message message;
  };
  struct Connected {
    proto::PublicKey peer;
  };
  using Answers = std::vector<proto::Result<proto::Digest>>;
  struct Submission {
    std::vector<proto::CheckedTransaction> transactions;
    std::shared_ptr<std::promise<proto::Result<Answers>>> answer;  // None for our own.
  };
  struct Checked {
    std::vector<proto::CheckedTransaction> transactions;
  };
  struct Followed {
    BlockRun page;
    std::shared_ptr<std::promise<proto::Result<>>> answer;
  };
  struct FollowedLinks {
    std::vector<proto::EpochLink> links;
  };
  struct Asked {
    proto::sync::Message question;
    std::shared_ptr<std::promise<std::optional<proto::sync::Message>>> answer;
  };
  using LedgerItem = std::variant<FromPeer, SyncFromPeer, Connected, Submission, Checked, Followed,
                                  FollowedLinks, Asked>;

  struct Bulk {
    proto::PublicKey from;
    std::uint64_t epoch;
    InferenceMessage message;
    std::size_t size;
  };
  struct Decided {
    Snapshot snapshot;
    std::vector<Event> events;
  };
  // The state is a snapshot's: what happened before it was not told.
  struct Rebased {
    Snapshot snapshot;
  };
  using Call = std::function<void()>;
  using ServiceItem = std::variant<Bulk, Connected, Decided, Rebased, Call>;

  static std::uint64_t NowUs();
  // A message as it travels: behind the number of its epoch.
  static std::shared_ptr<const proto::Bytes> Frame(std::uint64_t epoch,
                                                   const proto::Bytes& message);
  static proto::Result<Identity> ReadIdentity(const Config& config);
  proto::Result<> OpenStores();
  const proto::SecretKey* KeyIn(const Members& members) const;
  void LedgerLoop();
  void ServiceLoop();
  void FollowLoop();
  void Dispatch(LedgerMachine::Step step);
  void Dispatch(EpochMember& member, Service::Step step);
  // Makes the parts of epochs in which this node computes, and drops those that are finished.
  void UpdateParts(const Snapshot& snapshot);
  std::optional<std::string> MakePart(const Snapshot& snapshot, std::uint64_t number);
  // What a finished part leaves behind.
  void EraseKeysBefore(std::uint64_t epoch);
  // The newest part that has its keys; null when there is none.
  Service* NewestService();
  void Handle(Bulk message);
  void Fail(const std::string& reason);
  // When there was no new block for long.
  std::optional<std::string> why_standing() const;
  // False, with nothing done, when there is no room.
  bool OnMessage(const proto::PublicKey& from, Channel channel, const proto::Bytes& bytes);
  void UpdatePeers();
  bool FetchPage();
  void FetchLinks(const proto::ValidatorSpec& server);
  void AskAll();
  void ForwardAll();
  // Under the mutex. What there is no room for is dropped: nobody else's is (forwards_full_).
  void KeepToForward(std::vector<proto::Bytes> transactions);

  const Config config_;
  const proto::Genesis genesis_;
  const proto::Digest chain_;
  KeyFile keys_;  // What the first epoch needs is the service thread's, until that is over.
  const std::optional<KeyFile> next_;
  std::string rpc_address_;

  std::unique_ptr<Store> store_;
  std::unique_ptr<BulkStore> files_;
  std::unique_ptr<LedgerMachine> machine_;  // The ledger thread's.
  // The service thread's, by epoch.
  std::map<std::uint64_t, std::unique_ptr<EpochMember>> parts_;
  std::vector<Bulk> early_;  // Likewise.
  std::size_t early_bytes_ = 0;
  bool resumed_ = false;             // The epoch before was looked at, since the start.
  std::uint64_t erased_before_ = 0;  // The MPC keys of epochs before this one.
  std::unique_ptr<Peers> peers_;
  std::unique_ptr<RpcServer> rpc_;

  std::unique_ptr<Checkers> checkers_;
  std::unique_ptr<DelayLine> delay_line_;  // None but in benchmarks.

  std::atomic<std::uint64_t> undecodable_ = 0;  // Messages of peers.
  std::uint64_t mpc_faults_ = 0;                // The service thread's.
  Queue<LedgerItem> ledger_queue_;
  Queue<ServiceItem> service_queue_;
  std::uint64_t messages_sent_ = 0;  // The ledger thread's.
  std::atomic<bool> stopping_ = false;
  std::atomic<bool> follows_ = false;
  std::atomic<bool> forwards_full_ = false;  // Half of them.
  std::atomic<std::uint64_t> followed_epoch_ = 0;
  std::atomic<std::uint64_t> wanted_height_ = 0;
  std::thread ledger_thread_;
  std::thread service_thread_;
  std::thread follow_thread_;

  mutable std::mutex mutex_;  // Guards what follows.
  std::condition_variable follow_wakes_;
  std::optional<Snapshot> latest_;
  std::chrono::steady_clock::time_point newest_block_ = std::chrono::steady_clock::now();
  std::optional<ProvenBlock> proven_;
  std::vector<proto::Bytes> forwards_;
  std::size_t forwards_bytes_ = 0;
  std::vector<LedgerMachine::Question> questions_;
  std::size_t next_server_ = 0;
  SyncStatus sync_status_;
  ServiceStatus service_status_;
  std::map<std::uint64_t, std::vector<AnswerStep>> answers_;  // The newest kAnswersMax, by request.
  Counters counters_;
  std::string failure_;
};

}  // namespace node
