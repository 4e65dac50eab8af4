// What an attempt's signatures and coins name.
#pragma once

#include <cstdint>
#include <vector>

#include "proto/attempt.h"
#include "proto/base/bytes.h"
#include "proto/wire/attempt_message.h"

namespace mpc {

// Where in the history of all attempts something was said: the transcript covers all layers fixed
// before, so a message says which opened values it was computed from.
struct Place {
  proto::Digest chain;
  std::uint64_t epoch = 0;
  std::uint64_t attempt = 0;
  std::uint32_t layer = 0;  // The first not in the transcript.
  proto::Digest transcript;
};

// A sender's signature on its message vector: the root is MerkleRootOfBytes of the values.
proto::Digest VectorDigest(const Place& place, const proto::Digest& root);
// A king's list of senders, as LayerCertificate::senders.
proto::Digest SendersDigest(const std::vector<proto::SignedRoot>& senders);
// A member's signature on its shares of the last triple.
proto::Digest OpeningDigest(const Place& place, proto::ByteSpan values);
// The name of the coin that is released once the place's transcript is on the ledger.
proto::Digest ChallengeName(const Place& place);

}  // namespace mpc
