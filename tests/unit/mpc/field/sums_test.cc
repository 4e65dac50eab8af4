// Every path gives the bits of the sums written out.

#include "mpc/field/sums.h"

#include <random>
#include <vector>

#include <gtest/gtest.h>

namespace mpc {
namespace {

class Sums : public testing::TestWithParam<GemmPath> {
 protected:
  void SetUp() override {
    if (!Supported(GetParam())) GTEST_SKIP();
  }
  // Often those whose sums carry, fold or vanish.
  Fp Draw() {
    static const Fp kCorners[] = {Fp(),
                                  Fp(1),
                                  Fp(-1),
                                  Fp(-2),
                                  Fp::FromUnsigned(~std::uint64_t{0}),
                                  Fp::FromUnsigned(UInt128{1} << 64),
                                  Fp::FromUnsigned(UInt128{1} << 126)};
    const std::uint64_t choice = random_() % 16;
    if (choice < std::size(kCorners)) return kCorners[choice];
    return Fp::FromUnsigned(UInt128{random_()} << 64 | random_());
  }
  std::vector<Fp> Draw(std::size_t count) {
    std::vector<Fp> elements(count);
    for (Fp& element : elements) element = Draw();
    return elements;
  }

  std::mt19937_64 random_{7};
};

TEST_P(Sums, TermByTerm) {
  for (const std::size_t count : {0u, 1u, 3u, 4u, 5u, 4096u}) {
    const auto a = Draw(count), b = Draw(count);
    const Fp constant = Draw();
    std::vector<Fp> sum(count), difference(count), opposite(count);
    Add(a.data(), b.data(), constant, count, sum.data(), GetParam());
    Subtract(a.data(), b.data(), count, difference.data(), GetParam());
    for (std::size_t i = 0; i < count; ++i) opposite[i] = -a[i];
    Add(a.data(), opposite.data(), Fp(), count, opposite.data(), GetParam());
    for (std::size_t i = 0; i < count; ++i) {
      ASSERT_EQ(sum[i], a[i] + b[i] + constant);
      ASSERT_EQ(difference[i], a[i] - b[i]);
      ASSERT_EQ(opposite[i], Fp());
    }
  }
}

TEST_P(Sums, ShiftedDown) {
  for (const unsigned shift : {0u, 1u, 17u, 63u}) {
    for (const UInt128 plus : {UInt128{0}, UInt128{1} << 16, Fp::kModulus}) {
      const auto a = Draw(1001);
      const Fp minus = Draw();
      std::vector<Fp> out(a.size());
      ShiftDown(a.data(), plus, shift, minus, a.size(), out.data(), GetParam());
      for (std::size_t i = 0; i < a.size(); ++i) {
        ASSERT_EQ(out[i], Fp::FromUnsigned((a[i].value() + plus) >> shift) - minus);
      }
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Paths, Sums, testing::Values(GemmPath::kPortable, GemmPath::kIfma));

}  // namespace
}  // namespace mpc
