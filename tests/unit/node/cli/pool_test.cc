#include "node/cli/pool.h"

#include <gtest/gtest.h>

namespace node {
namespace {

using nlohmann::json;
using std::chrono::seconds;

json Answer(std::size_t ready, std::size_t layers_fixed) {
  return json::array({{{"model", "00ff"},
                       {"name", "tiny"},
                       {"bucket", 0u},
                       {"tokens", 32u},
                       {"target", 4u},
                       {"ready", ready},
                       {"waiting", 1u},
                       {"started", json::array({{{"attempt", 7u},
                                                 {"layers_fixed", layers_fixed},
                                                 {"layers_needed", 10u}}})}}});
}

TEST(PoolState, IsReadAndDescribed) {
  const auto pools = ReadPools(Answer(1, 5));
  ASSERT_TRUE(pools.has_value());
  ASSERT_EQ(pools->size(), 1u);
  EXPECT_FALSE(pools->front().full());
  EXPECT_DOUBLE_EQ(pools->front().filled(), 1.5 / 4);
  EXPECT_EQ(Describe(pools->front()),
            "tiny, 32 tokens: 1 of 4 bundles ready (38 %), attempt 7 at layer 5 of 10, "
            "1 requests wait");
  EXPECT_TRUE(ReadPools(Answer(4, 0))->front().full());
  EXPECT_DOUBLE_EQ(ReadPools(Answer(9, 0))->front().filled(), 1);
}

TEST(PoolState, RefusesOtherAnswers) {
  EXPECT_FALSE(ReadPools(json::object()).has_value());
  EXPECT_FALSE(ReadPools(json::array({1})).has_value());
  for (const char* name : {"model", "name", "tokens", "target", "ready", "waiting", "started"}) {
    json answer = Answer(1, 5);
    answer[0].erase(name);
    EXPECT_FALSE(ReadPools(answer).has_value()) << name;
    answer[0][name] = -1;
    EXPECT_FALSE(ReadPools(answer).has_value()) << name;
  }
  for (const char* name : {"attempt", "layers_fixed", "layers_needed"}) {
    json answer = Answer(1, 5);
    answer[0]["started"][0][name] = "x";
    EXPECT_FALSE(ReadPools(answer).has_value()) << name;
  }
}

TEST(PoolRate, CountsBundlesAndLayers) {
  PoolRate rate;
  const PoolRate::Time start{};
  rate.Add(*ReadPools(Answer(1, 0)), start);
  EXPECT_EQ(rate.bundles_per_hour(), 0);
  EXPECT_FALSE(rate.seconds_left().has_value());
  rate.Add(*ReadPools(Answer(2, 5)), start + seconds(30));  // One and a half in half a minute.
  EXPECT_DOUBLE_EQ(rate.bundles_per_hour(), 180);
  EXPECT_DOUBLE_EQ(*rate.seconds_left(), 30);
  EXPECT_DOUBLE_EQ(rate.seconds(), 30);
}

}  // namespace
}  // namespace node
