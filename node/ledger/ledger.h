// The state machine over the ordered transactions, as a pure function: equal commits in equal order
// give equal blocks.
//
// A commit becomes one block: requests whose deadline has passed expire, the transactions are
// executed in their order, attempts are started, fees are divided. What is refused or fails leaves
// a receipt and no other trace. Cost: a commit of k transactions touches O(k) records and makes O(k
// log N) tree nodes for N records; signatures (about 40 us each) dominate, and are checked
// beforehand, on any threads, by Check.
//
// A client's transaction counts once, by its nonce. A validator's has no nonce: each is such that
// the second one changes nothing.
#pragma once

#include <deque>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "node/ledger/block.h"
#include "node/ledger/events.h"
#include "node/ledger/snapshot.h"
#include "node/store/interfaces.h"
#include "proto/spec.h"
#include "proto/wire/block.h"
#include "proto/wire/ledger.h"

namespace node {

inline constexpr std::size_t kSnapshotsMax = 64;

// What consensus decided, without its transactions.
struct Commit {
  std::uint64_t index = 0;  // From 1, each the next.
  std::uint64_t round = 0;  // Of the leader in its epoch's DAG; ascending.
  proto::Digest leader;
};

struct BlockResult {
  proto::BlockHeader header;
  std::vector<proto::Receipt> receipts;  // One for each transaction.
  std::vector<KeyWrite> changes;         // Of the state; to be made durable with the header.
  std::vector<Event> events;
};

class Ledger {
 public:
  // Block 0. kInvalidArgument when the document would not pass ParseGenesis. A node writes
  // GenesisState before it executes anything.
  static proto::Result<Ledger> FromGenesis(const proto::Genesis& genesis);
  static std::vector<KeyWrite> GenesisState(const proto::Genesis& genesis);
  // From all entries of the state and the last header; kCorrupt when they do not fit together.
  static proto::Result<Ledger> Restore(const proto::Genesis& genesis,
                                       std::vector<std::pair<proto::Bytes, proto::Bytes>> state,
                                       const proto::BlockHeader& last);

  // Decodes a transaction and checks its signature: constant, so callable from any thread.
  proto::CheckedTransaction Check(proto::Bytes transaction) const;
  // The next block. The transactions were made by this chain's Check.
  BlockResult Execute(const Commit& commit,
                      const std::vector<proto::CheckedTransaction>& transactions);
  // The same, checking them first.
  BlockResult Execute(const Commit& commit, std::vector<proto::Bytes> transactions);

  const Chain& chain() const { return *chain_; }
  const proto::BlockHeader& header() const { return snapshots_.back().header(); }
  Snapshot snapshot() const { return snapshots_.back(); }
  // Of one of the last kSnapshotsMax blocks.
  std::optional<Snapshot> snapshot(std::uint64_t height) const;
  // Check and Snapshot::Admit.
  proto::Result<> Admit(proto::ByteSpan transaction) const;

 private:
  Ledger(std::shared_ptr<const Chain> chain, std::shared_ptr<const Epoch> epoch,
         const proto::BlockHeader& header, StateTree tree);

  std::shared_ptr<const Chain> chain_;
  std::shared_ptr<const Epoch> epoch_;  // That of the next block.
  StateTree tree_;
  std::deque<Snapshot> snapshots_;  // Ascending by height; never empty.
};

}  // namespace node
