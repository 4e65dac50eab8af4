// The incoming half: accepts the streams of known peers, and of nobody else.
//
// Who a peer is follows from the certificate it proved to own in the handshake, compared byte for
// byte with the pinned ones; names play no part. A peer has one stream a channel: a new one ends
// the old and is read once the old has been left, so messages never overtake each other across a
// reconnect. A third is refused.
//
// All of it is done on the thread of a poller, which the listener makes: gRPC ties a server to the
// queue it was built with.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "node/net/certificate.h"
#include "node/net/limits.h"
#include "node/net/poller.h"
#include "proto/committee.h"

namespace node {

class Listener {
 public:
  // On the poller's thread; may not block. False: not taken, and left as it was. It is offered
  // again after kOfferAgainMs; till then nothing is read from that peer and channel (that is the
  // back-pressure).
  using OnMessage = std::function<bool(proto::PartyId, Channel, proto::Bytes&)>;

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

  // kUnavailable when the address cannot be bound. Port 0 takes a free one. Once.
  proto::Result<> Start(const std::string& address);
  // After Start(); to be started. What else works on it has ended when the listener is stopped,
  // which stops it.
  Poller& poller();
  void Stop();
  int port() const { return port_; }
  Status status(proto::PartyId peer, Channel channel) const;

 private:
  class Call;
  class Streams;
  struct Running;

  const TlsIdentity identity_;
  const std::map<proto::PartyId, std::string> peers_;
  std::unique_ptr<Streams> streams_;
  std::unique_ptr<Running> running_;
  int port_ = 0;
};

}  // namespace node
