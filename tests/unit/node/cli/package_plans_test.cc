#include <gtest/gtest.h>

#include "node/cli/package.h"
#include "tests/unit/mpc/plan/small_plan.h"
#include "tests/unit/node/inference/leaky_plan.h"

namespace node {
namespace {

Package With(const mpc::Plan& plan) {
  Package package;
  package.files = {proto::SharedBytes(mpc::EncodePlan(plan)),
                   proto::SharedBytes(proto::Bytes{1, 2, 3})};
  proto::Bucket bucket;
  bucket.tokens = plan.tokens;
  package.manifest.buckets = {bucket};
  return package;
}

// Before a model is put on the ledger its plans are refused when the committee could not serve them
// in private.
TEST(CheckPlans, RefusesWhatLeaksOrDoesNotFitTheField) {
  const proto::Committee committee(4);
  EXPECT_TRUE(CheckPlans(With(mpc::SmallPlan()), committee).has_value());

  const auto leaks = CheckPlans(With(test::LeakyPlan()), committee);
  ASSERT_FALSE(leaks.has_value());
  EXPECT_NE(leaks.error().message.find("would leak 2^-39.0"), std::string::npos)
      << leaks.error().message;

  mpc::Plan wide = mpc::SmallPlan();
  wide.ops[2].bits = mpc::kOpenBits + 1;  // Opened by the next operation.
  EXPECT_FALSE(CheckPlans(With(wide), committee).has_value());
  wide.ops[2].bits = 126;  // Beyond the field.
  EXPECT_FALSE(CheckPlans(With(wide), committee).has_value());

  Package garbled = With(mpc::SmallPlan());
  garbled.files[0] = garbled.files[0].Part(0, garbled.files[0].size() - 1);
  EXPECT_FALSE(CheckPlans(garbled, committee).has_value());
}

}  // namespace
}  // namespace node
