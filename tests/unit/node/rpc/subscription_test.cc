#include "node/rpc/subscription.h"

#include <gtest/gtest.h>

namespace node {
namespace {

using proto::ErrorCode;
using proto::Fail;

// A chain of `height` blocks of which those up to `first` are gone, and an account.
struct World {
  std::uint64_t height = 0;
  std::uint64_t first = 1;
  std::uint64_t proven = 0;
  int balance = 5;
  int steps = 0;
  int calls = 0;

  proto::Result<Json> operator()(const std::string& method, const Json& params) {
    ++calls;
    if (method == "block") {
      const bool prove = params.value("prove", false);
      const auto at = params.value("height", prove ? proven : height);
      if (at < first || at > height) return Fail(ErrorCode::kNotFound, "there is no such block");
      if (!prove) return Json{{"height", at}};
      if (at > proven) return Fail(ErrorCode::kUnavailable, "not yet signed");
      return Json{{"answer", {{"height", at}}}, {"proof", "proof"}};
    }
    if (method == "request_progress") {
      const auto from = params.value("from", 0);
      Json list = Json::array();
      for (int i = from; i < std::min(steps, from + 10); ++i) list.push_back(i);
      return Json{{"steps", list}};
    }
    if (method == "request" && !params.contains("id")) {
      return Fail(ErrorCode::kInvalidArgument, "The parameter 'id' is missing.");
    }
    if (method == "request" && balance == 0) return Fail(ErrorCode::kNotFound, "not there");
    return Json{{"balance", balance}};
  }
};

class Subscribing : public testing::Test {
 protected:
  Subscription::Invoke invoke_ = [this](const std::string& method, const Json& params) {
    return world_(method, params);
  };
  // What is told until there is nothing more.
  std::vector<std::uint64_t> Heights(Subscription& subscription) {
    std::vector<std::uint64_t> heights;
    while (true) {
      const auto news = subscription.Next(invoke_);
      for (const Json& event : news.events) {
        const Json& answer = event["answer"];
        const Json& plain = answer.contains("proof") ? answer["answer"] : answer;
        heights.push_back(plain["height"]);
        EXPECT_EQ(event["next"], heights.back() + 1);
      }
      end_ = news.end;
      if (!news.more || news.end) return heights;
    }
  }
  World world_;
  std::optional<proto::Error> end_;
};

using Places = std::vector<std::uint64_t>;

TEST_F(Subscribing, EachBlockOnceFromTheNewestOn) {
  world_.height = 7;
  auto subscription = Subscription::Make("block", Json::object(), invoke_);
  ASSERT_TRUE(subscription.has_value());
  EXPECT_EQ(Heights(*subscription), Places{7});
  EXPECT_EQ(Heights(*subscription), Places{});
  world_.height = 10;
  EXPECT_EQ(Heights(*subscription), (Places{8, 9, 10}));
}

TEST_F(Subscribing, FromAnyPlaceTheLedgerHas) {
  world_.height = 50;
  auto subscription = Subscription::Make("block", {{"height", "3"}}, invoke_);
  const Places all = Heights(*subscription);
  ASSERT_EQ(all.size(), 48u);
  EXPECT_EQ(all.front(), 3u);
  EXPECT_EQ(all.back(), 50u);
  // One that is still to come.
  auto later = Subscription::Make("block", {{"height", 52}}, invoke_);
  EXPECT_EQ(Heights(*later), Places{});
  world_.height = 53;
  EXPECT_EQ(Heights(*later), (Places{52, 53}));
  world_.first = 20;
  const auto gone = Subscription::Make("block", {{"height", 3}}, invoke_);
  ASSERT_FALSE(gone.has_value());
  EXPECT_EQ(gone.error().code, ErrorCode::kNotFound);
}

TEST_F(Subscribing, ProvedBlocksComeWhenTheyAreProved) {
  world_.height = 4;
  world_.proven = 0;
  auto subscription = Subscription::Make("block", {{"prove", true}, {"height", 1}}, invoke_);
  ASSERT_TRUE(subscription.has_value());
  EXPECT_EQ(Heights(*subscription), Places{});
  world_.proven = 3;
  EXPECT_EQ(Heights(*subscription), (Places{1, 2, 3}));
  world_.proven = 4;
  EXPECT_EQ(Heights(*subscription), Places{4});
}

TEST_F(Subscribing, WhoReadsTooSlowlyIsToldWhereToGoOn) {
  world_.height = 1;
  auto subscription = Subscription::Make("block", Json::object(), invoke_);
  EXPECT_EQ(Heights(*subscription), Places{1});
  world_.height = 2 * kBehindMax;
  const Places told = Heights(*subscription);
  ASSERT_TRUE(end_.has_value());
  EXPECT_EQ(end_->code, ErrorCode::kExhausted);
  EXPECT_EQ(told.size(), kEventsAtOnce);
}

TEST_F(Subscribing, AnswersAreToldWhenTheyChange) {
  auto subscription = Subscription::Make("account", {{"key", "ab"}}, invoke_);
  EXPECT_EQ(subscription->Next(invoke_).events.size(), 1u);
  EXPECT_EQ(subscription->Next(invoke_).events.size(), 0u);
  world_.balance = 6;
  const auto news = subscription->Next(invoke_);
  ASSERT_EQ(news.events.size(), 1u);
  EXPECT_EQ(news.events[0], (Json{{"method", "account"}, {"answer", {{"balance", 6}}}}));
}

TEST_F(Subscribing, WhatIsNotThereYetIsWaitedFor) {
  world_.balance = 0;
  auto subscription = Subscription::Make("request", {{"id", 1}}, invoke_);
  ASSERT_TRUE(subscription.has_value());
  EXPECT_TRUE(subscription->Next(invoke_).events.empty());
  world_.balance = 1;
  EXPECT_EQ(subscription->Next(invoke_).events.size(), 1u);
}

TEST_F(Subscribing, StepsComeOnceAndInOrder) {
  world_.steps = 25;
  auto subscription = Subscription::Make("request_progress", {{"request", 1}}, invoke_);
  std::vector<int> steps;
  for (int i = 0; i < 10; ++i) {
    for (const Json& event : subscription->Next(invoke_).events) {
      for (const Json& step : event["answer"]["steps"]) steps.push_back(step);
    }
    world_.steps += 1;
  }
  ASSERT_GT(steps.size(), 25u);
  for (std::size_t i = 0; i < steps.size(); ++i) EXPECT_EQ(steps[i], static_cast<int>(i));
}

TEST_F(Subscribing, WrongQuestionsAreRefused) {
  for (const char* method : {"submit_transaction", "rpc.discover", "", "subscribe"}) {
    const auto refused = Subscription::Make(method, Json::object(), invoke_);
    ASSERT_FALSE(refused.has_value());
    EXPECT_EQ(refused.error().code, ErrorCode::kInvalidArgument);
  }
  EXPECT_FALSE(Subscription::Make("request", Json::object(), invoke_).has_value());
  EXPECT_FALSE(Subscription::Make("block", {{"height", "x"}}, invoke_).has_value());
}

}  // namespace
}  // namespace node
