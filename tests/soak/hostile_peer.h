// A validator's keys in the hands of somebody who wants the others to run out of memory or time.
//
// It speaks the peers' protocol correctly as far as the transport goes, and then sends, for ever:
// signed headers of far-future rounds, certificates that are none, batches nobody asked for,
// requests for everything, bytes that do not decode, messages as long as they may be, and MPC for
// requests that do not exist. It drops its links now and then.
#pragma once

#include <string>

#include "proto/base/result.h"

namespace soak {

// Until SIGTERM. `home`: of the validator it plays.
proto::Result<> PlayHostilePeer(const std::string& home);

}  // namespace soak
