#include "proto/crypto/keystore.h"

#include <gtest/gtest.h>

namespace proto {
namespace {

const Bytes kSalt(16, 7);
const ByteSpan kPassphrase = AsBytes("correct horse battery staple");

TEST(Keystore, OpensWithItsPassphraseAlone) {
  const Bytes secret(100, 42);
  const Bytes locked = LockWithPassphrase(kPassphrase, secret, kSalt);
  EXPECT_EQ(locked.size(), secret.size() + kLockedOverhead);
  EXPECT_TRUE(IsLocked(locked));
  EXPECT_FALSE(IsLocked(secret));
  const auto opened = UnlockWithPassphrase(kPassphrase, locked);
  ASSERT_TRUE(opened);
  EXPECT_EQ(*opened, secret);
  EXPECT_EQ(UnlockWithPassphrase(AsBytes("correct horse battery stapl"), locked).error().code,
            ErrorCode::kDenied);
  EXPECT_NE(locked, LockWithPassphrase(kPassphrase, secret, Bytes(16, 8)));
}

TEST(Keystore, AlteredBytesAreRefused) {
  const Bytes locked = LockWithPassphrase(kPassphrase, Bytes(4, 1), kSalt);
  // Magic, N, r, p; salt; ciphertext; tag.
  for (const std::size_t place : {0u, 8u, 9u, 10u, 26u, 27u, 46u}) {
    Bytes changed = locked;
    changed[place] ^= 1;
    EXPECT_FALSE(UnlockWithPassphrase(kPassphrase, changed)) << place;
  }
  for (const std::size_t size : {std::size_t{0}, std::size_t{8}, kLockedOverhead - 1}) {
    EXPECT_FALSE(UnlockWithPassphrase(kPassphrase, ByteSpan(locked).first(size)));
  }
  Bytes costly = locked;
  costly[8] = 30;  // A terabyte of memory: refused before it is tried.
  EXPECT_EQ(UnlockWithPassphrase(kPassphrase, costly).error().code, ErrorCode::kCorrupt);
}

TEST(Keystore, NothingIsASecretToo) {
  const Bytes locked = LockWithPassphrase({}, {}, kSalt);
  EXPECT_TRUE(UnlockWithPassphrase({}, locked)->empty());
}

}  // namespace
}  // namespace proto
