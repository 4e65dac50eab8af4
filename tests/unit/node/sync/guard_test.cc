// A validator that restarts asks what it said before it speaks.

#include "node/sync/guard.h"

#include <gtest/gtest.h>

#include "proto/crypto/hash.h"
#include "proto/wire/consensus.h"

namespace node {
namespace {

using proto::PartyId;
using proto::sync::WordAnswer;
using proto::sync::WordQuery;

constexpr std::uint64_t kEpoch = 3;
constexpr std::uint64_t kNonce = 77;

proto::SecretKey KeyOf(std::uint64_t party) {
  return *proto::SecretKey::From(proto::Hasher("test/guard").Add(party).Finish().span());
}

class GuardTest : public testing::Test {
 protected:
  static proto::Bytes HeaderOf(std::uint64_t round, std::uint16_t author = 2,
                               std::uint64_t epoch = kEpoch, const std::string& chain = "chain",
                               std::uint64_t signer = 2) {
    proto::dag::HeaderFields fields;
    fields.chain = proto::Hash(chain, {});
    fields.epoch = epoch;
    fields.round = round;
    fields.author = PartyId{author};
    for (std::uint16_t i = 0; round > 1 && i < 3; ++i) {
      fields.parents.push_back({round - 1, PartyId{i}, proto::Hasher("parent").Add(i).Finish()});
    }
    return proto::dag::EncodeHeader(proto::dag::SignHeader(std::move(fields), KeyOf(signer)));
  }

  Guard guard_{proto::Committee(7),      PartyId{2}, KeyOf(2).public_key(),
               proto::Hash("chain", {}), kEpoch,     kNonce};
};

TEST_F(GuardTest, AsksEveryOtherUntilItHasAnswered) {
  EXPECT_EQ(guard_.Ask().size(), 6u);
  for (const auto& message : guard_.Ask()) {
    EXPECT_NE(*message.target.party, PartyId{2});
    const auto& query = std::get<WordQuery>(message.message);
    EXPECT_EQ(query.epoch, kEpoch);
    EXPECT_EQ(query.nonce, kNonce);
  }
  EXPECT_TRUE(guard_.AskOne(PartyId{2}).empty());
  guard_.On(PartyId{5}, {kEpoch, kNonce, {}}, 0);
  EXPECT_EQ(guard_.Ask().size(), 5u);
  EXPECT_TRUE(guard_.AskOne(PartyId{5}).empty());
}

TEST_F(GuardTest, SpeaksWhenAQuorumWithItselfHasAnswered) {
  EXPECT_EQ(guard_.needed(), 4u);
  for (std::uint16_t peer = 3; peer < 7; ++peer) {
    EXPECT_FALSE(guard_.certain());
    const auto verdict = guard_.On(PartyId{peer}, {kEpoch, kNonce, HeaderOf(9)}, 9);
    EXPECT_FALSE(verdict.forgot || verdict.fault);
    // The same answer again counts once.
    guard_.On(PartyId{peer}, {kEpoch, kNonce, {}}, 9);
    EXPECT_EQ(guard_.answers(), peer - 2u);
  }
  EXPECT_TRUE(guard_.certain());
}

TEST_F(GuardTest, AnswersToOthersAndToEarlierLivesDoNotCount) {
  guard_.On(PartyId{3}, {kEpoch, kNonce - 1, {}}, 0);
  guard_.On(PartyId{3}, {kEpoch - 1, kNonce, {}}, 0);
  guard_.On(PartyId{3}, {kEpoch + 1, kNonce, {}}, 0);
  guard_.On(PartyId{2}, {kEpoch, kNonce, {}}, 0);  // From itself.
  EXPECT_EQ(guard_.answers(), 0u);
  // Nor does an old answer prove a loss.
  EXPECT_FALSE(guard_.On(PartyId{3}, {kEpoch, kNonce - 1, HeaderOf(50)}, 9).forgot.has_value());
}

TEST_F(GuardTest, ItsOwnSignatureOnALaterHeaderProvesTheLoss) {
  const auto verdict = guard_.On(PartyId{4}, {kEpoch, kNonce, HeaderOf(10)}, 9);
  ASSERT_TRUE(verdict.forgot.has_value());
  EXPECT_NE(verdict.forgot->find("round 10"), std::string::npos);
  EXPECT_NE(verdict.forgot->find("round 9"), std::string::npos);
  // Also after it was certain, and with no header of its own at all.
  for (std::uint16_t peer = 3; peer < 7; ++peer) {
    guard_.On(PartyId{peer}, {kEpoch, kNonce, {}}, 0);
  }
  EXPECT_TRUE(guard_.On(PartyId{0}, {kEpoch, kNonce, HeaderOf(1)}, 0).forgot.has_value());
}

TEST_F(GuardTest, NobodyElseCanInventOne) {
  const std::vector<proto::Bytes> lies = {
      HeaderOf(50, 2, kEpoch, "chain", 3),        // Signed by another,
      HeaderOf(50, 3, kEpoch, "chain", 3),        // another's own,
      HeaderOf(50, 2, kEpoch + 1, "chain", 2),    // of another epoch,
      HeaderOf(50, 2, kEpoch, "other chain", 2),  // of another chain,
      {1, 2, 3},                                  // and none at all.
  };
  for (const proto::Bytes& lie : lies) {
    const auto verdict = guard_.On(PartyId{4}, {kEpoch, kNonce, lie}, 9);
    EXPECT_TRUE(verdict.fault);
    EXPECT_FALSE(verdict.forgot.has_value());
    EXPECT_EQ(guard_.answers(), 0u);
  }
  proto::Bytes damaged = HeaderOf(50);
  damaged[damaged.size() / 2] ^= 1;
  EXPECT_TRUE(guard_.On(PartyId{4}, {kEpoch, kNonce, damaged}, 9).fault);
}

}  // namespace
}  // namespace node
