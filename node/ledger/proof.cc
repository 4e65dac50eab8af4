#include "node/ledger/proof.h"

#include <algorithm>
#include <string>

#include "node/ledger/light_client.h"
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

Result<> CheckHeaders(LightClient& client, const proto::Proof& proof) {
  for (const proto::EpochLink& link : proof.links) {
    if (auto followed = client.Follow(link); !followed) return followed;
  }
  for (std::size_t i = 1; i < proof.headers.size(); ++i) {
    const proto::BlockHeader& parent = proof.headers[i - 1];
    const proto::BlockHeader& child = proof.headers[i];
    if (child.parent == proto::BlockDigest(parent) && child.height == parent.height + 1) continue;
    return Fail(ErrorCode::kDenied, NameOf(child) + " does not follow " + NameOf(parent));
  }
  return client.VerifyHeader(proof.headers.back(), proof.signatures);
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

std::string NameOfKey(proto::ByteSpan key) {
  const auto end = std::ranges::find_if(key, [](std::uint8_t c) { return c < '!' || c > '~'; });
  const auto slash = std::find(key.begin(), end, '/');
  const auto split = slash == end ? end : slash + 1;
  return std::string(key.begin(), split) +
         proto::ToHex(key.subspan(static_cast<std::size_t>(split - key.begin())));
}

Result<std::optional<Bytes>> ClaimedFacts::Record(const Bytes& key) const {
  const auto it = std::ranges::lower_bound(proof_.records, key, {}, &proto::Proof::Record::key);
  if (it != proof_.records.end() && it->key == key) return it->value;
  return Fail(ErrorCode::kDenied, "the proof says nothing of the record " + NameOfKey(key));
}

Result<Proven> VerifyProof(LightClient& client, proto::ByteSpan bytes) {
  auto decoded = proto::DecodeProof(bytes);
  if (!decoded) return tl::unexpected(decoded.error());
  const proto::Proof& proof = *decoded;
  if (auto held = CheckHeaders(client, proof); !held) return tl::unexpected(held.error());
  const proto::BlockHeader& header = proof.headers.front();
  for (const auto& record : proof.records) {
    if (VerifyState(header.state_root, record.key, record.value, record.path)) continue;
    return Fail(ErrorCode::kDenied, "the record " + NameOfKey(record.key) +
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

Result<Proven> VerifyProof(const proto::Genesis& genesis, proto::ByteSpan bytes) {
  LightClient client(genesis);
  return VerifyProof(client, bytes);
}

}  // namespace node
