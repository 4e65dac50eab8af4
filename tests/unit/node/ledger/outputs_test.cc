// Attestations, output shares, decoding on the ledger, who is named and who is paid.

#include <gtest/gtest.h>

#include "tests/unit/node/ledger/world.h"

namespace node::test {
namespace {

using proto::Misdeed;
using proto::NamedParty;
using proto::RequestStatus;

const Digest kRun = MakeDigest("run");
const Digest kOtherRun = MakeDigest("another run");

TEST(Outputs, AQuorumOfEqualAttestationsMakesARequestComputed) {
  World world;
  const std::uint64_t request = world.Submitted();
  world.Validators(2, proto::Attest{request, kRun, {}});
  EXPECT_EQ(world.Validator(1, proto::Attest{request, kRun, {}}).code, ReceiptCode::kDuplicate);
  EXPECT_EQ(world.Validator(2, proto::Attest{request, kOtherRun, {}}).code, ReceiptCode::kDone);
  EXPECT_EQ(world.Request(request).status, RequestStatus::kSubmitted);
  EXPECT_TRUE(world.Request(request).named.empty());
  EXPECT_EQ(world.Validator(3, proto::Attest{request, kRun, {}}).code, ReceiptCode::kDone);
  const auto record = world.Request(request);
  EXPECT_EQ(record.status, RequestStatus::kComputed);
  EXPECT_EQ(record.transcript, kRun);
  EXPECT_EQ(record.named, (std::vector{NamedParty{PartyId{2}, Misdeed::kOtherTranscript}}));
  EXPECT_EQ(world.All<RequestComputed>(), (std::vector{RequestComputed{request, kRun}}));
}

TEST(Outputs, AnAttestationBeforeTheSubmissionIsTooEarly) {
  World world;
  const Digest model = world.Activate();
  world.Preprocess(1);
  const std::uint64_t request = world.Open(model);
  EXPECT_EQ(world.Validator(0, proto::Attest{request, kRun, {}}).code, ReceiptCode::kTooEarly);
  EXPECT_TRUE(world.Request(request).attestations.empty());
}

TEST(Outputs, ALateDifferingAttestationIsNamed) {
  World world;
  const std::uint64_t request = world.Computed();
  EXPECT_EQ(world.Validator(3, proto::Attest{request, kOtherRun, {}}).code, ReceiptCode::kDone);
  EXPECT_EQ(world.Request(request).named,
            (std::vector{NamedParty{PartyId{3}, Misdeed::kOtherTranscript}}));
}

TEST(Outputs, TwoDifferentAttestationsAreEquivocation) {
  World world;
  const std::uint64_t request = world.Submitted();
  world.Validators(1, proto::Attest{request, kRun, {}});
  EXPECT_EQ(world.Validator(0, proto::Attest{request, kOtherRun, {}}).code,
            ReceiptCode::kContradiction);
  EXPECT_EQ(world.Request(request).named,
            (std::vector{NamedParty{PartyId{0}, Misdeed::kEquivocation}}));
  EXPECT_EQ(world.Request(request).attestations.size(), 1u);
}

// Completing on shares posted before the attestations are ordered would give the client the answer
// while the fee is not earned.
TEST(Outputs, EarlySharesAreRefused) {
  World world;
  const std::uint64_t request = world.Submitted();
  for (std::size_t i = 0; i < 4; ++i) {
    EXPECT_EQ(world.Validator(i, proto::PostOutput{request, world.Shares(i), {}}).code,
              ReceiptCode::kTooEarly);
  }
  world.Validators(2, proto::Attest{request, kRun, {}});
  EXPECT_EQ(world.Validator(0, proto::PostOutput{request, world.Shares(0), {}}).code,
            ReceiptCode::kTooEarly);
  const auto record = world.Request(request);
  EXPECT_TRUE(record.posts.empty());
  EXPECT_TRUE(record.output.empty());
  EXPECT_TRUE(record.named.empty());
}

TEST(Outputs, DecodeAtTwoTPlusOneSharesAndPay) {
  World world;
  const std::uint64_t request = world.Computed();
  std::vector<std::uint64_t> before;
  for (const auto& key : world.validators) before.push_back(world.Balance(key.public_key()));
  for (std::size_t i = 0; i < 2; ++i) {
    EXPECT_EQ(world.Validator(i, proto::PostOutput{request, world.Shares(i), {}}).code,
              ReceiptCode::kDone);
    EXPECT_EQ(world.Request(request).status, RequestStatus::kComputed);
  }
  EXPECT_EQ(world.Validator(1, proto::PostOutput{request, world.Shares(1), {}}).code,
            ReceiptCode::kDuplicate);
  EXPECT_EQ(world.Request(request).status, RequestStatus::kComputed);
  EXPECT_EQ(world.Validator(3, proto::PostOutput{request, world.Shares(3), {}}).code,
            ReceiptCode::kDone);
  const auto record = world.Request(request);
  EXPECT_EQ(record.status, RequestStatus::kCompleted);
  EXPECT_EQ(record.output, World::Outputs());
  EXPECT_TRUE(record.named.empty());
  EXPECT_EQ(record.paid, (std::vector{PartyId{0}, PartyId{1}, PartyId{2}}));
  // 1003 = 3 * 334 + 1: the rest to the first. Party 3 did not attest.
  EXPECT_EQ(world.Balance(world.validators[0].public_key()), before[0] + 335);
  EXPECT_EQ(world.Balance(world.validators[1].public_key()), before[1] + 334);
  EXPECT_EQ(world.Balance(world.validators[2].public_key()), before[2] + 334);
  EXPECT_EQ(world.Balance(world.validators[3].public_key()), before[3]);
  EXPECT_EQ(world.ledger.snapshot().totals().escrow, 0u);
  EXPECT_EQ(world.All<RequestCompleted>(), (std::vector{RequestCompleted{request, 1}}));
  EXPECT_EQ(world.ledger.snapshot().attempt(1)->status, proto::AttemptStatus::kUsed);
}

// Every single liar at every place in the order of the posts, in one position or in all.
TEST(Outputs, AWrongShareIsLocatedAndNamed) {
  for (std::size_t liar = 0; liar < 4; ++liar) {
    for (std::size_t first = 0; first < 4; ++first) {
      for (const bool all : {false, true}) {
        SCOPED_TRACE("liar " + std::to_string(liar) + ", first " + std::to_string(first));
        World world;
        const std::uint64_t request = world.Computed();
        for (std::size_t i = 0; i < 4; ++i) {
          const std::size_t party = (first + i) % 4;
          auto shares = world.Shares(party);
          if (party == liar) {
            shares[1][0] ^= 1;
            if (all) shares[0][3] ^= 8;
          }
          EXPECT_EQ(world.Validator(party, proto::PostOutput{request, shares, {}}).code,
                    ReceiptCode::kDone);
        }
        const auto record = world.Request(request);
        EXPECT_EQ(record.status, RequestStatus::kCompleted);
        EXPECT_EQ(record.output, World::Outputs());
        EXPECT_EQ(record.named,
                  (std::vector{NamedParty{static_cast<PartyId>(liar), Misdeed::kWrongShare}}));
        // Who was named before completion is not paid; party 3 never attested.
        const bool late = (liar + 4 - first) % 4 == 3;
        EXPECT_EQ(std::ranges::count(record.paid, static_cast<PartyId>(liar)),
                  late && liar != 3 ? 1 : 0);
      }
    }
  }
}

TEST(Outputs, ThreeSharesWithALieAreNotDecodable) {
  World world;
  const std::uint64_t request = world.Computed();
  auto wrong = world.Shares(0);
  wrong[0][0] ^= 1;
  world.Validator(0, proto::PostOutput{request, wrong, {}});
  world.Validator(1, proto::PostOutput{request, world.Shares(1), {}});
  world.Validator(2, proto::PostOutput{request, world.Shares(2), {}});
  EXPECT_EQ(world.Request(request).status, RequestStatus::kComputed);
  EXPECT_TRUE(world.Request(request).output.empty());
}

TEST(Outputs, TwoLiarsOfSevenAreNamed) {
  World world(7);
  const std::uint64_t request = world.Computed();
  for (std::size_t i = 0; i < 7; ++i) {
    auto shares = world.Shares(i);
    if (i == 2) shares[0][0] ^= 1;
    if (i == 5) shares[1][1] ^= 1;
    EXPECT_EQ(world.Validator(i, proto::PostOutput{request, shares, {}}).code, ReceiptCode::kDone);
  }
  const auto record = world.Request(request);
  EXPECT_EQ(record.status, RequestStatus::kCompleted);
  EXPECT_EQ(record.output, World::Outputs());
  EXPECT_EQ(record.named, (std::vector{NamedParty{PartyId{2}, Misdeed::kWrongShare},
                                       NamedParty{PartyId{5}, Misdeed::kWrongShare}}));
}

TEST(Outputs, WhatAreNoSharesNameTheirAuthor) {
  World world;
  const std::uint64_t request = world.Computed();
  auto shares = world.Shares(0);
  shares.pop_back();
  EXPECT_EQ(world.Validator(0, proto::PostOutput{request, shares, {}}).code, ReceiptCode::kInvalid);
  shares = world.Shares(1);
  shares[0].fill(0xff);  // Not below the modulus.
  EXPECT_EQ(world.Validator(1, proto::PostOutput{request, shares, {}}).code, ReceiptCode::kInvalid);
  EXPECT_EQ(world.Request(request).named,
            (std::vector{NamedParty{PartyId{0}, Misdeed::kWrongShare},
                         NamedParty{PartyId{1}, Misdeed::kWrongShare}}));
}

TEST(Outputs, TwoDifferentPostsAreEquivocation) {
  World world;
  const std::uint64_t request = world.Computed();
  EXPECT_EQ(world.Validator(0, proto::PostOutput{request, world.Shares(0), {}}).code,
            ReceiptCode::kDone);
  EXPECT_EQ(world.Validator(0, proto::PostOutput{request, world.Shares(1), {}}).code,
            ReceiptCode::kContradiction);
  EXPECT_EQ(world.Request(request).named,
            (std::vector{NamedParty{PartyId{0}, Misdeed::kEquivocation}}));
}

TEST(Outputs, TPlusOneAccusersNameAPartyAndOneDoesNot) {
  World world;
  const std::uint64_t request = world.Submitted();
  const std::vector<PartyId> two{PartyId{2}};
  EXPECT_EQ(world.Validator(0, proto::Attest{request, kRun, two}).code, ReceiptCode::kDone);
  EXPECT_EQ(world.Validator(2, proto::Attest{request, kRun, {PartyId{0}}}).code,
            ReceiptCode::kDone);
  EXPECT_EQ(world.Validator(1, proto::Attest{request, kRun, {}}).code, ReceiptCode::kDone);
  EXPECT_EQ(world.Validator(0, proto::PostOutput{request, world.Shares(0), two}).code,
            ReceiptCode::kDone);
  EXPECT_TRUE(world.Request(request).named.empty());  // One accuser, twice.
  EXPECT_EQ(world.Validator(1, proto::PostOutput{request, world.Shares(1), two}).code,
            ReceiptCode::kDone);
  EXPECT_EQ(world.Request(request).named, (std::vector{NamedParty{PartyId{2}, Misdeed::kAccused}}));
  EXPECT_EQ(world.Validator(2, proto::PostOutput{request, world.Shares(2), {}}).code,
            ReceiptCode::kDone);
  EXPECT_EQ(world.Request(request).paid, (std::vector{PartyId{0}, PartyId{1}}));
}

TEST(Outputs, AccusingAStrangerIsInvalid) {
  World world;
  const std::uint64_t request = world.Submitted();
  EXPECT_EQ(world.Validator(0, proto::Attest{request, kRun, {PartyId{4}}}).code,
            ReceiptCode::kInvalid);
  EXPECT_TRUE(world.Request(request).attestations.empty());
}

// A text of four steps with two outputs each.
class Texts : public testing::Test {
 protected:
  void SetUp() override {
    proto::Manifest manifest = world_.MakeManifest(0);
    manifest.buckets[0].outputs = 8;
    manifest.buckets[0].labels.clear();
    manifest.buckets[0].steps = 4;
    const Digest model = world_.Activate(manifest);
    world_.Preprocess(1);
    request_ = world_.Open(model);
  }
  void Submit(bool until_end) {
    EXPECT_EQ(world_.Client(0, proto::SubmitInference{request_, {1, 2, 3, 63}, until_end}).code,
              ReceiptCode::kDone);
  }
  ReceiptCode Attest(std::size_t validator, std::uint32_t steps) {
    return world_.Validator(validator, proto::Attest{request_, kRun, {}, steps}).code;
  }
  ReceiptCode Post(std::size_t validator, std::size_t outputs) {
    return world_
        .Validator(validator, proto::PostOutput{request_, world_.Shares(validator, outputs), {}})
        .code;
  }
  proto::RequestRecord Record() const { return world_.Request(request_); }

