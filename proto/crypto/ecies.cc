#include "proto/crypto/ecies.h"

#include <algorithm>
#include <array>
#include <memory>
#include <span>

#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/kdf.h>

#include "proto/base/check.h"
#include "proto/crypto/group.h"
#include "proto/crypto/hash.h"

namespace proto {
namespace {

constexpr std::size_t kEphemeralSize = 33;
constexpr std::size_t kTagSize = 16;
constexpr std::string_view kSalt = "waxseal/ecies";
constexpr std::uint64_t kAttemptsMax = 256;  // A hash is no scalar with probability 2^-128.

// The key and the nonce of one message, erased after use. Each message has its own.
struct MessageKey {
  MessageKey() = default;
  MessageKey(const MessageKey&) = delete;
  MessageKey& operator=(const MessageKey&) = delete;
  ~MessageKey() { SecureErase(bytes.data(), bytes.size()); }

  const std::uint8_t* key() const { return bytes.data(); }
  const std::uint8_t* nonce() const { return bytes.data() + 32; }

  std::array<std::uint8_t, 32 + 12> bytes{};
};

struct FreeCipher {
  void operator()(EVP_CIPHER_CTX* context) const { EVP_CIPHER_CTX_free(context); }
};
using Cipher = std::unique_ptr<EVP_CIPHER_CTX, FreeCipher>;

// HKDF-SHA256 of the product's x coordinate, which is the same for a secret and its negation, so
// that neither side need know which of the two has the even y. The info binds both public keys.
void Derive(const secp256k1_pubkey& point, const Scalar& secret, ByteSpan ephemeral,
            const PublicKey& recipient, MessageKey& out) {
  CompressedPoint product = MultiplySecret(point, secret);
  Bytes info(ephemeral.begin(), ephemeral.end());
  info.insert(info.end(), recipient.bytes.begin(), recipient.bytes.end());

  static EVP_KDF* const hkdf = EVP_KDF_fetch(nullptr, "HKDF", nullptr);
  CHECK(hkdf != nullptr);
  EVP_KDF_CTX* const context = EVP_KDF_CTX_new(hkdf);
  CHECK(context != nullptr);
  std::string digest = "SHA256";
  std::string salt(kSalt);
  const std::array parameters = {
      OSSL_PARAM_construct_utf8_string(OSSL_KDF_PARAM_DIGEST, digest.data(), digest.size()),
      OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_SALT, salt.data(), salt.size()),
      OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_KEY, product.data() + 1, product.size() - 1),
      OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_INFO, info.data(), info.size()),
      OSSL_PARAM_construct_end(),
  };
  CHECK(EVP_KDF_derive(context, out.bytes.data(), out.bytes.size(), parameters.data()) == 1);
  EVP_KDF_CTX_free(context);
  SecureErase(product.data(), product.size());
}

// One AES-256-GCM pass up to the tag; `encrypt` is 1 or 0, as in EVP_CipherInit_ex2.
Cipher Crypt(const MessageKey& key, ByteSpan context, ByteSpan in, std::uint8_t* out, int encrypt) {
  CHECK(in.size() <= kSealedPlaintextMax && context.size() <= kSealedContextMax);
  static const EVP_CIPHER* const gcm = EVP_CIPHER_fetch(nullptr, "AES-256-GCM", nullptr);
  CHECK(gcm != nullptr);
  Cipher cipher(EVP_CIPHER_CTX_new());
  CHECK(cipher != nullptr);
  CHECK(EVP_CipherInit_ex2(cipher.get(), gcm, key.key(), key.nonce(), encrypt, nullptr) == 1);
  int size = 0;
  if (!context.empty()) {
    CHECK(EVP_CipherUpdate(cipher.get(), nullptr, &size, context.data(),
                           static_cast<int>(context.size())) == 1);
  }
  if (!in.empty()) {
    CHECK(EVP_CipherUpdate(cipher.get(), out, &size, in.data(), static_cast<int>(in.size())) == 1);
  }
  return cipher;
}

Scalar EphemeralSecret(ByteSpan entropy) {
  for (std::uint64_t attempt = 0; attempt < kAttemptsMax; ++attempt) {
    const Digest hash = Hasher("waxseal/ecies/ephemeral").Add(entropy).Add(attempt).Finish();
    if (IsScalar(hash.bytes)) return hash.bytes;
  }
  CHECK(false);
  return {};
}

}  // namespace

Bytes Seal(const PublicKey& recipient, ByteSpan context, ByteSpan plaintext, ByteSpan entropy) {
  CHECK(entropy.size() == 32);
  const auto point = LiftX(recipient.bytes);
  CHECK(point.has_value());
  Scalar secret = EphemeralSecret(entropy);
  const CompressedPoint ephemeral = Serialize(MultiplyGenerator(secret));
  MessageKey key;
  Derive(*point, secret, ephemeral, recipient, key);
  SecureErase(secret.data(), secret.size());

  Bytes sealed(kEphemeralSize + plaintext.size() + kTagSize);
  std::ranges::copy(ephemeral, sealed.begin());
  std::uint8_t* const body = sealed.data() + kEphemeralSize;
  std::uint8_t* const tag = body + plaintext.size();
  const Cipher cipher = Crypt(key, context, plaintext, body, 1);
  int size = 0;
  CHECK(EVP_CipherFinal_ex(cipher.get(), tag, &size) == 1 && size == 0);
  CHECK(EVP_CIPHER_CTX_ctrl(cipher.get(), EVP_CTRL_AEAD_GET_TAG, kTagSize, tag) == 1);
  return sealed;
}

Result<Bytes> OpenSealed(const SecretKey& recipient, ByteSpan context, ByteSpan sealed) {
  if (sealed.size() < kSealedOverhead || sealed.size() - kSealedOverhead > kSealedPlaintextMax) {
    return Fail(ErrorCode::kCorrupt, "a sealed message of this length cannot be");
  }
  const ByteSpan ephemeral = sealed.first(kEphemeralSize);
  const ByteSpan body = sealed.subspan(kEphemeralSize, sealed.size() - kSealedOverhead);
  std::array<std::uint8_t, kTagSize> tag{};
  std::ranges::copy(sealed.last(kTagSize), tag.begin());
  const auto point = ParsePoint(ephemeral);
  if (!point) return Fail(ErrorCode::kCorrupt, "a sealed message begins with no point");

  Scalar secret{};
  std::ranges::copy(recipient.secret_bytes(), secret.begin());
  MessageKey key;
  Derive(*point, secret, ephemeral, recipient.public_key(), key);
  SecureErase(secret.data(), secret.size());

  Bytes plaintext(body.size());
  const Cipher cipher = Crypt(key, context, body, plaintext.data(), 0);
  CHECK(EVP_CIPHER_CTX_ctrl(cipher.get(), EVP_CTRL_AEAD_SET_TAG, kTagSize, tag.data()) == 1);
  int size = 0;
  if (EVP_CipherFinal_ex(cipher.get(), nullptr, &size) != 1) {
    SecureErase(plaintext.data(), plaintext.size());
    return Fail(ErrorCode::kCorrupt, "the message was not sealed for this key and context");
  }
  return plaintext;
}

}  // namespace proto
