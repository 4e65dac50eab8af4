// One outgoing stream to one peer: dialled for ever, fed from a bounded queue.
//
// Guarantee: what Send() accepts while the link is up arrives once and in order, or the stream is
// lost; after a loss connected() is called again as soon as the peer reads a new stream. What is
// sent while the link is down is dropped. So a host that resends on connected() whatever the peer
// may still need loses nothing, and no queue grows for a peer that is gone.
//
// A thread dials and waits; gRPC's own threads write. Send() never blocks.
#pragma once

#include <condition_variable>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <thread>

#include <grpcpp/security/credentials.h>

#include "node/net/limits.h"
#include "proto/base/bytes.h"

namespace node {

class Link {
 public:
  struct Peer {
    std::string address;
    std::string name;  // In its certificate, the only root of the credentials.
    std::shared_ptr<grpc::ChannelCredentials> credentials;
  };
  struct Events {
    std::function<void()> connected;     // The peer reads our stream.
    std::function<void()> disconnected;  // It does no longer. Both come from the link's thread.
  };
  struct Status {
    bool up = false;
    std::uint64_t bytes_sent = 0;  // Of messages; handed to the transport.
    std::uint64_t messages_sent = 0;
    std::uint64_t bytes_queued = 0;
    std::uint64_t connections = 0;  // How often the link came up.
    std::string last_error;         // Why it went down, or does not come up; empty while up.
  };

  Link(Peer peer, Channel channel, const Limits& limits, Events events);
  ~Link();

  void Start();
  void Send(std::shared_ptr<const proto::Bytes> message);
  // The first asks, the second waits; links are asked together, then awaited.
  void RequestStop();
  void Join();
  Status status() const;

 private:
  class Call;
  enum class Stage { kDown, kDialing, kUp, kOver };

  void Run();
  bool Dial();       // One stream from dialling to its end; whether it lasted.
  void WriteNext();  // These two hold the mutex.
  void Close();

  const Peer peer_;
  const Channel channel_;
  const Limits limits_;
  const Events events_;

  mutable std::mutex mutex_;
  std::condition_variable changed_;
  bool stopping_ = false;
  Stage stage_ = Stage::kDown;
  Call* call_ = nullptr;  // From dialling until gRPC is done with it.
  std::string reason_;    // Ours for closing it.
  bool writing_ = false;
  std::deque<std::shared_ptr<const proto::Bytes>> queue_;
  std::size_t offset_ = 0;  // Into the first of the queue.
  std::size_t queue_bytes_ = 0;
  Status status_;

  std::thread thread_;
};

}  // namespace node
