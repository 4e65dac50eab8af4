// host:port, as operators write it: "127.0.0.1:8545", "[::1]:8545", "validator-2:8545".
#pragma once

#include <string>
#include <string_view>

#include "proto/base/result.h"

namespace node {

struct Address {
  std::string host;  // Without brackets.
  std::string port;  // Decimal, 0 to 65535, without leading zeros.
};

// "http://" before and "/" behind it are taken off, since people paste addresses.
proto::Result<Address> ParseAddress(std::string_view text);

}  // namespace node
