// The field against slow, obvious arithmetic.

#include "mpc/field/fp.h"

#include <vector>

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

namespace mpc {
namespace {

UInt128 Word(std::uint64_t high, std::uint64_t low) {
  return UInt128{high} << 64 | low;
}

// Double and add, on residues.
UInt128 SlowProduct(UInt128 a, UInt128 b) {
  UInt128 sum = 0;
  for (int bit = 126; bit >= 0; --bit) {
    sum = 2 * sum % Fp::kModulus;
    if ((b >> bit & 1) != 0) sum = (sum + a) % Fp::kModulus;
  }
  return sum;
}

// The residues at which carries and folds happen, and two in between.
std::vector<Fp> Corners() {
  std::vector<Fp> corners;
  for (const UInt128 x : {UInt128{0}, UInt128{1}, UInt128{2}, Word(0, ~0ull), Word(1, 0),
                          Word(1, 1), Word(1ull << 62, 0), Fp::kModulus / 2, Fp::kModulus / 2 + 1,
                          Fp::kModulus - 2, Fp::kModulus - 1, Word(0x7fffffffffffffff, 0),
                          Word(0x0123456789abcdef, 0xfedcba9876543210)}) {
    corners.push_back(Fp::FromUnsigned(x));
  }
  return corners;
}

void ExpectRing(Fp a, Fp b) {
  EXPECT_TRUE((a + b).value() == (a.value() + b.value()) % Fp::kModulus);
  EXPECT_TRUE((a - b).value() == (a.value() + (Fp::kModulus - b.value())) % Fp::kModulus);
  EXPECT_TRUE((a * b).value() == SlowProduct(a.value(), b.value()));
  EXPECT_TRUE(-a + a == Fp());
}

TEST(Fp, AgreesWithSlowArithmeticAtTheCorners) {
  for (const Fp a : Corners()) {
    for (const Fp b : Corners()) ExpectRing(a, b);
  }
}

RC_GTEST_PROP(Fp, AgreesWithSlowArithmetic,
              (std::uint64_t a1, std::uint64_t a0, std::uint64_t b1, std::uint64_t b0)) {
  ExpectRing(Fp::FromUnsigned(Word(a1, a0)), Fp::FromUnsigned(Word(b1, b0)));
}

RC_GTEST_PROP(Fp, SignedIntegersEmbed, (std::int64_t a, std::int64_t b)) {
  RC_ASSERT(Fp(a).ToSigned() == a);
  RC_ASSERT((Fp(a) * Fp(b)).ToSigned() == Int128{a} * b);
  const Int128 wide = Int128{a} * (b / 4);
  RC_ASSERT(Fp::FromSigned(wide).ToSigned() == wide);
}

TEST(Fp, SignedEnds) {
  const Int128 half = static_cast<Int128>(Fp::kModulus / 2);
  EXPECT_TRUE(Fp::FromSigned(half).ToSigned() == half);
  EXPECT_TRUE(Fp::FromSigned(-half).ToSigned() == -half);
  EXPECT_TRUE((Fp::FromSigned(half) + Fp(1)).ToSigned() == -half);
  const Int128 least = static_cast<Int128>(UInt128{1} << 127);
  EXPECT_TRUE(Fp::FromSigned(least) == -Fp(1));
  EXPECT_TRUE(Fp::FromUnsigned(~UInt128{0}) == Fp(1));
  EXPECT_TRUE(Fp::FromUnsigned(Fp::kModulus) == Fp());
}

RC_GTEST_PROP(Fp, InverseAndPower, (std::uint64_t high, std::uint64_t low)) {
  const Fp x = Fp::FromUnsigned(Word(high, low));
  RC_PRE(x != Fp());
  RC_ASSERT(x * x.Inverse() == Fp(1));
  RC_ASSERT(x.Power(Fp::kModulus - 2) == x.Inverse());
  RC_ASSERT(x.Power(5) == x * x * x * x * x);
}

RC_GTEST_PROP(Fp, SquareRoots, (std::uint64_t high, std::uint64_t low)) {
  const Fp x = Fp::FromUnsigned(Word(high, low));
  RC_PRE(x != Fp());
  const auto root = (x * x).Sqrt();
  RC_ASSERT(root.has_value());
  RC_ASSERT(*root == x || *root == -x);
  RC_ASSERT(root->Sqrt().has_value());        // Itself a square,
  RC_ASSERT(!(-(x * x)).Sqrt().has_value());  // and -1 is none.
}

TEST(Fp, ZeroHasNoInverseAndIsItsOwnRoot) {
  EXPECT_TRUE(Fp().Inverse() == Fp());
  EXPECT_TRUE(Fp().Sqrt() == Fp());
  EXPECT_TRUE(Fp(7).Power(0) == Fp(1));
}

TEST(Fp, BytesAreLittleEndianAndCanonical) {
  std::vector<Fp> corners = Corners();
  const proto::Bytes bytes = EncodeElements(corners);
  ASSERT_EQ(bytes.size(), 16 * corners.size());
  EXPECT_EQ(bytes[16], 1);
  const auto decoded = DecodeElements(bytes);
  ASSERT_TRUE(decoded.has_value());
  EXPECT_TRUE(*decoded == corners);

  proto::Bytes modulus(16, 0xff);
  modulus[15] = 0x7f;
  EXPECT_FALSE(DecodeElements(modulus).has_value());
  modulus[0] = 0xfe;
  EXPECT_TRUE(DecodeElements(modulus).has_value());
  modulus[15] = 0xff;
  EXPECT_FALSE(DecodeElements(modulus).has_value());
  EXPECT_FALSE(DecodeElements(proto::Bytes(17)).has_value());
}

}  // namespace
}  // namespace mpc
