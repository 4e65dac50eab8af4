// A client's WebSocket to one validator, blocking: what it subscribed to, event by event.
#pragma once

#include <chrono>
#include <memory>
#include <string>

#include <nlohmann/json.hpp>

#include "node/rpc/client.h"

namespace node {

class Subscriber {
 public:
  // kUnavailable when nothing at `address` (host:port) takes the WebSocket in time.
  static proto::Result<Subscriber> Dial(const std::string& address,
                                        std::chrono::milliseconds timeout = kCallMsMax);
  Subscriber(Subscriber&&) noexcept;
  ~Subscriber();

  // Its number. Errors are the validator's own. May be called again.
  proto::Result<std::uint64_t> Subscribe(const std::string& method, const nlohmann::json& params);
  // The next event: {subscription, method, answer} and perhaps `next`; an error is the
  // subscription's end. kUnavailable when none comes in time (the connection stays), or the
  // connection has ended: then is_open() is false.
  proto::Result<nlohmann::json> Next(std::chrono::milliseconds timeout);
  bool is_open() const;

 private:
  class Stream;
  explicit Subscriber(std::unique_ptr<Stream> stream);

  std::unique_ptr<Stream> stream_;
};

}  // namespace node
