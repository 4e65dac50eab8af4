// The validators' network: every member holds one stream a channel to every other.
//
// Guarantee: on_message(p, ...) comes only from the holder of the certificate that p's validator
// key vouches for. Per peer and channel messages arrive whole, once and in the order sent, except
// that a lost stream loses what was under way: on_connected(p, channel) then says that p reads a
// new stream of ours, and the host sends again what p may lack. Messages sent while a link is down
// are dropped, so on_connected is also where a host starts.
//
// Cost: TLS 1.3 over gRPC, two connections a direction for each pair; one thread for all of it
// (poller.h), and two assembly buffers a peer (limits.h).
#pragma once

#include <array>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "node/net/certificate.h"
#include "node/net/limits.h"
#include "proto/committee.h"

namespace node {

struct PeerInfo {
  proto::PartyId id;
  std::string address;  // host:port
  std::string certificate_pem;
  proto::PublicKey key;        // The validator's,
  proto::Signature signature;  // and its signature of proto::CertificateDigest(certificate_pem).
};

struct ChannelStatus {
  bool outgoing = false;  // The peer reads our stream.
  bool incoming = false;  // We read its stream.
  std::uint64_t bytes_sent = 0;
  std::uint64_t bytes_received = 0;
  std::uint64_t messages_sent = 0;
  std::uint64_t messages_received = 0;
  std::uint64_t bytes_queued = 0;
  std::uint64_t connections = 0;
  std::string last_error;  // Why our stream is down; else the last fault of the peer's frames.
};

struct PeerStatus {
  proto::PartyId id;
  std::string address;
  std::array<ChannelStatus, kChannels.size()> channels;  // Indexed by Channel.
};

class Network {
 public:
  // They come from the network's thread, one at a time, and may not block. None comes after Stop().
  // on_message is false when the host has no room: the message is left as it was and offered again
  // soon; till then nothing more is read from that peer and channel.
  struct Callbacks {
    std::function<bool(proto::PartyId, Channel, proto::Bytes&)> on_message;
    std::function<void(proto::PartyId, Channel)> on_connected;
    std::function<void(proto::PartyId, Channel)> on_disconnected;
  };

  // `peers`: the other members, each once.
  Network(proto::PartyId self, TlsIdentity identity, std::vector<PeerInfo> peers,
          std::string listen_address, Callbacks callbacks, const Limits& limits = {});
  ~Network();  // Stops.

  // To be called before anything else of gRPC in the process: each of gRPC's queues then waits for
  // its own connections alone. Otherwise whatever thread waits for any of them, an interface's,
  // say, may get the validators' events, and has to wake the network's. GRPC_POLL_STRATEGY
  // overrides.
  static void Prepare();

  // Checks every certificate and its signature, listens, and dials. Once. kInvalidArgument and
  // kDenied name the peer whose certificate is wrong; kUnavailable the address that is occupied.
  proto::Result<> Start();
  // Thread-safe, never blocks; to self is the host's own affair (CHECKed), as is a message beyond
  // the channel's limit.
  void Send(proto::PartyId to, Channel channel, std::shared_ptr<const proto::Bytes> message);
  // Not from a callback. Streams are cut, not drained.
  void Stop();

  int port() const;  // After Start(); what port 0 became.
  std::vector<PeerStatus> peers() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace node
