// Codecs of the DAG's messages and evidence, given right, cut, changed and random bytes.

#include <random>

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include "proto/wire/consensus.h"
#include "proto/wire/evidence.h"
#include "tests/unit/consensus/validators.h"

namespace consensus {
namespace {

using proto::Bytes;
using proto::PartyId;
using proto::dag::DecodeMessage;
using proto::dag::Encode;

std::vector<Message> Samples() {
  const Validators validators;
  const auto rounds = validators.Rounds(3, {0, 1, 2});
  HeaderFields fields = validators.Fields(4, 1, ReferencesTo(rounds[2]));
  fields.weak = {{1, PartyId{3}, proto::Hash("weak", {})}};
  fields.batches = {{proto::Hash("batch", {}), 99}};
  fields.block_votes = {validators.SignBlock(1, 3, proto::Hash("block", {}))};
  const Header header = validators.Sign(fields);
  return {proto::dag::MakeBatch({{1, 2, 3}, {4}}),
          header,
          validators.MakeVote(header, 2),
          validators.Certify(header),
          Request{ReferencesTo(rounds[1]), {proto::Hash("batch", {})}},
          RangeRequest{17},
          RangeAnswer{1, 3, 1, 9, {rounds[0][0], rounds[1][2]}}};
}

TEST(ConsensusWire, MessagesSurviveTheWire) {
  for (const auto& message : Samples()) {
    const Bytes bytes = Encode(message);
    const auto decoded = DecodeMessage(bytes);
    ASSERT_TRUE(decoded) << decoded.error().message;
    EXPECT_EQ(decoded->index(), message.index());
    EXPECT_EQ(Encode(*decoded), bytes);
  }
}

TEST(ConsensusWire, AHeaderKeepsItsDigestAndFields) {
  const Header header = std::get<Header>(Samples()[1]);
  const auto decoded = proto::dag::DecodeHeader(proto::dag::EncodeHeader(header));
  ASSERT_TRUE(decoded);
  EXPECT_EQ(decoded->digest, header.digest);
  EXPECT_EQ(decoded->parents, header.parents);
  EXPECT_EQ(decoded->weak, header.weak);
  EXPECT_EQ(decoded->batches, header.batches);
  EXPECT_EQ(decoded->coin_share, header.coin_share);
  EXPECT_EQ(decoded->block_votes, header.block_votes);
}

TEST(ConsensusWire, ABatchIsNamedByItsBytes) {
  const auto batch = proto::dag::MakeBatch({{1}, {2, 3}});
  const auto decoded = proto::dag::DecodeBatch(batch.bytes);
  ASSERT_TRUE(decoded);
  EXPECT_EQ(decoded->digest, batch.digest);
  EXPECT_EQ(decoded->transactions, batch.transactions);
}

TEST(ConsensusWire, LimitsHold) {
  using proto::dag::DecodeBatch;
  EXPECT_FALSE(DecodeBatch({}));                                 // No transaction.
  EXPECT_FALSE(DecodeBatch(proto::dag::MakeBatch({{}}).bytes));  // An empty one.
  const Bytes large(proto::dag::kTransactionBytesMax + 1);
  EXPECT_FALSE(DecodeBatch(proto::dag::MakeBatch({large}).bytes));
  const std::vector<Bytes> many(proto::dag::kBatchTransactionsMax + 1, Bytes{1});
  EXPECT_FALSE(DecodeBatch(proto::dag::MakeBatch(many).bytes));
  EXPECT_FALSE(DecodeMessage(Bytes(proto::dag::kMessageBytesMax + 1)));
  EXPECT_FALSE(DecodeMessage({}));

  Request request;
  request.batches.resize(proto::dag::kRequestItemsMax);
  EXPECT_TRUE(DecodeMessage(Encode(request)));
  request.batches.resize(proto::dag::kRequestItemsMax + 1);
  EXPECT_FALSE(DecodeMessage(Encode(request)));

  const Validators validators;
  const auto passes = [&](const std::function<void(HeaderFields&)>& change) {
    HeaderFields fields = validators.Fields(3, 0, {});
    change(fields);
    return DecodeMessage(Encode(validators.Sign(std::move(fields)))).has_value();
  };
  const BatchReference batch{{}, 1};
  EXPECT_TRUE(passes([&](auto& h) { h.batches.assign(proto::dag::kHeaderBatchesMax, batch); }));
  EXPECT_FALSE(
      passes([&](auto& h) { h.batches.assign(proto::dag::kHeaderBatchesMax + 1, batch); }));
  EXPECT_FALSE(passes([&](auto& h) { h.weak.resize(proto::dag::kHeaderWeakMax + 1); }));
  EXPECT_FALSE(passes([&](auto& h) { h.parents.resize(proto::dag::kPartiesMax + 1); }));
  EXPECT_FALSE(passes([&](auto& h) { h.parents = {{2, PartyId{proto::dag::kPartiesMax}, {}}}; }));
  EXPECT_FALSE(
      passes([&](auto& h) { h.block_votes.resize(proto::dag::kHeaderBlockVotesMax + 1); }));
}

TEST(ConsensusWire, CutMessagesAreRefusedOrReadAsSomethingElse) {
  for (const auto& message : Samples()) {
    const Bytes bytes = Encode(message);
    for (std::size_t size = 0; size < bytes.size(); ++size) {
      const auto decoded = DecodeMessage(proto::ByteSpan(bytes).first(size));
      EXPECT_TRUE(!decoded || Encode(*decoded) != bytes);
    }
  }
}

RC_GTEST_PROP(ConsensusWire, ChangedBytesNeverCrash, (std::uint64_t seed)) {
  static const std::vector<Message> samples = Samples();
  std::mt19937_64 random(seed);
  Bytes bytes = Encode(samples[random() % samples.size()]);
  for (int i = 0; i < 4; ++i) bytes[random() % bytes.size()] = static_cast<std::uint8_t>(random());
  if (const auto decoded = DecodeMessage(bytes)) (void)Encode(*decoded);
  (void)proto::dag::VerifyEvidence(bytes, {}, 1, {});
}

class EvidenceTest : public testing::Test {
 protected:
  std::optional<PartyId> Offender(const proto::dag::Evidence& evidence, std::uint64_t epoch = 1) {
    const Config config = validators_.ConfigOf(0);
    const auto offender = proto::dag::VerifyEvidence(proto::dag::EncodeEvidence(evidence),
                                                     config.chain, epoch, config.keys);
    return offender ? std::optional(*offender) : std::nullopt;
  }
  Header Other(Header header) const {
    header.block_votes = {validators_.SignBlock(proto::Index(header.author), 1, {})};
    return validators_.Sign(std::move(header));
  }

