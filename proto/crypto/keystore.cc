#include "proto/crypto/keystore.h"

#include <algorithm>
#include <array>
#include <memory>

#include <openssl/evp.h>

#include "proto/base/check.h"

namespace proto {
namespace {

constexpr std::string_view kMagic = "waxseal1";
constexpr std::uint8_t kLogN = 17;
constexpr std::uint8_t kBlocks = 8;    // r
constexpr std::uint8_t kParallel = 1;  // p
constexpr std::uint64_t kMemoryMax = std::uint64_t{256} << 20;
constexpr std::size_t kSaltBytes = 16;
constexpr std::size_t kTagBytes = 16;
constexpr std::size_t kHeaderBytes = 8 + 3 + kSaltBytes;

struct FreeCipher {
  void operator()(EVP_CIPHER_CTX* context) const { EVP_CIPHER_CTX_free(context); }
};

// AES key and nonce; erased.
struct DerivedKey {
  DerivedKey(ByteSpan passphrase, ByteSpan header) {
    const ByteSpan salt = header.last(kSaltBytes);
    CHECK(EVP_PBE_scrypt(reinterpret_cast<const char*>(passphrase.data()), passphrase.size(),
                         salt.data(), salt.size(), std::uint64_t{1} << header[8], header[9],
                         header[10], kMemoryMax, bytes.data(), bytes.size()) == 1);
  }
  DerivedKey(const DerivedKey&) = delete;
  DerivedKey& operator=(const DerivedKey&) = delete;
  ~DerivedKey() { SecureErase(bytes.data(), bytes.size()); }

  std::array<std::uint8_t, 32 + 12> bytes{};
};

std::unique_ptr<EVP_CIPHER_CTX, FreeCipher> Crypt(const DerivedKey& key, ByteSpan header,
                                                  ByteSpan in, std::uint8_t* out, int encrypt) {
  std::unique_ptr<EVP_CIPHER_CTX, FreeCipher> cipher(EVP_CIPHER_CTX_new());
  int size = 0;
  CHECK(cipher != nullptr);
  CHECK(EVP_CipherInit_ex(cipher.get(), EVP_aes_256_gcm(), nullptr, key.bytes.data(),
                          key.bytes.data() + 32, encrypt) == 1);
  CHECK(EVP_CipherUpdate(cipher.get(), nullptr, &size, header.data(),
                         static_cast<int>(header.size())) == 1);
  if (!in.empty()) {
    CHECK(EVP_CipherUpdate(cipher.get(), out, &size, in.data(), static_cast<int>(in.size())) == 1);
  }
  return cipher;
}

}  // namespace

Bytes LockWithPassphrase(ByteSpan passphrase, ByteSpan plaintext, ByteSpan salt) {
  CHECK(salt.size() == kSaltBytes && plaintext.size() <= kLockedPlaintextMax);
  Bytes locked(kHeaderBytes + plaintext.size() + kTagBytes);
  auto place = std::ranges::copy(kMagic, locked.begin()).out;
  for (const std::uint8_t parameter : {kLogN, kBlocks, kParallel}) *place++ = parameter;
  std::ranges::copy(salt, place);
  const ByteSpan header = ByteSpan(locked).first(kHeaderBytes);
  const DerivedKey key(passphrase, header);
  const auto cipher = Crypt(key, header, plaintext, locked.data() + kHeaderBytes, 1);
  std::uint8_t* const tag = locked.data() + kHeaderBytes + plaintext.size();
  int size = 0;
  CHECK(EVP_CipherFinal_ex(cipher.get(), tag, &size) == 1 && size == 0);
  CHECK(EVP_CIPHER_CTX_ctrl(cipher.get(), EVP_CTRL_AEAD_GET_TAG, kTagBytes, tag) == 1);
  return locked;
}

bool IsLocked(ByteSpan bytes) {
  return bytes.size() >= kMagic.size() && AsText(bytes.first(kMagic.size())) == kMagic;
}

Result<Bytes> UnlockWithPassphrase(ByteSpan passphrase, ByteSpan locked) {
  if (!IsLocked(locked) || locked.size() < kLockedOverhead ||
      locked.size() > kLockedOverhead + kLockedPlaintextMax || locked[8] < 1 || locked[8] > kLogN ||
      locked[9] != kBlocks || locked[10] != kParallel) {
    return Fail(ErrorCode::kCorrupt, "nothing that was locked with a passphrase here");
  }
  const ByteSpan header = locked.first(kHeaderBytes);
  const ByteSpan body = locked.subspan(kHeaderBytes, locked.size() - kLockedOverhead);
  std::array<std::uint8_t, kTagBytes> tag{};
  std::ranges::copy(locked.last(kTagBytes), tag.begin());
  Bytes plaintext(body.size());
  const DerivedKey key(passphrase, header);
  const auto cipher = Crypt(key, header, body, plaintext.data(), 0);
  CHECK(EVP_CIPHER_CTX_ctrl(cipher.get(), EVP_CTRL_AEAD_SET_TAG, kTagBytes, tag.data()) == 1);
  int size = 0;
  std::uint8_t none = 0;
  if (EVP_CipherFinal_ex(cipher.get(), &none, &size) != 1) {
    SecureErase(plaintext.data(), plaintext.size());
    return Fail(ErrorCode::kDenied, "the passphrase is wrong, or the file was altered");
  }
  return plaintext;
}

}  // namespace proto
