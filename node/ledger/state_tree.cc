#include "node/ledger/state_tree.h"

#include <algorithm>
#include <span>

#include "proto/base/check.h"
#include "proto/crypto/hash.h"

namespace node {
namespace {

using proto::Bytes;
using proto::ByteSpan;
using proto::Digest;
using proto::Hash;

constexpr Digest kEmpty{};

bool Bit(const Digest& path, std::size_t depth) {
  return (path.bytes[depth / 8] >> (7 - depth % 8)) & 1;
}

Digest ValueHash(ByteSpan value) {
  return Hash("waxseal/state/value", {value});
}
Digest LeafHash(const Digest& path, const Digest& value_hash) {
  return Hash("waxseal/state/leaf", {path.span(), value_hash.span()});
}
Digest InnerHash(const Digest& left, const Digest& right) {
  return Hash("waxseal/state/inner", {left.span(), right.span()});
}

}  // namespace

// A leaf has a path and a value, an inner node at least two leaves below it.
struct StateTree::Node {
  Digest hash;
  std::size_t bytes = 0;    // Of the keys and values in this subtree,
  std::size_t entries = 0;  // and their number.
  std::shared_ptr<const Node> left;
  std::shared_ptr<const Node> right;
  Digest path;
  Digest value_hash;
  Bytes key;
  Bytes value;

