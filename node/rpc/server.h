// The public side: JSON-RPC over HTTP/1.1, with health and metrics beside it.
//
//   POST /         handlers.call on the body; 200, or 204 when it answers nothing
//   GET  /         with an upgrade: the same calls, and subscriptions, over a WebSocket
//   (websocket.h) POST /transactions   a binary batch of transactions; which were taken, as JSON
//   GET  /blocks/HEIGHT  a block as stored, binary; /blocks/ the newest heights
//   GET  /health   200 while the process runs
//   GET  /ready    200 {"ready":true}, or 503 {"ready":false,"reason":...}
//   GET  /metrics  Prometheus text
//
// A connection that begins as HTTP/2 does belongs to gRPC (grpc_server.h).
//
// Whatever comes, the validator lives: one thread does all I/O and never computes, two more run the
// handlers, so neither a slow client nor a costly call touches consensus. Every connection, header,
// body and wait has a bound (RpcLimits); beyond it the client gets an HTTP error and is hung up on.
#pragma once

#include <chrono>
#include <cstddef>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include <nlohmann/json.hpp>

#include "node/rpc/clients.h"
#include "proto/base/result.h"

namespace node {

struct RpcLimits {
  std::size_t header_bytes_max = 8192;
  std::size_t body_bytes_max = std::size_t{8} << 20;
  std::size_t connections_max = 256;  // Beyond it 503,
  std::size_t refusals_max = 32;      // so many at a time; further ones are just closed.
  std::size_t websockets_max = 64;    // Of the connections; beyond it 503.
  std::size_t websocket_message_bytes_max = std::size_t{1} << 20;
  ClientLimits client;                            // Beyond it 429; 503 where it is bytes.
  std::chrono::milliseconds idle_ms_max{60000};   // Between requests of one connection.
  std::chrono::milliseconds read_ms_max{30000};   // For one request, once it has begun.
  std::chrono::milliseconds write_ms_max{30000};  // For one answer.
  // Subscriptions look for news at most so often.
  std::chrono::milliseconds wake_ms_min{5};
};

struct HttpPage {
  int status = 200;
  std::string body;
  const char* type = "application/json";
};

// They come from two threads at once, and must return for Stop() to.
struct RpcHandlers {
  std::function<std::string(std::string_view body)> call;
  // One call of a method, for gRPC and for subscriptions.
  std::function<proto::Result<nlohmann::json>(const std::string& method,
                                              const nlohmann::json& params)>
      invoke;
  std::function<std::optional<std::string>()> why_not_ready;
  std::function<std::string()> metrics;
  // Many transactions in one body (proto/wire/consensus.h, Batch); the answer is JSON.
  std::function<HttpPage(std::string_view body)> submit;
  // What `/blocks/...` holds.
  std::function<HttpPage(std::string_view path)> blocks;
};

class RpcServer {
 public:
  // `address`: host:port; port 0 takes a free one.
  RpcServer(std::string address, RpcHandlers handlers, const RpcLimits& limits = {});
  ~RpcServer();  // Stops.

  // Once. kUnavailable, naming the address, when it cannot be bound.
  proto::Result<> Start();
  // Cuts all connections; waits for the handlers that run.
  void Stop();
  int port() const;  // After Start().
  // What subscribers follow may have changed. From any thread; costs next to nothing without any.
  void Notify();

 private:
  class Server;
  class Session;
  std::unique_ptr<Server> server_;
};

}  // namespace node
