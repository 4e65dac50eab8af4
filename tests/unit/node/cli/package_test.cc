#include "node/cli/package.h"

#include <string>

#include <gtest/gtest.h>

#include "mpc/preprocessing/attempt.h"
#include "node/cli/model_files.h"

namespace node {
namespace {

class PackageTest : public testing::TestWithParam<std::uint16_t> {};

// More members, more products of phases: what would leak too much with one committee's phases must
// be compiled with fewer bits of them, not refused.
TEST_P(PackageTest, ShippedModelSuitsEveryCommittee) {
  const auto model = ReadModel(SOURCE_DIR "/tests/models/sentiment", "", "");
  ASSERT_TRUE(model) << model.error().message;
  const proto::Committee committee(GetParam());
  PackageOptions options;
  options.tokens = {8};
  const auto package =
      MakePackage(*model, committee, proto::PublicKey{}, options, [](const std::string&) {});
  ASSERT_TRUE(package) << package.error().message;
  ASSERT_EQ(package->plans.size(), 1u);
  EXPECT_TRUE(mpc::CheckPreprocessing(package->plans[0], committee));
  EXPECT_GE(mpc::PreprocessingLeakageBits(package->plans[0], committee), mpc::kLeakageBitsMin);
  EXPECT_GE(package->costs[0].leakage_bits, mpc::kLeakageBitsMin);
}

INSTANTIATE_TEST_SUITE_P(Members, PackageTest, testing::Values(4, 7, 10, 13),
                         testing::PrintToStringParamName());

}  // namespace
}  // namespace node
