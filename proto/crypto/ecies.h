// ECIES: ephemeral secp256k1 Diffie-Hellman, HKDF-SHA256, AES-256-GCM.
//
// Sealed = ephemeral key (33) || ciphertext || tag (16). The context (public, not sent) is bound as
// associated data, so a sealed message cannot be moved to another place.
#pragma once

#include "proto/base/bytes.h"
#include "proto/crypto/signature.h"

namespace proto {

// `entropy`: 32 fresh random bytes, used once.
Bytes Seal(const PublicKey& recipient, ByteSpan context, ByteSpan plaintext, ByteSpan entropy);
// kCorrupt when the bytes were not sealed for this key and context.
Result<Bytes> OpenSealed(const SecretKey& recipient, ByteSpan context, ByteSpan sealed);

}  // namespace proto
