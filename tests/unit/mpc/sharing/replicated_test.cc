// Pseudorandom secret sharing: what the parties compute alone fits together, and is what the sets'
// common streams say.

#include "mpc/sharing/replicated.h"

#include <gtest/gtest.h>

#include "mpc/sharing/shamir.h"

namespace mpc {
namespace {

using proto::Committee;
using proto::PartyId;

struct Group {
  explicit Group(std::uint16_t n)
      : committee(n), sets(committee), keys(DealReplicatedKeys(sets, proto::Bytes(32, 7))) {
    for (const ReplicatedKeys& k : keys) prss.emplace_back(sets, k);
  }

  // Whether the parties' shares lie on one polynomial of degree `degree`; its value at 0.
  std::optional<Fp> Value(const std::vector<std::vector<Fp>>& shares, std::size_t at,
                          std::size_t degree) const {
    std::vector<Fp> points;
    for (std::uint16_t i = 0; i <= degree; ++i) points.push_back(Point(PartyId{i}));
    const auto evaluate = [&](Fp x) {
      Fp sum;
      const auto coefficients = LagrangeCoefficients(points, x);
      for (std::size_t i = 0; i <= degree; ++i) sum += coefficients[i] * shares[i][at];
      return sum;
    };
    for (std::uint16_t i = 0; i < committee.size(); ++i) {
      if (evaluate(Point(PartyId{i})) != shares[i][at]) return std::nullopt;
    }
    return evaluate(Fp());
  }

