// What a light client believes, and what it does not.

#include "node/ledger/light_client.h"

#include <gtest/gtest.h>

#include "tests/unit/node/ledger/world.h"

namespace node::test {
namespace {

using Signatures = std::vector<std::pair<PartyId, proto::Signature>>;

Signatures Sign(const World& world, const proto::BlockHeader& header, std::size_t count) {
  Signatures signatures;
  for (std::size_t i = 0; i < count; ++i) {
    signatures.emplace_back(static_cast<PartyId>(i),
                            world.validators[i].Sign(proto::CheckpointDigest(
                                world.ledger.chain().id, proto::kFirstEpoch, header.commit_index,
                                proto::BlockDigest(header))));
  }
  return signatures;
}

TEST(LightClient, BelievesAQuorum) {
  World world;
  world.Activate();
  const proto::BlockHeader header = world.ledger.header();
  EXPECT_TRUE(LightClient(world.genesis).VerifyHeader(header, Sign(world, header, 3)).has_value());
  EXPECT_TRUE(LightClient(world.genesis).VerifyHeader(header, Sign(world, header, 4)).has_value());
  const auto few = LightClient(world.genesis).VerifyHeader(header, Sign(world, header, 2));
  ASSERT_FALSE(few.has_value());
  EXPECT_EQ(few.error().message, "the block has 2 signatures and needs 3");
}

TEST(LightClient, CountsNobodyTwiceAndNoStranger) {
  World world;
  const proto::BlockHeader header = world.Run({}).header;
  Signatures twice = Sign(world, header, 2);
  twice.push_back(twice[0]);
  EXPECT_FALSE(LightClient(world.genesis).VerifyHeader(header, twice).has_value());
  Signatures stranger = Sign(world, header, 3);
  stranger[2].first = PartyId{4};
  EXPECT_FALSE(LightClient(world.genesis).VerifyHeader(header, stranger).has_value());
  Signatures other = Sign(world, header, 3);
  other[2].first = PartyId{3};
  EXPECT_FALSE(LightClient(world.genesis).VerifyHeader(header, other).has_value());
  Signatures flipped = Sign(world, header, 3);
  flipped[1].second.bytes[40] ^= 1;
  EXPECT_FALSE(LightClient(world.genesis).VerifyHeader(header, flipped).has_value());
}

TEST(LightClient, NoticesEveryChangedFieldOfAHeader) {
  World world;
  world.Activate();
  const proto::BlockHeader header = world.ledger.header();
  const Signatures signatures = Sign(world, header, 4);
  const Bytes encoded = proto::EncodeBlockHeader(header);
  for (std::size_t i = 0; i < encoded.size(); ++i) {
    Bytes bytes = encoded;
    bytes[i] ^= 1;
    const auto changed = proto::DecodeBlockHeader(bytes);
    ASSERT_TRUE(changed.has_value());
    EXPECT_FALSE(LightClient(world.genesis).VerifyHeader(*changed, signatures).has_value())
        << "byte " << i;
  }
  proto::Genesis other = world.genesis;
  other.spec.transaction_fee += 1;
  EXPECT_FALSE(LightClient(other).VerifyHeader(header, signatures).has_value());
}

TEST(LightClient, ReadsRecordsUnderTheRoot) {
  World world;
  const std::uint64_t request = world.Submitted();
  const Snapshot snapshot = world.ledger.snapshot();
  const Digest root = snapshot.header().state_root;
  const Bytes key = proto::RequestKey(request);
  const auto value = snapshot.Get(key);
  ASSERT_TRUE(value.has_value());
  const auto proof = *proto::DecodeStateProof(proto::EncodeStateProof(snapshot.Prove(key)));
  EXPECT_TRUE(VerifyState(root, key, value, proof).has_value());
  EXPECT_EQ(*proto::DecodeRecord<proto::RequestRecord>(*value), world.Request(request));
  for (std::size_t i = 0; i < value->size(); ++i) {
    Bytes changed = *value;
    changed[i] ^= 1;
    EXPECT_FALSE(VerifyState(root, key, changed, proof).has_value());
  }
  EXPECT_FALSE(VerifyState(root, key, std::nullopt, proof).has_value());
  EXPECT_FALSE(VerifyState(root, proto::RequestKey(request + 1), value, proof).has_value());
  const Bytes absent = proto::RequestKey(request + 1);
  EXPECT_TRUE(VerifyState(root, absent, std::nullopt, snapshot.Prove(absent)).has_value());
  EXPECT_FALSE(VerifyState(root, absent, Bytes{}, snapshot.Prove(absent)).has_value());
}

TEST(LightClient, FindsTransactionsAndReceiptsInTheirBlock) {
  World world;
  std::vector<Bytes> transactions;
  for (std::uint64_t i = 0; i < 5; ++i) {
    transactions.push_back(
        world.FromClient(0, proto::Transfer{world.clients[1].public_key(), i}, i));
  }
  const BlockResult result = world.Run(transactions);
  std::vector<Digest> transaction_leaves;
  std::vector<Digest> receipt_leaves;
  for (std::size_t i = 0; i < 5; ++i) {
    EXPECT_EQ(result.receipts[i].code, ReceiptCode::kDone);
    transaction_leaves.push_back(proto::MerkleLeaf(transactions[i]));
    receipt_leaves.push_back(proto::ReceiptLeaf(result.receipts[i]));
  }
  for (std::size_t i = 0; i < 5; ++i) {
    const auto transaction_proof = proto::MakeMerkleProof(transaction_leaves, i);
    const auto receipt_proof = proto::MakeMerkleProof(receipt_leaves, i);
    for (std::size_t j = 0; j < 5; ++j) {
      EXPECT_EQ(VerifyTransaction(result.header, transactions[j], transaction_proof).has_value(),
                i == j);
      EXPECT_EQ(VerifyReceipt(result.header, result.receipts[j], receipt_proof).has_value(),
                i == j);
    }
    proto::Receipt changed = result.receipts[i];
    changed.code = ReceiptCode::kNoFunds;
    EXPECT_FALSE(VerifyReceipt(result.header, changed, receipt_proof).has_value());
  }
}

}  // namespace
}  // namespace node::test
