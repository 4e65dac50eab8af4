// Consensus, ledger and storage of one validator, joined: messages and transactions in; messages,
// blocks and events out.
//
// Every call of consensus writes at once; what must be durable before anybody hears of it is made
// so by Flush, once for all calls since the last (group commit). So the host's loop is: any number
// of calls, one Flush, then send what it returns.
//
//   key        value
//   c ...      consensus' own (consensus/store)
//   s key      the ledger's state
//   h x r f t  blocks, signatures, places of transactions (node/rpc/block_reader.h)
//   l          header of the newest block
//   g          id of the chain
//   y ...      a snapshot being downloaded (node/sync/download.h)
//
// A block's state, body and index are one atomic batch. After a crash consensus delivers again the
// commits above the newest block.
//
// Beside the DAG's messages it exchanges those of proto/wire/sync.h: at the start it asks its peers
// whether they hold words of its own that its store lacks (node/sync/guard.h); when its peers keep
// no certificates that old any more it downloads a snapshot (node/sync/download.h), and it serves
// snapshots to others (node/sync/server.h).
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "consensus/core/core.h"
#include "node/ledger/ledger.h"
#include "node/loop/checked_cache.h"
#include "node/rpc/backend.h"
#include "node/store/interfaces.h"
#include "node/sync/download.h"
#include "node/sync/guard.h"
#include "node/sync/server.h"
#include "node/sync/status.h"

namespace node {

// Blocks whose snapshots are kept while they wait for signatures.
inline constexpr std::size_t kUnprovenBlocksMax = 1024;

// Answers about newest headers to one peer between two beats.
inline constexpr std::uint32_t kWordAnswersPerBeatMax = 4;
// Beats before unanswered questions are repeated.
inline constexpr std::uint32_t kGuardRepeatBeats = 4;

// What this validator's operator chose, and its entropy gave.
struct MachineOptions {
  std::uint32_t retain_rounds = 200'000;  // Certificates kept for those that are behind.
  std::uint64_t nonce = 0;                // Another at each start.
};

class LedgerMachine {
 public:
  struct Step {
    std::vector<proto::Outgoing<proto::dag::Message>> messages;
    std::vector<proto::Outgoing<proto::sync::Message>> sync_messages;
    bool rebased = false;       // The state is a snapshot's: events before it were not told.
    std::vector<Event> events;  // In the ledger's order.
    std::vector<proto::Fault> faults;
    std::vector<std::string> notes;   // For the log.
    std::optional<std::string> halt;  // The validator must stop: why.
  };

  // `genesis` and `store` outlive the machine. Errors: the store fails, is damaged, or holds
  // another chain's state.
  static proto::Result<std::unique_ptr<LedgerMachine>> Open(
      const proto::Genesis& genesis, proto::PartyId self, proto::SecretKey key,
      proto::CoinSecret coin, KeyValueStore& store, MachineOptions options = {});
  ~LedgerMachine();

  void Start();  // Once, first.
  void Handle(proto::PartyId from, proto::dag::Message message);
  void Handle(proto::PartyId from, proto::sync::Message message);
  void Tick();
  // A few times a second; any clock that does not go back.
  void Beat(std::uint64_t now_ms);
  void PeerConnected(proto::PartyId party);
  // A client's or this validator's transaction, on its way to the ledger: its id, or in one
  // sentence why it is not admitted. Durable after the next Flush.
  proto::Result<proto::Digest> Submit(proto::Bytes transaction);
  // Several at once, checked already (on any thread): for each its id, or why not.
  std::vector<proto::Result<proto::Digest>> SubmitAll(
      std::vector<proto::CheckedTransaction> transactions);
  // Transactions that a peer sent, checked on another thread: not to be checked again.
  void AddChecked(std::vector<proto::CheckedTransaction> transactions);
  // What checks transactions; from any thread.
  proto::CheckedTransaction Check(proto::Bytes transaction) const {
    return checker_.Check(std::move(transaction));
  }
  // Makes everything so far durable and returns what follows from it.
  Step Flush();

  const Snapshot& latest() const { return latest_; }
  const std::optional<ProvenBlock>& proven() const { return proven_; }
  bool has_pending() const { return core_->has_pending(); }
  consensus::Status status() const { return core_->status(); }
  std::uint64_t executed_transactions() const { return executed_transactions_; }
  const CheckedCache& checked() const { return checked_; }
  SyncStatus sync_status() const;

 private:
  // The store as consensus reads it. A failed read looks like an absent key; nothing may leave
  // after one.
  class Disk final : public consensus::Archive {
   public:
    explicit Disk(const KeyValueStore& store) : store_(store) {}
    std::optional<proto::Bytes> Get(proto::ByteSpan key) const override;
    const std::string& failure() const { return failure_; }

   private:
    const KeyValueStore& store_;
    mutable std::string failure_;
  };

  LedgerMachine(const proto::Genesis& genesis, proto::PartyId self, proto::SecretKey key,
                proto::CoinSecret coin, KeyValueStore& store, MachineOptions options,
                Ledger ledger);
  consensus::Config CoreConfig() const;
  proto::Result<> OpenCore();
  proto::Result<> RestoreProven();
  // Synchronisation (ledger_machine_sync.cc).
  void On(proto::PartyId from, const proto::sync::WordQuery& query);
  void On(proto::PartyId from, const proto::sync::WordAnswer& answer);
  void On(proto::PartyId from, const proto::sync::SnapshotQuery& query);
  void On(proto::PartyId from, const proto::sync::SnapshotOffer& offer);
  void On(proto::PartyId from, const proto::sync::ChunkQuery& query);
  void On(proto::PartyId from, proto::sync::ChunkAnswer answer);
  void StartSync();
  void Ask(proto::PartyId peer);
  void Send(proto::PartyId to, proto::sync::Message message);
  void CheckOwnWords(const consensus::Commit& commit);
  void Observe(const std::string& reason);
  void Fetch(std::uint64_t oldest_round);
  void Carry(Download::Step step);
  void Adopt();
  proto::Result<> FinishAdopting(const DownloadRecord& record);
  void Run(consensus::Step step);
  void Execute(consensus::Commit commit);
  void Prove(const consensus::Finalized& finalized);
  void Report(const consensus::Evidence& evidence);
  void Write(const std::vector<KeyWrite>& writes, bool sync);
  void Remember(proto::CheckedTransaction transaction);
  void Halt(const std::string& reason);

  const proto::Genesis& genesis_;
  const proto::PartyId self_;
  const proto::SecretKey key_;
  const proto::CoinSecret coin_;
  KeyValueStore& store_;
  const MachineOptions options_;
  std::unique_ptr<Disk> disk_;
  const Ledger checker_;  // Of block 0, never replaced, as a snapshot replaces the other.
  Ledger ledger_;
  std::unique_ptr<consensus::Core> core_;
  Snapshot latest_;
  std::optional<ProvenBlock> proven_;
  std::deque<Snapshot> unproven_;  // Ascending heights.
  CheckedCache checked_;
  std::uint64_t executed_transactions_ = 0;  // Since the start.
  Guard guard_;
  std::uint32_t guard_beats_ = 0;
  std::map<proto::PartyId, std::uint32_t> word_answers_;
  SnapshotServer server_;
  std::optional<Download> download_;
  std::uint64_t now_ms_ = 0;
  Step pending_;
  bool sync_due_ = false;
};

}  // namespace node
