// Who may come to the port: takes connections off the listening socket, bounded, and hands them on.
//
// gRPC would accept without a bound, and one accept that fails for want of descriptors ends its
// listening for good (1.51): whoever opens as many connections as the process has descriptors, and
// says nothing, would have closed the port. Here a connection that no member has proved to be its
// own is a stranger's. There are at most kStrangersMax of them; beyond that the oldest is cut. A
// member needs one handshake to be known, so a flood keeps it out only if it brings kStrangersMax
// connections in that time. Of a member's connections the newest kConnectionsPerPeerMax stay.
#pragma once

#include <functional>
#include <list>
#include <mutex>
#include <optional>
#include <string>
#include <thread>

#include "proto/base/result.h"
#include "proto/committee.h"

namespace node {

class Acceptor {
 public:
  // Takes over the socket, which does not block.
  using Take = std::function<void(int fd)>;

  Acceptor() = default;
  Acceptor(const Acceptor&) = delete;
  ~Acceptor();  // Stops.

  // Binds `address` (host:port; port 0 takes a free one) and says which port it is. kUnavailable
  // when it cannot be bound. Once.
  proto::Result<int> Listen(const std::string& address);
  // Connections go to `take`, on a thread of its own, till Stop().
  void Start(Take take);
  void Stop();

  // The connection that gRPC names so (ServerContext::peer) is this member's.
  void Identify(const std::string& name, proto::PartyId peer);

 private:
  // A second handle tells when gRPC has closed the first: both ways are shut down then.
  struct Connection {
    std::string name;
    int handle = -1;
    std::optional<proto::PartyId> peer;
  };

  void Run();
  bool AcceptOne();  // False when there is no more, or no room in the process.
  void Admit(int fd);
  void Sweep();  // Both hold the mutex.
  void Trim(const std::optional<proto::PartyId>& owner, std::size_t most);

  Take take_;
  int socket_ = -1;
  int wake_ = -1;
  std::thread thread_;
  std::mutex mutex_;                   // Guards what follows.
  std::list<Connection> connections_;  // Oldest first.
};

}  // namespace node
