#include <gtest/gtest.h>

#include "mpc/model/load.h"
#include "tests/unit/mpc/model/files.h"
#include "tests/unit/mpc/model/small_model.h"

namespace mpc {
namespace {

using Ids = std::vector<std::uint32_t>;

void ExpectNear(const std::vector<double>& got, const std::vector<double>& want, double bound) {
  ASSERT_EQ(got.size(), want.size());
  for (std::size_t i = 0; i < got.size(); ++i) EXPECT_NEAR(got[i], want[i], bound) << i;
}

// Logits from PyTorch 1.13 on the same weights.
TEST(Bert, EqualsPyTorchOnASmallModel) {
  const SmallModelFiles small;
  const auto model = LoadFloatModel(small.files());
  ASSERT_TRUE(model) << model.error().message;
  ExpectNear(model->Logits({1}), {-1.4883114, 1.6578984, -0.9080033}, 2e-6);
  ExpectNear(model->Logits({3, 0, 10}), {0.3766655, -1.3172653, 0.4777663}, 2e-6);
  ExpectNear(model->Logits({5, 4, 3, 2, 1, 0}), {0.9218223, 0.1324900, -0.6215375}, 2e-6);
}

TEST(Bert, EqualsPyTorchOnATrainedModel) {
  const auto config = ReadData("models/bert-tiny-sst2/config.json");
  const auto weights = ReadData("models/bert-tiny-sst2/model.safetensors");
  if (!config || !weights) GTEST_SKIP() << "needs models/bert-tiny-sst2 under WAXSEAL_DATA";
  const auto model = LoadFloatModel({*config, {*weights}});
  ASSERT_TRUE(model) << model.error().message;
  EXPECT_EQ(model->config.labels, (std::vector<std::string>{"negative", "positive"}));
  ExpectNear(
      model->Logits({101, 2009, 1005, 1055, 1037, 11951, 1998, 2411, 12473, 4990, 1012, 102}),
      {-2.0112782, 2.0990648}, 1e-5);
  ExpectNear(model->Logits({101, 4895, 10258, 2378, 8450, 2135, 21657, 1998, 7143, 102}),
             {1.0807638, -0.6506335}, 1e-5);
  ExpectNear(model->Logits({101, 102}), {-0.2000116, 0.6338632}, 1e-5);
}

TEST(Bert, NamesTheTensorThatIsMissingOrMisshapen) {
  for (const auto& [name, shape] : SmallModelShapes()) {
    SafetensorsWriter without, misshapen;
    for (const auto& [other, sides] : SmallModelShapes()) {
      std::uint64_t size = 1;
      for (const std::uint64_t side : sides) size *= side;
      const std::vector<float> values(size, 0.5);
      if (other != name) without.Add(other, sides, values);
      misshapen.Add(other, other == name ? std::vector<std::uint64_t>{size, 1, 1} : sides, values);
    }
    for (const SafetensorsWriter* writer : {&without, &misshapen}) {
      const SmallModelFiles small;
      const proto::Bytes bytes = writer->Finish();
      ModelFiles files = small.files();
      files.safetensors = {bytes};
      const auto model = LoadFloatModel(files);
      ASSERT_FALSE(model) << name;
      EXPECT_NE(model.error().message.find(name), std::string::npos) << model.error().message;
    }
  }
}

}  // namespace
}  // namespace mpc
