#include "node/loop/delay_line.h"

#include <atomic>
#include <future>
#include <vector>

#include <gtest/gtest.h>

namespace node {
namespace {

using std::chrono::milliseconds;

TEST(DelayLine, DeliversInOrderAndNotBeforeTheTime) {
  DelayLine line(milliseconds(30));
  std::vector<int> order;  // The line's thread alone writes it, before the promise.
  std::promise<void> all;
  const auto start = std::chrono::steady_clock::now();
  for (int i = 0; i < 5; ++i) {
    line.Push([&, i] {
      order.push_back(i);
      if (i == 4) all.set_value();
    });
  }
  all.get_future().wait();
  EXPECT_GE(std::chrono::steady_clock::now() - start, milliseconds(30));
  EXPECT_EQ(order, (std::vector<int>{0, 1, 2, 3, 4}));
}

TEST(DelayLine, LosesWhatItHoldsWhenItStops) {
  std::atomic<bool> delivered = false;
  DelayLine line(std::chrono::hours(1));
  line.Push([&] { delivered = true; });
  line.Stop();
  EXPECT_FALSE(delivered);
}

}  // namespace
}  // namespace node
