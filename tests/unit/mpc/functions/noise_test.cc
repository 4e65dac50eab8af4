#include "mpc/functions/noise.h"

#include <cmath>
#include <numbers>
#include <random>

#include <gtest/gtest.h>

#include "mpc/model/builder.h"
#include "mpc/model/select.h"
#include "mpc/plan/evaluate.h"
#include "tests/unit/mpc/private_run.h"

namespace mpc {
namespace {

class GumbelParts : public testing::TestWithParam<unsigned> {};
INSTANTIATE_TEST_SUITE_P(Parts, GumbelParts, testing::Values(1, 4, 21));

TEST_P(GumbelParts, AddUpToGumbelNoise) {
  const unsigned parts = GetParam();
  const std::vector<double> table = GumbelPartQuantiles(parts, 1 << 14);
  double mean = 0, square = 0;
  for (const double x : table) {
    mean += x / static_cast<double>(table.size());
    square += x * x / static_cast<double>(table.size());
  }
  EXPECT_NEAR(mean * parts, std::numbers::egamma, 0.01);
  EXPECT_NEAR((square - mean * mean) * parts, std::numbers::pi * std::numbers::pi / 6, 0.02);
  // P(G <= x) = exp(-exp(-x)).
  std::mt19937_64 random(parts);
  constexpr int kDraws = 40000;
  for (const double x : {-1.0, 0.0, 1.0, 2.0, 4.0}) {
    int below = 0;
    for (int i = 0; i < kDraws; ++i) {
      double sum = 0;
      for (unsigned p = 0; p < parts; ++p) sum += table[random() % table.size()];
      below += sum <= x ? 1 : 0;
    }
    const double wanted = std::exp(-std::exp(-x));
    EXPECT_NEAR(static_cast<double>(below) / kDraws, wanted,
                0.002 + 4 * std::sqrt(wanted * (1 - wanted) / kDraws))
        << x;
  }
}

constexpr std::uint32_t kTokens = 4;
const std::vector<double> kLogits = {1.0, 0.0, 2.0, -1.0};

// The greatest of four logits with noise; the logits are row 0 of the table.
Plan Sampling(double temperature) {
  Plan head;
  head.architecture = "sampling";
  head.tokens = 1;
  head.vocabulary = 2;
  head.digit_bits_high = 1;
  BuilderOptions options;
  PlanBuilder b(head, {{0}}, options);
  std::vector<double> table = kLogits;
  table.resize(2 * kTokens);
  std::vector<double> quantiles = GumbelPartQuantiles(4, 1 << 12);
  for (double& quantile : quantiles) quantile *= temperature;
  const TensorId logits = b.Embed(table, kTokens, 16, "logits");
  const TensorId sum =
      b.Add(logits, 1, b.Noise(quantiles, 1, kTokens, 16, "noise"), 1, 0, 16, "sum");
  b.SetBits(sum, 23);
  const TensorId wire = b.Open(sum, 10, "noisy");
  b.SetBits(wire, 17);
  const TensorId chosen = Argmax(b, b.Reshape(wire, kTokens, 1, "column"), "next");
  b.Output(chosen, "token");
  return b.Finish().value();
}

TEST(GumbelNoise, SamplesAsSoftmaxSays) {
  for (const double temperature : {0.7, 1.5}) {
    const Plan plan = Sampling(temperature);
    double total = 0;
    for (const double logit : kLogits) total += std::exp(logit / temperature);
    constexpr int kDraws = 4000;
    std::vector<int> counts(kTokens);
    for (int i = 0; i < kDraws; ++i) {
      ++counts.at(static_cast<std::size_t>(
          EvaluateFixed(plan, std::vector<std::uint32_t>{0}, 1000 + i).outputs[0]));
    }
    for (std::uint32_t token = 0; token < kTokens; ++token) {
      const double wanted = std::exp(kLogits[token] / temperature) / total;
      EXPECT_NEAR(static_cast<double>(counts[token]) / kDraws, wanted,
                  4 * std::sqrt(wanted * (1 - wanted) / kDraws))
          << token << " at " << temperature;
    }
  }
}

// Shares from keys alone: members agree on one token, another for another bundle.
TEST(GumbelNoise, IsMadeByTheMembersTogether) {
  const Plan plan = Sampling(1);
  std::vector<int> counts(kTokens);
  for (std::uint64_t seed = 1; seed <= 24; ++seed) {
    const auto token = RunPrivately(plan, {0}, 4, seed);
    ASSERT_EQ(token.size(), 1u);
    ASSERT_TRUE(token[0] >= 0 && token[0] < kTokens);
    ++counts[static_cast<std::size_t>(token[0])];
  }
  EXPECT_LT(*std::max_element(counts.begin(), counts.end()), 24);
}

}  // namespace
}  // namespace mpc
