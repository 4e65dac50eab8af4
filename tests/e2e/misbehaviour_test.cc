// One of four validators, a process of its own, lies or is silent: the answer is right and the liar
// is named on the ledger or in the client's report.

#include <gtest/gtest.h>

#include "tests/e2e/network.h"

namespace e2e {
namespace {

constexpr double kTolerance = 0.02;
constexpr char kText[] = "a warm and funny film";

bool IsNamed(const node::Answer& answer, const std::string& party) {
  for (const auto& entry : answer.record["named"]) {
    if (entry.value("party", "") == party) return true;
  }
  return false;
}

class Misbehaviour : public ::testing::TestWithParam<const char*> {};

TEST_P(Misbehaviour, IsSurvivedAndNamed) {
  const std::string way = GetParam();
  const auto network = Network::Start(way, 1);
  ASSERT_TRUE(network) << network.error().message;
  const auto answer = (*network)->Ask(kText);
  ASSERT_TRUE(answer) << answer.error().message;
  EXPECT_LT((*network)->Error(kText, *answer), kTolerance);
  const std::string liar = (*network)->genesis().validators.back().name;
  if (way == "masks") {
    EXPECT_EQ(answer->wrong_masks, std::vector<std::string>{liar});
  } else if (way == "opening") {
    EXPECT_TRUE(IsNamed(*answer, liar)) << answer->record;
  } else if (way == "batches") {
    // An attempt that it had a part in died, and its keys said who lied.
    const auto convicted = (*network)->client().WaitFor(
        "a dead attempt's culprit", std::chrono::seconds(60),
        [&]() -> proto::Result<std::optional<nlohmann::json>> {
          for (int id = 1; id <= 8; ++id) {
            auto record = (*network)->client().Any("attempt", {{"id", id}});
            if (!record || (*record)["culprits"].empty()) continue;
            return std::move(*record);
          }
          return std::nullopt;
        });
    ASSERT_TRUE(convicted) << convicted.error().message;
    ASSERT_EQ((*convicted)["culprits"].size(), 1u) << *convicted;
    EXPECT_EQ((*convicted)["culprits"][0].value("party", ""), liar);
  } else if (way == "output") {
    // The liar's post may be ordered after the honest ones have completed the request.
    const auto named = (*network)->client().WaitFor(
        "the liar to be named", std::chrono::seconds(30),
        [&]() -> proto::Result<std::optional<nlohmann::json>> {
          auto record = (*network)->client().Any("request", {{"id", answer->request}});
          if (!record) return tl::unexpected(record.error());
          if ((*record)["named"].empty()) return std::nullopt;
          return std::move(*record);
        });
    ASSERT_TRUE(named) << named.error().message;
    EXPECT_EQ((*named)["named"][0].value("party", ""), liar);
  } else {
    // Silence is no evidence: it earns nothing.
    for (const auto& paid : answer->record["paid"]) EXPECT_NE(paid.get<std::string>(), liar);
    EXPECT_FALSE(answer->record["paid"].empty());
  }
}

INSTANTIATE_TEST_SUITE_P(Ways, Misbehaviour,
                         ::testing::Values("opening", "output", "masks", "batches", "silent"),
                         [](const auto& way) { return std::string(way.param); });

}  // namespace
}  // namespace e2e
