#include "node/ledger/prove.h"

#include <algorithm>

#include "proto/base/check.h"
#include "proto/crypto/merkle.h"

namespace node {

using proto::Bytes;

proto::Proof ProveBlock(std::vector<proto::BlockHeader> headers, BlockSignatures signatures) {
  std::ranges::sort(signatures, {}, [](const auto& entry) { return Index(entry.first); });
  proto::Proof proof;
  proof.headers = std::move(headers);
  proof.signatures = std::move(signatures);
  return proof;
}

proto::Proof ProveRecords(const ProvenBlock& block, const std::set<Bytes>& keys) {
  proto::Proof proof = ProveBlock({block.header}, block.signatures);
  for (const Bytes& key : keys) {
    proof.records.push_back({key, block.snapshot.Get(key), block.snapshot.Prove(key)});
  }
  return proof;
}

void AddTransaction(proto::Proof& proof, const std::vector<Bytes>& transactions,
                    std::vector<proto::Receipt> receipts, std::uint32_t index) {
  CHECK(index < transactions.size() && transactions.size() == receipts.size());
  std::vector<proto::Digest> leaves;
  std::vector<proto::Digest> receipt_leaves;
  for (const Bytes& transaction : transactions) leaves.push_back(proto::MerkleLeaf(transaction));
  for (const auto& receipt : receipts) receipt_leaves.push_back(proto::ReceiptLeaf(receipt));
  receipts[index].message.clear();
  proof.transaction = {transactions[index],
                       std::move(receipts[index]),
                       index,
                       transactions.size(),
                       proto::MakeMerkleProof(leaves, index).path,
                       proto::MakeMerkleProof(receipt_leaves, index).path};
}

void AddReceipts(proto::Proof& proof, std::vector<proto::Receipt> receipts) {
  for (proto::Receipt& receipt : receipts) receipt.message.clear();
  proof.receipts = std::move(receipts);
}

}  // namespace node
