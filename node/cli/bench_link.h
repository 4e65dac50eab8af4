// Framed messages over a stream socket between the processes of a bench, one thread, no waiting:
// what cannot be written yet is kept, what has come in part too. A message may be held back for a
// while, to stand in for a slow network.
#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <optional>

#include "proto/base/bytes.h"

namespace node {

// Nanoseconds of the machine's monotonic clock: the same in all processes.
std::uint64_t MonotonicNs();

class BenchLink {
 public:
  explicit BenchLink(int fd);  // Owned; made non-blocking.
  BenchLink(BenchLink&& other) noexcept;
  BenchLink& operator=(BenchLink&&) = delete;
  ~BenchLink();

  int fd() const { return fd_; }
  // `channel` comes back with the message. It may be taken at the other end `delay_ns` from now.
  void Send(std::uint8_t channel, std::shared_ptr<const proto::Bytes> body, std::uint64_t delay_ns);
  bool wants_to_write() const { return !out_.empty(); }
  // Writes and reads what is possible; false when the other end is gone.
  bool Pump();

  struct Incoming {
    std::uint8_t channel = 0;
    std::uint64_t due_ns = 0;
    proto::Bytes body;
  };
  // The next message that is due.
  std::optional<Incoming> Take();
  // When the next message becomes due; none when there is none.
  std::optional<std::uint64_t> next_due_ns() const;

 private:
  static constexpr std::size_t kHeaderBytes = 17;  // Length, due time, channel.

  bool Write();
  bool Read();

  struct Outgoing {
    proto::Bytes header;
    std::shared_ptr<const proto::Bytes> body;
    std::size_t sent = 0;
  };
  int fd_;
  std::deque<Outgoing> out_;
  proto::Bytes header_;
  std::size_t have_ = 0;  // Bytes of header and body that have come.
  Incoming incoming_;
  std::deque<Incoming> in_;
};

}  // namespace node
