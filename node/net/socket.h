// TCP sockets by address, and waiting for them.
#pragma once

#include <chrono>
#include <string>
#include <utility>

#include "proto/base/bytes.h"

namespace node {

// A file descriptor that is closed with it.
class OwnedFd {
 public:
  explicit OwnedFd(int fd = -1) : fd_(fd) {}
  OwnedFd(OwnedFd&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  OwnedFd& operator=(OwnedFd&& other) noexcept {
    std::swap(fd_, other.fd_);
    return *this;
  }
  ~OwnedFd();

  int get() const { return fd_; }
  int Release() { return std::exchange(fd_, -1); }

 private:
  int fd_;
};

// What another thread wakes a waiting one by; it stays raised until it is cleared.
class Alarm {
 public:
  Alarm();

  void Raise() const;
  void Clear() const;
  int fd() const { return event_.get(); }

 private:
  OwnedFd event_;
};

using Deadline = std::chrono::steady_clock::time_point;
inline constexpr Deadline kNoDeadline = Deadline::max();

// Until one of `events` (of poll(2)) or the end of the socket, the deadline, or the alarm. An error
// says which of the latter; kUnavailable is the alarm.
proto::Result<> Await(int socket, short events, const Alarm& alarm, Deadline deadline);

// Both take host:port, or [host]:port. A connection that nobody answers on is noticed: probed when
// it is silent for kProbeAfter, given up kDeadAfter later.
inline constexpr std::chrono::seconds kProbeAfter{10};
inline constexpr std::chrono::seconds kDeadAfter{20};

// The name is looked up first, which may wait for the resolver. Errors say why, in a sentence.
proto::Result<OwnedFd> Dial(const std::string& address, const Alarm& alarm, Deadline deadline);
// On the first address of the name. Port 0 takes a free one.
proto::Result<OwnedFd> Listen(const std::string& address);
int PortOf(int socket);
// An accepted one; none when there is nothing to accept, or no descriptor for it.
OwnedFd Accept(int listening);

}  // namespace node
