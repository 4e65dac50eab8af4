#include "proto/crypto/signature.h"

#include <algorithm>
#include <cstring>
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

// A key's point, whose second coordinate is a square root: an eighth of a check. Those checked with
// lately are kept, on each thread its own; who makes keys meet in one place gains nothing but that
// they are computed again.
constexpr std::size_t kPointsKept = 2048;

const secp256k1_xonly_pubkey* FindPoint(const PublicKey& key) {
  struct Kept {
    std::array<std::uint8_t, 32> key;  // All zero is no key.
    secp256k1_xonly_pubkey point;
  };
  thread_local std::array<Kept, kPointsKept> kept{};
  std::size_t place = 0;
  std::memcpy(&place, key.bytes.data(), sizeof place);
  Kept& found = kept[place % kPointsKept];
  if (found.key == key.bytes && key != PublicKey()) return &found.point;
  secp256k1_xonly_pubkey point;
  if (secp256k1_xonly_pubkey_parse(secp256k1_context_static, &point, key.bytes.data()) != 1) {
    return nullptr;
  }
  found = {key.bytes, point};
  return &found.point;
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
  const secp256k1_xonly_pubkey* const point = FindPoint(key);
  return point != nullptr &&
         secp256k1_schnorrsig_verify(secp256k1_context_static, signature.bytes.data(),
                                     message.bytes.data(), message.bytes.size(), point) == 1;
}

}  // namespace proto
