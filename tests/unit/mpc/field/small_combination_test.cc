#include "mpc/field/small_combination.h"

#include <gtest/gtest.h>

namespace mpc {
namespace {

constexpr std::int64_t kMax = SmallCombination::kFactorMax;

std::vector<UInt128> Entries(std::size_t count, std::uint64_t seed) {
  std::vector<UInt128> entries(count);
  UInt128 x = seed;
  for (UInt128& entry : entries) {
    x = x * 0x9e3779b97f4a7c15u + 0x123456789abcdefu;
    entry = x ^ x << 77;
  }
  entries[0] = ~UInt128{0};
  return entries;
}

// Out of vectors of two blocks, the last of `count` entries, a few vectors at a time.
std::vector<Fp> Combine(const std::vector<std::int64_t>& factors, EntryBits bits, Fp scale,
                        std::size_t count, GemmPath path) {
  constexpr std::size_t kFew = 5;
  SmallCombination combination(factors, bits, scale, path);
  std::vector<Fp> out(count, Fp(-3));
  for (std::size_t begin = 0; begin < count; begin += SmallCombination::kBlock) {
    std::vector<std::vector<UInt128>> entries;
    std::vector<const UInt128*> vectors;
    for (std::size_t k = 0; k < factors.size(); ++k) {
      entries.push_back(Entries(SmallCombination::kBlock, 1000 * begin + k));
      vectors.push_back(entries.back().data());
    }
    const std::size_t size = std::min(SmallCombination::kBlock, count - begin);
    for (std::size_t first = 0; first < factors.size(); first += kFew) {
      const std::size_t few = std::min(kFew, factors.size() - first);
      combination.Add(first, std::span<const UInt128* const>(vectors).subspan(first, few), size,
                      out.data() + begin);
    }
  }
  return out;
}

TEST(SmallCombination, IsTheSumItSays) {
  const std::vector<std::int64_t> factors{5, -7, kMax, -kMax, 0, 1};
  const EntryBits bits{(UInt128{1} << 120) - 1, 17};
  const Fp scale = Fp(12).Inverse();
  const std::vector<Fp> out = Combine(factors, bits, scale, 13, BestPath());
  for (std::size_t i = 0; i < out.size(); ++i) {
    Fp sum;
    for (std::size_t k = 0; k < factors.size(); ++k) {
      const UInt128 entry = Entries(SmallCombination::kBlock, k)[i];
      sum += Fp(factors[k]) * Fp::FromUnsigned((entry & bits.mask) >> bits.shift);
    }
    EXPECT_EQ(out[i], Fp(-3) + scale * sum) << i;
  }
}

TEST(SmallCombination, PathsAgree) {
  if (!Supported(GemmPath::kIfma)) GTEST_SKIP();
  // As many extreme factors as are allowed: no sum may overflow.
  std::vector<std::int64_t> many(SmallCombination::kFactorsMax, kMax);
  for (std::size_t k = 0; k < many.size(); k += 3) many[k] = -kMax;
  const std::vector<std::int64_t> few{-1, 3, -5};
  const std::vector<std::int64_t> same(SmallCombination::kFactorsMax, kMax);
  for (const auto& factors : {few, many, same}) {
    for (const EntryBits bits : {EntryBits{Fp::kModulus, 0}, EntryBits{~UInt128{0}, 63},
                                 EntryBits{(UInt128{1} << 118) - 1, 30}}) {
      for (const std::size_t count : {std::size_t{1}, std::size_t{128}, std::size_t{211}}) {
        for (const Fp scale : {Fp(1), Fp(12).Inverse(), Fp(-1)}) {
          EXPECT_EQ(Combine(factors, bits, scale, count, GemmPath::kIfma),
                    Combine(factors, bits, scale, count, GemmPath::kPortable));
        }
      }
    }
  }
}

}  // namespace
}  // namespace mpc
