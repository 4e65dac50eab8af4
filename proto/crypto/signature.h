// Schnorr signatures of BIP-340 over secp256k1 (libsecp256k1's schnorrsig module).
//
// A SecretKey erases itself; it is neither copied nor printed. Signing is deterministic (auxiliary
// randomness zero), so equal runs give equal bytes.
#pragma once

#include <array>
#include <compare>

#include "proto/base/bytes.h"

namespace proto {

// An x-only public key (BIP-340). It is also an account's and a validator's name.
struct PublicKey {
  std::array<std::uint8_t, 32> bytes{};

  auto operator<=>(const PublicKey&) const = default;
  ByteSpan span() const { return bytes; }
  std::string hex() const { return ToHex(bytes); }
  static Result<PublicKey> From(ByteSpan bytes);  // 32 bytes; validity is checked by Verify.
  bool OnCurve() const;  // Whether some secret key belongs to it, as Seal demands.
};

struct Signature {
  std::array<std::uint8_t, 64> bytes{};

  auto operator<=>(const Signature&) const = default;
  ByteSpan span() const { return bytes; }
  static Result<Signature> From(ByteSpan bytes);  // 64 bytes.
};

class SecretKey {
 public:
  // 32 bytes of entropy; kInvalidArgument for zero or a value not below the group order.
  static Result<SecretKey> From(ByteSpan bytes);
  SecretKey(SecretKey&& other) noexcept;
  SecretKey& operator=(SecretKey&& other) noexcept;
  ~SecretKey();
  SecretKey Clone() const;  // Explicit, so that copies are seen.

  const PublicKey& public_key() const { return public_key_; }
  Signature Sign(const Digest& message) const;
  ByteSpan secret_bytes() const { return secret_; }  // For the key file alone.

 private:
  SecretKey() = default;
  void Erase();

  std::array<std::uint8_t, 32> secret_{};
  std::array<std::uint8_t, 96> pair_{};  // libsecp256k1's form of secret and point, made once.
  PublicKey public_key_;
};

bool Verify(const PublicKey& key, const Digest& message, const Signature& signature);

}  // namespace proto
