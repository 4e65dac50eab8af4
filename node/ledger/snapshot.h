// Snapshot: the state under one block, immutable and shared: cheap to copy, readable from any
// thread while the ledger goes on.
#pragma once

#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "node/ledger/block.h"
#include "node/ledger/state_tree.h"
#include "proto/wire/block.h"
#include "proto/wire/ledger.h"
#include "proto/wire/records.h"

namespace node {

// A client's transaction may wait in a mempool for that many earlier ones of its account.
inline constexpr std::uint64_t kNonceAheadMax = 1024;

class Snapshot {
 public:
  Snapshot(std::shared_ptr<const Chain> chain, std::shared_ptr<const Epoch> epoch,
           proto::BlockHeader header, StateTree tree)
      : chain_(std::move(chain)),
        epoch_(std::move(epoch)),
        header_(header),
        tree_(std::move(tree)) {}

  const Chain& chain() const { return *chain_; }
  const proto::BlockHeader& header() const { return header_; }
  // That of the next block.
  const std::shared_ptr<const Epoch>& epoch() const { return epoch_; }

  std::optional<proto::Bytes> Get(proto::ByteSpan key) const;
  // Of presence or absence, under header().state_root.
  proto::StateProof Prove(proto::ByteSpan key) const { return tree_.Prove(key); }
  // The whole state in parts, for validators that are behind.
  const StateTree& tree() const { return tree_; }

  proto::Account account(const proto::PublicKey& key) const;  // Zeros when there is none.
  std::optional<proto::ModelRecord> model(const proto::Digest& id) const;
  // Ids in the order of registration, from number `first` (from 1), at most `count`.
  std::vector<proto::Digest> models(std::uint64_t first, std::size_t count) const;
  std::optional<proto::AttemptRecord> attempt(std::uint64_t number) const;
  std::optional<proto::RequestRecord> request(std::uint64_t number) const;
  std::optional<proto::Pool> pool(const proto::Digest& model, std::uint32_t bucket) const;
  std::vector<proto::Active::Entry> active() const;
  std::optional<proto::EpochRecord> epoch(std::uint64_t number) const;
  std::optional<proto::Dealings> dealings(std::uint64_t epoch) const;
  std::optional<proto::EpochKeys> keys(std::uint64_t epoch) const;
  // Whether the members of the next block's epoch have keys to compute with.
  bool computes() const;
  proto::Turn turn() const;
  std::optional<proto::ValidatorRecord> validator(const proto::PublicKey& key) const;
  std::vector<proto::ValidatorRecord> validators() const;  // With bonded stake, by key.
  proto::Staking staking() const;
  proto::Opened opened() const;
  proto::Totals totals() const;

  // Whether a mempool should take the transaction: it is valid, a validator's or next in its
  // account's sequence (or a little ahead), and the fee can be paid. One sentence if not.
  proto::Result<> Admit(const proto::CheckedTransaction& transaction) const;

 private:
  template <class T>
  std::optional<T> Read(const proto::Bytes& key) const;

  std::shared_ptr<const Chain> chain_;
  std::shared_ptr<const Epoch> epoch_;
  proto::BlockHeader header_;
  StateTree tree_;
};

}  // namespace node
