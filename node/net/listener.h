// The incoming half: accepts the streams of known peers, and of nobody else.
//
// Who a peer is follows from the certificate it proved to own in the handshake, compared byte for
// byte with the pinned ones; names play no part. A peer has one stream a channel: a new one ends
// the old and is read once the old has been left, so messages never overtake each other across a
// reconnect. A third is refused, so a peer occupies at most two threads a channel.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "node/net/certificate.h"
#include "node/net/limits.h"
#include "proto/committee.h"

namespace node {

class Listener {
 public:
  // One thread a stream. It may block: the peer then waits (that is the back-pressure), and Stop()
  // waits too, so the host must let it return before.
  using OnMessage = std::function<void(proto::PartyId, Channel, proto::Bytes)>;

  struct Status {
    bool up = false;
    std::uint64_t bytes_received = 0;  // Of whole messages.
    std::uint64_t messages_received = 0;
    std::string last_error;  // The last fault of the peer's frames.
  };

  // `peers`: the pinned certificates, each passed by CheckCertificate; not empty.
  Listener(TlsIdentity identity, std::map<proto::PartyId, std::string> peers, const Limits& limits,
           OnMessage on_message);
  ~Listener();

  // kUnavailable when the address cannot be bound. Port 0 takes a free one.
  proto::Result<> Start(const std::string& address);
  void Stop();
  int port() const { return port_; }
  Status status(proto::PartyId peer, Channel channel) const;

 private:
  class Service;
  struct Running;

  const TlsIdentity identity_;
  const std::map<proto::PartyId, std::string> peers_;
  std::unique_ptr<Service> service_;
  std::unique_ptr<Running> running_;
  int port_ = 0;
};

}  // namespace node
