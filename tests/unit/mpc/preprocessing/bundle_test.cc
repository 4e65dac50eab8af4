#include "mpc/preprocessing/bundle.h"

#include <algorithm>

#include <gtest/gtest.h>

#include "tests/unit/mpc/dealer.h"
#include "tests/unit/mpc/every_kind_plan.h"

namespace mpc {
namespace {

proto::Result<Bundle> Open(const Plan& plan, proto::Bytes bytes, const Segment& segment = {}) {
  const std::vector<BundlePart> parts = {{segment, proto::SharedBytes(std::move(bytes))}};
  return OpenBundle(plan, parts);
}

void ExpectSlots(const Plan& plan, const Bundle& bundle, const Bundle& expected) {
  for (TensorId id = 0; id < plan.ops.size(); ++id) {
    EXPECT_TRUE(std::ranges::equal(bundle.Slot(id), expected.slots[id])) << id;
  }
}

TEST(Bundle, ComesBackAsItWas) {
  Dealer dealer(4, 3);
  const Plan plan = EveryKindPlan();
  const Bundle bundle = dealer.Deal(plan, 9).bundles[2];
  const auto decoded = Open(plan, EncodeBundle(bundle));
  ASSERT_TRUE(decoded.has_value());
  EXPECT_EQ(decoded->epoch, bundle.epoch);
  EXPECT_EQ(decoded->attempt, 9u);
  EXPECT_EQ(decoded->plan, bundle.plan);
  ExpectSlots(plan, *decoded, bundle);
}

// The bundle of a segment: the other operations' slots are empty.
Bundle PartOf(Bundle bundle, const Segment& segment) {
  for (TensorId id = 0; id < bundle.slots.size(); ++id) {
    if (!segment.Has(id)) bundle.slots[id].clear();
  }
  return bundle;
}

TEST(Bundle, ComesBackFromParts) {
  Dealer dealer(4, 3);
  const Plan plan = EveryKindPlan();
  const Bundle bundle = dealer.Deal(plan, 9).bundles[2];
  std::vector<BundlePart> parts;
  for (const Segment& segment : CutPlan(plan, 4, 30, 9)) {
    Bundle part = PartOf(bundle, segment);
    part.attempt = 9 + parts.size();
    parts.push_back({segment, proto::SharedBytes(EncodeBundle(part))});
  }
  ASSERT_GT(parts.size(), 2u);
  const auto whole = OpenBundle(plan, parts);
  ASSERT_TRUE(whole.has_value()) << whole.error().message;
  EXPECT_EQ(whole->attempt, 9u);
  ExpectSlots(plan, *whole, bundle);

  const std::vector<BundlePart> ends = {parts.front(), parts.back()};
  const auto some = OpenBundle(plan, ends);
  ASSERT_TRUE(some.has_value());
  EXPECT_TRUE(std::ranges::equal(some->Slot(0), bundle.slots[0]));
  EXPECT_TRUE(some->Slot(parts[1].segment.begin).empty());

  Bundle other = PartOf(bundle, ends[1].segment);
  other.epoch += 1;
  const std::vector<BundlePart> mixed = {
      ends[0], {ends[1].segment, proto::SharedBytes(EncodeBundle(other))}};
  EXPECT_FALSE(OpenBundle(plan, mixed).has_value());
  std::swap(parts[0].bytes, parts[1].bytes);
  EXPECT_FALSE(OpenBundle(plan, parts).has_value());
}

TEST(Bundle, DamageIsFound) {
  Dealer dealer(4, 3);
  const Plan plan = EveryKindPlan();
  const proto::Bytes bytes = EncodeBundle(dealer.Deal(plan).bundles[0]);
  for (std::size_t at = 0; at < bytes.size(); at += 97) {
    proto::Bytes damaged = bytes;
    damaged[at] ^= 0x10;
    const auto decoded = Open(plan, damaged);
    ASSERT_FALSE(decoded.has_value()) << "byte " << at;
    EXPECT_EQ(decoded.error().code, proto::ErrorCode::kCorrupt);
  }
  for (const std::size_t size : {std::size_t{0}, std::size_t{55}, bytes.size() - 1}) {
    EXPECT_FALSE(
        Open(plan, {bytes.begin(), bytes.begin() + static_cast<std::ptrdiff_t>(size)}).has_value());
  }
  proto::Bytes longer = bytes;
  longer.push_back(0);
  EXPECT_FALSE(Open(plan, longer).has_value());
}

TEST(Bundle, BelongsToItsPlan) {
  Dealer dealer(4, 3);
  const Plan plan = EveryKindPlan();
  const proto::Bytes bytes = EncodeBundle(dealer.Deal(plan).bundles[0]);
  Plan other = plan;
  other.tokens = 4;
  EXPECT_FALSE(Open(other, bytes).has_value());
}

}  // namespace
}  // namespace mpc
