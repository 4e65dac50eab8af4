// Publicly verifiable dealing of a random scalar: key generation without a dealer to trust.
//
// A dealing shares f(0) of a random polynomial f of degree k - 1 among n recipients: Feldman's
// commitments F_j = f_j G, recipient i's share f(i + 1) encrypted to its key, and a proof that what
// was encrypted is what was committed to. Anybody can check it, so no recipient has to complain and
// no dealer to answer: a dealing is valid for all, or for nobody.
//
// The proof is the cut-and-choose of Camenisch and Damgard (2000) over whole sharings. In each of N
// repetitions the dealer draws, from a seed, a blinding polynomial g and an ephemeral key E = e G,
// commits to g's coefficients, and encrypts g(i + 1) under a one-time pad hashed from e P_i. A hash
// of all that (Fiat and Shamir 1986) keeps u of the repetitions and opens the rest. An opened one
// shows its seed: all of it is computed again. A kept one shows f + g and its ciphertexts: g's
// commitments must be (f + g) G - F, and the recipient finds f(i + 1) = (f + g)(i + 1) - g(i + 1).
//
// Soundness: that a valid dealing hides its share from even one recipient takes ciphertexts wrong
// in all kept repetitions and in no opened one, so the set was guessed: probability 1 / C(150, 45)
// < 2^-128 for each hash tried, 2^(q - 128) for a dealer that tries 2^q of them. The recipient
// tells a right g(i + 1) from a wrong one by F. Secrecy: fewer than k shares tell nothing of f(0)
// but F_0 (CDH in the random-oracle model: a pad is a hash of a Diffie-Hellman value). The proof
// shows knowledge of f for this context and these recipients, so nobody can deal what depends on
// another's dealing in a way that it does not know.
//
// The context must bind chain, epoch, purpose and dealer; every hash binds it, the recipients and
// the threshold. Secret scalars meet only constant-time operations. Cost: README.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <vector>

#include "proto/base/bytes.h"
#include "proto/committee.h"
#include "proto/crypto/coin.h"
#include "proto/crypto/signature.h"

namespace proto {

inline constexpr std::size_t kDealingRepetitions = 150;  // N
inline constexpr std::size_t kDealingKept = 45;          // u
inline constexpr std::size_t kDealingRecipientsMax = 128;

struct Dealing {
  using Block = std::array<std::uint8_t, 32>;
  struct Kept {
    std::array<std::uint8_t, 33> ephemeral{};  // E, compressed.
    std::vector<Block> sum;                    // Coefficients of f + g, constant first.
    std::vector<Block> sealed;                 // g(i + 1) under its pad, by recipient.

    bool operator==(const Kept&) const = default;
  };

  std::vector<std::array<std::uint8_t, 33>> commitments;  // F_j, compressed, constant first.
  Digest challenge;                                       // Tells which repetitions are kept.
  std::vector<Block> opened;                              // Seeds, by repetition.
  std::vector<Kept> kept;                                 // By repetition.

  bool operator==(const Dealing&) const = default;
};

// About 45 (33 + 32 (k + n)) bytes. Decode checks the shape alone and accepts no other bytes than
// EncodeDealing's; the rest is VerifyDealing's.
Bytes EncodeDealing(const Dealing& dealing);
Result<Dealing> DecodeDealing(ByteSpan bytes);

// `entropy`: 32 secret random bytes; equal arguments give equal dealings, and other contexts
// independent ones. 1 <= threshold <= recipients <= kDealingRecipientsMax, and each recipient is
// OnCurve (CHECKed).
Dealing Deal(const Digest& context, std::span<const PublicKey> recipients, std::uint16_t threshold,
             ByteSpan entropy);

// kInvalidArgument with the reason. Public: takes no secret, so all who check agree.
Result<> VerifyDealing(const Digest& context, std::span<const PublicKey> recipients,
                       std::uint16_t threshold, const Dealing& dealing);

// The share of recipients[self], whose secret is `key`, of a dealing that VerifyDealing accepted
// for the same arguments. Fails only with the probability of the soundness error.
Result<CoinSecret> OpenDealing(const Digest& context, std::span<const PublicKey> recipients,
                               std::uint16_t threshold, PartyId self, const SecretKey& key,
                               const Dealing& dealing);

// The key that the sum of verified dealings makes, of equal thresholds, at least one: verification
// key V_i = sum of f(i + 1) G for each of `parties`, and a party's own secret from its shares of
// the same dealings. Failure means that a point or a scalar is zero, probability 2^-256 unless all
// dealers conspire to spoil their own key.
Result<CoinPublicKey> CombineKeys(std::span<const Dealing> dealings, std::uint16_t parties);
Result<CoinSecret> CombineShares(std::span<const CoinSecret> shares);
// Whether `secret` is the party's share under `key`.
bool Matches(const CoinPublicKey& key, PartyId party, const CoinSecret& secret);

}  // namespace proto
