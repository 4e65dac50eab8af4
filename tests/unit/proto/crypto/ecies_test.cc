#include "proto/crypto/ecies.h"

#include <gtest/gtest.h>

namespace proto {
namespace {

SecretKey Key(std::uint8_t filler) {
  return std::move(SecretKey::From(Bytes(32, filler)).value());
}

const Bytes kEntropy(32, 0x5a);

TEST(Ecies, OpensWhatWasSealed) {
  // Sixteen keys: about half of them have an odd y, which an x-only name does not show.
  for (std::uint8_t filler = 1; filler <= 16; ++filler) {
    const SecretKey key = Key(filler);
    for (const std::size_t size : {0u, 1u, 15u, 16u, 17u, 100'000u}) {
      for (const std::size_t context_size : {0u, 7u}) {
        const Bytes plaintext(size, 0x42);
        const Bytes context(context_size, 0x07);
        const Bytes sealed = Seal(key.public_key(), context, plaintext, kEntropy);
        EXPECT_EQ(sealed.size(), size + kSealedOverhead);
        const auto opened = OpenSealed(key, context, sealed);
        ASSERT_TRUE(opened.has_value()) << opened.error().message;
        EXPECT_EQ(*opened, plaintext);
      }
    }
  }
}

TEST(Ecies, NoBitCanBeChanged) {
  const SecretKey key = Key(3);
  const Bytes plaintext = {1, 2, 3, 4, 5};
  const Bytes sealed = Seal(key.public_key(), AsBytes("here"), plaintext, kEntropy);
  for (std::size_t bit = 0; bit < 8 * sealed.size(); ++bit) {
    Bytes tampered = sealed;
    tampered[bit / 8] ^= static_cast<std::uint8_t>(1u << (bit % 8));
    const auto opened = OpenSealed(key, AsBytes("here"), tampered);
    ASSERT_FALSE(opened.has_value()) << "bit " << bit;
    EXPECT_EQ(opened.error().code, ErrorCode::kCorrupt);
  }
}

TEST(Ecies, NoLengthButItsOwnOpens) {
  const SecretKey key = Key(3);
  const Bytes sealed = Seal(key.public_key(), {}, Bytes(20, 9), kEntropy);
  for (std::size_t size = 0; size < sealed.size(); ++size) {
    EXPECT_FALSE(OpenSealed(key, {}, ByteSpan(sealed).first(size)).has_value());
  }
  Bytes longer = sealed;
  longer.push_back(0);
  EXPECT_FALSE(OpenSealed(key, {}, longer).has_value());
}

TEST(Ecies, AnotherKeyOrContextDoesNotOpen) {
  const SecretKey key = Key(3);
  const Bytes sealed = Seal(key.public_key(), AsBytes("here"), Bytes(20, 9), kEntropy);
  EXPECT_TRUE(OpenSealed(key, AsBytes("here"), sealed).has_value());
  EXPECT_FALSE(OpenSealed(Key(4), AsBytes("here"), sealed).has_value());
  EXPECT_FALSE(OpenSealed(key, AsBytes("there"), sealed).has_value());
  EXPECT_FALSE(OpenSealed(key, {}, sealed).has_value());
}

TEST(Ecies, EntropyMakesMessagesDiffer) {
  const SecretKey key = Key(3);
  const Bytes plaintext(20, 9);
  const Bytes one = Seal(key.public_key(), {}, plaintext, Bytes(32, 1));
  const Bytes two = Seal(key.public_key(), {}, plaintext, Bytes(32, 2));
  EXPECT_EQ(one, Seal(key.public_key(), {}, plaintext, Bytes(32, 1)));
  EXPECT_NE(Bytes(one.begin(), one.begin() + 33), Bytes(two.begin(), two.begin() + 33));
  EXPECT_NE(Bytes(one.begin() + 33, one.end()), Bytes(two.begin() + 33, two.end()));
}

TEST(EciesDeathTest, RecipientsMustBeOnTheCurve) {
  const PublicKey nobody{};  // x = 0 is on no point.
  ASSERT_FALSE(nobody.OnCurve());
  EXPECT_DEATH(Seal(nobody, {}, {}, kEntropy), "CHECK");
}

}  // namespace
}  // namespace proto
