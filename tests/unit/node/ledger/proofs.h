// Blocks of one chain, and a proof of each kind from it.
#pragma once

#include <set>
#include <vector>

#include "node/ledger/proof.h"
#include "node/ledger/prove.h"
#include "tests/unit/node/ledger/world.h"

namespace node::test {

inline BlockSignatures SignBlock(const World& world, const proto::BlockHeader& header,
                                 std::size_t count) {
  BlockSignatures signatures;
  for (std::size_t i = 0; i < count; ++i) {
    signatures.emplace_back(static_cast<PartyId>(i),
                            world.validators[i].Sign(proto::CheckpointDigest(
                                world.ledger.chain().id, proto::kFirstEpoch, header.commit_index,
                                proto::BlockDigest(header))));
  }
  return signatures;
}

struct Proofs {
  Proofs() {
    request_ = world_.Submitted();
    for (std::uint64_t i = 0; i < 5; ++i) {
      transactions_.push_back(
          world_.FromClient(0, proto::Transfer{world_.clients[1].public_key(), i}, i));
    }
    BlockResult block = world_.Run(transactions_);
    receipts_ = block.receipts;
    block_ = block.header;
    for (int i = 0; i < 3; ++i) later_.push_back(world_.Run({}).header);
    const Snapshot state = *world_.ledger.snapshot(block_.height);
    keys_ = {proto::TotalsKey(), proto::RequestKey(request_), proto::RequestKey(request_ + 1),
             proto::AccountKey(world_.clients[0].public_key()),
             proto::AccountKey(MakeKey("nobody").public_key())};
    records_ = ProveRecords({block_, Signed(block_, 3), state}, keys_);
    transaction_ = ProveBlock({block_}, Signed(block_, 3));
    AddTransaction(transaction_, transactions_, receipts_, 4);
    block_receipts_ = ProveBlock({block_}, Signed(block_, 3));
    AddReceipts(block_receipts_, receipts_);
    // Signed only three blocks later.
    late_ = ProveBlock({block_, later_[0], later_[1], later_[2]}, Signed(later_[2], 4));
    AddTransaction(late_, transactions_, receipts_, 1);
  }

  BlockSignatures Signed(const proto::BlockHeader& header, std::size_t count) const {
    return SignBlock(world_, header, count);
  }
  std::vector<proto::Proof> All() const { return {records_, transaction_, block_receipts_, late_}; }

  World world_;
  std::uint64_t request_ = 0;
  std::vector<Bytes> transactions_;
  std::vector<proto::Receipt> receipts_;
  proto::BlockHeader block_;
  std::vector<proto::BlockHeader> later_;
  std::set<Bytes> keys_;
  proto::Proof records_;
  proto::Proof transaction_;
  proto::Proof block_receipts_;
  proto::Proof late_;
};

}  // namespace node::test
