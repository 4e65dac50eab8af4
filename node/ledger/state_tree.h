// The ledger's state as a sparse Merkle tree that shares its nodes between versions.
//
// A key's path is the 256 bits of its tagged hash. A subtree without entries is absent and hashes
// to zero; a subtree with one entry is a leaf, at whatever depth; any other is an inner node. So
// the shape, and the root, depend on the entries alone, not on the order of changes.
//
//   leaf   H("waxseal/state/leaf", path, H("waxseal/state/value", value))
//   inner  H("waxseal/state/inner", left, right)
//
// Nodes never change: an update makes new ones along the changed paths and keeps the rest, so an
// old tree stays readable, from any thread, for as long as somebody holds it. With N entries an
// update of k of them makes about k log2(N/k) + k nodes, a proof has about log2 N siblings. Form:
// Dahlberg, Pulls and Peeters (2016) with the one-leaf subtrees of Diem's Jellyfish tree.
#pragma once

#include <memory>
#include <optional>
#include <vector>

#include "node/store/interfaces.h"
#include "proto/base/bytes.h"
#include "proto/wire/block.h"
#include "proto/wire/sync.h"

namespace node {

class StateTree {
 public:
  struct Node;

  struct Write {
    proto::Digest path;
    const proto::Bytes* key;
    const proto::Bytes* value;  // Null: the entry goes.
  };

  StateTree() = default;  // Of no entries.

  static proto::Digest PathOf(proto::ByteSpan key);

  const proto::Digest& root() const;
  // The value, valid as long as this tree or one that shares it lives; null when absent.
  const proto::Bytes* Get(const proto::Digest& path) const;
  const proto::Bytes* Get(proto::ByteSpan key) const { return Get(PathOf(key)); }
  proto::StateProof Prove(proto::ByteSpan key) const;
  // This tree with the writes applied, in any order; paths (or keys) distinct (CHECKed).
  StateTree Apply(std::vector<Write> writes) const;
  StateTree Apply(const std::vector<KeyWrite>& writes) const;

  // The least depth at which no chunk has more than `bytes_max` of keys and values; at most
  // kChunkDepthMax.
  std::uint8_t ChunkDepth(std::size_t bytes_max) const;
  // None when it has more than `bytes_max` or kChunkEntriesMax.
  std::optional<proto::sync::StateChunk> Chunk(std::uint8_t depth, std::uint16_t index,
                                               std::size_t bytes_max) const;

 private:
  explicit StateTree(std::shared_ptr<const Node> top) : top_(std::move(top)) {}
  std::shared_ptr<const Node> top_;
};

// Whether `value` (or absence) is what `key` has in the tree of this root.
bool VerifyStateProof(const proto::Digest& root, proto::ByteSpan key,
                      const std::optional<proto::Bytes>& value, const proto::StateProof& proof);

// Whether the chunk holds exactly the entries of the tree of this root whose paths begin with the
// `depth` bits of `index`: by itself, without the other chunks, so that each is kept or refused on
// arrival. Whoever makes a wrong one pass has found a collision of SHA-256: the entries give the
// hash of their subtree, the siblings lead it to the root.
bool VerifyStateChunk(const proto::Digest& root, std::uint8_t depth, std::uint16_t index,
                      const proto::sync::StateChunk& chunk);

}  // namespace node
