// The local part: messages of degree 2t that open to what the claims say, and bundles that hide
// what a dealer computes in the clear.

#include "mpc/preprocessing/preprocessor.h"

#include <gtest/gtest.h>

#include "mpc/plan/cost.h"
#include "tests/unit/mpc/every_kind_plan.h"
#include "tests/unit/mpc/preprocessing/openings.h"

namespace mpc {
namespace {

// With two series more whose wires' masks have known bits: as many as are cheaper than the
// committee's sets, and one fewer.
Plan PlanWithBits(std::size_t sets) {
  Plan plan = EveryKindPlan();
  const Op series = *std::ranges::find(plan.ops, OpKind::kSeries, &Op::kind);
  const Op open = plan.ops[series.inputs[0]];
  unsigned bits = 2;
  while (bits + bits / 2 + 2 * ((bits + 1) / 2 - 1) < 2 * (sets - 1) && bits < 12) ++bits;
  for (const unsigned fewer : {1u, 2u}) {
    plan.ops.push_back(open);
    plan.ops.push_back(series);
    plan.ops.back().inputs = {static_cast<TensorId>(plan.ops.size() - 2)};
    plan.ops.back().series.period = std::int64_t{1} << (bits - fewer);
    plan.ops.back().series.cosine.resize(3);
    plan.ops.back().series.sine.resize(3);
  }
  return plan;
}

class Members : public testing::TestWithParam<std::uint16_t> {};

// The pairs of a batch are as many as the plan's reading says, and sum to its random combination.
void ExpectPairs(const Claims& claims, std::size_t pairs, const std::vector<Fp>& values,
                 Dealer& dealer) {
  const ClaimWeights weights(claims, [&](std::span<Fp> out) {
    for (Fp& element : out) element = dealer.RandomElement();
  });
  Fp sum;
  std::size_t count = 0;
  if (claims.complex) {
    std::vector<Fp> right(claims.b.values.size());
    weights.AddComplex(right);
    for (std::size_t i = 0; i < right.size(); ++i) sum += claims.a.values[i] * right[i];
    count = claims.same_left ? 0 : right.size();
  } else {
    weights.ForEachPair([&](const Fp* x, const Fp* y, std::size_t size) {
      for (std::size_t i = 0; i < size; ++i) sum += x[i] * y[i];
      count += size;
    });
  }
  EXPECT_EQ(count, pairs);
  EXPECT_EQ(weights.Combine(values), sum);
}

TEST_P(Members, BundlesHideTheRightValues) {
  Dealer dealer(GetParam(), 5);
  const Plan plan = PlanWithBits(dealer.sets().count());
  Openings openings(dealer, plan, 3);
  openings.OpenAll();
  const proto::Digest name = PlanDigest(EncodePlan(plan));
  const std::vector<Bundle> bundles = openings.Bundles(name);
  for (const Bundle& bundle : bundles) {
    EXPECT_EQ(bundle.plan, name);
    EXPECT_EQ(bundle.attempt, 3u);
    EXPECT_EQ(bundle.epoch, Dealer::kEpoch);
  }
  // The phases have 40 bits here; each product adds a unit or so and what it inherits.
  ExpectRightBundles(dealer, plan, bundles, 3, GetParam() == 4 ? 64 : 1024);
}

TEST_P(Members, EveryOpenedValueIsWhatItsClaimSays) {
  Dealer dealer(GetParam(), 6);
  const Plan plan = PlanWithBits(dealer.sets().count());
  Openings openings(dealer, plan, 1);
  openings.OpenAll();
  const std::size_t reductions = openings.layers().reductions();
  // Factors and claimed results of all members, claim by claim: with the degree 2t of the product.
  std::vector<std::vector<std::vector<Fp>>> products(reductions);
  std::vector<std::vector<std::vector<Fp>>> claimed(reductions);
  for (std::uint16_t i = 0; i < openings.size(); ++i) {
    ReductionId next = 0;
    openings.member(i).ForEachReduction(
        openings.opened(), {}, [&](ReductionId id, const Claims& claims) {
          EXPECT_EQ(id, next++);
          std::vector<Fp> sums(claims.size());
          ComputeClaims(claims, sums);
          EXPECT_EQ(sums.size(), openings.layers().reduction(id).claims);
          EXPECT_EQ(claims.terms, openings.layers().reduction(id).terms);
          ExpectPairs(claims, openings.layers().reduction(id).pairs, sums, dealer);
          products[id].push_back(std::move(sums));
        });
    EXPECT_EQ(next, reductions);
    for (ReductionId id = 0; id < reductions; ++id) {
      claimed[id].push_back(openings.member(i).reductions().Claimed(id, openings.opened()));
    }
  }
  for (ReductionId id = 0; id < reductions; ++id) {
    EXPECT_EQ(openings.Open(products[id]), dealer.Open(claimed[id])) << "reduction " << id;
  }
}

// The parts of a bundle come from attempts of their own and fit together.
TEST_P(Members, SegmentsMakeOneBundle) {
  constexpr std::uint64_t kMasks = 50;
  Dealer dealer(GetParam(), 5);
  const Plan plan = PlanWithBits(dealer.sets().count());
  const auto segments = CutPlan(plan, dealer.sets().count(), 30, kMasks);
  ASSERT_GT(segments.size(), 2u);
  std::vector<Bundle> bundles(dealer.committee().size());
  TensorId next = 0;
  std::uint64_t attempt = kMasks;
  for (const Segment& segment : segments) {
    EXPECT_EQ(segment.begin, next);
    next = segment.end;
    Openings openings(dealer, plan, ++attempt, segment);
    openings.OpenAll();
    EXPECT_TRUE(openings.Verify());
    const std::vector<Bundle> parts = openings.Bundles({});
    for (std::size_t i = 0; i < parts.size(); ++i) {
      EXPECT_EQ(parts[i].attempt, kMasks);
      bundles[i].slots.resize(plan.ops.size());
      for (TensorId op = 0; op < plan.ops.size(); ++op) {
        EXPECT_TRUE(segment.Has(op) || parts[i].slots[op].empty());
        if (segment.Has(op)) bundles[i].slots[op] = parts[i].slots[op];
      }
    }
  }
  EXPECT_EQ(next, plan.ops.size());
  ExpectRightBundles(dealer, plan, bundles, kMasks, GetParam() == 4 ? 64 : 1024);
}

TEST_P(Members, KeptSharesChangeNothing) {
  Dealer dealer(GetParam(), 8);
  const Plan plan = PlanWithBits(dealer.sets().count());
  Openings openings(dealer, plan, 1);
  openings.OpenAll();
  for (std::uint16_t i = 0; i < openings.size(); ++i) {
    const Preprocessor& member = openings.member(i);
    KeptShares kept;
    for (std::uint32_t layer = 0; layer < openings.layers().depth(); ++layer) {
      EXPECT_EQ(member.Message(layer, openings.opened(), &kept),
                member.Message(layer, openings.opened()));
    }
    EXPECT_EQ(member.MakeBundle({}, openings.opened(), &kept).slots,
              member.MakeBundle({}, openings.opened()).slots);
  }
}

// A message vector says nothing but what it opens to: its degree-2t polynomial is fresh.
TEST_P(Members, MessagesOfTwoAttemptsAreUnrelated) {
  Dealer dealer(GetParam(), 7);
  const Plan plan = PlanWithBits(dealer.sets().count());
  Openings one(dealer, plan, 1);
  Openings two(dealer, plan, 2);
  EXPECT_EQ(one.Messages(0), Openings(dealer, plan, 1).Messages(0));  // Trap 2: never a new one.
  const auto first = one.Messages(0);
  const auto second = two.Messages(0);
  for (std::uint16_t i = 0; i < one.size(); ++i) {
    for (std::size_t k = 0; k < first[i].size(); ++k) EXPECT_NE(first[i][k], second[i][k]);
  }
}

// What is added to a product has degree 2t, not less: else a king would see the product's own
// polynomial beside its value (of a square, the shares of its root).
TEST_P(Members, ProductsAreHiddenByAFreshPolynomial) {
  Dealer dealer(GetParam(), 8);
  const Plan plan = PlanWithBits(dealer.sets().count());
  Openings openings(dealer, plan, 1);
  for (ReductionId id = 0; id < openings.layers().reductions(); ++id) {
    const Reduction& reduction = openings.layers().reduction(id);
    std::vector<std::vector<Fp>> added;
    for (std::uint16_t i = 0; i < openings.size(); ++i) {
      added.emplace_back(reduction.claims);
      openings.member(i).reductions().Hide(id, added.back());
    }
    const std::vector<Fp> masks = openings.Open(added);
    std::vector<std::uint16_t> fewer;
    for (std::uint16_t i = 0; i < dealer.committee().quorum() - 1; ++i) fewer.push_back(i);
    const std::vector<Fp> of_less_degree = InterpolateAtZero(added, fewer);
    for (std::size_t i = 0; i < reduction.claims; ++i) {
      EXPECT_NE(masks[i], of_less_degree[i]);
      // Nothing but a polynomial is added to a square; bounded masks are bounded, others are not.
      switch (reduction.masking) {
        case Masking::kPublic:
          EXPECT_EQ(masks[i], Fp());
          break;
        case Masking::kUniform:
          EXPECT_GT(masks[i].value(), UInt128{1} << 64);
          break;
        case Masking::kBounded:
          EXPECT_GT(masks[i].value(), UInt128{1} << 100);
          EXPECT_LT(masks[i].value(), UInt128{1} << 126);
          break;
      }
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Committees, Members, testing::Values(4, 7),
                         [](const auto& n) { return "n" + std::to_string(n.param); });

TEST(Layers, OfThePlanWithEveryKind) {
  const Plan plan = EveryKindPlan();
  const Layers layers(plan, 4);
  // 3 mask bits: squares, two of them joined, then the third. 2 harmonics: two levels and one more.
  // Squares have a layer to themselves.
  EXPECT_EQ(layers.depth(), 4u);
  const std::size_t phases = 2 * 12;                         // Claims of one complex product.
  const std::size_t direct = 6 * 3 + 12 + 12 + 12 + 3 + 12;  // Scores, mix, two products, dot, x^2.
  EXPECT_EQ(layers.size(0), 3u * 3);
  EXPECT_EQ(layers.size(1), 3u * 1 + direct + 2 * phases);
  EXPECT_EQ(layers.size(2), 3u * 1 * 3 + phases);
  EXPECT_EQ(layers.size(3), phases);
  // Bits, two joins of 3 tokens, scores and mix by head and inner index, two products (one by a
  // column), dot, x^2, and four complex products with left factors of their own.
  EXPECT_EQ(layers.pairs(), 9u + 2 * 3 + 2 * 2 + 2 * 3 + 12 + 3 + 3 * 4 + 12 + 4 * phases);
}

TEST(Layers, DepthOfALargeModel) {
  Plan plan;
  plan.tokens = 128;
  plan.vocabulary = 30522;
  plan.digit_bits_high = 8;
  plan.digit_bits_low = 7;
  plan.ops.resize(3);
  plan.ops[0].kind = OpKind::kEmbed;
  plan.ops[1].kind = OpKind::kOpen;
  plan.ops[1].rows = 2;
  plan.ops[1].cols = 5;
  plan.ops[2] = plan.ops[1];
  plan.ops[2].kind = OpKind::kSeries;
  plan.ops[2].inputs = {1};
  plan.ops[2].series.cosine.resize(12);
  EXPECT_EQ(Layers(plan, 4).depth(), 1u + 2 + 4);
  EXPECT_EQ(Layers(plan, 21).depth(), 1u + 5 + 4);
  // 3 + 11 complex products an element; bits, half-digits, digits, words.
  const Layers layers(plan, 4);
  std::size_t claims = 0;
  for (std::uint32_t layer = 0; layer < layers.depth(); ++layer) claims += layers.size(layer);
  EXPECT_EQ(claims,
            2u * 10 * 14 + 128u * (15 + 7 * 1 + 3 * 9 + 1 * 3 + 15 * 15 + 15 * 7 + 255 * 127));
}

// Bits take the place of the sets where that is less, and where nothing else reads the mask.
TEST(Layers, PhasesAreOfBitsWhereTheseAreFewer) {
  constexpr std::size_t kSets = 120;
  Plan plan = EveryKindPlan();
  const auto first = std::ranges::find(plan.ops, OpKind::kSeries, &Op::kind);
  const Op series = *first, open = plan.ops[series.inputs[0]];
  EXPECT_EQ(Layers(plan, kSets).of(static_cast<TensorId>(first - plan.ops.begin())).bits, 0u);
  plan.ops = {open, series};
  plan.ops[1].inputs = {0};
  const auto bits = [&](std::int64_t period, std::size_t sets) {
    plan.ops[1].series.period = period;
    return Layers(plan, sets).of(1).bits;
  };
  EXPECT_EQ(bits(1 << 20, kSets), 20u);
  EXPECT_EQ(bits((1 << 20) + 2, kSets), 0u);
  EXPECT_EQ(bits(1 << 20, 21), 0u);  // 20 + 10 + 18 against 40.
  EXPECT_EQ(bits(1 << 16, 21), 16u);
  EXPECT_EQ(bits(std::int64_t{1} << 41, kSets), 0u);
  // 20 squares; L^2 and 10 products of pairs; 9 complex products of phases and one more.
  const Layers layers(plan, (bits(1 << 20, kSets), kSets));
  std::size_t claims = 0;
  for (std::uint32_t layer = 0; layer < layers.depth(); ++layer) claims += layers.size(layer);
  EXPECT_EQ(claims, open.size() * (20u + 1 + 10 + 2 * (9 + 1)));
  EXPECT_TRUE(layers.Public(0));
  EXPECT_EQ(layers.SeriesOf(0), 1u);
  EXPECT_EQ(CutPlan(plan, kSets, 1, 0).size(), 1u);  // The two stay together.
}

// The cost counter is another reader of the same plan.
TEST(Layers, AreWhatTheCostCounterCounts) {
  for (const int n : {4, 7, 10}) {
    const proto::Committee committee(static_cast<std::uint16_t>(n));
    const std::size_t sets = ReplicatedSets(committee).count();
    const Plan plan = PlanWithBits(sets);
    const Layers layers(plan, sets);
    EXPECT_GT(layers.of(static_cast<TensorId>(plan.ops.size() - 1)).bits, 0u);
    EXPECT_GT(layers.of(static_cast<TensorId>(plan.ops.size() - 3)).bits, 0u);
    std::vector<std::uint64_t> sizes;
    for (std::uint32_t layer = 0; layer < layers.depth(); ++layer) {
      sizes.push_back(layers.size(layer));
    }
    EXPECT_EQ(sizes, CountCost(plan, committee).products);
  }
}

}  // namespace
}  // namespace mpc
