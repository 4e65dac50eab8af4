// Robust decoding with t parties lying, silent, or late, in any order of arrival.

#include "mpc/sharing/shamir.h"

#include <algorithm>
#include <random>
#include <set>

#include <gtest/gtest.h>

namespace mpc {
namespace {

using proto::Committee;
using proto::PartyId;

struct Sharing {
  Sharing(const Committee& committee, std::size_t size, std::mt19937_64& random)
      : shares(committee.size(), std::vector<Fp>(size)) {
    for (std::size_t i = 0; i < size; ++i) {
      std::vector<Fp> polynomial;
      for (int k = 0; k <= committee.max_faulty(); ++k) {
        polynomial.push_back(Fp::FromUnsigned(UInt128{random()} << 64 | random()));
      }
      values.push_back(polynomial[0]);
      for (std::uint16_t party = 0; party < committee.size(); ++party) {
        Fp power(1);
        for (const Fp c : polynomial) {
          shares[party][i] += c * power;
          power *= Point(PartyId{party});
        }
      }
    }
  }
  std::vector<Fp> values;
  std::vector<std::vector<Fp>> shares;
};

class RobustDecoding : public testing::TestWithParam<std::uint16_t> {};
INSTANTIATE_TEST_SUITE_P(Sizes, RobustDecoding, testing::Values(1, 4, 5, 7, 10, 13));

TEST_P(RobustDecoding, CorrectsAnyLiarsInAnyOrder) {
  const Committee committee(GetParam());
  const std::size_t n = committee.size();
  const std::size_t size = 40;
  const std::uint64_t seeds = n < 10 ? 30 : 9;
  for (std::uint64_t seed = 0; seed < seeds; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    std::mt19937_64 random(seed);
    Sharing sharing(committee, size, random);
    std::vector<PartyId> order;
    for (std::uint16_t i = 0; i < n; ++i) order.push_back(PartyId{i});
    std::shuffle(order.begin(), order.end(), random);
    // The first t of a random order lie: everywhere, at one position each, or all with one offset.
    std::set<PartyId> liars(order.begin(), order.begin() + committee.max_faulty());
    for (const PartyId liar : liars) {
      auto& shares = sharing.shares[Index(liar)];
      switch (seed % 3) {
        case 0:
          for (Fp& share : shares) share = Fp::FromUnsigned(random());
          break;
        case 1:
          shares[random() % size] += Fp(1);
          break;
        default:
          for (Fp& share : shares) share += Fp(5);
      }
    }
    std::shuffle(order.begin(), order.end(), random);
    RobustDecoder decoder(committee, size);
    std::size_t right = 0;
    for (const PartyId party : order) {
      EXPECT_TRUE(decoder.Add(party, sharing.shares[Index(party)]));
      EXPECT_FALSE(decoder.Add(party, std::vector<Fp>(size)));
      right += liars.count(party) == 0 ? 1 : 0;
      EXPECT_TRUE(!decoder.decoded() || decoder.values() == sharing.values);
      // The honest alone always suffice, and fewer than 2t + 1 shares never do.
      EXPECT_TRUE(right < committee.quorum() || decoder.decoded());
      EXPECT_TRUE(!decoder.decoded() || decoder.received() >= Agreement(committee));
    }
    EXPECT_EQ(std::set<PartyId>(decoder.wrong().begin(), decoder.wrong().end()), liars);
  }
}

TEST_P(RobustDecoding, DecodesWhileTheFaultyStaySilent) {
  const Committee committee(GetParam());
  std::mt19937_64 random(1);
  const Sharing sharing(committee, 3, random);
  RobustDecoder decoder(committee, 3);
  for (std::uint16_t i = committee.max_faulty(); i < committee.size(); ++i) {
    EXPECT_EQ(decoder.decoded(), decoder.received() >= Agreement(committee));
    decoder.Add(PartyId{i}, sharing.shares[i]);
  }
  EXPECT_TRUE(decoder.values() == sharing.values);
  EXPECT_TRUE(decoder.wrong().empty());
}

// Two points make a line: among three shares and one lie nobody can tell which is the lie.
TEST(RobustDecoding, ThreeSharesAndOneLieWaitForTheFourth) {
  const Committee committee(4);
  std::mt19937_64 random(1);
  for (std::uint16_t liar = 0; liar < 3; ++liar) {
    Sharing sharing(committee, 9, random);
    sharing.shares[liar][8] += Fp(1);
    RobustDecoder decoder(committee, 9);
    for (std::uint16_t i = 0; i < 3; ++i) decoder.Add(PartyId{i}, sharing.shares[i]);
    EXPECT_FALSE(decoder.decoded());
    EXPECT_TRUE(decoder.wrong().empty());
    decoder.Add(PartyId{3}, sharing.shares[3]);
    EXPECT_TRUE(decoder.values() == sharing.values);
    EXPECT_EQ(decoder.wrong(), std::vector{PartyId{liar}});
  }
}

// Many positions: those between the lies are decoded in blocks.
TEST(RobustDecoding, CorrectsLiesFarApart) {
  for (std::uint64_t seed = 0; seed < 20; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    const Committee committee(7);
    std::mt19937_64 random(seed);
    const std::size_t size = 700 + random() % 200;
    Sharing sharing(committee, size, random);
    std::vector<PartyId> order;
    for (std::uint16_t i = 0; i < 7; ++i) order.push_back(PartyId{i});
    std::shuffle(order.begin(), order.end(), random);
    const std::set<PartyId> liars{PartyId{3}, PartyId{5}};
    for (const PartyId liar : liars) {
      const std::size_t lies = 1 + random() % 400;
      for (std::size_t i = 0; i < lies; ++i) sharing.shares[Index(liar)][random() % size] += Fp(1);
    }
    RobustDecoder decoder(committee, size);
    for (const PartyId party : order) decoder.Add(party, sharing.shares[Index(party)]);
    EXPECT_TRUE(decoder.values() == sharing.values);
    EXPECT_EQ(std::set<PartyId>(decoder.wrong().begin(), decoder.wrong().end()), liars);
  }
}

// A liar who comes after a part was decoded, and one who comes after all was.
TEST(RobustDecoding, LateLiarsAreFoundToo) {
  const Committee committee(7);
  std::mt19937_64 random(1);
  Sharing sharing(committee, 4, random);
  sharing.shares[0][2] += Fp(1);  // Position 2 waits for a sixth share,
  sharing.shares[5][0] += Fp(1);  // which lies where five have agreed already.
  RobustDecoder decoder(committee, 4);
  for (std::uint16_t i = 0; i < 6; ++i) {
    EXPECT_FALSE(decoder.decoded());
    decoder.Add(PartyId{i}, sharing.shares[i]);
  }
  EXPECT_TRUE(decoder.values() == sharing.values);
  EXPECT_EQ(decoder.wrong(), (std::vector{PartyId{0}, PartyId{5}}));
  sharing.shares[6][3] += Fp(1);
  decoder.Add(PartyId{6}, sharing.shares[6]);
  EXPECT_EQ(decoder.wrong(), (std::vector{PartyId{0}, PartyId{5}, PartyId{6}}));
}

TEST(Lagrange, GivesThePolynomialsValue) {
  const std::vector<Fp> points{Fp(1), Fp(4), Fp(-3)};
  const auto at = [](Fp x) { return Fp(3) * x * x + Fp(-7) * x + Fp(11); };
  const auto coefficients = LagrangeCoefficients(points, Fp(100));
  Fp sum;
  for (std::size_t i = 0; i < points.size(); ++i) sum += coefficients[i] * at(points[i]);
  EXPECT_TRUE(sum == at(Fp(100)));
}

}  // namespace
}  // namespace mpc
