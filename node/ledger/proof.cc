#include "node/ledger/proof.h"

#include <algorithm>
#include <string>

#include "node/ledger/light_client.h"
#include "proto/base/check.h"
#include "proto/crypto/merkle.h"

namespace node {

using proto::Bytes;
using proto::ErrorCode;
using proto::Fail;
using proto::Result;

namespace {

std::string NameOf(const proto::BlockHeader& header) {
  return "block " + std::to_string(header.height);
}

// A record's key for people: its readable beginning, and the rest in digits.
std::string Readable(const Bytes& key) {
  const auto end = std::ranges::find_if(key, [](std::uint8_t c) { return c < '!' || c > '~'; });
  const auto slash = std::find(key.begin(), end, '/');
  const auto split = slash == end ? end : slash + 1;
  return std::string(key.begin(), split) +
         proto::ToHex(proto::ByteSpan(key).subspan(static_cast<std::size_t>(split - key.begin())));
}

Result<> CheckHeaders(const proto::Genesis& genesis, const proto::Proof& proof) {
  for (std::size_t i = 1; i < proof.headers.size(); ++i) {
    const proto::BlockHeader& parent = proof.headers[i - 1];
    const proto::BlockHeader& child = proof.headers[i];
    if (child.parent == proto::BlockDigest(parent) && child.height == parent.height + 1) continue;
    return Fail(ErrorCode::kDenied, NameOf(child) + " does not follow " + NameOf(parent));
  }
  return VerifyHeader(genesis, proof.headers.back(), proof.signatures);
}

Result<> CheckTransaction(const proto::BlockHeader& header, const proto::Proof::Transaction& part) {
  const auto way = [&](const std::vector<proto::Digest>& path) {
    return proto::MerkleProof{part.index, part.count, path};
  };
  if (auto held = VerifyTransaction(header, part.bytes, way(part.path)); !held) return held;
  if (auto held = VerifyReceipt(header, part.receipt, way(part.receipt_path)); !held) return held;
  return {};
}

Result<> CheckReceipts(const proto::BlockHeader& header,
                       const std::vector<proto::Receipt>& receipts) {
  std::vector<proto::Digest> leaves;
  leaves.reserve(receipts.size());
  for (const proto::Receipt& receipt : receipts) leaves.push_back(proto::ReceiptLeaf(receipt));
  if (proto::MerkleRoot(leaves) == header.receipts_root) return {};
  return Fail(ErrorCode::kDenied, "the receipts are not those of " + NameOf(header));
}

}  // namespace

Result<std::optional<Bytes>> ClaimedFacts::Record(const Bytes& key) const {
  const auto it = std::ranges::lower_bound(proof_.records, key, {}, &proto::Proof::Record::key);
  if (it != proof_.records.end() && it->key == key) return it->value;
  return Fail(ErrorCode::kDenied, "the proof says nothing of the record " + Readable(key));
}

Result<Proven> VerifyProof(const proto::Genesis& genesis, proto::ByteSpan bytes) {
  auto decoded = proto::DecodeProof(bytes);
  if (!decoded) return tl::unexpected(decoded.error());
  const proto::Proof& proof = *decoded;
  if (auto held = CheckHeaders(genesis, proof); !held) return tl::unexpected(held.error());
  const proto::BlockHeader& header = proof.headers.front();
  for (const auto& record : proof.records) {
    if (VerifyState(header.state_root, record.key, record.value, record.path)) continue;
    return Fail(ErrorCode::kDenied, "the record " + Readable(record.key) +
                                        (record.value ? " is not what" : " is not absent where") +
                                        " the state of " + NameOf(header) + " has");
  }
  if (proof.transaction) {
    if (auto held = CheckTransaction(header, *proof.transaction); !held) {
      return tl::unexpected(held.error());
    }
  }
  if (proof.receipts) {
    if (auto held = CheckReceipts(header, *proof.receipts); !held) {
      return tl::unexpected(held.error());
    }
  }
  return Proven(*std::move(decoded));
}

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
