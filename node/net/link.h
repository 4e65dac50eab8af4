// One outgoing stream to one peer: dialled for ever, fed from a bounded queue.
//
// Guarantee: what Send() accepts while the link is up arrives once and in order, or the stream is
// lost; after a loss connected() is called again as soon as the peer reads a new stream. What is
// sent while the link is down is dropped. So a host that resends on connected() whatever the peer
// may still need loses nothing, and no queue grows for a peer that is gone.
//
// All of it is done on the poller's thread; Send() never blocks, and wakes it once for whatever is
// sent while it waits.
#pragma once

#include <condition_variable>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <string>

#include <grpcpp/security/credentials.h>

#include "node/net/limits.h"
#include "node/net/poller.h"
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
    std::function<void()> disconnected;  // It does no longer. Both come from the poller's thread.
  };
  struct Status {
    bool up = false;
    std::uint64_t bytes_sent = 0;  // Of messages; handed to the transport.
    std::uint64_t messages_sent = 0;
    std::uint64_t bytes_queued = 0;
    std::uint64_t connections = 0;  // How often the link came up.
    std::string last_error;         // Why it went down, or does not come up; empty while up.
  };

  // The poller outlives the link, and is stopped before the link is destroyed.
  Link(Poller& poller, Peer peer, Channel channel, const Limits& limits, Events events);
  ~Link();

  void Start();
  void Send(std::shared_ptr<const proto::Bytes> message);
  // The first asks, the second waits; links are asked together, then awaited. The poller runs.
  void RequestStop();
  void Join();
  Status status() const;

 private:
  class Call;
  enum class Stage { kDown, kDialing, kUp, kOver };

  // On the poller's thread.
  void Dial();
  void OnAccepted();
  void OnOver(const std::string& reason);  // gRPC is done with the call.
  void WriteNext();
  void OnWritten(std::size_t size, std::uint64_t more);

  void Close();  // Holds the mutex.

  Poller& poller_;
  const Peer peer_;
  const Channel channel_;
  const Limits limits_;
  const Events events_;

  // The poller's.
  std::chrono::milliseconds pause_;
  Poller::Timer timer_ = 0;  // The end of a dialling's patience, or of a pause.
  bool accepted_ = false;
  std::chrono::steady_clock::time_point since_;

  mutable std::mutex mutex_;  // Guards what follows.
  std::condition_variable stopped_;
  bool runs_ = false;
  bool stopping_ = false;
  Stage stage_ = Stage::kDown;
  std::unique_ptr<Call> call_;  // From dialling until gRPC is done with it.
  std::string reason_;          // Ours for closing it.
  bool writing_ = false;        // Or about to.
  std::deque<std::shared_ptr<const proto::Bytes>> queue_;
  std::size_t offset_ = 0;  // Into the first of the queue.
  std::size_t queue_bytes_ = 0;
  Status status_;
};

}  // namespace node
