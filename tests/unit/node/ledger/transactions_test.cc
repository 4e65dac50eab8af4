// What every transaction must pass, accounts, and validators' evidence.

#include <gtest/gtest.h>

#include "tests/unit/node/ledger/world.h"

namespace node::test {
namespace {

TEST(Transactions, TransferMovesMoneyAndPaysTheFee) {
  World world;
  const proto::PublicKey from = world.clients[0].public_key();
  const proto::PublicKey to = MakeKey("stranger").public_key();
  EXPECT_EQ(world.Client(0, proto::Transfer{to, 500}).code, ReceiptCode::kDone);
  EXPECT_EQ(world.Balance(to), 500u);
  EXPECT_EQ(world.Balance(from), kFunds - 510);
  EXPECT_EQ(world.ledger.snapshot().account(from).nonce, 1u);
  // The fee of 10 among four: two each, two left over for the next division.
  for (const auto& key : world.validators) EXPECT_EQ(world.Balance(key.public_key()), 2u);
  EXPECT_EQ(world.ledger.snapshot().totals().fees, 2u);
  EXPECT_EQ(world.Client(0, proto::Transfer{to, 0}).code, ReceiptCode::kDone);
  EXPECT_EQ(world.Balance(world.validators[0].public_key()), 5u);
  EXPECT_EQ(world.ledger.snapshot().totals().fees, 0u);
}

TEST(Transactions, TransferToOneselfKeepsTheBalance) {
  World world;
  const proto::PublicKey key = world.clients[0].public_key();
  EXPECT_EQ(world.Client(0, proto::Transfer{key, 700}).code, ReceiptCode::kDone);
  EXPECT_EQ(world.Balance(key), kFunds - 10);
}

TEST(Transactions, ReplayIsRefusedAndCostsNothing) {
  World world;
  const Bytes transfer = world.FromClient(0, proto::Transfer{world.clients[1].public_key(), 5});
  const auto result = world.Run({transfer, transfer});
  EXPECT_EQ(result.receipts[0].code, ReceiptCode::kDone);
  EXPECT_EQ(result.receipts[1].code, ReceiptCode::kBadNonce);
  EXPECT_EQ(result.receipts[0].transaction, result.receipts[1].transaction);
  EXPECT_EQ(world.One(transfer).code, ReceiptCode::kBadNonce);
  EXPECT_EQ(world.Balance(world.clients[1].public_key()), kFunds + 5);
  EXPECT_EQ(world.Balance(world.clients[0].public_key()), kFunds - 15);
}

TEST(Transactions, NonceAheadIsRefusedUntilItsTurn) {
  World world;
  const proto::Transfer transfer{world.clients[1].public_key(), 5};
  const Bytes second = world.FromClient(0, transfer, 1);
  EXPECT_EQ(world.One(second).code, ReceiptCode::kBadNonce);
  EXPECT_EQ(world.Client(0, transfer).code, ReceiptCode::kDone);
  EXPECT_EQ(world.One(second).code, ReceiptCode::kDone);
}

TEST(Transactions, ForeignSignatureIsRefused) {
  World world;
  Bytes bytes = world.FromClient(0, proto::Transfer{world.clients[1].public_key(), 5});
  bytes.back() ^= 1;  // The signature's last byte.
  const auto receipt = world.One(bytes);
  EXPECT_EQ(receipt.code, ReceiptCode::kBadSignature);
  EXPECT_FALSE(receipt.message.empty());
  EXPECT_EQ(world.Balance(world.clients[0].public_key()), kFunds);
}

TEST(Transactions, AnotherChainsTransactionIsRefused) {
  World world;
  const Bytes bytes = proto::SignTransaction(world.clients[0],
                                             {MakeDigest("chain"), {}, 0, proto::Transfer{{}, 0}});
  EXPECT_EQ(world.One(bytes).code, ReceiptCode::kWrongChain);
}

TEST(Transactions, GarbageLeavesAReceipt) {
  World world;
  const auto result = world.Run({{}, {1, 2, 3}, Bytes(300'000, 7)});
  ASSERT_EQ(result.receipts.size(), 3u);
  for (const auto& receipt : result.receipts) EXPECT_EQ(receipt.code, ReceiptCode::kMalformed);
  EXPECT_NE(result.receipts[0].transaction, result.receipts[1].transaction);
  EXPECT_TRUE(result.changes.empty());
}

TEST(Transactions, NoFundsForFeeOrAmount) {
  World world;
  const proto::SecretKey pauper = MakeKey("pauper");
  const proto::PublicKey to = world.clients[0].public_key();
  EXPECT_EQ(world.One(world.Sign(pauper, 0, proto::Transfer{to, 0})).code, ReceiptCode::kNoFee);
  EXPECT_EQ(world.Client(0, proto::Transfer{pauper.public_key(), 25}).code, ReceiptCode::kDone);
  // The fee is paid and the nonce used even if the amount is too much.
  EXPECT_EQ(world.One(world.Sign(pauper, 0, proto::Transfer{to, 16})).code, ReceiptCode::kNoFunds);
  EXPECT_EQ(world.Balance(pauper.public_key()), 15u);
  EXPECT_EQ(world.One(world.Sign(pauper, 1, proto::Transfer{to, 5})).code, ReceiptCode::kDone);
  EXPECT_EQ(world.Balance(pauper.public_key()), 0u);
}

TEST(Transactions, NothingIsSentToNobody) {
  World world;
  proto::PublicKey nobody;
  nobody.bytes.fill(0xff);
  EXPECT_EQ(world.Client(0, proto::Transfer{nobody, 5}).code, ReceiptCode::kBadRecipient);
  EXPECT_EQ(world.Balance(world.clients[0].public_key()), kFunds - 10);
}

TEST(Transactions, ClientsMayNotSpeakAsValidators) {
  World world;
  for (const proto::Payload& payload :
       {proto::Payload(proto::ModelReady{}), proto::Payload(proto::FixLayer{}),
        proto::Payload(proto::Verdict{}), proto::Payload(proto::Attest{}),
        proto::Payload(proto::PostOutput{}), proto::Payload(proto::ReportEvidence{})}) {
    const Bytes bytes = world.Sign(world.clients[0], 0, payload);
    EXPECT_EQ(world.One(bytes).code, ReceiptCode::kNotValidator);
    EXPECT_FALSE(world.ledger.Admit(bytes).has_value());
  }
}

TEST(Transactions, ValidatorsPayloadsAboutNothingAreRefused) {
  World world;
  EXPECT_EQ(world.Validator(0, proto::ModelReady{}).code, ReceiptCode::kNotFound);
  EXPECT_EQ(world.Validator(0, proto::FixLayer{world.Certify(9, 0, 3)}).code,
            ReceiptCode::kNotFound);
  EXPECT_EQ(world.Validator(0, proto::Verdict{9, {}, false}).code, ReceiptCode::kNotFound);
  EXPECT_EQ(world.Validator(0, proto::Attest{9, {}, {}}).code, ReceiptCode::kNotFound);
  EXPECT_EQ(world.Validator(0, proto::PostOutput{9, {}, {}}).code, ReceiptCode::kNotFound);
  EXPECT_EQ(world.Validator(0, proto::ReportEvidence{{1, 2, 3}}).code, ReceiptCode::kInvalid);
}

TEST(Transactions, AdmissionTellsWhatExecutionWouldRefuse) {
  World world;
  const proto::Transfer transfer{world.clients[1].public_key(), 5};
  const Bytes good = world.FromClient(0, transfer);
  EXPECT_TRUE(world.ledger.Admit(good).has_value());
  EXPECT_TRUE(world.ledger.Admit(world.FromClient(0, transfer, kNonceAheadMax)).has_value());
  EXPECT_FALSE(world.ledger.Admit(world.FromClient(0, transfer, kNonceAheadMax + 1)).has_value());
  EXPECT_TRUE(world.ledger.Admit(world.FromValidator(0, proto::ModelReady{})).has_value());
  EXPECT_EQ(world.One(good).code, ReceiptCode::kDone);
  const auto replayed = world.ledger.Admit(good);
  ASSERT_FALSE(replayed.has_value());
  EXPECT_EQ(replayed.error().message, "the nonce 0 is used, the account's next is 1");
  const Bytes poor = world.Sign(MakeKey("pauper"), 0, transfer);
  ASSERT_FALSE(world.ledger.Admit(poor).has_value());
  EXPECT_EQ(world.ledger.Admit(poor).error().message, "the account has 0 and the fee is 10");
  Bytes tampered = world.FromClient(0, transfer);
  tampered.back() ^= 1;
  EXPECT_FALSE(world.ledger.Admit(tampered).has_value());
}

proto::Bytes Equivocation(const World& world, std::size_t validator) {
  proto::dag::BlockVotePair pair;
  pair.epoch = proto::kFirstEpoch;
  pair.voter = static_cast<PartyId>(validator);
  for (proto::dag::BlockVote* vote : {&pair.first, &pair.second}) {
    vote->index = 7;
    vote->block = MakeDigest(vote == &pair.first ? "a block" : "another block");
    vote->signature = world.validators[validator].Sign(
        proto::CheckpointDigest(world.ledger.chain().id, proto::kFirstEpoch, 7, vote->block));
  }
  return proto::dag::EncodeEvidence(pair);
}

TEST(Evidence, NamesTheOffenderOnceAndStopsItsIncome) {
  World world;
  const Bytes evidence = Equivocation(world, 2);
  EXPECT_EQ(world.Validator(0, proto::ReportEvidence{evidence}).code, ReceiptCode::kDone);
  EXPECT_EQ(world.Validator(1, proto::ReportEvidence{evidence}).code, ReceiptCode::kDuplicate);
  const auto validators = world.ledger.snapshot().validators();
  EXPECT_EQ(validators[2].evidence, proto::Hash("waxseal/evidence", {evidence}));
  for (const std::size_t other : {0u, 1u, 3u}) EXPECT_FALSE(validators[other].evidence);
  world.Client(0, proto::Transfer{world.clients[0].public_key(), 1});
  EXPECT_EQ(world.Balance(world.validators[2].public_key()), 0u);
  // A third of the fee, and of the stake.
  EXPECT_EQ(world.Balance(world.validators[0].public_key()), 3u + 333'333u);
  EXPECT_EQ(validators[2].stake, 0u);
}

TEST(Evidence, ThatProvesNothingIsRefused) {
  World world;
  Bytes evidence = Equivocation(world, 2);
  evidence.back() ^= 1;
  EXPECT_EQ(world.Validator(0, proto::ReportEvidence{evidence}).code, ReceiptCode::kInvalid);
  EXPECT_FALSE(world.ledger.snapshot().validators()[2].evidence);
}

}  // namespace
}  // namespace node::test
