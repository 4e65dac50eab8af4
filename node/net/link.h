// One outgoing stream to one peer: dialled for ever, fed from a bounded queue.
//
// Guarantee: what Send() accepts while the link is up arrives once and in order, or the stream is
// lost; after a loss connected() is called again as soon as the peer reads a new stream. What is
// sent while the link is down is dropped. So a host that resends on connected() whatever the peer
// may still need loses nothing, and no queue grows for a peer that is gone.
//
// The stream: the channel, one byte; back comes one byte when the peer reads; then messages behind
// their lengths (frame.h). A small message leaves on the thread that sends it, without waking
// another; the link's own thread dials, notices the end, and writes what did not go at once. Send()
// never blocks.
#pragma once

#include <condition_variable>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <thread>

#include "node/net/limits.h"
#include "node/net/socket.h"
#include "node/net/tls.h"
#include "proto/base/bytes.h"

namespace node {

class Link {
 public:
  struct Peer {
    std::string address;
    std::shared_ptr<const TlsContext> context;  // Its certificate alone is pinned.
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
  void Run();
  bool Dial();  // One stream from dialling to its end; whether it lasted.
  // A stream that the peer reads, or why there is none.
  proto::Result<std::unique_ptr<TlsStream>> Connect();
  void Serve();  // While it is up.
  // These hold the mutex.
  bool FillChunk();
  void WriteSome();
  void ReadNothing();
  void End(std::string reason);

  const Peer peer_;
  const Channel channel_;
  const Limits limits_;
  const Events events_;
  const Alarm alarm_;  // For the link's thread.

  mutable std::mutex mutex_;
  std::condition_variable changed_;
  bool stopping_ = false;
  bool up_ = false;
  std::unique_ptr<TlsStream> stream_;  // While up.
  std::deque<std::shared_ptr<const proto::Bytes>> queue_;
  std::size_t offset_ = 0;  // Into the first of the queue, its length included.
  std::size_t queue_bytes_ = 0;
  proto::Bytes chunk_;            // What is being written,
  std::size_t chunk_offset_ = 0;  // from here on.
  bool awaits_room_ = false;      // The link's thread goes on as soon as the socket takes more.
  Status status_;

  std::thread thread_;
};

}  // namespace node
