// Secrets under a passphrase: scrypt (Percival 2009, RFC 7914) and AES-256-GCM.
//
// Locked = magic "waxseal1" || log2 N (1) || r (1) || p (1) || salt (16) || ciphertext || tag (16).
// The header is bound as associated data; the AES key and nonce come from scrypt with a fresh salt,
// so no key is used twice. A guess costs N = 2^17, r = 8: 128 MiB and about half a second, for an
// attacker as for us. Security rests on the passphrase's entropy.
#pragma once

#include "proto/base/bytes.h"

namespace proto {

inline constexpr std::size_t kLockedOverhead = 8 + 3 + 16 + 16;
inline constexpr std::size_t kLockedPlaintextMax = std::size_t{1} << 20;

// `salt`: 16 fresh random bytes. The sizes are within the limits (CHECKed).
Bytes LockWithPassphrase(ByteSpan passphrase, ByteSpan plaintext, ByteSpan salt);
bool IsLocked(ByteSpan bytes);
// kDenied for a wrong passphrase (or altered bytes: they look the same), kCorrupt for bytes that
// are nothing locked, or with parameters beyond those above: reading never costs more than making.
Result<Bytes> UnlockWithPassphrase(ByteSpan passphrase, ByteSpan locked);

}  // namespace proto
