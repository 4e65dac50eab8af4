// kill -9 of one validator after another, at random moments, while questions are asked: all are
// answered, all right, and whoever was killed catches up.

#include <atomic>
#include <chrono>
#include <cstdlib>
#include <random>
#include <thread>

#include <gtest/gtest.h>

#include "tests/e2e/network.h"

namespace e2e {
namespace {

const char* const kTexts[] = {"a warm and funny film", "dull, long and badly acted",
                              "i would see it again", "the jokes fall flat",
                              "a masterpiece of its kind"};

TEST(Crash, KilledValidatorsCostNoAnswer) {
  const char* requested = std::getenv("WAXSEAL_CRASH_REQUESTS");
  const int requests = requested != nullptr ? std::atoi(requested) : 3;
  const char* given = std::getenv("WAXSEAL_SEED");
  const auto seed = given != nullptr ? std::strtoull(given, nullptr, 10) : std::random_device()();
  SCOPED_TRACE("WAXSEAL_SEED=" + std::to_string(seed));
  const auto network = Network::Start("", 1);
  ASSERT_TRUE(network) << network.error().message;
  std::mt19937_64 random(seed);
  std::atomic<bool> done = false;
  std::atomic<int> kills = 0;
  std::string trouble;
  std::thread killer([&] {
    while (!done) {
      std::this_thread::sleep_for(std::chrono::milliseconds(random() % 4000));
      const std::size_t victim = random() % (*network)->genesis().validators.size();
      if (auto killed = (*network)->Kill(victim); !killed) trouble = killed.error().message;
      ++kills;
      std::this_thread::sleep_for(std::chrono::milliseconds(random() % 1500));
      if (auto restarted = (*network)->Restart(victim); !restarted) {
        trouble = restarted.error().message;
        return;
      }
    }
  });
  for (int i = 0; i < requests; ++i) {
    const std::string text = kTexts[i % std::size(kTexts)];
    const auto answer = (*network)->Ask(text);
    EXPECT_TRUE(answer) << (answer ? "" : answer.error().message);
    if (answer) {
      EXPECT_LT((*network)->Error(text, *answer), 0.02);
    }
  }
  done = true;
  killer.join();
  EXPECT_EQ(trouble, "");
  EXPECT_GT(kills, 0);
}

}  // namespace
}  // namespace e2e
