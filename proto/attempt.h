// What the ledger and the MPC engine both know of a preprocessing attempt: the certificate that fixes
// a layer, and what its signatures say.
#pragma once

#include <cstdint>
#include <utility>
#include <vector>

#include "proto/base/bytes.h"
#include "proto/committee.h"
#include "proto/crypto/signature.h"

namespace proto {

// n - t members saw the same opened values c (root) made by `king` from the messages of `senders`.
// The first certificate of (attempt, layer) that the ledger orders fixes the layer for good.
struct LayerCertificate {
  std::uint64_t attempt = 0;
  std::uint32_t layer = 0;
  PartyId king{};
  Digest root;     // MerkleRootOfBytes of the opened values.
  Digest senders;  // Digest of the king's list of the senders' signed roots.
  std::vector<std::pair<PartyId, Signature>> echoes;  // n - t distinct members, ascending.
};

// What an echo signs.
Digest EchoDigest(const Digest& chain, std::uint64_t epoch, std::uint64_t attempt,
                  std::uint32_t layer, PartyId king, const Digest& root, const Digest& senders);

// The chain of an attempt's fixed layers: transcript_0 = zero, transcript_{l+1} = H(transcript_l,
// l, root_l). Names the verification's coins and the bundle.
Digest ExtendTranscript(const Digest& transcript, std::uint32_t layer, const Digest& root);

}  // namespace proto
