// Every path, and coefficients of every size, give the bits of the formula written out.

#include "mpc/online/harmonics.h"

#include <random>

#include <gtest/gtest.h>

#include "mpc/functions/trig.h"

namespace mpc {
namespace {

TEST(Harmonics, AreTheirFormula) {
  constexpr unsigned kBits = 40;
  std::mt19937_64 random(9);
  const auto draw = [&](std::size_t count) {
    std::vector<Fp> elements(count);
    for (Fp& x : elements) x = Fp::FromUniform(UInt128{random()} << 64 | random());
    return elements;
  };
  for (const unsigned size_bits : {20u, 48u, 50u}) {  // Of coefficients.
    for (const std::size_t size : {1u, 64u, 131u}) {
      Series series;
      series.period = 1'000'003;
      for (int k = 0; k < 7; ++k) {
        const auto coefficient = [&] {
          return static_cast<std::int64_t>(random()) >> (63 - size_bits);
        };
        series.cosine.push_back(coefficient());
        series.sine.push_back(k == 3 ? 0 : coefficient());
      }
      const auto masked = draw(size), phases = draw(2 * 7 * size), before = draw(size);
      auto expected = before;
      for (std::size_t i = 0; i < size; ++i) {
        std::vector<CosSin> angles(7);
        IntegerHarmonics(masked[i].ToSigned(), series.period, kBits, angles);
        for (std::size_t k = 0; k < 7; ++k) {
          const Int128 a = series.cosine[k], b = series.sine[k];
          const Int128 half = Int128{1} << (kBits - 1);
          const Int128 of_cos = (a * angles[k].cos + b * angles[k].sin + half) >> kBits;
          const Int128 of_sin = (a * angles[k].sin - b * angles[k].cos + half) >> kBits;
          expected[i] += Fp::FromSigned(of_cos) * phases[2 * k * size + i] +
                         Fp::FromSigned(of_sin) * phases[(2 * k + 1) * size + i];
        }
      }
      for (const GemmPath path : {GemmPath::kPortable, BestPath()}) {
        auto sums = before;
        AddHarmonics(series, masked, phases, sums, path);
        EXPECT_EQ(sums, expected) << size_bits << " " << size;
      }
    }
  }
}

}  // namespace
}  // namespace mpc
