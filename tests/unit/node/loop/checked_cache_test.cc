#include "node/loop/checked_cache.h"

#include <gtest/gtest.h>

#include "proto/crypto/hash.h"

namespace node {
namespace {

using proto::Bytes;
using proto::CheckedTransaction;

const proto::Digest kChain = proto::Hash("waxseal/test", {proto::AsBytes("chain")});

CheckedTransaction Checked(Bytes bytes) {
  return CheckedTransaction::Check(kChain, proto::kTransactionBytesMax, std::move(bytes), true);
}

TEST(CheckedCache, GivesEachOnceAndByItsBytesAlone) {
  CheckedCache cache;
  cache.Add(Checked({0, 1}));
  cache.Add(Checked({0, 2}));
  EXPECT_FALSE(cache.Take(Bytes{0, 3}).has_value());
  const auto taken = cache.Take(Bytes{0, 1});
  ASSERT_TRUE(taken.has_value());
  EXPECT_EQ(taken->bytes(), (Bytes{0, 1}));
  EXPECT_EQ(taken->id(), Checked({0, 1}).id());
  EXPECT_FALSE(cache.Take(Bytes{0, 1}).has_value());
  EXPECT_TRUE(cache.Take(Bytes{0, 2}).has_value());
  EXPECT_EQ(cache.bytes(), 0u);
  EXPECT_EQ(cache.hits(), 2u);
  EXPECT_EQ(cache.misses(), 2u);
}

TEST(CheckedCache, TheOldestGoBeyondTheLimit) {
  constexpr std::size_t kSize = 1 << 17;
  constexpr std::uint64_t kCount = 3 * kCheckedBytesMax / (2 * kSize);
  const auto transaction = [](std::uint64_t number) {
    Bytes bytes(kSize, 0);
    for (int i = 0; i < 8; ++i) bytes[1 + i] = static_cast<std::uint8_t>(number >> (8 * i));
    return bytes;
  };
  CheckedCache cache;
  for (std::uint64_t i = 0; i < kCount; ++i) {
    cache.Add(Checked(transaction(i)));
    cache.Add(Checked(transaction(i)));  // Again: no second place.
    EXPECT_LE(cache.bytes(), kCheckedBytesMax);
  }
  EXPECT_FALSE(cache.Take(transaction(0)).has_value());
  EXPECT_TRUE(cache.Take(transaction(kCount - 1)).has_value());
  EXPECT_GT(cache.bytes(), kCheckedBytesMax / 2);
}

}  // namespace
}  // namespace node
