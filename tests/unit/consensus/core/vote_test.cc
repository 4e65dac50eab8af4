// The vote rule: the only place where safety is won.

#include <gtest/gtest.h>

#include "proto/wire/evidence.h"
#include "tests/unit/consensus/core/driver.h"

namespace consensus {
namespace {

using proto::FaultKind;
using proto::PartyId;

class VoteTest : public testing::Test {
 protected:
  // The same place, another content.
  Header Twin(const Header& header) const {
    HeaderFields fields = header;
    fields.block_votes = {validators_.SignBlock(proto::Index(header.author), 1, {})};
    return validators_.Sign(std::move(fields));
  }

  const Validators validators_;
  Driver driver_{validators_};
};

TEST_F(VoteTest, AHeaderGetsOneVoteThatIsDurableBeforeItLeaves) {
  const Header header = validators_.MakeHeader(1, 1, {});
  driver_.Handle(1, header);
  const auto votes = driver_.Sent<Vote>(1);
  ASSERT_EQ(votes.size(), 1u);
  EXPECT_EQ(votes[0].header, header.digest);
  EXPECT_TRUE(driver_.last_step().sync);
  EXPECT_FALSE(driver_.last_step().writes.empty());
  EXPECT_TRUE(driver_.Sent<Vote>(2).empty());  // To the author alone.
}

TEST_F(VoteTest, ARepeatedHeaderGetsTheSameVoteAgain) {
  const Header header = validators_.MakeHeader(1, 1, {});
  driver_.Handle(1, header);
  driver_.Handle(1, header);
  driver_.Restart();
  driver_.Handle(1, header);
  const auto votes = driver_.Sent<Vote>(1);
  ASSERT_EQ(votes.size(), 3u);
  EXPECT_EQ(votes[1].signature, votes[0].signature);
  EXPECT_EQ(votes[2].signature, votes[0].signature);
  EXPECT_TRUE(driver_.TakeFaults().empty());
}

TEST_F(VoteTest, ASecondHeaderIsEvidenceAndGetsNoVote) {
  const Header header = validators_.MakeHeader(1, 1, {});
  driver_.Handle(1, header);
  driver_.Handle(1, Twin(header));
  EXPECT_EQ(driver_.Sent<Vote>().size(), 1u);
  const auto evidence = driver_.Outputs<Evidence>();
  ASSERT_EQ(evidence.size(), 1u);
  EXPECT_EQ(evidence[0].offender, PartyId{1});
  const auto offender = proto::dag::VerifyEvidence(evidence[0].bytes, driver_.config().chain, 1,
                                                   driver_.config().keys);
  ASSERT_TRUE(offender);
  EXPECT_EQ(*offender, PartyId{1});
  const auto faults = driver_.TakeFaults();
  ASSERT_EQ(faults.size(), 1u);
  EXPECT_EQ(faults[0].kind, FaultKind::kEquivocation);
  driver_.Handle(1, Twin(validators_.MakeHeader(1, 1, {})));
  EXPECT_EQ(driver_.Outputs<Evidence>().size(), 1u);  // Once.
}

TEST_F(VoteTest, ASecondHeaderGetsNoVoteAfterARestart) {
  const Header header = validators_.MakeHeader(1, 1, {});
  driver_.Handle(1, header);
  driver_.Restart();
  driver_.Clear();
  driver_.Handle(1, Twin(header));
  EXPECT_TRUE(driver_.Sent<Vote>().empty());
}

TEST_F(VoteTest, AHeaderThatContradictsACertifiedOneGetsNoVoteEither) {
  const Header header = validators_.MakeHeader(1, 1, {});
  driver_.Handle(1, validators_.Certify(header));  // Its header did not come here.
  driver_.Handle(1, Twin(header));
  EXPECT_TRUE(driver_.Sent<Vote>().empty());
  EXPECT_EQ(driver_.Outputs<Evidence>().size(), 1u);
  EXPECT_EQ(driver_.TakeFaults().size(), 1u);
  // Once convicted, its contradictions cost nothing more.
  const auto checks = driver_.core().status().signature_checks;
  driver_.Handle(1, Twin(header));
  EXPECT_EQ(driver_.core().status().signature_checks, checks);
}

TEST_F(VoteTest, OnlyTheAuthorMayBringItsHeader) {
  driver_.Handle(2, validators_.MakeHeader(1, 1, {}));
  EXPECT_TRUE(driver_.Sent<Vote>().empty());
  EXPECT_EQ(driver_.TakeFaults().at(0).kind, FaultKind::kUnexpectedSender);
}

TEST_F(VoteTest, AHeaderWithoutItsCoinShareGetsNoVote) {
  const auto rounds = validators_.Rounds(3, {0, 1, 2});
  for (const auto& round : rounds) driver_.Insert(round);
  HeaderFields fields = validators_.Fields(4, 1, ReferencesTo(rounds[2]));
  const Header right = validators_.Sign(fields);
  fields.coin_share.reset();
  driver_.Handle(1, validators_.Sign(fields));
  EXPECT_TRUE(driver_.Sent<Vote>(1).empty());
  EXPECT_EQ(driver_.TakeFaults().at(0).kind, FaultKind::kMalformed);
  driver_.Handle(1, right);
  EXPECT_EQ(driver_.Sent<Vote>(1).size(), 1u);
}

TEST_F(VoteTest, NoVoteBeforeTheBatchesAreHere) {
  const auto batch = proto::dag::MakeBatch({{1, 2, 3}});
  HeaderFields fields = validators_.Fields(1, 1, {});
  fields.batches = {{batch.digest, static_cast<std::uint32_t>(batch.bytes.size())}};
  driver_.Handle(1, validators_.Sign(fields));
  EXPECT_TRUE(driver_.Sent<Vote>().empty());
  EXPECT_TRUE(driver_.Sent<Request>().empty());  // Most likely it is on its way.
  driver_.Tick();
  const auto requests = driver_.Sent<Request>(1);
  ASSERT_EQ(requests.size(), 1u);
  EXPECT_EQ(requests[0].batches, (std::vector<proto::Digest>{batch.digest}));
  driver_.Clear();
  driver_.Handle(1, batch);
  EXPECT_EQ(driver_.Sent<Vote>(1).size(), 1u);
  // The batch is as durable as the vote.
  driver_.Restart();
  driver_.Clear();
  driver_.Handle(3, Request{{}, {batch.digest}});
  ASSERT_EQ(driver_.Sent<Transactions>(3).size(), 1u);
  EXPECT_EQ(driver_.Sent<Transactions>(3)[0].bytes, batch.bytes);
}

// Another's header waits for a batch, and a client then gives the same transactions here.
TEST_F(VoteTest, AnOwnBatchIsAlsoTheOneThatAHeaderWaitsFor) {
  const auto batch = proto::dag::MakeBatch({{1, 2, 3}});
  HeaderFields fields = validators_.Fields(1, 1, {});
  fields.batches = {{batch.digest, static_cast<std::uint32_t>(batch.bytes.size())}};
  driver_.Handle(1, validators_.Sign(fields));
  EXPECT_TRUE(driver_.Sent<Vote>().empty());
  driver_.Submit({{1, 2, 3}});
  driver_.Tick();
  EXPECT_EQ(driver_.Sent<Vote>(1).size(), 1u);
}

TEST_F(VoteTest, NoVoteForABatchOfAnotherSize) {
  const auto batch = proto::dag::MakeBatch({{1, 2, 3}});
  HeaderFields fields = validators_.Fields(1, 1, {});
  fields.batches = {{batch.digest, 1}};
  driver_.Handle(1, batch);
  driver_.Handle(1, validators_.Sign(fields));
  driver_.Handle(1, batch);
  EXPECT_TRUE(driver_.Sent<Vote>().empty());
}

TEST_F(VoteTest, NoVoteBeforeTheParentsAreHere) {
  const auto rounds = validators_.Rounds(2, {1, 2, 3});
  driver_.Insert({rounds[0][0], rounds[0][1]});
  driver_.Handle(1, rounds[1][0].header);
  EXPECT_TRUE(driver_.Sent<Vote>().empty());
  driver_.Tick();
  const auto requests = driver_.Sent<Request>(1);
  ASSERT_EQ(requests.size(), 1u);
  EXPECT_EQ(requests[0].certificates, ReferencesTo({rounds[0][2]}));
  driver_.Handle(1, rounds[0][2]);
  EXPECT_EQ(driver_.Sent<Vote>(1).size(), 1u);
}

// In rounds with a coin share and without, below the waves and above.
TEST_F(VoteTest, NoVoteBeforeTheParentsAreHereInAnyRound) {
  const auto rounds = validators_.Rounds(7, {1, 2, 3});
  for (std::size_t i = 1; i < rounds.size(); ++i) {
    driver_.Insert({rounds[i - 1][0], rounds[i - 1][1]});
    driver_.Clear();
    driver_.Handle(1, rounds[i][0].header);
    EXPECT_TRUE(driver_.Sent<Vote>().empty()) << "round " << i + 1;
    driver_.Handle(1, rounds[i - 1][2]);
    EXPECT_EQ(driver_.Sent<Vote>(1).size(), 1u) << "round " << i + 1;
  }
}

TEST_F(VoteTest, RequestsGoToTheNextPeerWhenUnanswered) {
  const auto rounds = validators_.Rounds(2, {1, 2, 3});
  driver_.Handle(2, rounds[1][1].header);
  driver_.Tick(1 + 3 * static_cast<int>(kRetryTicks));
  EXPECT_FALSE(driver_.Sent<Request>(2).empty());
  EXPECT_FALSE(driver_.Sent<Request>(3).empty());
  EXPECT_FALSE(driver_.Sent<Request>(1).empty());
  EXPECT_TRUE(driver_.Sent<Request>(0).empty());  // Never to itself.
}

TEST_F(VoteTest, AWeakLinkMustBeCertified) {
  const auto rounds = validators_.Rounds(2, {0, 1, 2});
  for (const auto& round : rounds) driver_.Insert(round);
  const Certificate lone = validators_.Certify(validators_.MakeHeader(1, 3, {}));
  HeaderFields fields = validators_.Fields(3, 1, ReferencesTo(rounds[1]));
  fields.weak = ReferencesTo({lone});
  driver_.Handle(1, validators_.Sign(fields));
  EXPECT_TRUE(driver_.Sent<Vote>(1).empty());
  driver_.Handle(2, lone);
  EXPECT_EQ(driver_.Sent<Vote>(1).size(), 1u);
}

// Below gc, too: or an author could name what nobody holds, and stop those who are further behind.
TEST_F(VoteTest, AWeakLinkBelowGcMustBeCertifiedToo) {
  const auto rounds = validators_.Rounds(24, {0, 1, 2});
  for (const auto& round : rounds) driver_.Insert(round);
  ASSERT_GT(driver_.core().status().gc_round, 1u);
  const Certificate lone = validators_.Certify(validators_.MakeHeader(1, 3, {}));
  HeaderFields fields = validators_.Fields(25, 1, ReferencesTo(rounds[23]));
  fields.weak = ReferencesTo({lone});
  driver_.Clear();
  driver_.Handle(1, validators_.Sign(fields));
  EXPECT_TRUE(driver_.Sent<Vote>(1).empty());
  driver_.Tick();
  EXPECT_EQ(driver_.Sent<Request>(1).at(0).certificates, ReferencesTo({lone}));
  driver_.Handle(2, lone);
  EXPECT_EQ(driver_.Sent<Vote>(1).size(), 1u);
  driver_.Handle(3, Request{ReferencesTo({lone}), {}});
  EXPECT_EQ(driver_.Sent<Certificate>(3).size(), 1u);  // And can hand it on.
}

TEST_F(VoteTest, NoVoteAtOrBelowGc) {
  const auto rounds = validators_.Rounds(24, {0, 1, 2});
  for (const auto& round : rounds) driver_.Insert(round);
  driver_.Clear();
  driver_.Handle(3, validators_.MakeHeader(1, 3, {}));
  EXPECT_TRUE(driver_.Sent<Vote>(3).empty());
  EXPECT_TRUE(driver_.TakeFaults().empty());  // It may just be slow.
  // The oldest collected round and the oldest kept one: the parents of both are stored.
  const std::uint64_t gc = driver_.core().status().gc_round;
  ASSERT_GT(gc, 1u);
  const auto on_the_round_before = [&](std::uint64_t round) {
    return validators_.MakeHeader(round, 3, ReferencesTo(rounds[round - 2]));
  };
  driver_.Handle(3, on_the_round_before(gc));
  EXPECT_TRUE(driver_.Sent<Vote>(3).empty());
  driver_.Handle(3, on_the_round_before(gc + 1));
  EXPECT_EQ(driver_.Sent<Vote>(3).size(), 1u);
}

TEST_F(VoteTest, HeadersFarAheadAreNotKeptButShowThatThisNodeIsBehind) {
  driver_.EndCatchUp();
  driver_.Clear();
  std::vector<Reference> parents;
  for (std::uint16_t i = 0; i < 3; ++i) parents.push_back({9'999, PartyId{i}, {}});
  driver_.Handle(1, validators_.MakeHeader(10'000, 1, parents));
  EXPECT_TRUE(driver_.Sent<Vote>().empty());
  EXPECT_EQ(driver_.Sent<RangeRequest>(1).size(), 1u);
  driver_.Tick();
  EXPECT_TRUE(driver_.Sent<Request>().empty());
}

TEST_F(VoteTest, TwoCertificatesForOnePlaceHaltTheNodeForGood) {
  const Header header = validators_.MakeHeader(1, 3, {});
  driver_.Handle(3, validators_.Certify(header, {0, 1, 2}));
  driver_.Clear();
  driver_.Handle(3, validators_.Certify(Twin(header), {1, 2, 3}));
  ASSERT_EQ(driver_.Outputs<Halt>().size(), 1u);
  std::set<PartyId> offenders;
  for (const auto& evidence : driver_.Outputs<Evidence>()) offenders.insert(evidence.offender);
  EXPECT_EQ(offenders, (std::set{PartyId{1}, PartyId{2}}));
  EXPECT_TRUE(driver_.last_step().messages.empty());
  driver_.Restart();
  driver_.Clear();
  driver_.Handle(1, validators_.MakeHeader(1, 1, {}));
  driver_.Tick();
  EXPECT_TRUE(driver_.Sent<Vote>().empty());
  EXPECT_TRUE(driver_.Sent<Header>().empty());
  EXPECT_TRUE(driver_.core().status().halted);
}

TEST_F(VoteTest, AStepThatHaltsSendsNothing) {
  const auto rounds = validators_.Rounds(1, {1, 2, 3});
  driver_.Insert({rounds[0][0], rounds[0][1]});
  driver_.Handle(1, validators_.MakeHeader(2, 1, ReferencesTo(rounds[0])));
  driver_.Clear();
  // The first certificate completes what the header's vote waits for; the second must not be.
  const Certificate second = validators_.Certify(Twin(rounds[0][0].header));
  driver_.Handle(2, RangeAnswer{1, 2, 1, 1, {rounds[0][2], second}});
  EXPECT_EQ(driver_.Outputs<Halt>().size(), 1u);
  EXPECT_TRUE(driver_.Sent<Vote>().empty());
}

}  // namespace
}  // namespace consensus
