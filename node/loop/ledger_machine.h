// Consensus, ledger and storage of one node, joined: messages and transactions in; messages, blocks
// and events out.
//
// Every call of consensus writes at once; what must be durable before anybody hears of it is made
// so by Flush, once for all calls since the last (group commit). So the host's loop is: any number
// of calls, one Flush, then send what it returns. What consensus sends to itself comes back within
// the Flush, through the same door as a peer's: an own vote shares the sync of the header it is
// for.
//
// Epochs (docs/epochs.md). One consensus core at a time, that of the epoch whose last block is not
// yet proved here; the next opens when it is. What the old one did not order before that block is
// submitted to the new one. A node that is no member of the epoch, or finds it over before it
// reached its end, follows instead: it is given pages of signed blocks (Follow), executes them and
// compares.
//
//   key        value
//   c epoch .. consensus' own in that epoch (consensus/store); erased when the epoch is over
//   s key      the ledger's state
//   h x r f t e  blocks, signatures, places of transactions, links (node/rpc/block_reader.h)
//   l          header of the newest block
//   g          id of the chain
//   o epoch    this node only follows this epoch: its core must not run again
//   w epoch    what was waiting at the end of the epoch before is submitted
//   y ...      a snapshot being downloaded (node/sync/download.h)
//
// A block's state, body and index are one atomic batch. After a crash consensus delivers again the
// commits above the newest block.
//
// Beside the DAG's messages it exchanges those of proto/wire/sync.h: before its first word in an
// epoch it asks the other members whether they hold words of its own that its store lacks
// (node/sync/guard.h); when its peers keep no certificates that old any more it downloads a
// snapshot (node/sync/download.h), and it serves snapshots to others (node/sync/server.h).
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
#include "node/rpc/block_reader.h"
#include "node/store/interfaces.h"
#include "node/sync/download.h"
#include "node/sync/guard.h"
#include "node/sync/server.h"
#include "node/sync/status.h"

namespace node {

// Blocks whose snapshots are kept while they wait for signatures.
inline constexpr std::size_t kUnprovenBlocksMax = 1024;
// Blocks after which a dealing that is not on the ledger is sent again.
inline constexpr std::uint64_t kDealAgainBlocks = 32;
// Answers about newest headers to one peer between two beats.
inline constexpr std::uint32_t kWordAnswersPerBeatMax = 4;
// Beats before unanswered questions are repeated.
inline constexpr std::uint32_t kGuardRepeatBeats = 4;

// What a node may vote with: its validator key, and during a change of keys the next one.
struct ValidatorKeys {
  std::vector<proto::SecretKey> keys;           // Not empty.
  std::optional<proto::CoinSecret> first_coin;  // Of the first epoch; later ones are on the ledger.
};

// What this node's operator chose, and its entropy gave.
struct MachineOptions {
  std::uint32_t retain_rounds = 200'000;  // Certificates kept for those that are behind.
  std::uint64_t nonce = 0;                // Another at each start.
};

class LedgerMachine {
 public:
  struct Message {
    std::shared_ptr<const Epoch> epoch;  // Whose validators the target numbers.
    proto::Target target;
    proto::dag::Message message;
  };
  struct SyncMessage {
    std::uint64_t epoch;  // The sender's.
    proto::PublicKey to;
    proto::sync::Message message;
  };
  // To be asked over the interface, as there is no link; the answer comes to Handle.
  struct Question {
    proto::ValidatorSpec to;
    proto::sync::Message message;
  };
  struct Blame {
    proto::PublicKey who;
    proto::FaultKind kind;
  };
  struct Step {
    std::vector<Message> messages;  // To others; Flush handled this node's own copies.
    std::vector<SyncMessage> sync_messages;
    std::vector<Question> questions;
    bool rebased = false;       // The state is a snapshot's: events before it were not told.
    std::vector<Event> events;  // In the ledger's order.
    std::vector<Blame> faults;
    std::vector<std::string> notes;   // For the log.
    std::optional<std::string> halt;  // The validator must stop: why.
    // Transactions that this node, no member now, hands to validators that are.
    std::vector<proto::Bytes> forwards;
  };

  // `genesis` and `store` outlive the machine. Errors: the store fails, is damaged, or holds
  // another chain's state.
  static proto::Result<std::unique_ptr<LedgerMachine>> Open(const proto::Genesis& genesis,
                                                            ValidatorKeys keys,
                                                            KeyValueStore& store,
                                                            MachineOptions options = {});
  ~LedgerMachine();

  void Start();  // Once, first.
  // From a validator's machine in its epoch `epoch`.
  void Handle(const proto::PublicKey& from, std::uint64_t epoch, proto::dag::Message message);
  void Handle(const proto::PublicKey& from, std::uint64_t epoch, proto::sync::Message message);
  void Tick();
  // A few times a second; any clock that does not go back.
  void Beat(std::uint64_t now_ms);
  void PeerConnected(const proto::PublicKey& peer);
  // A client's or this validator's transaction, on its way to the ledger: its id, or in one
  // sentence why it is not admitted. Durable after the next Flush, where this node is a member.
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
  // Blocks from the next one on, from anybody. kDenied when they are not proved; no effect when
  // this node has them, or needs no help. Messages of a later epoch say that it does.
  proto::Result<> Follow(const BlockRun& page);
  // Links from this node's epoch on, from anybody. kDenied when one does not lead on from the one
  // before; no effect when they lead to the next epoch only, or nowhere new. From further away it
  // comes back by a snapshot of the newest epoch, or by blocks, whatever is faster.
  proto::Result<> FollowLinks(const std::vector<proto::EpochLink>& links);
  // The answer to somebody's Question; none beyond a share of each beat, and to other messages.
  std::optional<proto::sync::Message> Answer(const proto::sync::Message& question);
  // Makes everything so far durable and returns what follows from it.
  Step Flush();