  World world_;
  std::uint64_t request_ = 0;
};

TEST_F(Texts, ThatEndEarlyHaveTheOutputsOfTheirStepsAndCostThose) {
  Submit(true);
  for (std::size_t i = 0; i < 3; ++i) EXPECT_EQ(Attest(i, 3), ReceiptCode::kDone);
  EXPECT_EQ(Record().status, RequestStatus::kComputed);
  EXPECT_EQ(Record().steps, 3u);
  const auto before = world_.Balance(world_.clients[0].public_key());
  const auto money = world_.ledger.snapshot().totals().escrow;
  for (std::size_t i = 0; i < 3; ++i) EXPECT_EQ(Post(i, 6), ReceiptCode::kDone);
  const auto record = Record();
  EXPECT_EQ(record.status, RequestStatus::kCompleted);
  EXPECT_EQ(record.output.size(), 6u);
  // The bundle's 401, and three of the four parts of the other 602.
  EXPECT_EQ(record.charged, 401u + 451u);
  EXPECT_EQ(world_.Balance(world_.clients[0].public_key()), before + 1003 - 852);
  EXPECT_EQ(world_.ledger.snapshot().totals().escrow, money - 1003);
}

TEST_F(Texts, ThatMayNotEndEarlyAreWhole) {
  Submit(false);
  EXPECT_EQ(Attest(0, 3), ReceiptCode::kInvalid);
  EXPECT_EQ(Attest(0, 5), ReceiptCode::kInvalid);
  for (std::size_t i = 0; i < 3; ++i) EXPECT_EQ(Attest(i, 4), ReceiptCode::kDone);
  EXPECT_EQ(Post(3, 6), ReceiptCode::kInvalid);
  for (std::size_t i = 0; i < 3; ++i) EXPECT_EQ(Post(i, 8), ReceiptCode::kDone);
  EXPECT_EQ(Record().status, RequestStatus::kCompleted);
  EXPECT_EQ(Record().charged, 1003u);
}

// The liars may not make an answer shorter or longer: it is n - t members' word, and who says
// another length is named and not paid.
TEST_F(Texts, AreAsLongAsAQuorumSays) {
  Submit(true);
  EXPECT_EQ(Attest(3, 1), ReceiptCode::kDone);
  EXPECT_EQ(Attest(3, 2), ReceiptCode::kContradiction);
  EXPECT_EQ(Attest(0, 2), ReceiptCode::kDone);
  EXPECT_EQ(Attest(1, 2), ReceiptCode::kDone);
  EXPECT_EQ(Record().status, RequestStatus::kSubmitted);
  EXPECT_EQ(Attest(1, 2), ReceiptCode::kDuplicate);
  EXPECT_EQ(Attest(2, 2), ReceiptCode::kDone);
  EXPECT_EQ(Record().status, RequestStatus::kComputed);
  EXPECT_EQ(Record().steps, 2u);
  // More or fewer shares than the steps have are none.
  EXPECT_EQ(Post(3, 2), ReceiptCode::kInvalid);
  for (std::size_t i = 0; i < 3; ++i) EXPECT_EQ(Post(i, 4), ReceiptCode::kDone);
  const auto record = Record();
  EXPECT_EQ(record.output.size(), 4u);
  EXPECT_EQ(record.named, (std::vector{NamedParty{PartyId{3}, Misdeed::kOtherTranscript},
                                       NamedParty{PartyId{3}, Misdeed::kWrongShare},
                                       NamedParty{PartyId{3}, Misdeed::kEquivocation}}));
  EXPECT_EQ(record.paid, (std::vector{PartyId{0}, PartyId{1}, PartyId{2}}));
}

}  // namespace
}  // namespace node::test
