// A blocking HTTP connection that stays open between requests, for those who ask often.
#pragma once

#include <chrono>
#include <memory>
#include <string>

#include "node/rpc/client.h"

namespace node {

class Connection {
 public:
  explicit Connection(std::string address);  // host:port; dialled at the first request.
  ~Connection();

  // kUnavailable when nothing comes in time; the next call dials again.
  proto::Result<HttpAnswer> Get(const std::string& path,
                                std::chrono::milliseconds timeout = kCallMsMax);
  proto::Result<HttpAnswer> Post(const std::string& path, std::string body,
                                 std::chrono::milliseconds timeout = kCallMsMax);

 private:
  class Stream;

  proto::Result<HttpAnswer> Perform(bool post, const std::string& path, std::string body,
                                    std::chrono::milliseconds timeout);

  const std::string address_;
  std::unique_ptr<Stream> stream_;
};

}  // namespace node
