#include "mpc/plan/cost.h"

#include <gtest/gtest.h>

#include "mpc/preprocessing/bundle.h"
#include "mpc/preprocessing/layers.h"
#include "tests/unit/mpc/plan/small_plan.h"

namespace mpc {
namespace {

TEST(Cost, CountsWhatTheDesignCounts) {
  const Cost cost = CountCost(SmallPlan(), proto::Committee(4));
  EXPECT_EQ(cost.openings, 18u);
  EXPECT_EQ(cost.rounds, 3u);
  EXPECT_EQ(cost.online_bytes, 18u * 192);
  EXPECT_GT(cost.leakage_bits, kLeakageBitsMin);
}

// The counter and the preprocessor read the same plan.
TEST(Cost, AgreesWithThePreprocessor) {
  for (const auto& [size, sets] : {std::pair{4, 4}, {7, 21}, {10, 120}, {13, 715}}) {
    for (const std::uint32_t high : {0u, 1u, 3u, 4u}) {
      for (const std::size_t harmonics : {1u, 2u, 5u, 12u, 32u}) {
        Plan plan = SmallPlan();
        plan.digit_bits_high = high;
        plan.digit_bits_low = 3;
        plan.ops[4].series.poly.push_back(7);
        plan.ops[4].series.cosine.assign(harmonics, 1);
        plan.ops[4].series.sine.assign(harmonics, 1);
        ASSERT_TRUE(Validate(plan));
        const Cost cost = CountCost(plan, proto::Committee(static_cast<std::uint16_t>(size)));
        const Layers layers(plan, static_cast<std::size_t>(sets));
        ASSERT_EQ(cost.products.size(), layers.depth());
        for (std::uint32_t l = 0; l < layers.depth(); ++l) {
          EXPECT_EQ(cost.products[l], layers.size(l)) << size << " layer " << l;
        }
        std::size_t shares = 0;
        for (TensorId id = 0; id < plan.ops.size(); ++id) shares += SlotSize(plan, id);
        EXPECT_EQ(cost.bundle_bytes, shares * 16);
      }
    }
  }
}

}  // namespace
}  // namespace mpc
