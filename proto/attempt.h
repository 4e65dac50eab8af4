// What the ledger and the MPC engine both know of a preprocessing attempt: the certificate that
// fixes a layer, and what its signatures say.
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

// Where in the history of all attempts something was said: the transcript covers all layers fixed
// before, so a message says which opened values it was computed from.
struct Place {
  Digest chain;
  std::uint64_t epoch = 0;
  std::uint64_t attempt = 0;
  std::uint32_t layer = 0;  // The first not in the transcript.
  Digest transcript;
};

// A sender's signature on the root of its message vector, as a king passes it on.
struct SignedRoot {
  PartyId party{};
  Digest root;
  Signature signature;

  auto operator<=>(const SignedRoot&) const = default;
};

// What it signs: the root is MerkleRootOfBytes of the values. Keys, fixed layers and coins leave a
// sender no choice, so two roots signed for one place are evidence by themselves.
Digest VectorDigest(const Place& place, const Digest& root);
// A king's list of senders, as LayerCertificate::senders.
Digest SendersDigest(const std::vector<SignedRoot>& senders);

// What anybody finds who has a dead attempt's keys: the first layer that is not what it had to be,
// and why. Where a sender signed another root than it had to, that sender lied; where all signed
// what they had to, the king opened something else.
struct Finding {
  std::uint64_t attempt = 0;
  std::uint32_t layer = 0;
  std::vector<SignedRoot> senders;  // The list of the layer's certificate: n - t, ascending.
  std::vector<Digest> expected;     // The roots that they had to sign.
  Digest expected_root;             // That of the right values; zero when a sender lied.
  bool operator==(const Finding&) const = default;
};
Digest FindingDigest(const Finding& finding);

// What an echo signs.
Digest EchoDigest(const Digest& chain, std::uint64_t epoch, std::uint64_t attempt,
                  std::uint32_t layer, PartyId king, const Digest& root, const Digest& senders);

// The chain of an attempt's fixed layers: transcript_0 = zero, transcript_{l+1} = H(transcript_l,
// l, root_l). Names the verification's coins and the bundle.
Digest ExtendTranscript(const Digest& transcript, std::uint32_t layer, const Digest& root);

}  // namespace proto
