// Known answers from tests/vectors/crypto.py, which computes them from the textbook formulas: they
// fix the formats, so that an accidental change of one is a failure here and not a fork.
#include <gtest/gtest.h>

#include "proto/crypto/coin.h"
#include "proto/crypto/ecies.h"
#include "proto/crypto/hash.h"
#include "proto/crypto/merkle.h"
#include "proto/crypto/prg.h"

namespace proto {
namespace {

Bytes Counting(std::uint8_t first) {
  Bytes bytes;
  for (std::uint8_t i = 0; i < 32; ++i) bytes.push_back(static_cast<std::uint8_t>(first + i));
  return bytes;
}

const Bytes kSeed = Counting(0);

TEST(Vectors, Hash) {
  EXPECT_EQ(Hasher("waxseal/test")
                .Add(AsBytes("abc"))
                .Add(std::uint64_t{0x0102030405060708})
                .Finish()
                .hex(),
            "67a874732daae1b6f2eea963eb1b83a6c3c819a14851625c4e69177f4e86f647");
}

TEST(Vectors, Merkle) {
  const std::vector<std::pair<std::uint8_t, std::string>> roots = {
      {0, "9dfdd109a2dc324b1b1e2097d1564ba5f86fa27dd0607b7141149a4a38c91d48"},
      {1, "875bdd2abf4e9aa9318de9f4b2f484410d33e8c7cab546358799dac81f4ea85c"},
      {2, "68dfe29fc97f29b0d3bbca31ac666917713359df56c42b1fd564ad29c668978c"},
      {3, "fd5da18d9169e43df54d6ef8af8c2bf372d38252f73e12fa226983327a823625"},
      {7, "96776d30f1157ff489fa9af4e58d066e6544c57e23bd01abbcb35841c12b9d4d"},
      {8, "f0c8f1ad182b5aa68d62ecbdefa25b1ed2d5a4df07461049717780533d246593"},
      {11, "d39bab62530b7756f771ff8291ad050567236f4e66eec27d146edc820865b779"},
  };
  for (const auto& [count, root] : roots) {
    std::vector<Digest> leaves;
    for (std::uint8_t i = 0; i < count; ++i) leaves.push_back(MerkleLeaf(Bytes{i}));
    EXPECT_EQ(MerkleRoot(leaves).hex(), root) << int{count} << " leaves";
  }
  Bytes bytes(3 * kMerkleChunk + 5);
  for (std::size_t i = 0; i < bytes.size(); ++i) bytes[i] = static_cast<std::uint8_t>(i * 7);
  EXPECT_EQ(MerkleRootOfBytes(bytes).hex(),
            "668ee48dc6fb4e4fb41e9b5fff3dabdaa7584369db57016805d0d3efb0a4ecdd");
}

TEST(Vectors, Prg) {
  const std::vector<std::pair<std::uint64_t, std::string>> blocks = {
      {0, "6f53cb6bd6cd9617ae31d610cf42d3de83a8b0c40742a3a1684e99fec66724b0"},
      {300, "9f06ac95a105c11b00c7fa81905cef58dc95e50daa92fcb1fa697af3b268fa69"},
      // The counter carries beyond 64 bits.
      {~std::uint64_t{0}, "8923a2dda4aaeba3d9bbcde2db035b409d1c6ff08f422d4c1aa78716fea5b339"},
  };
  Prg prg(kSeed, AsBytes("label"));
  for (const auto& [block, stream] : blocks) {
    Bytes out(32);
    prg.Seek(block);
    prg.Fill(out);
    EXPECT_EQ(ToHex(out), stream) << "block " << block;
  }
}

TEST(Vectors, Coin) {
  const PartyId party{6};
  const Digest name = Digest::From(Counting(32)).value();
  const CoinKeys keys = DealCoin(Committee(7), 3, kSeed);
  EXPECT_EQ(ToHex(keys.secrets[6].secret_bytes()),
            "9d830069298703564e2ae54578218122ed94a628ed84b4b485b9bdd0e7f7df35");
  EXPECT_EQ(ToHex(keys.public_key.verification[6]),
            "02dfa286f02b1301e3c8cf532e1dc7513217e22fab24b14c9f34c11fd28ecb6df4");
  std::vector<std::pair<PartyId, CoinShare>> shares;
  for (const std::uint16_t i : std::vector<std::uint16_t>{6, 0, 3}) {
    shares.emplace_back(PartyId{i}, MakeCoinShare(keys.secrets[i], PartyId{i}, name));
  }
  const CoinShare& share = shares.front().second;
  EXPECT_EQ(ToHex(share.point),
            "020c8f47ab5bdf7c252a55ba654ff2778947fe61fad901c18e0c41bc15d7b7c3df");
  EXPECT_EQ(ToHex(share.proof),
            "13e09e6e416852ebb3f00c45595a4a10d65f9cd6e5f7bd98b595ca798d09d119"
            "dee29a008b88f1f4f720c66a6230607f2b138b6d6477bba474b28a58bd59871e");
  EXPECT_TRUE(VerifyCoinShare(keys.public_key, party, name, share));
  EXPECT_EQ(CombineCoin(keys.public_key, name, shares).hex(),
            "4abaebcb19c87008c57c8d05d51f847b9ff44a269a33b2731a98d9bed6d1c358");
}

TEST(Vectors, Ecies) {
  Bytes three(32, 0);
  three.back() = 3;
  const auto recipient = SecretKey::From(three);
  ASSERT_TRUE(recipient.has_value());
  EXPECT_EQ(ToHex(Seal(recipient->public_key(), AsBytes("context"), AsBytes("plaintext"), kSeed)),
            "02e261f5ea750ce987eaf76a19ca9e59174b220734760b34dac9bc7abf1c6bce787b2bc01d270d885c"
            "f58f1819d94b633e21b1870a85ff9b6677");
}

}  // namespace
}  // namespace proto