  Committee committee;
  ReplicatedSets sets;
  std::vector<ReplicatedKeys> keys;
  std::vector<Prss> prss;
};

const Label kLabel{1, 2, 3, Purpose::kMask};
constexpr std::size_t kCount = 5000;  // More than one block.

class Replicated : public testing::TestWithParam<std::uint16_t> {};
INSTANTIATE_TEST_SUITE_P(Sizes, Replicated, testing::Values(1, 4, 7, 10, 13));

TEST_P(Replicated, FactorsAreThePolynomialsOfTheSets) {
  const Committee committee(GetParam());
  const ReplicatedSets sets(committee);
  const std::size_t counts[] = {1, 4, 21, 120, 715};
  EXPECT_EQ(sets.count(), counts[committee.max_faulty()]);
  for (SetIndex set = 0; set < sets.count(); ++set) {
    std::size_t members = 0;
    std::vector<Fp> points;
    std::vector<Fp> values;
    for (std::uint16_t i = 0; i < committee.size(); ++i) {
      const PartyId party{i};
      members += sets.Contains(set, party) ? 1 : 0;
      EXPECT_EQ(sets.Factor(set, party) == Fp(), !sets.Contains(set, party));
      if (i > committee.max_faulty()) continue;
      points.push_back(Point(party));
      values.push_back(sets.Factor(set, party));
    }
    EXPECT_EQ(members, committee.quorum());
    const auto coefficients = LagrangeCoefficients(points, Fp());
    Fp at_zero;
    for (std::size_t i = 0; i < points.size(); ++i) at_zero += coefficients[i] * values[i];
    EXPECT_TRUE(at_zero == Fp(1));
  }
}

TEST_P(Replicated, RandomAndZeroHaveTheirDegrees) {
  const Group group(GetParam());
  const std::size_t count = GetParam() > 7 ? 20 : kCount;
  std::vector<std::vector<Fp>> random;
  std::vector<std::vector<Fp>> zero;
  for (const Prss& prss : group.prss) {
    random.push_back(prss.Random(kLabel, count));
    zero.push_back(prss.Zero(kLabel, count));
  }
  const std::size_t t = group.committee.max_faulty();
  std::vector<Fp> opened;
  for (std::size_t i = 0; i < count; i += 19) {
    const auto r = group.Value(random, i, t);
    ASSERT_TRUE(r.has_value());
    opened.push_back(*r);
    EXPECT_TRUE(group.Value(zero, i, 2 * t) == Fp());
    EXPECT_EQ(group.Value(zero, i, t).has_value(), t == 0);
  }
  for (std::size_t i = 1; i < opened.size(); ++i) EXPECT_FALSE(opened[i] == opened[i - 1]);
}

TEST_P(Replicated, BoundedMasksAreSumsOfTheirParts) {
  const Group group(GetParam());
  const std::size_t count = GetParam() > 7 ? 20 : kCount;
  std::vector<MaskParts> masks;
  for (const Prss& prss : group.prss) masks.push_back(prss.Bounded(kLabel, count));
  for (const unsigned shift : {0u, 16u}) {
    std::vector<std::vector<Fp>> shares;
    for (std::size_t i = 0; i < group.prss.size(); ++i) {
      shares.push_back(group.prss[i].ShareOf(masks[i], shift));
    }
    for (std::size_t j = 0; j < count; j += 7) {
      UInt128 sum = 0;
      for (SetIndex set = 0; set < group.sets.count(); ++set) {
        UInt128 part = 0;
        for (std::uint16_t i = 0; i < group.committee.size(); ++i) {
          const UInt128 own = masks[i].parts[set * count + j];
          if (!group.sets.Contains(set, PartyId{i})) {
            EXPECT_TRUE(own == 0);
          } else {
            EXPECT_TRUE(part == 0 || own == part);
            part = own;
          }
        }
        EXPECT_TRUE(part >> group.sets.mask_bits() == 0);
        sum += part >> shift;
      }
      EXPECT_TRUE(sum >> 125 == 0);
      EXPECT_TRUE(group.Value(shares, j, group.committee.max_faulty()) == Fp::FromUnsigned(sum));
    }
  }
}

TEST_P(Replicated, BoundedSharesAreThoseOfTheParts) {
  const Group group(GetParam());
  const std::size_t count = GetParam() > 7 ? 20 : 3 * kCount;
  for (const Prss& prss : group.prss) {
    const MaskParts parts = prss.Bounded(kLabel, count);
    const auto shares = prss.BoundedShares(kLabel, count, {0, 16, 24});
    ASSERT_EQ(shares.size(), 3u);
    EXPECT_EQ(shares[0], prss.ShareOf(parts, 0));
    EXPECT_EQ(shares[1], prss.ShareOf(parts, 16));
    EXPECT_EQ(shares[2], prss.ShareOf(parts, 24));
  }
}

TEST(Replicated, LabelsAreIndependent) {
  const Group group(4);
  const auto first = [&](const Label& label) { return group.prss[0].Random(label, 1)[0]; };
  std::vector<Fp> seen;
  for (const Label& label : {kLabel, Label{2, 2, 3, Purpose::kMask}, Label{1, 3, 3, Purpose::kMask},
                             Label{1, 2, 4, Purpose::kMask}, Label{1, 2, 3, Purpose::kProduct}}) {
    for (const Fp other : seen) EXPECT_FALSE(first(label) == other);
    seen.push_back(first(label));
  }
  EXPECT_TRUE(first(kLabel) == seen[0]);
}

TEST(Replicated, MaskWidths) {
  const unsigned widths[] = {125, 123, 120, 118, 115};
  for (std::uint16_t t = 0; t <= 4; ++t) {
    EXPECT_EQ(ReplicatedSets(Committee(static_cast<std::uint16_t>(3 * t + 1))).mask_bits(),
              widths[t]);
  }
}

TEST(Replicated, KeysAreExactlyTheMembers) {
  const ReplicatedSets sets{Committee(4)};
  const auto dealt = DealReplicatedKeys(sets, proto::Bytes(32, 1));
  EXPECT_TRUE(ReplicatedKeys::From(sets, PartyId{2}, dealt[2].keys()).has_value());
  EXPECT_FALSE(ReplicatedKeys::From(sets, PartyId{1}, dealt[2].keys()).has_value());
  EXPECT_FALSE(ReplicatedKeys::From(sets, PartyId{4}, dealt[2].keys()).has_value());
  auto fewer = dealt[2].keys();
  fewer.pop_back();
  EXPECT_FALSE(ReplicatedKeys::From(sets, PartyId{2}, fewer).has_value());
  // A key is the same for all who hold it, and no two sets share one.
  EXPECT_TRUE(dealt[0].keys()[1] == dealt[2].keys()[1]);
  EXPECT_FALSE(dealt[0].keys()[1] == dealt[0].keys()[2]);
}

}  // namespace
}  // namespace mpc
