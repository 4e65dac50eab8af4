#include "proto/wire/session.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

namespace proto {
namespace {

Opening Example() {
  Opening opening{7, 3, 5, Bytes(48, 0x5a), {}, {}};
  opening.signature.bytes.fill(9);
  return opening;
}

Opening ForOne() {
  Opening opening = Example();
  opening.receiver = PartyId{0};
  return opening;
}

TEST(SessionMessage, RoundTrips) {
  for (const SessionMessage& message :
       {SessionMessage(Example()), SessionMessage(ForOne()),
        SessionMessage(ResendOpenings{9, 65535}), SessionMessage(AskProgress{4}),
        SessionMessage(Progress{4, kExchangesMax})}) {
    const auto decoded = DecodeSessionMessage(Encode(message));
    ASSERT_TRUE(decoded.has_value());
    EXPECT_TRUE(*decoded == message);
  }
}

TEST(SessionMessage, RefusesWhatBreaksALimit) {
  const auto refuses = [](auto change) {
    Opening opening = Example();
    change(opening);
    return !DecodeSessionMessage(Encode(SessionMessage(opening))).has_value();
  };
  EXPECT_TRUE(refuses([](Opening& o) { o.values.clear(); }));
  EXPECT_TRUE(refuses([](Opening& o) { o.values.pop_back(); }));
  EXPECT_TRUE(refuses([](Opening& o) { o.exchange = kExchangesMax; }));
  EXPECT_TRUE(refuses([](Opening& o) { o.latest = kExchangesMax; }));
  EXPECT_FALSE(
      DecodeSessionMessage(Encode(SessionMessage(ResendOpenings{1, kExchangesMax}))).has_value());
  EXPECT_FALSE(
      DecodeSessionMessage(Encode(SessionMessage(Progress{1, kExchangesMax + 1}))).has_value());
  EXPECT_FALSE(DecodeSessionMessage({}).has_value());
}

TEST(SessionMessage, SurvivesDamage) {
  const Bytes whole = Encode(SessionMessage(Example()));
  for (std::size_t size = 0; size < whole.size(); ++size) {
    EXPECT_FALSE(DecodeSessionMessage(ByteSpan(whole).first(size)).has_value());
  }
}

RC_GTEST_PROP(SessionMessage, NoisyBytesNeverCrash, (const std::vector<std::uint8_t>& bytes)) {
  const auto decoded = DecodeSessionMessage(bytes);
  RC_SUCCEED_IF(!decoded.has_value());
  RC_ASSERT(DecodeSessionMessage(Encode(*decoded)) == *decoded);
}

}  // namespace
}  // namespace proto
