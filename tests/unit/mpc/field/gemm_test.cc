// Every path gives the bits of the sum written out.

#include "mpc/field/gemm.h"

#include <cstdint>
#include <iterator>
#include <random>
#include <vector>

#include <gtest/gtest.h>

#include "mpc/field/byte_product.h"
#include "mpc/field/combine.h"

namespace mpc {
namespace {

std::vector<Fp> RandomElements(std::size_t count, std::mt19937_64& random) {
  std::vector<Fp> elements(count);
  for (Fp& element : elements) {
    // Now and then the largest element, where sums would overflow first.
    element = random() % 4 == 0 ? Fp(-1) : Fp::FromUnsigned(UInt128{random()} << 64 | random());
  }
  return elements;
}

struct Shape {
  std::size_t rows, inner, cols;
};

TEST(Gemm, ShareTimesIntegerIsExactOnEveryPath) {
  std::mt19937_64 random(1);
  for (const Shape shape : {Shape{1, 1, 1},
                            {3, 5, 2},
                            {2, 1024, 33},
                            {5, 2500, 40},
                            {1, 3000, 64},
                            {7, 64, 96},
                            {2, 259, 130},
                            {300, 6, 65}}) {
    for (const unsigned bits : {4u, 7u, 15u, 16u, 19u, 20u, 31u}) {
      SCOPED_TRACE(std::to_string(shape.inner) + " inner, weights of bits " + std::to_string(bits));
      const auto x = RandomElements(shape.rows * shape.inner, random);
      std::vector<std::int32_t> w(shape.inner * shape.cols);
      const std::int64_t bound = (std::int64_t{1} << bits) - 1;
      for (auto& value : w) {
        value = static_cast<std::int32_t>(random() % 3 == 0
                                              ? (random() % 2 == 0 ? bound : -bound)
                                              : static_cast<std::int64_t>(random()) % bound);
      }
      const auto start = RandomElements(shape.rows * shape.cols, random);
      auto expected = start;
      for (std::size_t i = 0; i < shape.rows; ++i) {
        for (std::size_t k = 0; k < shape.inner; ++k) {
          for (std::size_t j = 0; j < shape.cols; ++j) {
            expected[i * shape.cols + j] += x[i * shape.inner + k] * Fp(w[k * shape.cols + j]);
          }
        }
      }
      for (const GemmPath path :
           {GemmPath::kPortable, GemmPath::kAvx2, GemmPath::kIfma, GemmPath::kBytes}) {
        if (!Supported(path)) continue;
        auto y = start;
        AddProduct(x, w, shape.rows, shape.inner, shape.cols, y, path);
        EXPECT_TRUE(y == expected) << "path " << static_cast<int>(path);
      }
    }
  }
}

// The largest and smallest weights with elements whose bytes are all ones, at the longest sums that
// 32 bits hold and one beyond.
TEST(Gemm, ShareTimesExtremeIntegersIsExactOnEveryPath) {
  std::mt19937_64 random(4);
  constexpr std::size_t kCols = 3;
  for (const std::size_t inner : {kByteInnerMax, kByteInnerMax + 1}) {
    for (const std::int32_t weight : {-128, 127, -32768, 32767}) {
      SCOPED_TRACE(std::to_string(inner) + " times " + std::to_string(weight));
      const std::vector<Fp> x(inner, Fp(-1));
      const std::vector<std::int32_t> w(inner * kCols, weight);
      const auto start = RandomElements(kCols, random);
      auto expected = start;
      for (Fp& y : expected) y -= Fp(static_cast<std::int64_t>(inner) * weight);
      for (const GemmPath path :
           {GemmPath::kPortable, GemmPath::kAvx2, GemmPath::kIfma, GemmPath::kBytes}) {
        if (!Supported(path)) continue;
        auto y = start;
        AddProduct(x, w, 1, inner, kCols, y, path);
        EXPECT_TRUE(y == expected) << "path " << static_cast<int>(path);
      }
    }
  }
}

// Few rows are combined, more are packed; sums longer than one go of the packed kernel, elements
// whose limbs are all ones, columns that fill no vector.
TEST(Gemm, FieldProductsOfViewsAreExact) {
  std::mt19937_64 random(2);
  const std::size_t cols = 21, stride = 300;
  for (const auto& [rows, inner] : {std::pair{3, 70}, {8, 1}, {9, 128}, {11, 270}}) {
    auto a = RandomElements(static_cast<std::size_t>(rows) * stride, random);
    auto b = RandomElements(stride * stride, random);
    for (std::size_t i = 0; i < a.size(); i += 3) a[i] = -Fp(1);
    for (std::size_t i = 0; i < b.size(); i += 2) b[i] = -Fp(1);
    const auto start = RandomElements(a.size(), random);
    const auto expect = [&, rows = static_cast<std::size_t>(rows),
                         inner = static_cast<std::size_t>(inner)](FieldView left, FieldView right) {
      auto expected = start;
      for (std::size_t i = 0; i < rows; ++i) {
        for (std::size_t j = 0; j < cols; ++j) {
          for (std::size_t l = 0; l < inner; ++l) {
            expected[i * stride + j] += left.data[i * left.row + l * left.column] *
                                        right.data[l * right.row + j * right.column];
          }
        }
      }
      for (const GemmPath path : {GemmPath::kPortable, GemmPath::kAvx2, GemmPath::kIfma}) {
        if (!Supported(path)) continue;
        auto y = start;
        AddProduct(left, right, rows, inner, cols, y.data(), stride, path);
        EXPECT_TRUE(y == expected) << "path " << static_cast<int>(path);
      }
    };
    expect({a.data(), stride, 1}, {b.data() + 5, stride, 1});
    expect({a.data() + 7, stride, 1}, {b.data(), 1, stride});  // The second transposed.
  }
}

// Sums of integers that are no residues, at the ends of what limbs can hold.
TEST(Combine, OfElements) {
  std::mt19937_64 random(5);
  constexpr std::int64_t kMost = (1 << 20) - 1;
  for (const std::size_t terms : {0, 1, 2, 5, 256}) {
    for (const bool small : {true, false}) {
      const std::size_t count = 83;
      std::vector<Fp> coefficients = RandomElements(terms, random);
      for (std::size_t k = 0; small && k < terms; ++k) {
        const auto integer = static_cast<std::int64_t>(random() % (2 * kMost + 1)) - kMost;
        coefficients[k] = Fp(random() % 4 == 0 ? kMost : random() % 4 == 1 ? -kMost : integer);
      }
      std::vector<std::vector<Fp>> values;
      std::vector<const Fp*> vectors;
      for (std::size_t k = 0; k < terms; ++k) {
        values.push_back(RandomElements(count, random));
        values.back()[0] = Fp();
        values.back()[1] = Fp(-1);
      }
      for (const auto& vector : values) vectors.push_back(vector.data());
      for (const GemmPath path : {GemmPath::kPortable, GemmPath::kIfma}) {
        if (!Supported(path)) continue;
        std::vector<Fp> out(count, Fp(7));
        Combine(coefficients, vectors, count, out.data(), path);
        for (std::size_t i = 0; i < count; ++i) {
          Fp sum;
          for (std::size_t k = 0; k < terms; ++k) sum += coefficients[k] * values[k][i];
          ASSERT_EQ(out[i], sum) << "path " << static_cast<int>(path) << ", small " << small;
        }
      }
    }
  }
}

TEST(Combine, IsExactOnEveryPath) {
  std::mt19937_64 random(3);
  constexpr UInt128 kAll = ~UInt128{0};
  const UInt128 corners[] = {
      0,          1,          kAll,        kAll >> 1,        kAll >> 2, (kAll >> 1) - 1,
      kAll >> 12, kAll << 23, kAll << 104, UInt128{1} << 127};
  for (const std::size_t terms : {0, 1, 3, 7, 255, 256, 257, 600}) {
    SCOPED_TRACE(terms);
    const std::size_t count = 27;
    std::vector<Fp> coefficients = RandomElements(terms, random);
    std::vector<std::vector<UInt128>> values(terms, std::vector<UInt128>(count));
    std::vector<const UInt128*> vectors;
    for (auto& vector : values) {
      for (UInt128& value : vector) {
        value = random() % 2 == 0 ? corners[random() % std::size(corners)]
                                  : UInt128{random()} << 64 | random();
      }
      vectors.push_back(vector.data());
    }
    // One column where the sum comes to p exactly, which is 0.
    const auto start = RandomElements(count, random);
    auto expected = start;
    auto from = start;
    for (std::size_t i = 0; i < count; ++i) {
      Fp sum;
      for (std::size_t k = 0; k < terms; ++k) {
        sum += coefficients[k] * Fp::FromUnsigned(values[k][i]);
      }
      if (i % 5 == 0) from[i] = -sum;
      expected[i] = from[i] + sum;
    }
    for (const GemmPath path : {GemmPath::kPortable, GemmPath::kIfma}) {
      if (!Supported(path)) continue;
      auto out = from;
      AddCombination(coefficients, vectors, count, out.data(), path);
      EXPECT_TRUE(out == expected) << "path " << static_cast<int>(path);
      // Some bits of the entries alone.
      for (const auto& [mask_bits, shift] :
           {std::pair{104u, 0u}, {115u, 1u}, {123u, 24u}, {127u, 51u}, {123u, 52u}, {123u, 60u}}) {
        const EntryBits bits{(UInt128{1} << mask_bits) - 1, shift};
        out = from;
        AddCombination(coefficients, vectors, bits, count, out.data(), path);
        for (std::size_t i = 0; i < count; ++i) {
          Fp sum = from[i];
          for (std::size_t k = 0; k < terms; ++k) {
            sum += coefficients[k] * Fp::FromUnsigned((values[k][i] & bits.mask) >> shift);
          }
          ASSERT_EQ(out[i], sum) << mask_bits << " bits, shifted by " << shift;
        }
      }
    }
  }
}

}  // namespace
}  // namespace mpc
