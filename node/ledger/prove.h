// Makes the proofs that go with answers (proof.h) from what a validator has.
#pragma once

#include <cstdint>
#include <optional>
#include <set>
#include <utility>
#include <vector>

#include "node/ledger/facts.h"
#include "node/ledger/proven_block.h"
#include "proto/wire/proof.h"

namespace node {

// Of a whole state. Notes which records were asked for.
class SnapshotFacts final : public Facts {
 public:
  explicit SnapshotFacts(Snapshot snapshot) : snapshot_(std::move(snapshot)) {}

  const proto::BlockHeader& header() const override { return snapshot_.header(); }
  proto::Result<std::optional<proto::Bytes>> Record(const proto::Bytes& key) const override {
    asked_.insert(key);
    return snapshot_.Get(key);
  }
  const std::set<proto::Bytes>& asked() const { return asked_; }

 private:
  Snapshot snapshot_;
  mutable std::set<proto::Bytes> asked_;
};

// Of the records, as they are in the block's state.
proto::Proof ProveRecords(const ProvenBlock& block, const std::set<proto::Bytes>& keys);
// Of the first header: `headers` leads to the one that is signed.
proto::Proof ProveBlock(std::vector<proto::BlockHeader> headers, BlockSignatures signatures);
// Adds the transaction at `index` of the first header's block, which has as many receipts as
// transactions.
void AddTransaction(proto::Proof& proof, const std::vector<proto::Bytes>& transactions,
                    std::vector<proto::Receipt> receipts, std::uint32_t index);
void AddReceipts(proto::Proof& proof, std::vector<proto::Receipt> receipts);

}  // namespace node
