#include "mpc/preprocessing/bundle.h"

#include <gtest/gtest.h>

#include "tests/unit/mpc/dealer.h"
#include "tests/unit/mpc/every_kind_plan.h"

namespace mpc {
namespace {

TEST(Bundle, ComesBackAsItWas) {
  Dealer dealer(4, 3);
  const Plan plan = EveryKindPlan();
  const Bundle bundle = dealer.Deal(plan, 9).bundles[2];
  const auto decoded = DecodeBundle(plan, EncodeBundle(bundle));
  ASSERT_TRUE(decoded.has_value());
  EXPECT_EQ(decoded->epoch, bundle.epoch);
  EXPECT_EQ(decoded->attempt, 9u);
  EXPECT_EQ(decoded->plan, bundle.plan);
  EXPECT_EQ(decoded->slots, bundle.slots);
}

TEST(Bundle, DamageIsFound) {
  Dealer dealer(4, 3);
  const Plan plan = EveryKindPlan();
  const proto::Bytes bytes = EncodeBundle(dealer.Deal(plan).bundles[0]);
  for (std::size_t at = 0; at < bytes.size(); at += 97) {
    proto::Bytes damaged = bytes;
    damaged[at] ^= 0x10;
    const auto decoded = DecodeBundle(plan, damaged);
    ASSERT_FALSE(decoded.has_value()) << "byte " << at;
    EXPECT_EQ(decoded.error().code, proto::ErrorCode::kCorrupt);
  }
  for (const std::size_t size : {std::size_t{0}, std::size_t{55}, bytes.size() - 1}) {
    EXPECT_FALSE(DecodeBundle(plan, proto::ByteSpan(bytes).first(size)).has_value());
  }
  proto::Bytes longer = bytes;
  longer.push_back(0);
  EXPECT_FALSE(DecodeBundle(plan, longer).has_value());
}

TEST(Bundle, BelongsToItsPlan) {
  Dealer dealer(4, 3);
  const Plan plan = EveryKindPlan();
  const proto::Bytes bytes = EncodeBundle(dealer.Deal(plan).bundles[0]);
  Plan other = plan;
  other.tokens = 4;
  EXPECT_FALSE(DecodeBundle(other, bytes).has_value());
}

}  // namespace
}  // namespace mpc
