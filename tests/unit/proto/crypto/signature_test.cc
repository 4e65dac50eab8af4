#include "proto/crypto/signature.h"

#include <algorithm>
#include <fstream>
#include <sstream>

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include "proto/crypto/hash.h"

namespace proto {
namespace {

SecretKey Key(std::string_view seed) {
  return std::move(SecretKey::From(Sha256(AsBytes(seed)).span()).value());
}

// The published vectors of BIP-340 with messages of 32 bytes, the only length signed here. Those
// with auxiliary randomness are verified but not signed again, since signing is deterministic.
TEST(Signature, AgreesWithTheVectorsOfBip340) {
  std::ifstream file(SOURCE_DIR "/tests/vectors/bip340.csv");
  std::string line;
  ASSERT_TRUE(std::getline(file, line));  // The names of the columns.
  int verified = 0;
  int signed_again = 0;
  while (std::getline(file, line)) {
    SCOPED_TRACE(line);
    std::vector<std::string> fields;
    std::istringstream text(line);
    for (std::string field; std::getline(text, field, ',');) fields.push_back(field);
    ASSERT_GE(fields.size(), 7u);
    if (fields[4].size() != 64) continue;
    const auto key = PublicKey::From(FromHex(fields[2]).value());
    const auto message = Digest::From(FromHex(fields[4]).value());
    const auto signature = Signature::From(FromHex(fields[5]).value());
    ASSERT_TRUE(key && message && signature);
    EXPECT_EQ(Verify(*key, *message, *signature), fields[6] == "TRUE");
    ++verified;
    if (fields[1].empty()) continue;
    const auto secret = SecretKey::From(FromHex(fields[1]).value());
    ASSERT_TRUE(secret.has_value());
    EXPECT_EQ(secret->public_key(), *key);
    EXPECT_TRUE(Verify(*key, *message, secret->Sign(*message)));
    if (fields[3] == std::string(64, '0')) {
      EXPECT_EQ(secret->Sign(*message), *signature);
      ++signed_again;
    }
  }
  EXPECT_EQ(verified, 15);
  EXPECT_EQ(signed_again, 1);
}

RC_GTEST_PROP(Signature, VerifiesForItsKeyAndMessageAlone, (const std::string& text)) {
  const SecretKey key = Key("signer " + text);
  const Digest message = Sha256(AsBytes(text));
  const Signature signature = key.Sign(message);
  RC_ASSERT(signature == key.Sign(message));
  RC_ASSERT(Verify(key.public_key(), message, signature));
  RC_ASSERT(!Verify(Key("other").public_key(), message, signature));
  RC_ASSERT(!Verify(key.public_key(), Sha256(message.span()), signature));
  Signature forged = signature;
  const auto bit = *rc::gen::inRange<std::size_t>(0, 512);
  forged.bytes[bit / 8] ^= static_cast<std::uint8_t>(1u << (bit % 8));
  RC_ASSERT(!Verify(key.public_key(), message, forged));
}

TEST(Signature, LengthsAreExact) {
  for (const std::size_t size : {0u, 31u, 33u, 63u, 65u}) {
    EXPECT_EQ(PublicKey::From(Bytes(size)).error().code, ErrorCode::kInvalidArgument);
    EXPECT_EQ(Signature::From(Bytes(size)).error().code, ErrorCode::kInvalidArgument);
    EXPECT_EQ(SecretKey::From(Bytes(size, 1)).error().code, ErrorCode::kInvalidArgument);
  }
}

TEST(SecretKey, LiesBetweenOneAndTheGroupOrder) {
  const std::string order = "fffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd03641";
  const auto from = [](const std::string& hex) {
    return SecretKey::From(FromHex(hex).value()).has_value();
  };
  EXPECT_FALSE(from(std::string(64, '0')));
  EXPECT_TRUE(from(std::string(63, '0') + "1"));
  EXPECT_TRUE(from(order + "40"));
  EXPECT_FALSE(from(order + "41"));
  EXPECT_FALSE(from(std::string(64, 'f')));
}

TEST(SecretKey, LeavesNothingBehindWhereItMovesFrom) {
  SecretKey key = Key("mover");
  const SecretKey copy = key.Clone();
  const SecretKey moved = std::move(key);
  EXPECT_TRUE(std::ranges::equal(moved.secret_bytes(), copy.secret_bytes()));
  EXPECT_EQ(moved.public_key(), copy.public_key());
  // NOLINTNEXTLINE(bugprone-use-after-move): that nothing is left behind is the point.
  EXPECT_TRUE(std::ranges::equal(key.secret_bytes(), Bytes(32, 0)));
}

}  // namespace
}  // namespace proto
