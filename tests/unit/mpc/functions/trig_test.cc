#include "mpc/functions/trig.h"

#include <cmath>
#include <cstdlib>
#include <random>
#include <vector>

#include <gtest/gtest.h>

namespace mpc {
namespace {

constexpr long double kTwoPi = 6.283185307179586476925286766559L;

TEST(IntegerCosSin, IsWithinOneUnitOfTheRealFunctions) {
  std::mt19937_64 random(1);
  for (int trial = 0; trial < 200'000; ++trial) {
    const auto bits = static_cast<unsigned>(random() % 41);
    const auto period = static_cast<std::int64_t>(random() >> (1 + random() % 62)) + 1;
    const auto x = static_cast<std::int64_t>(random() % static_cast<std::uint64_t>(period));
    const std::int64_t turns = static_cast<std::int64_t>(random() % 2001) - 1000;
    const CosSin got = IntegerCosSin(x + Int128{turns} * period, period, bits);
    const long double angle =
        kTwoPi * static_cast<long double>(x) / static_cast<long double>(period);
    const long double one = std::exp2(static_cast<long double>(bits));
    ASSERT_LE(std::abs(static_cast<long double>(got.cos) - one * std::cos(angle)), 0.51L) << trial;
    ASSERT_LE(std::abs(static_cast<long double>(got.sin) - one * std::sin(angle)), 0.51L) << trial;
  }
}

TEST(IntegerHarmonics, FollowTheMultiplesOfTheAngle) {
  std::mt19937_64 random(2);
  for (int trial = 0; trial < 2'000; ++trial) {
    const auto period = static_cast<std::int64_t>(random() >> (1 + random() % 62)) + 1;
    const Int128 x = Int128{static_cast<std::int64_t>(random())} << (random() % 56);
    std::vector<CosSin> harmonics(kHarmonicCountMax);
    IntegerHarmonics(x, period, 40, harmonics);
    for (std::size_t k = 1; k <= harmonics.size(); ++k) {
      const CosSin direct = IntegerCosSin(x % period * static_cast<Int128>(k), period, 40);
      ASSERT_LE(std::abs(harmonics[k - 1].cos - direct.cos), 1) << trial << " " << k;
      ASSERT_LE(std::abs(harmonics[k - 1].sin - direct.sin), 1) << trial << " " << k;
    }
  }
}

TEST(IntegerCosSin, IsExactAtQuartersAndWideArguments) {
  const std::int64_t one = std::int64_t{1} << 40;
  const auto expect = [](CosSin got, std::int64_t cos, std::int64_t sin) {
    EXPECT_EQ(got.cos, cos);
    EXPECT_EQ(got.sin, sin);
  };
  expect(IntegerCosSin(0, 1, 40), one, 0);
  expect(IntegerCosSin(1, 4, 40), 0, one);
  expect(IntegerCosSin(2, 4, 40), -one, 0);
  expect(IntegerCosSin(-1, 4, 40), 0, -one);
  const Int128 wide = (Int128{1} << 126) / 12 * 12;
  for (std::int64_t k = 0; k < 12; ++k) {
    const CosSin near = IntegerCosSin(k, 12, 30);
    expect(IntegerCosSin(wide + k, 12, 30), near.cos, near.sin);
    expect(IntegerCosSin(-wide + k, 12, 30), near.cos, near.sin);
  }
  expect(IntegerCosSin(0, INT64_MAX, 40), one, 0);
}

}  // namespace
}  // namespace mpc
