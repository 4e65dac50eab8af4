#include "proto/crypto/signature.h"

#include <algorithm>
#include <utility>

#include <secp256k1_extrakeys.h>
#include <secp256k1_schnorrsig.h>

#include "proto/base/check.h"
#include "proto/crypto/group.h"

namespace proto {
namespace {

class Keypair {
 public:
  // `secret`: valid.
  explicit Keypair(const Scalar& secret) {
    CHECK(secp256k1_keypair_create(SigningContext(), &keypair_, secret.data()) == 1);
  }
  Keypair(const Keypair&) = delete;
  Keypair& operator=(const Keypair&) = delete;
  ~Keypair() { SecureErase(&keypair_, sizeof keypair_); }

  const secp256k1_keypair* get() const { return &keypair_; }

 private:
  secp256k1_keypair keypair_;
};

}  // namespace

Result<PublicKey> PublicKey::From(ByteSpan bytes) {
  PublicKey key;
  if (bytes.size() != key.bytes.size()) {
    return Fail(ErrorCode::kInvalidArgument, "a public key has 32 bytes");
  }
  std::ranges::copy(bytes, key.bytes.begin());
  return key;
}

bool PublicKey::OnCurve() const {
  secp256k1_xonly_pubkey point;
  return secp256k1_xonly_pubkey_parse(secp256k1_context_static, &point, bytes.data()) == 1;
}

Result<Signature> Signature::From(ByteSpan bytes) {
  Signature signature;
  if (bytes.size() != signature.bytes.size()) {
    return Fail(ErrorCode::kInvalidArgument, "a signature has 64 bytes");
  }
  std::ranges::copy(bytes, signature.bytes.begin());
  return signature;
}

Result<SecretKey> SecretKey::From(ByteSpan bytes) {
  SecretKey key;
  if (bytes.size() != key.secret_.size()) {
    return Fail(ErrorCode::kInvalidArgument, "a secret key has 32 bytes");
  }
  std::ranges::copy(bytes, key.secret_.begin());
  if (!IsScalar(key.secret_)) {
    return Fail(ErrorCode::kInvalidArgument, "a secret key lies between 1 and the group order");
  }
  const Keypair keypair(key.secret_);
  secp256k1_xonly_pubkey point;
  CHECK(secp256k1_keypair_xonly_pub(secp256k1_context_static, &point, nullptr, keypair.get()) == 1);
  CHECK(secp256k1_xonly_pubkey_serialize(secp256k1_context_static, key.public_key_.bytes.data(),
                                         &point) == 1);
  return key;
}

SecretKey::SecretKey(SecretKey&& other) noexcept {
  *this = std::move(other);
}

SecretKey& SecretKey::operator=(SecretKey&& other) noexcept {
  if (this != &other) {
    secret_ = other.secret_;
    public_key_ = other.public_key_;
    SecureErase(other.secret_.data(), other.secret_.size());
  }
  return *this;
}

SecretKey::~SecretKey() {
  SecureErase(secret_.data(), secret_.size());
}

SecretKey SecretKey::Clone() const {
  SecretKey copy;
  copy.secret_ = secret_;
  copy.public_key_ = public_key_;
  return copy;
}

Signature SecretKey::Sign(const Digest& message) const {
  const Keypair keypair(secret_);
  Signature signature;
  CHECK(secp256k1_schnorrsig_sign32(SigningContext(), signature.bytes.data(), message.bytes.data(),
                                    keypair.get(), nullptr) == 1);
  return signature;
}

bool Verify(const PublicKey& key, const Digest& message, const Signature& signature) {
  secp256k1_xonly_pubkey point;
  return secp256k1_xonly_pubkey_parse(secp256k1_context_static, &point, key.bytes.data()) == 1 &&
         secp256k1_schnorrsig_verify(secp256k1_context_static, signature.bytes.data(),
                                     message.bytes.data(), message.bytes.size(), &point) == 1;
}

}  // namespace proto
