#include "proto/base/bytes.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

namespace proto {
namespace {

RC_GTEST_PROP(Bytes, HexadecimalTextComesBack, (const Bytes& bytes)) {
  RC_ASSERT(FromHex(ToHex(bytes)).value() == bytes);
}

TEST(Bytes, HexadecimalTextIsReadInEitherCase) {
  EXPECT_EQ(FromHex("00fFaB").value(), (Bytes{0x00, 0xff, 0xab}));
  EXPECT_EQ(ToHex(Bytes{0x00, 0xff, 0xab}), "00ffab");
  EXPECT_EQ(FromHex("").value(), Bytes{});
}

TEST(Bytes, OtherTextIsRefused) {
  for (const char* text :
       {"0", "abc", "0x", "0g", "g0", " 00", "-1", "\xff\xff", "0/", "0:", "0@"}) {
    const auto bytes = FromHex(text);
    ASSERT_FALSE(bytes.has_value()) << text;
    EXPECT_EQ(bytes.error().code, ErrorCode::kInvalidArgument);
  }
}

RC_GTEST_PROP(Bytes, IntegersComeBack, (std::uint32_t small, std::uint64_t large)) {
  Bytes bytes;
  PutU32(bytes, small);
  PutU64(bytes, large);
  RC_ASSERT(bytes.size() == 12u);
  RC_ASSERT(GetU32(bytes) == small);
  RC_ASSERT(GetU64(ByteSpan(bytes).subspan(4)) == large);
}

TEST(Bytes, IntegersAreLittleEndian) {
  Bytes bytes;
  PutU32(bytes, 0x01020304);
  EXPECT_EQ(bytes, (Bytes{4, 3, 2, 1}));
}

TEST(BytesDeathTest, IntegersNeedTheirBytes) {
  EXPECT_DEATH(GetU32(Bytes(3)), "CHECK");
  EXPECT_DEATH(GetU64(Bytes(7)), "CHECK");
}

TEST(Bytes, SecretsAreErased) {
  Bytes secret(100, 0xaa);
  SecureErase(secret.data(), secret.size());
  EXPECT_EQ(secret, Bytes(100, 0));
  SecureErase(nullptr, 0);
}

TEST(Digest, HasThirtyTwoBytes) {
  const Bytes bytes(32, 7);
  EXPECT_EQ(Digest::From(bytes).value().hex(), ToHex(bytes));
  for (const std::size_t size : {0u, 31u, 33u}) {
    EXPECT_EQ(Digest::From(Bytes(size)).error().code, ErrorCode::kInvalidArgument);
  }
}

}  // namespace
}  // namespace proto
