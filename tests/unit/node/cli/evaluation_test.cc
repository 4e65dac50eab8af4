// What `eval` and `model import` count as the same answer.
#include "node/cli/evaluation.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include <gtest/gtest.h>

#include "mpc/model/load.h"
#include "node/loop/files.h"
#include "proto/base/check.h"

namespace node {
namespace {

LocalModel Read(const std::string& name) {
  const std::string directory = SOURCE_DIR "/tests/vectors/models/" + name;
  const auto config = ReadFile(directory + "/config.json", 1 << 20);
  const auto weights = ReadFile(directory + "/model.safetensors", 1 << 20);
  CHECK(config && weights);
  auto model = mpc::LoadFloatModel({*config, {*weights}});
  auto numbers = mpc::Tokenizer::From({});
  CHECK(model && numbers);
  return {name, {}, std::move(*model), std::move(*numbers), {}, {}, {}};
}

// A mean's answer is the sum.
std::vector<double> SumOf(const LocalModel& model, const std::vector<std::uint32_t>& ids) {
  std::vector<double> values = model.reference.Logits(ids);
  for (double& value : values) value *= static_cast<double>(ids.size());
  return values;
}

TEST(Agreement, EmbeddingsAreTheSameByTheirCosine) {
  const LocalModel model = Read("bert-mean");
  const std::vector<std::uint32_t> ids = {2, 7, 9, 3};
  const std::vector<double> right = SumOf(model, ids);
  Agreement agreement;
  Compare(model, ids, std::nullopt, right, true, agreement);
  EXPECT_EQ(agreement.same, 1u);
  EXPECT_NEAR(agreement.least_cosine, 1, 1e-12);

  std::vector<double> other = right;
  other[0] += std::sqrt(std::inner_product(right.begin(), right.end(), right.begin(), 0.0));
  Compare(model, ids, std::nullopt, other, false, agreement);
  EXPECT_EQ(agreement.texts, 2u);
  EXPECT_EQ(agreement.same, 1u);
  EXPECT_LT(agreement.least_cosine, Agreement::kCosine);
  EXPECT_EQ(agreement.flagged, 1u);
  EXPECT_EQ(agreement.flagged_wrong, 1u);
}

TEST(Agreement, LabelsAreTheSameByTheirBestLogit) {
  LocalModel model = Read("bert");
  model.reference.classifier.bias[0] += 5;  // No label in doubt.
  const std::vector<std::uint32_t> ids = {2, 7, 9, 3};
  std::vector<double> logits = model.reference.Logits(ids);
  Agreement agreement;
  Compare(model, ids, std::nullopt, logits, true, agreement);
  EXPECT_EQ(agreement.same, 1u);
  const auto worst = std::ranges::min_element(logits);
  *worst = *std::ranges::max_element(logits) + 1;
  Compare(model, ids, std::nullopt, logits, true, agreement);
  EXPECT_EQ(agreement.same, 1u);
  EXPECT_GT(agreement.worst_difference, 1);
}

}  // namespace
}  // namespace node
