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
  std::shared_ptr<const Node> left;
  std::shared_ptr<const Node> right;
  Digest path;
  Digest value_hash;
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
  leaf->value = *write.value;
  leaf->hash = LeafHash(leaf->path, leaf->value_hash);
  return leaf;
}

// A subtree of one leaf is that leaf.
NodePtr Join(NodePtr left, NodePtr right) {
  if (left == nullptr && (right == nullptr || right->leaf())) return right;
  if (right == nullptr && left->leaf()) return left;
  auto inner = std::make_shared<Node>();
  inner->hash = InnerHash(HashOf(left), HashOf(right));
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
    paths.push_back({PathOf(write.key), write.value ? &*write.value : nullptr});
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
    for (std::size_t depth = 0; depth < proof.siblings.size(); ++depth) {
      if (Bit(proof.leaf->path, depth) != Bit(path, depth)) return false;
    }
    hash = LeafHash(proof.leaf->path, proof.leaf->value_hash);
  } else if (value.has_value()) {
    return false;
  }
  for (std::size_t depth = proof.siblings.size(); depth-- > 0;) {
    const Digest& sibling = proof.siblings[depth];
    hash = Bit(path, depth) ? InnerHash(sibling, hash) : InnerHash(hash, sibling);
  }
  return hash == root;
}

}  // namespace node
