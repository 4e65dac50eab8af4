// What an attempt's signatures and coins name, beside what the ledger checks (proto/attempt.h).
#pragma once

#include "proto/attempt.h"
#include "proto/base/bytes.h"
#include "proto/wire/attempt_message.h"

namespace mpc {

using proto::Place;
using proto::SendersDigest;
using proto::VectorDigest;

// A member's signature on its shares of the last triple.
proto::Digest OpeningDigest(const Place& place, proto::ByteSpan values);
// The name of the coin that is released once the place's transcript is on the ledger.
proto::Digest ChallengeName(const Place& place);

}  // namespace mpc
