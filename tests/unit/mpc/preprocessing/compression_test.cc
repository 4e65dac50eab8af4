// The verification accepts true claims and finds a single wrong one wherever it is.

#include "mpc/preprocessing/compression.h"

#include <array>

#include <gtest/gtest.h>

#include "mpc/preprocessing/nodes.h"
#include "proto/crypto/prg.h"
#include "tests/unit/mpc/every_kind_plan.h"
#include "tests/unit/mpc/preprocessing/openings.h"

namespace mpc {
namespace {

class Verification : public testing::TestWithParam<std::uint16_t> {};

TEST_P(Verification, AcceptsTrueClaims) {
  Dealer dealer(GetParam(), 8);
  const Plan plan = EveryKindPlan();
  Openings openings(dealer, plan, 1);
  openings.OpenAll();
  EXPECT_TRUE(openings.Verify());
}

// Also shows that no reduction is left out of the sum.
TEST_P(Verification, FindsOneWrongValueInEveryReduction) {
  Dealer dealer(GetParam(), 9);
  const Plan plan = EveryKindPlan();
  Openings openings(dealer, plan, 1);
  openings.OpenAll();
  const OpenedLayers honest = openings.opened();
  for (ReductionId id = 0; id < openings.layers().reductions(); ++id) {
    const Reduction& reduction = openings.layers().reduction(id);
    // The lie is believed: later layers are computed from it, as honest members would.
    for (std::uint32_t layer = reduction.layer; layer < openings.layers().depth(); ++layer) {
      openings.opened()[layer] = openings.Open(openings.Messages(layer));
      if (layer == reduction.layer) {
        const std::size_t at = reduction.first + dealer.random()() % reduction.claims;
        openings.opened()[layer][at] += dealer.random()() % 2 == 0 ? Fp(1) : dealer.RandomElement();
      }
    }
    EXPECT_FALSE(openings.Verify()) << "reduction " << id;
    openings.opened() = honest;
  }
  EXPECT_TRUE(openings.Verify());
}

TEST_P(Verification, FindsLiesInItsOwnSteps) {
  Dealer dealer(GetParam(), 10);
  const Plan plan = EveryKindPlan();
  Openings openings(dealer, plan, 1);
  openings.OpenAll();
  const std::vector<std::size_t> sizes = CompressionSizes(openings.layers().pairs());
  ASSERT_EQ(sizes.size(), 2u);
  for (std::size_t liar_step = 0; liar_step < sizes.size(); ++liar_step) {
    for (std::size_t at = 0; at < sizes[liar_step]; at += 1 + sizes[liar_step] / 8) {
      EXPECT_FALSE(openings.Verify([&](std::size_t step, std::vector<Fp>& values) {
        if (step == liar_step) values[at] += Fp(1);
      })) << "step "
          << liar_step << " value " << at;
    }
  }
}

// The last step's block more is random: without it the triple would be a combination of true
// factors.
TEST_P(Verification, LastStepHidesBehindARandomPair) {
  Dealer dealer(GetParam(), 13);
  const Plan plan = EveryKindPlan();
  std::vector<Fp> products;
  for (const std::uint64_t attempt : {1u, 2u}) {
    Openings openings(dealer, plan, attempt);
    openings.OpenAll();
    openings.Verify([&](std::size_t step, std::vector<Fp>& values) {
      if (step != 1) return;
      const Label label{Dealer::kEpoch, attempt, 1, Purpose::kVerifyProduct};
      std::vector<std::vector<Fp>> masks;
      for (std::uint16_t i = 0; i < openings.size(); ++i) {
        masks.push_back(openings.member(i).reductions().prss().Random(label, values.size()));
      }
      // At k + 1, behind those at 1 .. k - 1.
      const std::size_t at = values.size() / 2 - 1;
      products.push_back(values[at] - dealer.Open(masks)[at]);
    });
  }
  ASSERT_EQ(products.size(), 2u);
  EXPECT_GT(products[0].value(), UInt128{1} << 64);
  EXPECT_GT(products[1].value(), UInt128{1} << 64);
  EXPECT_NE(products[0], products[1]);
}

// Why the challenge must be unknown until the claims are fixed: who knows it makes two errors that
// cancel. The same errors under another coin are found.
TEST_P(Verification, WouldMissLiesMadeForAKnownChallenge) {
  Dealer dealer(GetParam(), 11);
  const Plan plan = EveryKindPlan();
  Openings openings(dealer, plan, 1);
  openings.OpenAll();
  const OpenedLayers honest = openings.opened();
  // The products of masks of one operation: nothing is computed from them.
  ReductionId id = 0;
  while (openings.layers().reduction(id).masking != Masking::kUniform ||
         openings.layers().reduction(id).op == 0) {
    ++id;
  }
  const Reduction& reduction = openings.layers().reduction(id);
  // The coefficients of its first two claims, as Compression expands them from the known coin 1.
  const proto::Digest coin = proto::Hasher("test coin").Add(std::uint64_t{1}).Add(0).Finish();
  proto::Prg prg(coin.span(), proto::AsBytes("rho"));
  const auto draw = [&](std::span<Fp> out) {
    for (Fp& element : out) {
      const std::uint64_t low = prg.U64();
      element = Fp::FromUniform(UInt128{low} | UInt128{prg.U64()} << 64);
    }
  };
  std::array<Fp, 2> rho;
  openings.member(0).ForEachReduction(
      openings.opened(), {}, [&](ReductionId visited, const Claims& claims) {
        const ClaimWeights weights(claims, draw);
        for (std::size_t i = 0; visited == id && i < rho.size(); ++i) {
          std::vector<Fp> unit(claims.size());
          unit[i] = Fp(1);
          rho[i] = weights.Combine(unit);
        }
      });
  std::vector<Fp>& values = openings.opened()[reduction.layer];
  values[reduction.first] += rho[1];
  values[reduction.first + 1] -= rho[0];
  EXPECT_TRUE(openings.Verify([](std::size_t, std::vector<Fp>&) {}, 1));
  EXPECT_FALSE(openings.Verify([](std::size_t, std::vector<Fp>&) {}, 2));
  openings.opened() = honest;
}

INSTANTIATE_TEST_SUITE_P(Committees, Verification, testing::Values(4, 7),
                         [](const auto& n) { return "n" + std::to_string(n.param); });

TEST(CompressionSizes, AreFewForAnyNumberOfPairs) {
  const auto sizes = [](std::uint64_t pairs) { return CompressionSizes(pairs); };
  EXPECT_EQ(sizes(0), (std::vector<std::size_t>{30, 2}));
  EXPECT_EQ(sizes(1), (std::vector<std::size_t>{30, 2}));
  EXPECT_EQ(sizes(17), (std::vector<std::size_t>{30, 4}));
  EXPECT_EQ(sizes(16 * 2048), (std::vector<std::size_t>{30, 4096}));
  EXPECT_EQ(sizes(16 * 2048 + 1), (std::vector<std::size_t>{30, 126, 66}));
  EXPECT_EQ(sizes(3'000'000), (std::vector<std::size_t>{30, 126, 126, 2 * 46}));
  EXPECT_EQ(sizes(500'000'000).size(), 5u);
}

// More pairs than one piece and a step in the middle: long rows of products of masks.
TEST(Compression, TakesThreeStepsForManyPairs) {
  Dealer dealer(4, 12);
  Plan plan = EveryKindPlan();
  // kRowDot of one wire with itself, 40,000 columns.
  Op embed = plan.ops[0];
  Plan wide;
  wide.tokens = plan.tokens;
  wide.vocabulary = plan.vocabulary;
  wide.digit_bits_high = 1;
  wide.digit_bits_low = 2;
  wide.ops = {embed};
  Op open;
  open.kind = OpKind::kOpen;
  open.inputs = {0};
  open.rows = 1;
  open.cols = 40'000;
  open.wire = true;
  wide.ops.push_back(open);
  Op dot;
  dot.kind = OpKind::kRowDot;
  dot.inputs = {1, 1};
  dot.rows = dot.cols = 1;
  wide.ops.push_back(dot);
  Openings openings(dealer, wide, 1);
  openings.OpenAll();
  ASSERT_EQ(CompressionSizes(openings.layers().pairs()).size(), 3u);
  EXPECT_TRUE(openings.Verify());
  for (std::size_t liar_step = 0; liar_step < 3; ++liar_step) {
    EXPECT_FALSE(openings.Verify([&](std::size_t step, std::vector<Fp>& values) {
      if (step == liar_step) values.back() += Fp(1);
    }));
  }
  openings.opened()[0].back() += Fp(1);
  EXPECT_FALSE(openings.Verify());
}

TEST(Nodes, InterpolateThroughOneToM) {
  for (const std::size_t count : {1u, 2u, 5u, 40u}) {
    const Nodes nodes(count);
    std::vector<Fp> polynomial;
    for (std::size_t i = 0; i < count; ++i) polynomial.push_back(Fp(7).Power(1000 + i));
    const auto at = [&](Fp z) {
      Fp value;
      for (std::size_t i = count; i-- > 0;) value = value * z + polynomial[i];
      return value;
    };
    for (const Fp z :
         {Fp(0), Fp(1), Fp(static_cast<std::int64_t>(count)), Fp(99), Fp(3).Power(99)}) {
      const std::vector<Fp> coefficients = nodes.At(z);
      Fp value;
      for (std::size_t j = 0; j < count; ++j) {
        value += coefficients[j] * at(Fp(static_cast<std::int64_t>(j + 1)));
      }
      EXPECT_EQ(value, at(z));
    }
  }
}

}  // namespace
}  // namespace mpc