  const Validators validators_;
  const Header header_ = validators_.MakeHeader(1, 2, {});
};

TEST_F(EvidenceTest, TwoHeadersForOnePlaceConvict) {
  EXPECT_EQ(Offender(proto::dag::HeaderPair{header_, Other(header_)}), PartyId{2});
  EXPECT_EQ(Offender(proto::dag::HeaderPair{header_, header_}), std::nullopt);
  EXPECT_EQ(Offender(proto::dag::HeaderPair{header_, validators_.MakeHeader(1, 1, {})}),
            std::nullopt);
  EXPECT_EQ(Offender(proto::dag::HeaderPair{header_, validators_.MakeHeader(2, 2, {})}),
            std::nullopt);
  EXPECT_EQ(Offender(proto::dag::HeaderPair{header_, Other(header_)}, 2), std::nullopt);
  Header forged = Other(header_);
  forged.signature = validators_.secret(1).Sign(forged.digest);
  EXPECT_EQ(Offender(proto::dag::HeaderPair{header_, forged}), std::nullopt);
}

TEST_F(EvidenceTest, TwoVotesForOnePlaceConvict) {
  const Vote vote = validators_.MakeVote(header_, 3);
  const Vote other = validators_.MakeVote(Other(header_), 3);
  EXPECT_EQ(Offender(proto::dag::VotePair{vote, other}), PartyId{3});
  EXPECT_EQ(Offender(proto::dag::VotePair{vote, vote}), std::nullopt);
  EXPECT_EQ(Offender(proto::dag::VotePair{vote, validators_.MakeVote(Other(header_), 1)}),
            std::nullopt);
  EXPECT_EQ(Offender(proto::dag::VotePair{
                vote, validators_.MakeVote(validators_.MakeHeader(1, 1, {}), 3)}),
            std::nullopt);
  Vote forged = other;
  forged.signature = vote.signature;
  EXPECT_EQ(Offender(proto::dag::VotePair{vote, forged}), std::nullopt);
}

TEST_F(EvidenceTest, TwoBlocksForOneCommitConvict) {
  const BlockVote vote = validators_.SignBlock(3, 5, proto::Hash("a", {}));
  const BlockVote other = validators_.SignBlock(3, 5, proto::Hash("b", {}));
  EXPECT_EQ(Offender(proto::dag::BlockVotePair{1, PartyId{3}, vote, other}), PartyId{3});
  EXPECT_EQ(Offender(proto::dag::BlockVotePair{1, PartyId{2}, vote, other}), std::nullopt);
  EXPECT_EQ(Offender(proto::dag::BlockVotePair{1, PartyId{3}, vote, vote}), std::nullopt);
  EXPECT_EQ(Offender(proto::dag::BlockVotePair{2, PartyId{3}, vote, other}), std::nullopt);
  EXPECT_EQ(Offender(proto::dag::BlockVotePair{1, PartyId{3}, vote,
                                               validators_.SignBlock(3, 6, proto::Hash("b", {}))}),
            std::nullopt);
}

}  // namespace
}  // namespace consensus