  const Snapshot& latest() const { return latest_; }
  const std::optional<ProvenBlock>& proven() const { return proven_; }
  bool has_pending() const { return core_ && core_->has_pending(); }
  consensus::Status status() const { return core_ ? core_->status() : consensus::Status(); }
  // The epoch that this node votes in or follows.
  const std::shared_ptr<const Epoch>& epoch() const { return epoch_; }
  // Its own number there; none while it only follows.
  std::optional<proto::PartyId> self() const { return core_ ? self_ : std::nullopt; }
  // Whether pages of blocks are needed: there is no core, or others are in a later epoch.
  bool follows() const { return !core_ || left_behind_; }
  // Where they should begin: the newest block again while its epoch waits for its signatures.
  std::uint64_t wanted_height() const { return latest_.header().height + (ended() ? 0 : 1); }
  std::uint64_t executed_transactions() const { return executed_transactions_; }
  const CheckedCache& checked() const { return checked_; }
  SyncStatus sync_status() const;

 private:
  class Disk;  // The store as the consensus of one epoch reads it.

  LedgerMachine(const proto::Genesis& genesis, ValidatorKeys keys, KeyValueStore& store,
                MachineOptions options, Ledger ledger);
  // Ledger, epoch and core as the store has them.
  proto::Result<> OpenState();
  proto::Result<> RestoreProven();
  // Epochs (ledger_machine_epochs.cc).
  // The core of epoch_, if this node votes in it.
  proto::Result<> OpenCore();
  consensus::Config CoreConfig(const Epoch& epoch, proto::PartyId self) const;
  const proto::SecretKey* KeyIn(const Members& members) const;
  proto::Result<proto::CoinSecret> CoinSecretOf(const Epoch& epoch,
                                                const proto::SecretKey& key) const;
  // The newest block is the last of epoch_.
  bool ended() const { return latest_.epoch()->record.number != epoch_->record.number; }
  void SwitchEpoch();
  void BeginEpoch();
  void TakeOver();
  void EraseOldEpochs();
  void DealIfDue();
  void LeaveEpoch();
  // Synchronisation (ledger_machine_sync.cc).
  void On(const proto::PublicKey& from, const proto::sync::WordQuery& query);
  void On(const proto::PublicKey& from, const proto::sync::WordAnswer& answer);
  void On(const proto::PublicKey& from, const proto::sync::SnapshotQuery& query);
  void On(const proto::PublicKey& from, const proto::sync::SnapshotOffer& offer);
  void On(const proto::PublicKey& from, const proto::sync::ChunkQuery& query);
  void On(const proto::PublicKey& from, proto::sync::ChunkAnswer answer);
  void GuardWords();
  void ResumeDownload();
  void Send(const proto::PublicKey& to, proto::sync::Message message);
  void Send(Guard::Messages messages);
  void CheckOwnWords(const consensus::Commit& commit);
  void Observe(const std::string& reason);
  void Fetch(std::uint64_t oldest_round);
  void Carry(Download::Step step);
  void Adopt();
  proto::Result<> FinishAdopting(const DownloadRecord& record, const Epoch& epoch);

  void Run(consensus::Step step);
  void HandleOwn();
  void Execute(consensus::Commit commit);
  void Append(const node::Commit& commit, std::vector<proto::Bytes> transactions);
  void Prove(std::uint64_t height, const BlockSignatures& signatures);
  void Report(const consensus::Evidence& evidence);
  bool IsSet(char mark, std::uint64_t epoch);
  void Write(const std::vector<KeyWrite>& writes, bool sync);
  void Remember(proto::CheckedTransaction transaction);
  void Halt(const std::string& reason);

  const proto::Genesis& genesis_;
  const ValidatorKeys keys_;
  KeyValueStore& store_;
  const MachineOptions options_;
  const Ledger checker_;  // Of block 0, never replaced, as a snapshot replaces the other.
  Ledger ledger_;
  Snapshot latest_;
  std::shared_ptr<const Epoch> epoch_;
  std::optional<proto::PartyId> self_;
  std::unique_ptr<Disk> disk_;
  std::unique_ptr<consensus::Core> core_;
  bool switch_due_ = false;     // The epoch's last block is proved.
  bool left_behind_ = false;    // Somebody is in a later epoch.
  bool erase_due_ = true;       // Old epochs' consensus may be in the store.
  std::uint64_t dealt_at_ = 0;  // Height at which the own dealing was last sent; 0: not yet.
  std::optional<ProvenBlock> proven_;
  std::deque<Snapshot> unproven_;  // Ascending heights.
  CheckedCache checked_;
  std::uint64_t executed_transactions_ = 0;  // Since the start.
  std::optional<Guard> guard_;               // Of the epoch whose core opened last.
  bool certain_ = false;                     // It was.
  std::uint32_t guard_beats_ = 0;
  std::map<proto::PublicKey, std::uint32_t> word_answers_;
  SnapshotServer server_;
  std::optional<Download> download_;
  std::uint64_t now_ms_ = 0;
  Step pending_;
  std::deque<proto::dag::Message> own_;  // Of core_, to itself.
  bool sync_due_ = false;
};

}  // namespace node
