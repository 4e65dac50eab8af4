#include "proto/crypto/merkle.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include "proto/crypto/hash.h"
#include "proto/crypto/sha256.h"
#include "proto/crypto/sha256_pair.h"

namespace proto {
namespace {

constexpr std::uint64_t kLeavesMax = 70;

std::vector<Digest> Leaves(std::uint64_t count) {
  std::vector<Digest> leaves;
  for (std::uint64_t i = 0; i < count; ++i)
    leaves.push_back(MerkleLeaf(Bytes{1, Bytes::value_type(i)}));
  return leaves;
}

// The definition of RFC 6962, section 2.1, word for word.
Digest DefinedTop(std::span<const Digest> leaves) {
  if (leaves.empty()) return Hash("waxseal/merkle/empty", {});
  if (leaves.size() == 1) return leaves[0];
  std::size_t split = 1;
  while (2 * split < leaves.size()) split *= 2;
  const Digest left = DefinedTop(leaves.first(split));
  const Digest right = DefinedTop(leaves.subspan(split));
  return Hash("waxseal/merkle/node", {left.span(), right.span()});
}

Digest DefinedRoot(std::span<const Digest> leaves) {
  return Hasher("waxseal/merkle/list").Add(leaves.size()).Add(DefinedTop(leaves).span()).Finish();
}

TEST(Merkle, RootsFollowTheDefinition) {
  for (std::uint64_t count = 0; count <= kLeavesMax; ++count) {
    EXPECT_EQ(MerkleRoot(Leaves(count)), DefinedRoot(Leaves(count))) << count << " leaves";
  }
}

TEST(Merkle, EveryLeafIsProvedAndForItsPlaceAlone) {
  for (std::uint64_t count = 1; count <= 20; ++count) {
    const std::vector<Digest> leaves = Leaves(count);
    const Digest root = MerkleRoot(leaves);
    for (std::uint64_t index = 0; index < count; ++index) {
      MerkleProof proof = MakeMerkleProof(leaves, index);
      EXPECT_TRUE(VerifyMerkleProof(root, leaves[index], proof)) << index << " of " << count;
      for (std::uint64_t claimed = 0; claimed <= count; ++claimed) {
        for (std::uint64_t of = 0; of <= count + 2; ++of) {
          proof.index = claimed;
          proof.count = of;
          EXPECT_EQ(VerifyMerkleProof(root, leaves[index], proof), claimed == index && of == count)
              << index << " of " << count << " as " << claimed << " of " << of;
        }
      }
    }
  }
}

RC_GTEST_PROP(Merkle, NoPartOfAProofCanBeChanged, ()) {
  const auto count = *rc::gen::inRange<std::uint64_t>(1, kLeavesMax);
  const auto index = *rc::gen::inRange<std::uint64_t>(0, count);
  const std::vector<Digest> leaves = Leaves(count);
  const Digest root = MerkleRoot(leaves);
  const MerkleProof proof = MakeMerkleProof(leaves, index);
  const auto bit = *rc::gen::inRange<std::size_t>(0, 256);
  const auto flip = [bit](Digest digest) {
    digest.bytes[bit / 8] ^= static_cast<std::uint8_t>(1u << (bit % 8));
    return digest;
  };
  RC_ASSERT(VerifyMerkleProof(root, leaves[index], proof));
  RC_ASSERT(!VerifyMerkleProof(flip(root), leaves[index], proof));
  RC_ASSERT(!VerifyMerkleProof(root, flip(leaves[index]), proof));
  for (std::size_t i = 0; i < proof.path.size(); ++i) {
    MerkleProof forged = proof;
    forged.path[i] = flip(forged.path[i]);
    RC_ASSERT(!VerifyMerkleProof(root, leaves[index], forged));
  }
  MerkleProof longer = proof;
  longer.path.push_back(root);
  RC_ASSERT(!VerifyMerkleProof(root, leaves[index], longer));
  MerkleProof shorter = proof;
  if (!shorter.path.empty()) {
    shorter.path.pop_back();
    RC_ASSERT(!VerifyMerkleProof(root, leaves[index], shorter));
  }
}

TEST(Merkle, HostileCountsAndIndicesAreRefused) {
  const std::vector<Digest> leaves = Leaves(5);
  const Digest root = MerkleRoot(leaves);
  const auto refused = [&](std::uint64_t index, std::uint64_t count, std::vector<Digest> path) {
    return !VerifyMerkleProof(root, leaves[0], {index, count, std::move(path)});
  };
  const std::vector<Digest> path = MakeMerkleProof(leaves, 0).path;
  constexpr std::uint64_t kMost = ~std::uint64_t{0};
  EXPECT_FALSE(refused(0, 5, path));
  EXPECT_TRUE(refused(0, 0, {}));
  EXPECT_TRUE(refused(0, 0, path));
  EXPECT_TRUE(refused(kMost, kMost, path));
  EXPECT_TRUE(refused(kMost - 1, kMost, path));
  EXPECT_TRUE(refused(0, kMost, path));
  EXPECT_TRUE(refused(0, 9, path));
  EXPECT_TRUE(refused(0, 4, path));
  // An inner node does not pass for a leaf: the leaves' own root is the root, but of other leaves.
  EXPECT_TRUE(!VerifyMerkleProof(MerkleRoot(leaves), MerkleLeaf(root.span()), {0, 1, {}}));
}

TEST(Merkle, LongBytesAreCutIntoChunks) {
  Bytes bytes(3 * kMerkleChunk + 5);
  for (std::size_t i = 0; i < bytes.size(); ++i) bytes[i] = static_cast<std::uint8_t>(i * 7);
  for (const std::size_t size : {std::size_t{0}, std::size_t{1}, kMerkleChunk - 1, kMerkleChunk,
                                 kMerkleChunk + 1, 3 * kMerkleChunk, bytes.size()}) {
    std::vector<Digest> leaves;
    for (std::size_t from = 0; from < size; from += kMerkleChunk) {
      leaves.push_back(
          MerkleLeaf(ByteSpan(bytes).subspan(from, std::min(kMerkleChunk, size - from))));
    }
    EXPECT_EQ(MerkleRootOfBytes(ByteSpan(bytes).first(size)), DefinedTop(leaves)) << size;
  }
}

// Two strings at once, against one at a time.
TEST(Sha256Pair, EqualsSha256) {
  if (!Sha256Pair::Supported()) GTEST_SKIP();
  constexpr std::size_t kBlock = 64;
  Bytes bytes(9 * kBlock);
  for (std::size_t i = 0; i < bytes.size(); ++i) bytes[i] = static_cast<std::uint8_t>(i * i + 3);
  const ByteSpan all(bytes);
  for (const std::size_t prefix : {std::size_t{0}, kBlock, 3 * kBlock}) {
    const Sha256Pair pair(all.first(prefix));
    for (const std::size_t size : {std::size_t{0}, kBlock, 3 * kBlock}) {
      const ByteSpan first = all.subspan(prefix, size), second = all.subspan(prefix + size, size);
      Sha256Stream stream;
      stream.Add(all.first(prefix));
      stream.Add(first);
      const auto digests = pair(first, second);
      EXPECT_EQ(digests[0], stream.Finish()) << prefix << " " << size;
      stream.Begin();
      stream.Add(all.first(prefix));
      stream.Add(second);
      EXPECT_EQ(digests[1], stream.Finish()) << prefix << " " << size;
    }
  }
}

TEST(MerkleDeathTest, OnlyLeavesThereAreCanBeProved) {
  EXPECT_DEATH(MakeMerkleProof(Leaves(3), 3), "CHECK");
  EXPECT_DEATH(MakeMerkleProof({}, 0), "CHECK");
}

}  // namespace
}  // namespace proto
