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

}  // namespace
}  // namespace node::test
