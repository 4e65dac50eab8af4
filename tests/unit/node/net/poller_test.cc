#include "node/net/poller.h"

#include <array>
#include <atomic>
#include <future>

#include <gtest/gtest.h>

namespace node {
namespace {

using std::chrono::milliseconds;

// Of each thread in its order, whether the poller waits or not.
TEST(Poller, RunsWhatEveryThreadPosts) {
  constexpr int kThreads = 4;
  constexpr int kPosts = 2000;
  Poller poller(std::make_unique<grpc::CompletionQueue>());
  std::array<int, kThreads> next{};  // The poller's thread's.
  std::atomic<int> wrong = 0;
  std::atomic<int> left = kThreads * kPosts;
  std::promise<void> done;
  poller.Post([&] { next.fill(0); });  // Before it starts.
  poller.Start();
  std::vector<std::thread> threads;
  for (int t = 0; t < kThreads; ++t) {
    threads.emplace_back([&, t] {
      for (int i = 0; i < kPosts; ++i) {
        poller.Post([&, t, i] {
          wrong += next[static_cast<std::size_t>(t)]++ != i;
          if (--left == 0) done.set_value();
        });
        if (i % 100 == 0) std::this_thread::sleep_for(milliseconds(1));  // It falls asleep.
      }
    });
  }
  for (auto& thread : threads) thread.join();
  EXPECT_EQ(done.get_future().wait_for(std::chrono::seconds(60)), std::future_status::ready);
  poller.Stop();
  EXPECT_EQ(wrong, 0);
}

TEST(Poller, TimersEndInTheirOrderAndNotWhenCancelled) {
  Poller poller(std::make_unique<grpc::CompletionQueue>());
  std::vector<int> ended;
  std::promise<void> done;
  poller.Post([&] {
    poller.After(milliseconds(60),
                 [&] { poller.After(milliseconds(0), [&] { done.set_value(); }); });
    poller.After(milliseconds(30), [&] { ended.push_back(30); });
    const auto cancelled = poller.After(milliseconds(20), [&] { ended.push_back(20); });
    poller.After(milliseconds(10), [&, cancelled] {
      ended.push_back(10);
      poller.Cancel(cancelled);
    });
  });
  poller.Start();
  EXPECT_EQ(done.get_future().wait_for(std::chrono::seconds(60)), std::future_status::ready);
  poller.Stop();
  EXPECT_EQ(ended, (std::vector<int>{10, 30}));
}

TEST(Poller, WhatIsPostedAfterItsEndIsNotRun) {
  Poller poller(std::make_unique<grpc::CompletionQueue>());
  poller.Start();
  poller.Stop();
  poller.Post([] { ADD_FAILURE(); });
  Poller never(std::make_unique<grpc::CompletionQueue>());
  never.Post([] { ADD_FAILURE(); });
  never.Stop();
  never.Stop();
}

}  // namespace
}  // namespace node
