// Batch reconstruction step by step: combinations, both decodings with t members lying, padding,
// and the rule that says when it is worth it.

#include "mpc/sharing/batch.h"

#include <algorithm>
#include <random>
#include <set>

#include <gtest/gtest.h>

namespace mpc {
namespace {

using proto::Committee;
using proto::PartyId;

Fp RandomElement(std::mt19937_64& random) {
  return Fp::FromUnsigned(UInt128{random()} << 64 | random());
}

// shares[party][i] of values[i], degree t.
std::vector<std::vector<Fp>> Share(const Committee& committee, const std::vector<Fp>& values,
                                   std::mt19937_64& random) {
  std::vector<std::vector<Fp>> shares(committee.size(), values);
  for (std::size_t i = 0; i < values.size(); ++i) {
    for (int degree = 1; degree <= committee.max_faulty(); ++degree) {
      const Fp coefficient = RandomElement(random);
      for (std::uint16_t party = 0; party < committee.size(); ++party) {
        shares[party][i] += coefficient * Point(PartyId{party}).Power(static_cast<UInt128>(degree));
      }
    }
  }
  return shares;
}

class Batches : public testing::TestWithParam<std::uint16_t> {
 protected:
  // A random t of the members.
  std::set<PartyId> Liars(std::mt19937_64& random) const {
    std::set<PartyId> liars;
    while (liars.size() < committee_.max_faulty()) liars.insert(PartyId(random() % GetParam()));
    return liars;
  }
  std::vector<PartyId> Order(std::mt19937_64& random) const {
    std::vector<PartyId> order;
    for (std::uint16_t i = 0; i < GetParam(); ++i) order.push_back(PartyId{i});
    std::shuffle(order.begin(), order.end(), random);
    return order;
  }
  const Committee committee_{GetParam()};
};
INSTANTIATE_TEST_SUITE_P(Sizes, Batches, testing::Values(4, 7, 10, 13));

// Liars lie in both steps, to whom and where they like; whatever comes first, all decode the
// values, and who lied is known at the step in which it did.
TEST_P(Batches, AreOpenedWhateverTDo) {
  for (const std::size_t size : {1, 13, 300}) {
    SCOPED_TRACE("seed and size " + std::to_string(size));
    std::mt19937_64 random(size);
    std::vector<Fp> values(size);
    for (Fp& value : values) value = RandomElement(random);
    const auto shares = Share(committee_, values, random);
    const Batch batch(committee_, size);
    const std::set<PartyId> liars = Liars(random);
    const auto spoil = [&](PartyId sender, std::vector<Fp> vector) {
      if (liars.count(sender) == 0) return vector;
      if (random() % 2 == 0)
        vector[random() % vector.size()] += Fp(1);
      else
        for (Fp& element : vector) element = RandomElement(random);
      return vector;
    };
    std::vector<std::vector<Fp>> y;
    for (std::uint16_t receiver = 0; receiver < GetParam(); ++receiver) {
      RobustDecoder decoder = batch.SharesDecoder();
      for (const PartyId sender : Order(random)) {
        decoder.Add(sender, spoil(sender, batch.For(PartyId{receiver}, shares[Index(sender)])));
        EXPECT_TRUE(!decoder.decoded() || decoder.received() >= Agreement(committee_));
      }
      ASSERT_TRUE(decoder.decoded());
      EXPECT_EQ(std::set(decoder.wrong().begin(), decoder.wrong().end()), liars);
      y.push_back(decoder.values());
      EXPECT_TRUE(y.back() == batch.For(PartyId{receiver}, values));
    }
    RobustDecoder decoder = batch.ValuesDecoder();
    for (const PartyId sender : Order(random)) decoder.Add(sender, spoil(sender, y[Index(sender)]));
    ASSERT_TRUE(decoder.decoded());
    EXPECT_EQ(std::set(decoder.wrong().begin(), decoder.wrong().end()), liars);
    std::vector<Fp> opened = decoder.values();
    ASSERT_GE(opened.size(), size);
    EXPECT_TRUE(std::all_of(opened.begin() + static_cast<std::ptrdiff_t>(size), opened.end(),
                            [](Fp x) { return x == Fp(); }));
    opened.resize(size);
    EXPECT_TRUE(opened == values);
  }
}

// The n - t honest alone suffice in both steps, and t + 1 + t - 1 never do.
TEST_P(Batches, WaitForAgreementInBothSteps) {
  std::mt19937_64 random(3);
  const std::vector<Fp> values(50, Fp(9));
  const Batch batch(committee_, values.size());
  const auto shares = Share(committee_, values, random);
  RobustDecoder first = batch.SharesDecoder();
  RobustDecoder second = batch.ValuesDecoder();
  for (std::uint16_t i = committee_.max_faulty(); i < GetParam(); ++i) {
    EXPECT_EQ(first.decoded(), first.received() >= Agreement(committee_));
    EXPECT_EQ(second.decoded(), second.received() >= Agreement(committee_));
    first.Add(PartyId{i}, batch.For(PartyId{0}, shares[i]));
    second.Add(PartyId{i}, batch.For(PartyId{i}, values));
  }
  EXPECT_TRUE(first.decoded() && second.decoded());
  EXPECT_TRUE(first.values() == batch.For(PartyId{0}, values));
}

// By hand: t + 1 members answer for the values themselves, the others for their polynomial.
TEST(Batches, PointsAreTheFirstMembers) {
  const Batch batch(Committee(7), 8);
  EXPECT_EQ(batch.groups(), 3u);
  // Groups (1, 4, 7), (2, 5, 8), (3, 6, 0).
  const std::vector<Fp> values{Fp(1), Fp(2), Fp(3), Fp(4), Fp(5), Fp(6), Fp(7), Fp(8)};
  EXPECT_TRUE(batch.For(PartyId{0}, values) == (std::vector{Fp(1), Fp(2), Fp(3)}));
  EXPECT_TRUE(batch.For(PartyId{1}, values) == (std::vector{Fp(4), Fp(5), Fp(6)}));
  EXPECT_TRUE(batch.For(PartyId{2}, values) == (std::vector{Fp(7), Fp(8), Fp(0)}));
  // P(4) = P(1) - 3 P(2) + 3 P(3); P(7) = 10 P(1) - 24 P(2) + 15 P(3).
  EXPECT_TRUE(batch.For(PartyId{3}, values) == (std::vector{Fp(10), Fp(11), Fp(-15)}));
  EXPECT_TRUE(batch.For(PartyId{6}, values) == (std::vector{Fp(19), Fp(20), Fp(-114)}));
}

TEST(BatchRule, AsksWhetherBytesAreWorthADelay) {
  const auto smallest = [](std::uint16_t n, std::uint64_t saving_min) {
    for (std::size_t size = 1; size < 10'000; ++size) {
      if (OpensInBatches(Committee(n), size, saving_min)) return size;
    }
    return std::size_t{0};
  };
  EXPECT_EQ(smallest(4, 1), 0u);
  EXPECT_FALSE(OpensInBatches(Committee(4), std::size_t{1} << 40));
  EXPECT_EQ(smallest(7, 1), 3u);
  EXPECT_EQ(smallest(7, kBatchSavingMin), 4098u);
  EXPECT_EQ(smallest(10, kBatchSavingMin), 1823u);
  EXPECT_EQ(smallest(13, kBatchSavingMin), 1139u);
  EXPECT_FALSE(OpensInBatches(Committee(1), 10'000, 1));
}

// Elements sent by all members for a value: 12, 28, 45, 62.4.
TEST(BatchRule, CostsWhatThePapersSay) {
  constexpr std::size_t kMany = 60'000;  // Whole groups for each n.
  for (const auto& [n, tenths] : {std::pair{4, 120}, {7, 280}, {10, 450}, {13, 624}}) {
    const Committee committee(static_cast<std::uint16_t>(n));
    const OpeningCost cost = CostOfOpening(committee, kMany);
    EXPECT_EQ(cost.exchanges, n == 4 ? 1u : 2u);
    EXPECT_EQ(10 * cost.elements * committee.size() * (committee.size() - 1u),
              kMany * static_cast<std::uint64_t>(tenths));
    EXPECT_EQ(CostOfOpening(committee, 1).exchanges, 1u);
  }
}

}  // namespace
}  // namespace mpc
