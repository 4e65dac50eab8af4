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
//
// A block's state, body and index are one atomic batch. After a crash consensus delivers again the
// commits above the newest block.
#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "consensus/core/core.h"
#include "node/ledger/ledger.h"
#include "node/loop/checked_cache.h"
#include "node/rpc/backend.h"
#include "node/store/interfaces.h"

namespace node {

// Blocks whose snapshots are kept while they wait for signatures.
inline constexpr std::size_t kUnprovenBlocksMax = 1024;

class LedgerMachine {
 public:
  struct Step {
    std::vector<proto::Outgoing<proto::dag::Message>> messages;
    std::vector<Event> events;  // In the ledger's order.
    std::vector<proto::Fault> faults;
    std::vector<std::string> notes;   // For the log.
    std::optional<std::string> halt;  // The validator must stop: why.
  };

  // `genesis` and `store` outlive the machine. Errors: the store fails, is damaged, or holds
  // another chain's state.
  static proto::Result<std::unique_ptr<LedgerMachine>> Open(const proto::Genesis& genesis,
                                                            proto::PartyId self,
                                                            proto::SecretKey key,
                                                            proto::CoinSecret coin,
                                                            KeyValueStore& store);
  ~LedgerMachine();

  void Start();  // Once, first.
  void Handle(proto::PartyId from, proto::dag::Message message);
  void Tick();
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
    return ledger_.Check(std::move(transaction));
  }
  // Makes everything so far durable and returns what follows from it.
  Step Flush();

  const Snapshot& latest() const { return latest_; }
  const std::optional<ProvenBlock>& proven() const { return proven_; }
  bool has_pending() const { return core_->has_pending(); }
  consensus::Status status() const { return core_->status(); }
  std::uint64_t executed_transactions() const { return executed_transactions_; }
  const CheckedCache& checked() const { return checked_; }

 private:
  class Disk;  // The store as consensus reads it.

  LedgerMachine(const proto::Genesis& genesis, proto::SecretKey key, KeyValueStore& store,
                Ledger ledger);
  proto::Result<> RestoreProven();
  void Run(consensus::Step step);
  void Execute(consensus::Commit commit);
  void Prove(const consensus::Finalized& finalized);
  void Report(const consensus::Evidence& evidence);
  void Write(const std::vector<KeyWrite>& writes, bool sync);
  void Remember(proto::CheckedTransaction transaction);
  void Halt(const std::string& reason);

  const proto::Genesis& genesis_;
  const proto::SecretKey key_;
  KeyValueStore& store_;
  std::unique_ptr<Disk> disk_;
  Ledger ledger_;
  std::unique_ptr<consensus::Core> core_;
  Snapshot latest_;
  std::optional<ProvenBlock> proven_;
  std::deque<Snapshot> unproven_;  // Ascending heights.
  CheckedCache checked_;
  std::uint64_t executed_transactions_ = 0;  // Since the start.
  Step pending_;
  bool sync_due_ = false;
};

}  // namespace node
