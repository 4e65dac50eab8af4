// Dead attempts: findings are checked and counted, culprits convicted and left out from then on.

#include <gtest/gtest.h>

#include "tests/unit/node/ledger/world.h"

namespace node::test {
namespace {

using proto::AttemptStatus;
using proto::Finding;
using proto::PostFinding;

class Blame : public testing::Test {
 protected:
  Blame() : model_(world_.Activate()) {
    world_.FixLayers(1);
    EXPECT_EQ(world_.Validator(0, proto::Verdict{1, {}, false}).code, ReceiptCode::kDone);
    EXPECT_EQ(world_.Validator(3, proto::Verdict{1, {}, false}).code, ReceiptCode::kDone);
    EXPECT_EQ(Attempt(1).status, AttemptStatus::kDead);
  }

  proto::AttemptRecord Attempt(std::uint64_t number) const {
    return *world_.ledger.snapshot().attempt(number);
  }
  bool HasEvidence(std::uint16_t party) const {
    return world_.ledger.snapshot().validators()[party].evidence.has_value();
  }
  // Of layer 1, against `liar`.
  Finding Against(std::uint16_t liar) const {
    Finding finding{1, 1, world_.SendersOf(1, 1), {}, {}};
    for (const auto& sender : finding.senders) finding.expected.push_back(sender.root);
    finding.expected[liar] = MakeDigest("what it had to send");
    return finding;
  }
  Finding AgainstTheKing() const {
    Finding finding{1, 1, world_.SendersOf(1, 1), {}, MakeDigest("what it had to open")};
    for (const auto& sender : finding.senders) finding.expected.push_back(sender.root);
    return finding;
  }

  World world_;
  const Digest model_;
};

TEST_F(Blame, TPlusOneEqualFindingsConvictASender) {
  const Finding finding = Against(2);
  EXPECT_EQ(world_.Validator(1, PostFinding{finding}).code, ReceiptCode::kDone);
  EXPECT_EQ(world_.Validator(1, PostFinding{finding}).code, ReceiptCode::kDuplicate);
  EXPECT_EQ(world_.Validator(1, PostFinding{Against(0)}).code, ReceiptCode::kContradiction);
  // A liar's own finding counts for itself alone.
  EXPECT_EQ(world_.Validator(2, PostFinding{Against(0)}).code, ReceiptCode::kDone);
  EXPECT_TRUE(Attempt(1).culprits.empty());
  EXPECT_FALSE(HasEvidence(2));
  // The dead attempt keeps its place.
  EXPECT_EQ(world_.ledger.snapshot().totals().in_progress, 1u);
  EXPECT_EQ(world_.All<AttemptStarted>().size(), 1u);

  EXPECT_EQ(world_.Validator(3, PostFinding{finding}).code, ReceiptCode::kDone);
  EXPECT_EQ(Attempt(1).culprits, (std::vector<proto::Culprit>{{PartyId{2}, proto::Lie::kVector}}));
  EXPECT_TRUE(HasEvidence(2));
  EXPECT_EQ(world_.ledger.snapshot().validators()[2].stake, 0u);
  EXPECT_FALSE(HasEvidence(0));
  EXPECT_EQ(world_.All<AttemptBlamed>(), std::vector{AttemptBlamed{1}});
  EXPECT_EQ(world_.All<AttemptStarted>().back(), (AttemptStarted{2, model_, 0}));
  EXPECT_EQ(Attempt(2).excluded, std::vector{PartyId{2}});
  EXPECT_EQ(world_.Validator(0, PostFinding{finding}).code, ReceiptCode::kTooLate);
}

TEST_F(Blame, ConvictsTheKingWhenAllSentWhatTheyHadTo) {
  world_.Validators(2, PostFinding{AgainstTheKing()});
  EXPECT_EQ(Attempt(1).culprits, (std::vector<proto::Culprit>{{PartyId{1}, proto::Lie::kLayer}}));
  EXPECT_TRUE(HasEvidence(1));
  EXPECT_EQ(Attempt(2).excluded, std::vector{PartyId{1}});
}

// More evidence than there can be liars excludes no more than t.
TEST_F(Blame, ExcludesNoMoreThanT) {
  Finding finding = Against(2);
  finding.expected[0] = MakeDigest("another");
  world_.Validators(2, PostFinding{finding});
  EXPECT_EQ(Attempt(1).culprits.size(), 2u);
  EXPECT_EQ(Attempt(2).excluded, std::vector{PartyId{0}});
}

TEST_F(Blame, RefusesWhatSignaturesDoNotBear) {
  const auto code = [&](const Finding& finding) {
    return world_.Validator(0, PostFinding{finding}).code;
  };
  Finding finding = Against(2);
  finding.layer = 2;
  EXPECT_EQ(code(finding), ReceiptCode::kInvalid);  // No such layer.
  finding = Against(2);
  finding.layer = 0;
  EXPECT_EQ(code(finding), ReceiptCode::kInvalid);  // Its senders are others.
  finding = Against(2);
  finding.senders[2].root = MakeDigest("what it did not sign");
  EXPECT_EQ(code(finding), ReceiptCode::kInvalid);
  finding = Against(2);
  finding.senders.pop_back();
  finding.expected.pop_back();
  EXPECT_EQ(code(finding), ReceiptCode::kInvalid);
  finding = Against(2);
  finding.expected_root = MakeDigest("right values beside a liar");
  EXPECT_EQ(code(finding), ReceiptCode::kInvalid);
  finding = AgainstTheKing();
  finding.expected_root = {};
  EXPECT_EQ(code(finding), ReceiptCode::kInvalid);  // Names nobody.
  finding.expected_root = Attempt(1).layers[1];
  EXPECT_EQ(code(finding), ReceiptCode::kInvalid);  // Nothing is wrong.
  finding = Against(2);
  finding.attempt = 9;
  EXPECT_EQ(code(finding), ReceiptCode::kNotFound);
  EXPECT_TRUE(Attempt(1).findings.empty());
}

// Not even what n - t members certified convicts one that did not sign it.
TEST(ForgedBlame, IsRefused) {
  World world;
  world.forged_sender = 2;
  world.Activate();
  world.FixLayers(1);
  for (const std::uint16_t i : {std::uint16_t{0}, std::uint16_t{3}})
    world.Validator(i, proto::Verdict{1, {}, false});
  ASSERT_EQ(world.ledger.snapshot().attempt(1)->status, AttemptStatus::kDead);
  Finding finding{1, 1, world.SendersOf(1, 1), {}, {}};
  for (const auto& sender : finding.senders) finding.expected.push_back(sender.root);
  finding.expected[2] = MakeDigest("what it had to send");
  EXPECT_EQ(world.Validator(0, PostFinding{finding}).code, ReceiptCode::kInvalid);
  EXPECT_TRUE(world.ledger.snapshot().attempt(1)->findings.empty());
}

TEST_F(Blame, OnlyDeadAttemptsAreJudged) {
  world_.Validators(2, PostFinding{Against(2)});
  Finding finding = Against(0);
  finding.attempt = 2;
  EXPECT_EQ(world_.Validator(0, PostFinding{finding}).code, ReceiptCode::kTooEarly);
}

}  // namespace
}  // namespace node::test
