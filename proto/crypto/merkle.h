// Merkle trees of RFC 6962: leaves and nodes are hashed under different tags, the tree of n leaves
// splits at the largest power of two below n, and the tree of none is the hash of nothing.
//
// The root of a list is H("waxseal/merkle/list", count, top of its tree). With the count, a place
// in the list is one way through the tree and each way one place: so a root has one proof for each
// leaf, and no bit of it can be another. (The top alone leaves the count open, and with it the
// place: the fifth leaf of five stands where the second of two does.)
#pragma once

#include <vector>

#include "proto/base/bytes.h"

namespace proto {

struct MerkleProof {
  std::uint64_t index = 0;
  std::uint64_t count = 0;
  std::vector<Digest> path;  // From the leaf upwards.
};

Digest MerkleLeaf(ByteSpan leaf);
// `leaves` are hashes made by MerkleLeaf.
Digest MerkleRoot(const std::vector<Digest>& leaves);
MerkleProof MakeMerkleProof(const std::vector<Digest>& leaves, std::uint64_t index);
bool VerifyMerkleProof(const Digest& root, const Digest& leaf, const MerkleProof& proof);

// The top over a long byte string cut into leaves of `kMerkleChunk` bytes.
inline constexpr std::size_t kMerkleChunk = 4096;
Digest MerkleRootOfBytes(ByteSpan bytes);

}  // namespace proto
