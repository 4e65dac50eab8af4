// ECIES: ephemeral secp256k1 Diffie-Hellman, HKDF-SHA256, AES-256-GCM.
//
// Sealed = ephemeral key (33) || ciphertext || tag (16). The context (public, not sent) is bound as
// associated data, so a sealed message cannot be moved to another place. The derived key binds both
// public keys. Security: IND-CCA2 under gap Diffie-Hellman with SHA-256 as a random oracle
// (Abdalla, Bellare and Rogaway 2001). The sender is not authenticated: what is sealed is signed
// elsewhere.
#pragma once

#include "proto/base/bytes.h"
#include "proto/crypto/signature.h"

namespace proto {

inline constexpr std::size_t kSealedOverhead = 33 + 16;
inline constexpr std::size_t kSealedPlaintextMax = std::size_t{1} << 30;
inline constexpr std::size_t kSealedContextMax = std::size_t{1} << 20;

// `entropy`: 32 fresh random bytes, used once. The recipient must be OnCurve and the sizes within
// the limits (CHECKed).
Bytes Seal(const PublicKey& recipient, ByteSpan context, ByteSpan plaintext, ByteSpan entropy);
// kCorrupt when the bytes were not sealed for this key and context.
Result<Bytes> OpenSealed(const SecretKey& recipient, ByteSpan context, ByteSpan sealed);

}  // namespace proto
