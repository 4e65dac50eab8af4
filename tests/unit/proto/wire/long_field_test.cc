// What is joined is cut the same, protobuf reads what is joined, and what is not of the form is
// left to protobuf.

#include "proto/wire/long_field.h"

#include <gtest/gtest.h>

#include "proto/wire/attempt_message.h"

namespace proto {
namespace {

constexpr LongField kPlace{1, 3};  // The values of a LayerVector.

Bytes Of(std::initializer_list<Bytes> parts) {
  Bytes all;
  for (const Bytes& part : parts) all.insert(all.end(), part.begin(), part.end());
  return all;
}

// A field with a string below 128 bytes.
Bytes Field(std::uint8_t number, const Bytes& string) {
  return Of({{static_cast<std::uint8_t>(number << 3 | 2), static_cast<std::uint8_t>(string.size())},
             string});
}

const Bytes kAttempt = {0x08, 7}, kLayer = {0x10, 2};
const Bytes kSignature = Field(4, Bytes(64, 5));

TEST(LongField, IsCutAsItWasJoined) {
  for (const std::size_t size : {0u, 1u, 127u, 128u, 70'000u}) {
    const Bytes string(size, 9);
    const std::string rest("\x08\x07\x10\x02");
    const Bytes joined = JoinLongField(kPlace, rest, string);
    const auto cut = CutLongField(kPlace, joined);
    ASSERT_TRUE(cut.has_value());
    EXPECT_EQ(cut->rest, rest);
    EXPECT_EQ(Bytes(cut->string.begin(), cut->string.end()), string);
    EXPECT_FALSE(CutLongField({2, 3}, joined).has_value());
    EXPECT_FALSE(CutLongField({1, 4}, joined).has_value());
    for (std::size_t end = 0; end < joined.size(); end += 1 + end / 8) {
      EXPECT_FALSE(CutLongField(kPlace, ByteSpan(joined).first(end)).has_value()) << end;
    }
    EXPECT_FALSE(CutLongField(kPlace, Of({joined, {0}})).has_value());
    EXPECT_FALSE(CutLongField(kPlace, Of({joined, joined})).has_value());
  }
}

// The same message in every order of its fields, whether it is cut or parsed whole.
TEST(LongField, AgreesWithProtobuf) {
  const Bytes values = Field(3, Bytes(32, 6)), others = Field(3, Bytes(16, 1));
  Signature signature;
  signature.bytes.fill(5);
  const Bytes expected = Encode(LayerVector{7, 2, Bytes(32, 6), signature});
  const auto decoded = [](const Bytes& inner) {
    const auto message = DecodeAttemptMessage(Field(1, inner));
    return message ? Encode(*message) : Bytes();
  };
  EXPECT_EQ(decoded(Of({kAttempt, kLayer, values, kSignature})), expected);
  EXPECT_EQ(decoded(Of({values, kSignature, kAttempt, kLayer})), expected);
  const Bytes unknown = Field(15, Bytes(3, 3));
  EXPECT_EQ(decoded(Of({kAttempt, unknown, values, kSignature, kLayer})), expected);
  // Twice: the last counts.
  EXPECT_EQ(decoded(Of({kAttempt, others, kLayer, kSignature, values})), expected);
  const Bytes earlier = {0x10, 1};
  EXPECT_EQ(decoded(Of({kAttempt, earlier, kLayer, values, kSignature})), expected);
  // Twice as a message: the second is merged into the first.
  const Bytes parts = Of({Field(1, Of({kAttempt, values})), Field(1, Of({kLayer, kSignature}))});
  const auto merged = DecodeAttemptMessage(parts);
  ASSERT_TRUE(merged.has_value());
  EXPECT_EQ(Encode(*merged), expected);
  // Not whole, and none at all.
  EXPECT_TRUE(decoded(Of({kAttempt, kLayer, values, {0x22, 64, 1}})).empty());
  EXPECT_TRUE(decoded(Of({kAttempt, kLayer, kSignature})).empty());
  EXPECT_TRUE(decoded(Of({kAttempt, kLayer, {0}, values, kSignature})).empty());
  EXPECT_TRUE(decoded(Of({kAttempt, kLayer, {0x1a, 0xff}, kSignature})).empty());
}

// What is little beside the string may not be much.
TEST(LongField, LeavesALongRestAlone) {
  const Bytes string(16, 1);
  EXPECT_TRUE(CutLongField(kPlace, JoinLongField(kPlace, std::string("\x7a\x03xyz"), string)));
  const std::string head = std::string("\x7a\x80\x20");  // A field of 4096 bytes.
  EXPECT_FALSE(
      CutLongField(kPlace, JoinLongField(kPlace, head + std::string(kRestMax, 'x'), string)));
}

}  // namespace
}  // namespace proto
