// The incoming half: accepts the streams of known peers, and of nobody else.
//
// Who a peer is follows from the certificate it proved to own in the handshake, compared byte for
// byte with the pinned ones; names play no part. A peer has one stream a channel: a new one ends
// the old and is read once the old has been left, so messages never overtake each other across a
// reconnect. A third is refused, so a peer occupies at most two threads a channel.
//
// Whoever has not yet proved who it is, and said which channel, is a guest: it has kGuestPatience,
// there are kGuestsMax at most, and when one more comes the one that came first must go. So a flood
// at the port delays a peer only if it brings kGuestsMax connections in the time of its handshake.
#pragma once

#include <condition_variable>
#include <functional>
#include <list>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "node/net/certificate.h"
#include "node/net/limits.h"
#include "node/net/socket.h"
#include "node/net/tls.h"
#include "proto/committee.h"

namespace node {

inline constexpr std::size_t kGuestsMax = 128;
inline constexpr std::chrono::seconds kGuestPatience{10};

class Listener {
 public:
  // One thread a stream. It may block: the peer then waits (that is the back-pressure), and Stop()
  // waits too, so the host must let it return before.
  using OnMessage = std::function<void(proto::PartyId, Channel, proto::Bytes)>;

  struct Status {
    bool up = false;
    std::uint64_t bytes_received = 0;  // Of whole messages.
    std::uint64_t messages_received = 0;
    std::string last_error;  // The last fault of the peer's stream.
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
  // A connection and the thread that reads it.
  struct Visit {
    std::unique_ptr<TlsStream> stream;
    bool is_guest = true;
    bool is_over = false;
    std::thread thread;
  };
  // The place of a peer's one stream of a channel.
  struct Seat {
    Visit* reading = nullptr;
    bool awaited = false;  // A newer stream waits for the seat.
    Status status;
  };
  class Seated;

  void AcceptAll();
  void Welcome(OwnedFd socket);
  void Receive(Visit& visit);
  // The peer and channel of a guest that has proved and said them in time.
  proto::Result<std::pair<proto::PartyId, Channel>> Admit(TlsStream& stream);
  bool Take(Seat& seat, Visit& visit);
  // Until the stream ends, or is wrong.
  proto::Result<> Read(TlsStream& stream, proto::PartyId peer, Channel channel, Seat& seat);
  // These hold the mutex.
  void Cut(const Visit& visit) const;
  void Reap(std::list<Visit>& gone);

  const TlsIdentity identity_;
  const Limits limits_;
  const OnMessage on_message_;
  std::vector<proto::PartyId> parties_;  // In the order of the pinned certificates.
  std::vector<std::string> pinned_;
  std::shared_ptr<const TlsContext> context_;
  OwnedFd socket_;
  int port_ = 0;
  Alarm alarm_;  // Raised once: to stop.
  std::thread accepting_;

  mutable std::mutex mutex_;
  std::condition_variable left_;
  bool stopping_ = false;
  std::list<Visit> visits_;                                   // In the order they came.
  std::map<std::pair<proto::PartyId, Channel>, Seat> seats_;  // Filled once: references stay.
};

}  // namespace node
