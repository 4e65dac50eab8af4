#include "node/net/socket.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <memory>

#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "proto/base/check.h"

namespace node {
namespace {

using proto::ErrorCode;
using proto::Fail;
using proto::Result;

constexpr int kBacklog = 128;
constexpr int kProbes = 4;

struct FreeAddresses {
  void operator()(addrinfo* list) const { ::freeaddrinfo(list); }
};
using Addresses = std::unique_ptr<addrinfo, FreeAddresses>;

Result<Addresses> Resolve(const std::string& address, int flags) {
  const auto colon = address.rfind(':');
  if (colon == std::string::npos) {
    return Fail(ErrorCode::kInvalidArgument, address + " is not host:port.");
  }
  std::string host = address.substr(0, colon);
  if (host.size() > 1 && host.front() == '[' && host.back() == ']') {
    host = host.substr(1, host.size() - 2);
  }
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = flags | AI_NUMERICSERV;
  addrinfo* found = nullptr;
  const int failed = ::getaddrinfo(host.empty() ? nullptr : host.c_str(),
                                   address.substr(colon + 1).c_str(), &hints, &found);
  if (failed != 0) {
    return Fail(ErrorCode::kUnavailable, address + ": " + ::gai_strerror(failed) + ".");
  }
  return Addresses(found);
}

void Set(int socket, int level, int option, int value) {
  ::setsockopt(socket, level, option, &value, sizeof value);
}

// Small messages leave at once; a dead peer is noticed.
void Tune(int socket) {
  const auto probe = static_cast<int>(kProbeAfter.count());
  const auto dead = static_cast<int>(kDeadAfter.count());
  Set(socket, IPPROTO_TCP, TCP_NODELAY, 1);
  Set(socket, SOL_SOCKET, SO_KEEPALIVE, 1);
  Set(socket, IPPROTO_TCP, TCP_KEEPIDLE, probe);
  Set(socket, IPPROTO_TCP, TCP_KEEPINTVL, dead / kProbes);
  Set(socket, IPPROTO_TCP, TCP_KEEPCNT, kProbes);
  Set(socket, IPPROTO_TCP, TCP_USER_TIMEOUT, (probe + dead) * 1000);
}

std::string Why(int error) {
  return std::strerror(error);
}

}  // namespace

OwnedFd::~OwnedFd() {
  if (fd_ >= 0) ::close(fd_);
}

Alarm::Alarm() : event_(::eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)) {
  CHECK(event_.get() >= 0);
}

void Alarm::Raise() const {
  const std::uint64_t one = 1;
  (void)!::write(event_.get(), &one, sizeof one);  // Full is raised, too.
}

void Alarm::Clear() const {
  std::uint64_t count = 0;
  (void)!::read(event_.get(), &count, sizeof count);
}

Result<> Await(int socket, short events, const Alarm& alarm, Deadline deadline) {
  std::array<pollfd, 2> waiting{{{socket, events, 0}, {alarm.fd(), POLLIN, 0}}};
  for (;;) {
    int timeout = -1;
    if (deadline != kNoDeadline) {
      const auto left =
          std::chrono::ceil<std::chrono::milliseconds>(deadline - std::chrono::steady_clock::now());
      if (left.count() <= 0) return Fail(ErrorCode::kExhausted, "The peer did not answer in time.");
      timeout = static_cast<int>(std::min<std::int64_t>(left.count(), 3'600'000));
    }
    const int ready = ::poll(waiting.data(), waiting.size(), timeout);
    if (ready < 0) CHECK(errno == EINTR);
    if (ready <= 0) continue;
    if (waiting[1].revents != 0) return Fail(ErrorCode::kUnavailable, "stopped");
    if (waiting[0].revents != 0) return {};
  }
}

Result<OwnedFd> Dial(const std::string& address, const Alarm& alarm, Deadline deadline) {
  const auto addresses = Resolve(address, 0);
  if (!addresses) return tl::unexpected(addresses.error());
  std::string why = "no address";
  for (const addrinfo* to = addresses->get(); to != nullptr; to = to->ai_next) {
    OwnedFd socket(
        ::socket(to->ai_family, to->ai_socktype | SOCK_NONBLOCK | SOCK_CLOEXEC, to->ai_protocol));
    if (socket.get() < 0) {
      why = Why(errno);
      continue;
    }
    Tune(socket.get());
    if (::connect(socket.get(), to->ai_addr, to->ai_addrlen) != 0) {
      if (errno != EINPROGRESS) {
        why = Why(errno);
        continue;
      }
      if (auto waited = Await(socket.get(), POLLOUT, alarm, deadline); !waited) {
        return tl::unexpected(waited.error());
      }
      int failed = 0;
      socklen_t size = sizeof failed;
      ::getsockopt(socket.get(), SOL_SOCKET, SO_ERROR, &failed, &size);
      if (failed != 0) {
        why = Why(failed);
        continue;
      }
    }
    return socket;
  }
  return Fail(ErrorCode::kUnavailable, "Cannot connect to " + address + ": " + why + ".");
}

Result<OwnedFd> Listen(const std::string& address) {
  const auto addresses = Resolve(address, AI_PASSIVE);
  if (!addresses) return tl::unexpected(addresses.error());
  const addrinfo& at = **addresses;
  OwnedFd socket(
      ::socket(at.ai_family, at.ai_socktype | SOCK_NONBLOCK | SOCK_CLOEXEC, at.ai_protocol));
  if (socket.get() >= 0) Set(socket.get(), SOL_SOCKET, SO_REUSEADDR, 1);
  if (socket.get() < 0 || ::bind(socket.get(), at.ai_addr, at.ai_addrlen) != 0 ||
      ::listen(socket.get(), kBacklog) != 0) {
    return Fail(ErrorCode::kUnavailable, address + ": " + Why(errno) + ".");
  }
  return socket;
}

int PortOf(int socket) {
  sockaddr_storage bound{};
  socklen_t size = sizeof bound;
  if (::getsockname(socket, reinterpret_cast<sockaddr*>(&bound), &size) != 0) return 0;
  const auto port = bound.ss_family == AF_INET6 ? reinterpret_cast<sockaddr_in6&>(bound).sin6_port
                                                : reinterpret_cast<sockaddr_in&>(bound).sin_port;
  return ntohs(port);
}

OwnedFd Accept(int listening) {
  OwnedFd socket(::accept4(listening, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC));
  if (socket.get() >= 0) Tune(socket.get());
  return socket;
}

}  // namespace node
