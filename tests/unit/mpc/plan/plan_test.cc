#include "mpc/plan/plan.h"

#include <algorithm>
#include <cmath>
#include <functional>

#include <gtest/gtest.h>

#include "mpc/plan/schedule.h"
#include "tests/unit/mpc/plan/small_plan.h"

namespace mpc {
namespace {

TEST(Plan, RoundTripsThroughItsBytes) {
  const Plan plan = SmallPlan();
  ASSERT_TRUE(Validate(plan)) << Validate(plan).error().message;
  const proto::Bytes bytes = EncodePlan(plan);
  const auto decoded = DecodePlan(bytes);
  ASSERT_TRUE(decoded) << decoded.error().message;
  EXPECT_EQ(EncodePlan(*decoded), bytes);
  EXPECT_EQ(decoded->ops[4].series, plan.ops[4].series);
  EXPECT_TRUE(decoded->constants[0].values == plan.constants[0].values);
  EXPECT_EQ(decoded->labels, plan.labels);
}

TEST(Plan, EveryByteCounts) {
  const proto::Bytes bytes = EncodePlan(SmallPlan());
  const proto::Digest digest = PlanDigest(bytes);
  for (std::size_t size = 0; size < bytes.size(); ++size) {
    EXPECT_FALSE(DecodePlan(proto::ByteSpan(bytes).first(size))) << size;
  }
  proto::Bytes longer = bytes;
  longer.push_back(0);
  EXPECT_FALSE(DecodePlan(longer));
  // A changed byte is refused, or makes another plan with another digest; it never crashes.
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    for (const int flip : {0x01, 0x80, 0xff}) {
      proto::Bytes changed = bytes;
      changed[i] = static_cast<std::uint8_t>(changed[i] ^ flip);
      const auto decoded = DecodePlan(changed);
      if (!decoded) continue;
      EXPECT_EQ(EncodePlan(*decoded), changed) << i;
      EXPECT_NE(PlanDigest(changed), digest);
    }
  }
}

TEST(Plan, ConstantsTakeAsFewBytesAsTheyNeed) {
  Plan plan = SmallPlan();
  std::vector<std::size_t> sizes;
  for (const std::int32_t largest : {127, -128, 128, 32767, -32768, 32768, 2147483647}) {
    std::vector<std::int32_t> values(plan.constants[0].values.size());
    for (std::size_t i = 0; i < values.size(); ++i) values[i] = i % 2 == 0 ? 5 : -5;
    values[0] = largest;
    plan.constants[0].values = values;
    const proto::Bytes bytes = EncodePlan(plan);
    const auto decoded = DecodePlan(bytes);
    ASSERT_TRUE(decoded) << decoded.error().message;
    EXPECT_TRUE(decoded->constants[0].values == plan.constants[0].values);
    sizes.push_back(bytes.size());
  }
  const std::size_t count = plan.constants[0].values.size();
  const std::vector<std::size_t> more = {0, 0, count, count, count, 3 * count, 3 * count};
  for (std::size_t i = 0; i < sizes.size(); ++i) EXPECT_EQ(sizes[i], sizes[0] + more[i]) << i;
}

// Large constants begin on pages and are read where they lie; what fills up must be zeros.
TEST(Plan, LargeConstantsStayInTheirBytes) {
  Plan plan = SmallPlan();
  std::vector<std::int32_t> table(3 * kPlanPage / 2);
  for (std::size_t i = 0; i < table.size(); ++i)
    table[i] = static_cast<std::int32_t>(i % 200) - 100;
  plan.constants.push_back({1, static_cast<std::uint32_t>(table.size()), 0, table});
  for (std::int32_t& value : table) value *= 300;
  plan.constants.push_back({static_cast<std::uint32_t>(table.size()), 1, 0, table});
  const proto::SharedBytes bytes(EncodePlan(plan));
  EXPECT_EQ(bytes.size() % kPlanPage, 2 * table.size() % kPlanPage);
  const auto decoded = DecodePlan(bytes);
  ASSERT_TRUE(decoded) << decoded.error().message;
  for (const std::size_t i : {plan.constants.size() - 2, plan.constants.size() - 1}) {
    const PackedIntegers& values = decoded->constants[i].values;
    EXPECT_TRUE(values == plan.constants[i].values);
    const auto offset = static_cast<std::size_t>(values.bytes().data() - bytes.span().data());
    EXPECT_LT(offset, bytes.size());
    EXPECT_EQ(offset % kPlanPage, 0u);
    proto::Bytes changed(bytes.span().begin(), bytes.span().end());
    changed[offset - 1] = 1;
    EXPECT_FALSE(DecodePlan(changed));
    EXPECT_FALSE(DecodePlan(bytes.span().first(offset)));
  }
  EXPECT_TRUE(std::ranges::equal(EncodePlan(*decoded), bytes.span()));
  EXPECT_FALSE(DecodePlan(bytes.span().first(bytes.size() - 1)));
  proto::Bytes longer(bytes.span().begin(), bytes.span().end());
  longer.push_back(0);
  EXPECT_FALSE(DecodePlan(longer));
  // In more bytes than it takes: another plan's, so not accepted.
  Plan wide = SmallPlan();
  wide.constants[0].values =
      PackedIntegers(4, proto::SharedBytes(proto::Bytes(4 * wide.constants[0].values.size())));
  EXPECT_FALSE(DecodePlan(EncodePlan(wide)));
}

TEST(Plan, FlagsAreTheEndOfTheOutput) {
  Plan plan = SmallPlan();
  plan.flags = static_cast<std::uint32_t>(plan.ops.back().size());
  EXPECT_FALSE(Validate(plan));  // Nothing else.
  plan.flags = 1;
  EXPECT_FALSE(Validate(plan));  // More than a column, and labels for all.
}

TEST(Plan, ValidateRefusesWhatAReaderCouldNotRun) {
  struct Case {
    const char* what;
    std::function<void(Plan&)> spoil;
  };
  const Case cases[] = {
      {"no operation", [](Plan& p) { p.ops.clear(); }},
      {"zero tokens", [](Plan& p) { p.tokens = 0; }},
      {"vocabulary beyond the digits", [](Plan& p) { p.digit_bits_low = 1; }},
      {"digits beyond the limit", [](Plan& p) { p.digit_bits_high = 60; }},
      {"forward reference", [](Plan& p) { p.ops[2].inputs[0] = 5; }},
      {"reference past the end", [](Plan& p) { p.ops[2].inputs[0] = 1000; }},
      {"shape", [](Plan& p) { p.ops[2].cols = 3; }},
      {"zero rows", [](Plan& p) { p.ops[3].rows = 0; }},
      {"huge rows", [](Plan& p) { p.ops[3].rows = 0xffffffff; }},
      {"frac of a linear", [](Plan& p) { p.ops[2].frac = 15; }},
      {"weight index", [](Plan& p) { p.ops[2].weight = 7; }},
      {"bias index", [](Plan& p) { p.ops[2].bias = 7; }},
      {"bias length", [](Plan& p) { p.wide_constants[0].values.pop_back(); }},
      {"constant length",
       [](Plan& p) {
         p.constants[1].values = {1, 2, 3};
       }},
      {"constant value",
       [](Plan& p) {
         p.constants[1].values = {INT32_MIN, 1, 2, 3};
       }},
      {"opened bound", [](Plan& p) { p.ops[2].bits = kOpenBits + 1; }},
      {"a range beyond the field", [](Plan& p) { p.ops[6].bits = 127; }},
      {"drop", [](Plan& p) { p.ops[3].drop = 17; }},
      {"open of a wire", [](Plan& p) { p.ops[3].inputs[0] = 1; }},
      {"open gives a wire", [](Plan& p) { p.ops[3].wire = false; }},
      {"series of a stale wire",
       [](Plan& p) {
         p.ops[3].kind = OpKind::kRows;
         p.ops[3].inputs[0] = 1;
         p.ops[3].drop = 0;
       }},
      {"series of a sharing", [](Plan& p) { p.ops[4].inputs[0] = 2; }},
      {"period", [](Plan& p) { p.ops[4].series.period = 0; }},
      {"phase bits", [](Plan& p) { p.ops[4].series.phase_bits = 41; }},
      {"sine", [](Plan& p) { p.ops[4].series.sine.clear(); }},
      {"harmonics",
       [](Plan& p) {
         p.ops[4].series.cosine.assign(33, 1);
         p.ops[4].series.sine.assign(33, 1);
       }},
      {"poly degree", [](Plan& p) { p.ops[4].series.poly.assign(4, 1); }},
      {"product of a sharing", [](Plan& p) { p.ops[6].inputs[1] = 4; }},
      {"row outside", [](Plan& p) { p.ops[7].begin = 3; }},
      {"unknown kind", [](Plan& p) { p.ops[6].kind = static_cast<OpKind>(99); }},
      {"second embedding", [](Plan& p) { p.ops[3].kind = OpKind::kEmbed; }},
      {"no output", [](Plan& p) { p.ops.pop_back(); }},
      {"labels", [](Plan& p) { p.labels.push_back("maybe"); }},
      {"long name", [](Plan& p) { p.ops[1].name.assign(1000, 'x'); }},
  };
  for (const Case& c : cases) {
    Plan plan = SmallPlan();
    c.spoil(plan);
    EXPECT_FALSE(Validate(plan)) << c.what;
  }
}

TEST(Plan, OpeningsAreGroupedByDepth) {
  Plan plan = SmallPlan();
  const auto rounds = OpeningRounds(plan);
  const std::vector<std::vector<TensorId>> expected = {{1}, {3}, {5}};
  EXPECT_EQ(rounds, expected);
  // An opening that depends on none goes to the first round, wherever it stands.
  plan.ops.insert(plan.ops.begin() + 6, plan.ops[1]);
  const std::vector<std::vector<TensorId>> with_late = {{1, 6}, {3}, {5}};
  EXPECT_EQ(OpeningRounds(plan), with_late);
}

TEST(Plan, LeakageSumsOverAllOpenedValues) {
  // 6 values each: bounds of the opened sharings are 10, 20 and 34 bits.
  const double distance = 6 * (std::exp2(11 - 123) + std::exp2(21 - 123) + std::exp2(35 - 123));
  EXPECT_NEAR(LeakageBits(SmallPlan(), 123), -std::log2(distance), 1e-9);
  EXPECT_NEAR(LeakageBits(SmallPlan(), 115), -std::log2(distance) - 8, 1e-9);
}

}  // namespace
}  // namespace mpc
