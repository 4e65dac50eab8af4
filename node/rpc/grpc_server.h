// The interface for gRPC clients: every method of the method table as a call of
// waxseal.v1.Validator (proto/client.proto), with server reflection and grpc.health.v1.Health
// beside it.
//
// It has no port of its own. A connection to JSON-RPC's port that begins as HTTP/2 does is handed
// over by Adopt(); so the limits on connections and on what a client may ask are the same ones,
// kept in the same place. Calls are checked against the table and run by the same two threads; a
// failure is the gRPC status that corresponds, with the sentence that JSON-RPC would say.
//
// A call whose client has cancelled it, or whose deadline has passed, before its turn is not run.
#pragma once

#include <memory>

#include "node/rpc/guest.h"
#include "proto/base/result.h"

namespace node {

struct GrpcLimits {
  int call_bytes_max = 8 << 20;
  int calls_per_connection_max = 16;  // At a time.
  int metadata_bytes_max = 8192;
  // Of all connections: beyond it gRPC ends calls, the largest first.
  std::size_t memory_max = std::size_t{64} << 20;
  int reflection_threads_max = 4;
};

class GrpcServer {
 public:
  explicit GrpcServer(RpcShared& shared, const GrpcLimits& limits = {});
  ~GrpcServer();

  void Start();
  // Takes the socket `fd` over, and the seat until it is closed. The I/O thread's.
  void Adopt(int fd, Seat seat);
  // Ends all calls; waits for the handlers that run. Nothing is adopted after it.
  void Stop();

 private:
  class Service;
  class Health;
  class Adopted;
  class Reply;
  struct State;

  void Sweep();

  RpcShared& shared_;
  const GrpcLimits limits_;
  std::unique_ptr<State> state_;
};

}  // namespace node
