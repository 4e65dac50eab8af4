// Threshold coin of Cachin, Kursawe and Shoup (2000) over secp256k1, with BIP-374 style DLEQ
// proofs.
//
// The key x is Shamir-shared at degree k - 1; V_i = x_i G is public. For a name N (a digest that
// binds chain, epoch and purpose) Q = HashToCurve(N); party i's share is S_i = x_i Q with a proof
// that log_G V_i = log_Q S_i. Any k valid shares combine to x Q, and the coin is H(x Q): the same
// for each subset, unpredictable from fewer than k shares under CDH in the random-oracle model.
// Secret scalars meet only constant-time operations (secp256k1_ecdh).
#pragma once

#include <array>
#include <utility>
#include <vector>

#include "proto/base/bytes.h"
#include "proto/committee.h"

namespace proto {

struct CoinShare {
  std::array<std::uint8_t, 33> point{};  // S_i, compressed.
  std::array<std::uint8_t, 64> proof{};  // Challenge and response of the DLEQ proof.

  auto operator<=>(const CoinShare&) const = default;
};

struct CoinPublicKey {
  std::uint16_t threshold = 0;                             // k
  std::vector<std::array<std::uint8_t, 33>> verification;  // V_i, compressed, by party.
  // Where some of the key's holders number themselves anew: their old numbers. Else empty.
  std::vector<PartyId> holders = {};

  bool operator==(const CoinPublicKey&) const = default;
};

// One party's x_i; erased on destruction.
class CoinSecret {
 public:
  static Result<CoinSecret> From(ByteSpan bytes);  // 32 bytes.
  CoinSecret(CoinSecret&&) noexcept;
  CoinSecret& operator=(CoinSecret&&) noexcept;
  ~CoinSecret();
  CoinSecret Clone() const;
  ByteSpan secret_bytes() const { return secret_; }  // For the key file alone.

 private:
  friend CoinShare MakeCoinShare(const CoinSecret&, PartyId, const Digest&);
  CoinSecret() = default;
  std::array<std::uint8_t, 32> secret_{};
};

struct CoinKeys {
  CoinPublicKey public_key;
  std::vector<CoinSecret> secrets;  // By party.
};

// A dealer's key generation, deterministic in `seed` (32 bytes of entropy): for localnets and
// tests.
CoinKeys DealCoin(const Committee& committee, std::uint16_t threshold, ByteSpan seed);

CoinShare MakeCoinShare(const CoinSecret& secret, PartyId party, const Digest& name);
bool VerifyCoinShare(const CoinPublicKey& key, PartyId party, const Digest& name,
                     const CoinShare& share);
// At least `threshold` shares of distinct parties, each already verified (CHECKed for count).
Digest CombineCoin(const CoinPublicKey& key, const Digest& name,
                   const std::vector<std::pair<PartyId, CoinShare>>& shares);

}  // namespace proto
