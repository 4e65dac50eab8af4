// Seven validators, t = 2: with one that lies in every opening and another killed with SIGKILL, the
// question is answered, the answer is right, and the liar is named on the ledger.

#include <gtest/gtest.h>

#include "tests/e2e/network.h"

namespace e2e {
namespace {

constexpr char kText[] = "a warm and funny film";

TEST(SevenValidators, AnswerThoughOneLiesAndAnotherIsKilled) {
  const auto network = Network::Start("opening", 1, DealTo(7));
  ASSERT_TRUE(network) << network.error().message;
  const std::size_t killed = 2;
  const auto before = (*network)->Kill(killed);
  ASSERT_TRUE(before) << before.error().message;
  const auto answer = (*network)->Ask(kText);
  ASSERT_TRUE(answer) << answer.error().message;
  EXPECT_LT((*network)->Error(kText, *answer), 0.02);
  const auto& validators = (*network)->genesis().validators;
  std::vector<std::string> named;
  for (const auto& entry : answer->record["named"]) named.push_back(entry.value("party", ""));
  EXPECT_EQ(named, std::vector<std::string>{validators.back().name}) << answer->record;
  for (const auto& paid : answer->record["paid"]) {
    EXPECT_NE(paid.get<std::string>(), validators[killed].name);
  }
  const auto again = (*network)->Restart(killed);
  EXPECT_TRUE(again) << again.error().message;
}

}  // namespace
}  // namespace e2e
