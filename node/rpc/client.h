// A blocking JSON-RPC client, for the command line: one connection a call.
#pragma once

#include <chrono>
#include <string>

#include <nlohmann/json.hpp>

#include "proto/base/result.h"

namespace node {

inline constexpr std::chrono::milliseconds kCallMsMax{30000};
inline constexpr std::size_t kAnswerBytesMax = std::size_t{64} << 20;

struct HttpAnswer {
  int status = 0;
  std::string body;
};

// The method's result. Errors are sentences: kUnavailable when no node answers at `address`
// (host:port) in time, kCorrupt when what answers does not speak JSON-RPC, otherwise the node's own
// error and its code.
proto::Result<nlohmann::json> Call(const std::string& address, const std::string& method,
                                   const nlohmann::json& params,
                                   std::chrono::milliseconds timeout = kCallMsMax);

// GET, for /health, /ready and /metrics.
proto::Result<HttpAnswer> Get(const std::string& address, const std::string& path,
                              std::chrono::milliseconds timeout = kCallMsMax);

}  // namespace node
