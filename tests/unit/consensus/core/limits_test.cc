// What others can make a validator keep or answer.

#include <gtest/gtest.h>

#include "tests/unit/consensus/core/driver.h"

namespace consensus {
namespace {

using proto::PartyId;

class LimitsTest : public testing::Test {
 protected:
  void Insert(const std::vector<std::vector<Certificate>>& rounds) {
    for (const auto& round : rounds) driver_.Insert(round);
  }

  const Validators validators_;
  Driver driver_{validators_};
};

TEST_F(LimitsTest, ACertificateBelowGcThatNobodyNamesIsNotKept) {
  const auto rounds = validators_.Rounds(30, {0, 1, 2});
  Insert(rounds);
  ASSERT_GT(driver_.core().status().gc_round, 4u);
  const Certificate old =
      validators_.Certify(validators_.MakeHeader(2, 3, ReferencesTo(rounds[0])));
  const auto checks = driver_.core().status().signature_checks;
  driver_.Handle(3, old);
  EXPECT_TRUE(driver_.last_step().writes.empty());
  EXPECT_EQ(driver_.core().status().signature_checks, checks);
}

TEST_F(LimitsTest, CertificatesFarAheadAreNotKept) {
  std::vector<Reference> parents;
  for (std::uint16_t i = 0; i < 3; ++i) parents.push_back({kRoundsAheadMax, PartyId{i}, {}});
  // One round within the limit is kept, and what it lacks is asked for; the next is not.
  driver_.Handle(1, validators_.Certify(validators_.MakeHeader(kRoundsAheadMax + 1, 1, parents)));
  EXPECT_EQ(driver_.core().status().parked, 0u);
  for (auto& parent : parents) --parent.round;
  driver_.Handle(1, validators_.Certify(validators_.MakeHeader(kRoundsAheadMax, 1, parents)));
  EXPECT_EQ(driver_.core().status().parked, 1u);
}

TEST_F(LimitsTest, UnproposedBatchesOfAPeerAreBounded) {
  const auto batch = [](std::uint16_t number) {
    std::vector<proto::Bytes> transactions;
    for (int k = 0; k < 2; ++k) {
      proto::Bytes transaction(250'000, static_cast<std::uint8_t>(number));
      transaction[0] = static_cast<std::uint8_t>(k);
      transactions.push_back(std::move(transaction));
    }
    return proto::dag::MakeBatch(std::move(transactions));
  };
  const auto reference = [](const Transactions& content) {
    return BatchReference{content.digest, static_cast<std::uint32_t>(content.bytes.size())};
  };
  const auto count = static_cast<std::uint16_t>(kLooseBytesPerPeerMax / 500'000 + 2);
  for (std::uint16_t i = 0; i < count; ++i) driver_.Handle(1, batch(i));
  // The first has made room: a header that names it waits for it. The last is here.
  HeaderFields fields = validators_.Fields(1, 1, {});
  fields.batches = {reference(batch(0))};
  driver_.Handle(1, validators_.Sign(fields));
  EXPECT_TRUE(driver_.Sent<Vote>(1).empty());
  fields = validators_.Fields(1, 2, {});
  fields.batches = {reference(batch(static_cast<std::uint16_t>(count - 1)))};
  driver_.Handle(2, validators_.Sign(fields));
  EXPECT_EQ(driver_.Sent<Vote>(2).size(), 1u);
}

TEST_F(LimitsTest, ARangeIsBounded) {
  const std::uint64_t rounds = kRangeRoundsMax + 8;
  Insert(validators_.Rounds(rounds, {1, 2, 3}));
  driver_.Clear();
  driver_.Handle(2, RangeRequest{1});
  const auto answers = driver_.Sent<RangeAnswer>(2);
  ASSERT_EQ(answers.size(), 1u);
  EXPECT_EQ(answers[0].next_round, kRangeRoundsMax + 1);
  EXPECT_EQ(answers[0].highest_round, rounds);
  EXPECT_EQ(answers[0].certificates.size(), 3 * kRangeRoundsMax);
}

TEST_F(LimitsTest, AnswersPerTickAreBounded) {
  Insert(validators_.Rounds(4, {1, 2, 3}));
  driver_.Clear();
  for (int i = 0; i < 100; ++i) driver_.Handle(2, RangeRequest{1});
  EXPECT_EQ(driver_.Sent<RangeAnswer>(2).size(), kAnswersPerTickMax);
  driver_.Handle(3, RangeRequest{1});
  EXPECT_EQ(driver_.Sent<RangeAnswer>(3).size(), 1u);
  driver_.Tick();
  driver_.Handle(2, RangeRequest{1});
  EXPECT_EQ(driver_.Sent<RangeAnswer>(2).size(), kAnswersPerTickMax + 1);
}

}  // namespace
}  // namespace consensus
