// Signatures and coins that cost nanoseconds, for simulated runs by the thousand.
//
// Defines what proto/crypto/signature.cc and coin.cc define: a program that has this file among its
// own objects never takes those two out of proto's library. They are no cryptography: whoever knows
// a public key can sign, whoever knows all keys knows all coins. What the consensus relies on
// holds: a signature fits one key and one message, a changed bit of it fits none; a share fits one
// party and one name; coins are the same for any `threshold` right shares, and another value for a
// wrong one. Programs without this file run the same scenarios with the real thing.

#include <algorithm>
#include <set>

#include "proto/base/check.h"
#include "proto/crypto/coin.h"
#include "proto/crypto/signature.h"

namespace proto {
namespace {

// SplitMix64's finalizer over the words of each part.
class Mixer {
 public:
  explicit Mixer(std::uint64_t purpose) : state_(purpose) {}

  Mixer& Add(std::uint64_t value) {
    state_ = Mix(state_ ^ value) + 0x9e3779b97f4a7c15;
    return *this;
  }
  Mixer& Add(ByteSpan bytes) {
    for (std::size_t i = 0; i < bytes.size(); i += 8) {
      std::uint64_t word = 0;
      for (std::size_t k = i; k < std::min(i + 8, bytes.size()); ++k) word = word << 8 | bytes[k];
      Add(word);
    }
    return Add(bytes.size());
  }
  template <std::size_t N>
  void Fill(std::array<std::uint8_t, N>& bytes) {
    std::uint64_t word = 0;
    for (std::size_t i = 0; i < N; ++i) {
      if (i % 8 == 0) word = Mix(state_ += 0x9e3779b97f4a7c15);
      bytes[i] = static_cast<std::uint8_t>(word >> (8 * (i % 8)));
    }
  }

 private:
  static std::uint64_t Mix(std::uint64_t x) {
    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9;
    x = (x ^ (x >> 27)) * 0x94d049bb133111eb;
    return x ^ (x >> 31);
  }

  std::uint64_t state_;
};

enum Purpose : std::uint64_t { kKey, kSignature, kVerification, kPoint, kProof, kDeal, kCoin };

Signature SignatureOf(const PublicKey& key, const Digest& message) {
  Signature signature;
  Mixer(kSignature).Add(key.bytes).Add(message.bytes).Fill(signature.bytes);
  return signature;
}

std::array<std::uint8_t, 33> VerificationOf(ByteSpan secret) {
  std::array<std::uint8_t, 33> key{};
  Mixer(kVerification).Add(secret).Fill(key);
  return key;
}

CoinShare ShareOf(const std::array<std::uint8_t, 33>& verification, PartyId party,
                  const Digest& name) {
  CoinShare share;
  Mixer(kPoint).Add(verification).Add(name.bytes).Fill(share.point);
  Mixer(kProof).Add(verification).Add(name.bytes).Add(Index(party)).Fill(share.proof);
  return share;
}

template <class T>
Result<T> Copied(ByteSpan bytes, const char* what) {
  T value;
  if (bytes.size() != value.bytes.size()) return Fail(ErrorCode::kInvalidArgument, what);
  std::ranges::copy(bytes, value.bytes.begin());
  return value;
}

}  // namespace

Result<PublicKey> PublicKey::From(ByteSpan bytes) {
  return Copied<PublicKey>(bytes, "a public key has 32 bytes");
}

bool PublicKey::OnCurve() const {
  return true;
}

Result<Signature> Signature::From(ByteSpan bytes) {
  return Copied<Signature>(bytes, "a signature has 64 bytes");
}

Result<SecretKey> SecretKey::From(ByteSpan bytes) {
  SecretKey key;
  if (bytes.size() != key.secret_.size()) {
    return Fail(ErrorCode::kInvalidArgument, "a secret key has 32 bytes");
  }
  std::ranges::copy(bytes, key.secret_.begin());
  Mixer(kKey).Add(bytes).Fill(key.public_key_.bytes);
  return key;
}

SecretKey::SecretKey(SecretKey&& other) noexcept = default;
SecretKey& SecretKey::operator=(SecretKey&& other) noexcept = default;
SecretKey::~SecretKey() = default;

SecretKey SecretKey::Clone() const {
  SecretKey copy;
  copy.secret_ = secret_;
  copy.public_key_ = public_key_;
  return copy;
}

Signature SecretKey::Sign(const Digest& message) const {
  return SignatureOf(public_key_, message);
}

bool Verify(const PublicKey& key, const Digest& message, const Signature& signature) {
  return signature == SignatureOf(key, message);
}

Result<CoinSecret> CoinSecret::From(ByteSpan bytes) {
  CoinSecret secret;
  if (bytes.size() != secret.secret_.size()) {
    return Fail(ErrorCode::kInvalidArgument, "a coin secret has 32 bytes");
  }
  std::ranges::copy(bytes, secret.secret_.begin());
  return secret;
}

CoinSecret::CoinSecret(CoinSecret&& other) noexcept = default;
CoinSecret& CoinSecret::operator=(CoinSecret&& other) noexcept = default;
CoinSecret::~CoinSecret() = default;

CoinSecret CoinSecret::Clone() const {
  CoinSecret copy;
  copy.secret_ = secret_;
  return copy;
}

CoinKeys DealCoin(const Committee& committee, std::uint16_t threshold, ByteSpan seed) {
  CoinKeys keys;
  keys.public_key.threshold = threshold;
  for (std::uint16_t i = 0; i < committee.size(); ++i) {
    std::array<std::uint8_t, 32> secret{};
    Mixer(kDeal).Add(seed).Add(i).Fill(secret);
    keys.secrets.push_back(std::move(*CoinSecret::From(secret)));
    keys.public_key.verification.push_back(VerificationOf(secret));
  }
  return keys;
}

CoinShare MakeCoinShare(const CoinSecret& secret, PartyId party, const Digest& name) {
  return ShareOf(VerificationOf(secret.secret_), party, name);
}

bool VerifyCoinShare(const CoinPublicKey& key, PartyId party, const Digest& name,
                     const CoinShare& share) {
  return Index(party) < key.verification.size() &&
         share == ShareOf(key.verification[Index(party)], party, name);
}

Digest CombineCoin(const CoinPublicKey& key, const Digest& name,
                   const std::vector<std::pair<PartyId, CoinShare>>& shares) {
  CHECK(key.threshold >= 1 && shares.size() >= key.threshold);
  Mixer mixer(kCoin);
  for (const auto& verification : key.verification) mixer.Add(verification);
  mixer.Add(name.bytes);
  std::set<PartyId> parties;
  for (std::size_t i = 0; i < key.threshold; ++i) {
    const auto& [party, share] = shares[i];
    CHECK(parties.insert(party).second);
    // A wrong share spoils the sum.
    if (!VerifyCoinShare(key, party, name, share)) mixer.Add(share.point).Add(Index(party));
  }
  Digest coin;
  mixer.Fill(coin.bytes);
  return coin;
}

}  // namespace proto
