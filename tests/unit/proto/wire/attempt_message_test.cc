// Preprocessing's messages come back as they were, and hostile bytes are refused.

#include "proto/wire/attempt_message.h"

#include <random>

#include <gtest/gtest.h>

namespace proto {
namespace {

Signature Sign(std::uint8_t byte) {
  Signature signature;
  signature.bytes.fill(byte);
  return signature;
}

Digest Name(std::uint8_t byte) {
  Digest digest;
  digest.bytes.fill(byte);
  return digest;
}

std::vector<AttemptMessage> Samples() {
  CoinShareMessage share{7, 3, {}};
  share.share.point.fill(2);
  share.share.proof.fill(5);
  return {
      LayerVector{1, 2, Bytes(48, 9), Sign(1)},
      KingLayer{
          1, 2, Bytes(32, 8), {{PartyId{0}, Name(1), Sign(2)}, {PartyId{2}, Name(3), Sign(4)}}},
      Echo{5, 6, PartyId{3}, Name(7), Name(8), Sign(9)},
      FetchLayer{~0ull, 63},
      LayerValues{4, 0, Bytes(16, 1)},
      share,
      VerifyOpening{2, Bytes(48, 3), Sign(6)},
  };
}

TEST(AttemptMessage, ComesBackAsItWas) {
  for (const AttemptMessage& sample : Samples()) {
    const Bytes bytes = Encode(sample);
    const auto decoded = DecodeAttemptMessage(bytes);
    ASSERT_TRUE(decoded.has_value()) << sample.index();
    EXPECT_EQ(decoded->index(), sample.index());
    EXPECT_EQ(Encode(*decoded), bytes);
  }
  const auto layer = DecodeAttemptMessage(Encode(Samples()[1]));
  const auto& king = std::get<KingLayer>(*layer);
  EXPECT_EQ(king.attempt, 1u);
  EXPECT_EQ(king.layer, 2u);
  EXPECT_EQ(king.values, Bytes(32, 8));
  ASSERT_EQ(king.senders.size(), 2u);
  EXPECT_EQ(king.senders[1].party, PartyId{2});
  EXPECT_EQ(king.senders[1].root, Name(3));
  EXPECT_EQ(king.senders[1].signature, Sign(4));
}

TEST(AttemptMessage, LimitsAreKept) {
  const auto refused = [](const AttemptMessage& message) {
    return !DecodeAttemptMessage(Encode(message)).has_value();
  };
  EXPECT_TRUE(refused(LayerVector{1, 2, Bytes(47), Sign(1)}));  // No whole element.
  EXPECT_TRUE(refused(LayerVector{1, 2, {}, Sign(1)}));
  EXPECT_TRUE(refused(LayerVector{1, kAttemptLayersMax, Bytes(16), Sign(1)}));
  EXPECT_TRUE(refused(FetchLayer{1, kAttemptLayersMax}));
  EXPECT_TRUE(refused(VerifyOpening{1, Bytes(32), Sign(1)}));
  EXPECT_TRUE(refused(Echo{1, 1, PartyId{kAttemptPartiesMax}, Name(1), Name(2), Sign(1)}));
  KingLayer king{1, 1, Bytes(16), {}};
  king.senders = {{PartyId{1}, Name(1), Sign(1)}, {PartyId{1}, Name(1), Sign(1)}};
  EXPECT_TRUE(refused(king));  // Twice the same.
  king.senders = {{PartyId{2}, Name(1), Sign(1)}, {PartyId{1}, Name(1), Sign(1)}};
  EXPECT_TRUE(refused(king));  // Out of order.
}

TEST(AttemptMessage, NoBytesCrashTheDecoder) {
  std::mt19937_64 random(1);
  for (int i = 0; i < 20'000; ++i) {
    Bytes bytes = Encode(Samples()[random() % Samples().size()]);
    for (std::uint64_t changes = random() % 4; changes > 0; --changes) {
      bytes[random() % bytes.size()] = static_cast<std::uint8_t>(random());
    }
    if (random() % 3 == 0) bytes.resize(random() % (bytes.size() + 1));
    const auto decoded = DecodeAttemptMessage(bytes);
    EXPECT_TRUE(!decoded || DecodeAttemptMessage(Encode(*decoded)).has_value()) << "draw " << i;
  }
  EXPECT_FALSE(DecodeAttemptMessage({}).has_value());
}

}  // namespace
}  // namespace proto