  bool leaf() const { return left == nullptr && right == nullptr; }
};

namespace {

using Node = StateTree::Node;
using NodePtr = std::shared_ptr<const Node>;
using Write = StateTree::Write;

const NodePtr kNone;

const Digest& HashOf(const NodePtr& node) {
  return node == nullptr ? kEmpty : node->hash;
}

NodePtr MakeLeaf(const Write& write) {
  auto leaf = std::make_shared<Node>();
  leaf->path = write.path;
  leaf->value_hash = ValueHash(*write.value);
  leaf->key = *write.key;
  leaf->value = *write.value;
  leaf->bytes = leaf->key.size() + leaf->value.size();
  leaf->entries = 1;
  leaf->hash = LeafHash(leaf->path, leaf->value_hash);
  return leaf;
}

// A subtree of one leaf is that leaf.
NodePtr Join(NodePtr left, NodePtr right) {
  if (left == nullptr && (right == nullptr || right->leaf())) return right;
  if (right == nullptr && left->leaf()) return left;
  auto inner = std::make_shared<Node>();
  inner->hash = InnerHash(HashOf(left), HashOf(right));
  for (const NodePtr* child : {&left, &right}) {
    if (*child == nullptr) continue;
    inner->bytes += (*child)->bytes;
    inner->entries += (*child)->entries;
  }
  inner->left = std::move(left);
  inner->right = std::move(right);
  return inner;
}

// `writes`: ascending by path, all within the subtree of `node`, whose paths agree in `depth` bits.
NodePtr Update(const NodePtr& node, std::span<const Write> writes, std::size_t depth) {
  if (writes.empty()) return node;
  const bool inner = node != nullptr && !node->leaf();
  if (!inner && writes.size() == 1 && (node == nullptr || node->path == writes[0].path)) {
    return writes[0].value == nullptr ? nullptr : MakeLeaf(writes[0]);
  }
  CHECK(depth < proto::kStatePathMax);  // Two paths that agree in all bits are equal.
  const auto middle = std::ranges::partition_point(
      writes, [&](const Write& write) { return !Bit(write.path, depth); });
  const auto count = static_cast<std::size_t>(middle - writes.begin());
  // A leaf moves down, to where its path leads.
  const bool goes_right = node != nullptr && !inner && Bit(node->path, depth);
  const NodePtr& old_left = inner ? node->left : goes_right ? kNone : node;
  const NodePtr& old_right = inner ? node->right : goes_right ? node : kNone;
  NodePtr left = Update(old_left, writes.first(count), depth + 1);
  NodePtr right = Update(old_right, writes.subspan(count), depth + 1);
  if (inner && left == old_left && right == old_right) return node;
  return Join(std::move(left), std::move(right));
}

std::size_t DepthFor(const NodePtr& node, std::size_t depth, std::size_t bytes_max) {
  if (node == nullptr || node->leaf() || node->bytes <= bytes_max) return depth;
  if (depth == proto::sync::kChunkDepthMax) return depth;
  return std::max(DepthFor(node->left, depth + 1, bytes_max),
                  DepthFor(node->right, depth + 1, bytes_max));
}

void Collect(const NodePtr& node, std::vector<std::pair<Bytes, Bytes>>& entries) {
  if (node == nullptr) return;
  if (node->leaf()) {
    entries.emplace_back(node->key, node->value);
    return;
  }
  Collect(node->left, entries);
  Collect(node->right, entries);
}

// The path that begins with the chunk's bits and goes on with zeros.
Digest FirstPath(std::uint8_t depth, std::uint16_t index) {
  Digest path;
  const std::uint32_t bits = std::uint32_t{index} << (16 - depth);
  path.bytes[0] = static_cast<std::uint8_t>(bits >> 8);
  path.bytes[1] = static_cast<std::uint8_t>(bits);
  return path;
}

bool Agree(const Digest& a, const Digest& b, std::size_t depth) {
  for (std::size_t i = 0; i < depth; ++i) {
    if (Bit(a, i) != Bit(b, i)) return false;
  }
  return true;
}

Digest Climb(const Digest& path, const std::vector<Digest>& siblings, Digest hash) {
  for (std::size_t depth = siblings.size(); depth-- > 0;) {
    const Digest& sibling = siblings[depth];
    hash = Bit(path, depth) ? InnerHash(sibling, hash) : InnerHash(hash, sibling);
  }
  return hash;
}

}  // namespace

const Digest& StateTree::root() const {
  return HashOf(top_);
}

Digest StateTree::PathOf(ByteSpan key) {
  return Hash("waxseal/state/key", {key});
}

const Bytes* StateTree::Get(const Digest& path) const {
  const Node* node = top_.get();
  for (std::size_t depth = 0; node != nullptr && !node->leaf(); ++depth) {
    node = (Bit(path, depth) ? node->right : node->left).get();
  }
  return node != nullptr && node->path == path ? &node->value : nullptr;
}

proto::StateProof StateTree::Prove(ByteSpan key) const {
  const Digest path = PathOf(key);
  proto::StateProof proof;
  const Node* node = top_.get();
  for (std::size_t depth = 0; node != nullptr && !node->leaf(); ++depth) {
    const bool right = Bit(path, depth);
    proof.siblings.push_back(HashOf(right ? node->left : node->right));
    node = (right ? node->right : node->left).get();
  }
  if (node != nullptr) proof.leaf = {node->path, node->value_hash};
  return proof;
}

StateTree StateTree::Apply(std::vector<Write> writes) const {
  std::ranges::sort(writes, {}, &Write::path);
  CHECK(std::ranges::adjacent_find(writes, {}, &Write::path) == writes.end());
  return StateTree(Update(top_, writes, 0));
}

StateTree StateTree::Apply(const std::vector<KeyWrite>& writes) const {
  std::vector<Write> paths;
  paths.reserve(writes.size());
  for (const KeyWrite& write : writes) {
    paths.push_back({PathOf(write.key), &write.key, write.value ? &*write.value : nullptr});
  }
  return Apply(std::move(paths));
}

bool VerifyStateProof(const Digest& root, ByteSpan key, const std::optional<Bytes>& value,
                      const proto::StateProof& proof) {
  if (proof.siblings.size() > proto::kStatePathMax) return false;
  const Digest path = StateTree::PathOf(key);
  Digest hash = kEmpty;
  if (proof.leaf) {
    const bool own = proof.leaf->path == path;
    if (own != value.has_value()) return false;
    if (own && proof.leaf->value_hash != ValueHash(*value)) return false;
    // Another's leaf stands for the key only where their paths agree.
    if (!Agree(proof.leaf->path, path, proof.siblings.size())) return false;
    hash = LeafHash(proof.leaf->path, proof.leaf->value_hash);
  } else if (value.has_value()) {
    return false;
  }
  return Climb(path, proof.siblings, hash) == root;
}

std::uint8_t StateTree::ChunkDepth(std::size_t bytes_max) const {
  return static_cast<std::uint8_t>(DepthFor(top_, 0, bytes_max));
}

std::optional<proto::sync::StateChunk> StateTree::Chunk(std::uint8_t depth, std::uint16_t index,
                                                        std::size_t bytes_max) const {
  CHECK(depth <= proto::sync::kChunkDepthMax && index >> depth == 0);
  const Digest first = FirstPath(depth, index);
  proto::sync::StateChunk chunk;
  const NodePtr* node = &top_;
  while (chunk.siblings.size() < depth && *node != nullptr && !(*node)->leaf()) {
    const bool right = Bit(first, chunk.siblings.size());
    chunk.siblings.push_back(HashOf(right ? (*node)->left : (*node)->right));
    node = right ? &(*node)->right : &(*node)->left;
  }
  if (*node == nullptr) return chunk;
  if ((*node)->leaf() && !Agree((*node)->path, first, depth)) {
    chunk.leaf = {(*node)->path, (*node)->value_hash};
    return chunk;
  }
  if ((*node)->bytes > bytes_max || (*node)->entries > proto::sync::kChunkEntriesMax) return {};
  Collect(*node, chunk.entries);
  return chunk;
}

bool VerifyStateChunk(const Digest& root, std::uint8_t depth, std::uint16_t index,
                      const proto::sync::StateChunk& chunk) {
  if (depth > proto::sync::kChunkDepthMax || index >> depth != 0) return false;
  const std::size_t top = chunk.siblings.size();
  if (top > depth) return false;
  // Where the way ends above the chunk stands nothing, or one leaf: the chunk's or another's.
  if (top < depth && chunk.entries.size() > 1) return false;
  const Digest first = FirstPath(depth, index);
  Digest hash = kEmpty;
  if (chunk.leaf) {
    if (!chunk.entries.empty() || Agree(chunk.leaf->path, first, depth)) return false;
    if (!Agree(chunk.leaf->path, first, top)) return false;
    hash = LeafHash(chunk.leaf->path, chunk.leaf->value_hash);
  } else if (!chunk.entries.empty()) {
    std::vector<Write> leaves;
    leaves.reserve(chunk.entries.size());
    for (const auto& [key, value] : chunk.entries) {
      leaves.push_back({StateTree::PathOf(key), &key, &value});
      if (!Agree(leaves.back().path, first, depth)) return false;
    }
    if (std::ranges::adjacent_find(leaves, std::ranges::greater_equal{}, &Write::path) !=
        leaves.end()) {
      return false;
    }
    hash = HashOf(Update(nullptr, leaves, top));
  }
  return Climb(first, chunk.siblings, hash) == root;
}

}  // namespace node
