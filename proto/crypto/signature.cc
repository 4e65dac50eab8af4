#include "proto/crypto/signature.h"

#include <algorithm>
#include <utility>

#include <secp256k1_extrakeys.h>
#include <secp256k1_schnorrsig.h>

#include "proto/base/check.h"
#include "proto/crypto/group.h"

namespace proto {
namespace {

// libsecp256k1 calls it opaque, and bytes that may be moved and copied.
static_assert(sizeof(secp256k1_keypair) == 96 && alignof(secp256k1_keypair) == 1);

const secp256k1_keypair* AsPair(const std::array<std::uint8_t, 96>& bytes) {
  return reinterpret_cast<const secp256k1_keypair*>(bytes.data());
}

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
  auto* const pair = reinterpret_cast<secp256k1_keypair*>(key.pair_.data());
  CHECK(secp256k1_keypair_create(SigningContext(), pair, key.secret_.data()) == 1);
  secp256k1_xonly_pubkey point;
  CHECK(secp256k1_keypair_xonly_pub(secp256k1_context_static, &point, nullptr, pair) == 1);
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
    pair_ = other.pair_;
    public_key_ = other.public_key_;
    other.Erase();
  }
  return *this;
}

SecretKey::~SecretKey() {
  Erase();
}

void SecretKey::Erase() {
  SecureErase(secret_.data(), secret_.size());
  SecureErase(pair_.data(), pair_.size());
}

SecretKey SecretKey::Clone() const {
  SecretKey copy;
  copy.secret_ = secret_;
  copy.pair_ = pair_;
  copy.public_key_ = public_key_;
  return copy;
}

Signature SecretKey::Sign(const Digest& message) const {
  Signature signature;
  CHECK(secp256k1_schnorrsig_sign32(SigningContext(), signature.bytes.data(), message.bytes.data(),
                                    AsPair(pair_), nullptr) == 1);
  return signature;
}

bool Verify(const PublicKey& key, const Digest& message, const Signature& signature) {
  secp256k1_xonly_pubkey point;
  return secp256k1_xonly_pubkey_parse(secp256k1_context_static, &point, key.bytes.data()) == 1 &&
         secp256k1_schnorrsig_verify(secp256k1_context_static, signature.bytes.data(),
                                     message.bytes.data(), message.bytes.size(), &point) == 1;
}

}  // namespace proto
