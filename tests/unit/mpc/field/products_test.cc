// Every path gives the bits of the products written out.

#include "mpc/field/products.h"

#include <random>

#include <gtest/gtest.h>

namespace mpc {
namespace {

class Products : public testing::TestWithParam<GemmPath> {
 protected:
  void SetUp() override {
    if (!Supported(GetParam())) GTEST_SKIP();
  }
  std::vector<Fp> Draw(std::size_t count) {
    std::vector<Fp> elements(count);
    for (Fp& element : elements) {
      // Now and then the largest element and zero, where sums would overflow first.
      switch (random_() % 8) {
        case 0:
          element = Fp(-1);
          break;
        case 1:
          break;
        default:
          element = Fp::FromUnsigned(UInt128{random_()} << 64 | random_());
      }
    }
    return elements;
  }

  std::mt19937_64 random_{3};
};

TEST_P(Products, TermByTerm) {
  for (const std::size_t count : {0u, 1u, 7u, 8u, 9u, 100u}) {
    const auto a = Draw(count), b = Draw(count), c = Draw(count), d = Draw(count);
    const Fp scalar = Draw(1)[0];
    std::vector<Fp> product(count), scaled(count), sum = c, re = c, im = d, new_re(count),
                                                   new_im(count);
    Multiply(a.data(), b.data(), count, product.data(), GetParam());
    Multiply(scalar, b.data(), count, scaled.data(), GetParam());
    AddProducts(a.data(), b.data(), count, sum.data(), GetParam());
    const ComplexView x{a.data(), b.data()}, y{c.data(), d.data()};
    MultiplyComplex(x, y, count, new_re.data(), new_im.data(), false, GetParam());
    MultiplyComplex(x, y, count, re.data(), im.data(), true, GetParam());
    for (std::size_t i = 0; i < count; ++i) {
      ASSERT_EQ(product[i], a[i] * b[i]);
      ASSERT_EQ(scaled[i], scalar * b[i]);
      ASSERT_EQ(sum[i], c[i] + a[i] * b[i]);
      ASSERT_EQ(new_re[i], a[i] * c[i] - b[i] * d[i]);
      ASSERT_EQ(new_im[i], a[i] * d[i] + b[i] * c[i]);
      ASSERT_EQ(re[i], c[i] + new_re[i]);
      ASSERT_EQ(im[i], d[i] + new_im[i]);
    }
  }
}

TEST_P(Products, BySignedIntegers) {
  constexpr std::int64_t kMost = (std::int64_t{1} << 51) - 1;
  for (const std::size_t count : {0u, 1u, 8u, 27u}) {
    for (const std::size_t terms : {0u, 1u, 3u, 64u}) {
      const std::size_t row = count + 2, factor_row = count + 5;  // Rows may lie apart.
      const auto x = Draw(terms * row), before = Draw(count);
      std::vector<std::int64_t> factors(terms * factor_row);
      for (std::int64_t& factor : factors) {
        factor = static_cast<std::int64_t>(random_()) >> 12;
        if (random_() % 4 == 0) factor = random_() % 2 == 0 ? kMost : -kMost;
        if (random_() % 8 == 0) factor = 0;
      }
      auto sums = before;
      AddSignedProducts(factors.data(), factor_row, x.data(), row, terms, count, sums.data(),
                        GetParam());
      for (std::size_t i = 0; i < count; ++i) {
        Fp expected = before[i];
        for (std::size_t k = 0; k < terms; ++k) {
          expected += Fp(factors[k * factor_row + i]) * x[k * row + i];
        }
        ASSERT_EQ(sums[i], expected) << count << " " << terms;
      }
    }
  }
}

TEST_P(Products, Summed) {
  for (const std::size_t count : {0u, 1u, 8u, 2047u, 2048u, 5003u}) {
    const auto a = Draw(count), b = Draw(count);
    Fp sum;
    for (std::size_t i = 0; i < count; ++i) sum += a[i] * b[i];
    EXPECT_EQ(InnerProduct(a.data(), b.data(), count, GetParam()), sum) << count;
  }
  // All at their largest.
  const std::vector<Fp> ones(5000, Fp(-1));
  EXPECT_EQ(InnerProduct(ones.data(), ones.data(), ones.size(), GetParam()), Fp(5000));
}

TEST_P(Products, RowsByRows) {
  for (const std::size_t rows : {1u, 3u, 8u, 16u}) {
    for (const std::size_t length : {1u, 8u, 13u, 2100u}) {
      const auto x = Draw(rows * length), y = Draw(rows * length), start = Draw(rows * rows);
      auto sums = start;
      AddRowProducts(x.data(), y.data(), rows, length, sums, GetParam());
      for (std::size_t i = 0; i < rows; ++i) {
        for (std::size_t j = 0; j < rows; ++j) {
          Fp sum = start[i * rows + j];
          for (std::size_t l = 0; l < length; ++l) sum += x[i * length + l] * y[j * length + l];
          ASSERT_EQ(sums[i * rows + j], sum) << rows << " x " << length;
        }
      }
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Paths, Products,
                         testing::Values(GemmPath::kPortable, GemmPath::kAvx2, GemmPath::kIfma),
                         [](const auto& path) {
                           return std::string(path.param == GemmPath::kPortable ? "Portable"
                                              : path.param == GemmPath::kAvx2   ? "Avx2"
                                                                                : "Ifma");
                         });

}  // namespace
}  // namespace mpc
