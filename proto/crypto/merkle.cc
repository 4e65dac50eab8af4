#include "proto/crypto/merkle.h"

#include <algorithm>
#include <utility>

#include "proto/base/check.h"
#include "proto/crypto/hash.h"
#include "proto/crypto/sha256.h"
#include "proto/crypto/sha256_pair.h"

namespace proto {
namespace {

const Digest& LeafTag() {
  static const Digest tag = Sha256(AsBytes("waxseal/merkle/leaf"));
  return tag;
}

const Digest& NodeTag() {
  static const Digest tag = Sha256(AsBytes("waxseal/merkle/node"));
  return tag;
}

Digest Leaf(Sha256Stream& stream, ByteSpan leaf) {
  stream.Begin(LeafTag());
  stream.Add(leaf);
  return stream.Finish();
}

Digest Node(Sha256Stream& stream, const Digest& left, const Digest& right) {
  stream.Begin(NodeTag());
  stream.Add(left.bytes);
  stream.Add(right.bytes);
  return stream.Finish();
}

const Sha256Pair& LeafPair() {
  static const Sha256Pair pair = [] {
    Bytes prefix(LeafTag().bytes.begin(), LeafTag().bytes.end());
    prefix.insert(prefix.end(), LeafTag().bytes.begin(), LeafTag().bytes.end());
    return Sha256Pair(prefix);
  }();
  return pair;
}

// One level up: pairs are joined and a last one without a partner moves up as it is. Repeated, this
// is RFC 6962's tree, for the split at the largest power of two keeps every pair whole.
void Rise(Sha256Stream& stream, std::vector<Digest>& level) {
  const std::size_t pairs = level.size() / 2;
  for (std::size_t i = 0; i < pairs; ++i) {
    level[i] = Node(stream, level[2 * i], level[2 * i + 1]);
  }
  if (level.size() % 2 != 0) level[pairs] = level.back();
  level.resize((level.size() + 1) / 2);
}

Digest TopOf(Sha256Stream& stream, std::vector<Digest> level) {
  if (level.empty()) return Hash("waxseal/merkle/empty", {});
  while (level.size() > 1) Rise(stream, level);
  return level.front();
}

Digest ListRoot(std::uint64_t count, const Digest& top) {
  return Hasher("waxseal/merkle/list").Add(count).Add(top.span()).Finish();
}

}  // namespace

Digest MerkleLeaf(ByteSpan leaf) {
  thread_local Sha256Stream stream;  // A fresh context would cost more than a short leaf.
  return Leaf(stream, leaf);
}

Digest MerkleRoot(const std::vector<Digest>& leaves) {
  Sha256Stream stream;
  return ListRoot(leaves.size(), TopOf(stream, leaves));
}

MerkleProof MakeMerkleProof(const std::vector<Digest>& leaves, std::uint64_t index) {
  CHECK(index < leaves.size());
  MerkleProof proof{index, leaves.size(), {}};
  Sha256Stream stream;
  std::vector<Digest> level = leaves;
  for (; level.size() > 1; index /= 2) {
    const std::uint64_t sibling = index ^ 1;
    if (sibling < level.size()) proof.path.push_back(level[sibling]);
    Rise(stream, level);
  }
  return proof;
}

bool VerifyMerkleProof(const Digest& root, const Digest& leaf, const MerkleProof& proof) {
  if (proof.index >= proof.count) return false;
  Sha256Stream stream;
  Digest node = leaf;
  auto next = proof.path.begin();
  std::uint64_t index = proof.index;
  for (std::uint64_t last = proof.count - 1; last > 0; index /= 2, last /= 2) {
    if (index % 2 == 0 && index == last) continue;  // Without a partner on this level.
    if (next == proof.path.end()) return false;
    node = index % 2 == 0 ? Node(stream, node, *next) : Node(stream, *next, node);
    ++next;
  }
  return next == proof.path.end() && ListRoot(proof.count, node) == root;
}

Digest MerkleRootOfBytes(ByteSpan bytes) {
  Sha256Stream stream;
  std::vector<Digest> leaves;
  leaves.reserve(bytes.size() / kMerkleChunk + 1);
  while (bytes.size() >= 2 * kMerkleChunk && Sha256Pair::Supported()) {
    const auto pair =
        LeafPair()(bytes.first(kMerkleChunk), bytes.subspan(kMerkleChunk, kMerkleChunk));
    leaves.insert(leaves.end(), pair.begin(), pair.end());
    bytes = bytes.subspan(2 * kMerkleChunk);
  }
  while (!bytes.empty()) {
    const std::size_t size = std::min(kMerkleChunk, bytes.size());
    leaves.push_back(Leaf(stream, bytes.first(size)));
    bytes = bytes.subspan(size);
  }
  return TopOf(stream, std::move(leaves));
}

}  // namespace proto
