#include "node/net/acceptor.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>
#include <vector>

#include <arpa/inet.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "node/net/limits.h"
#include "proto/base/check.h"

namespace node {
namespace {

// When there is no descriptor or memory for a connection, it waits in the kernel for so long.
constexpr int kAcceptPauseMs = 50;

// As gRPC writes it.
std::string NameOf(int fd) {
  sockaddr_storage from{};
  socklen_t size = sizeof from;
  if (::getpeername(fd, reinterpret_cast<sockaddr*>(&from), &size) != 0) return {};
  char text[INET6_ADDRSTRLEN] = {};
  if (from.ss_family == AF_INET) {
    const auto& v4 = reinterpret_cast<const sockaddr_in&>(from);
    ::inet_ntop(AF_INET, &v4.sin_addr, text, sizeof text);
    return std::string("ipv4:") + text + ":" + std::to_string(ntohs(v4.sin_port));
  }
  const auto& v6 = reinterpret_cast<const sockaddr_in6&>(from);
  const std::string port = std::to_string(ntohs(v6.sin6_port));
  if (IN6_IS_ADDR_V4MAPPED(&v6.sin6_addr)) {
    ::inet_ntop(AF_INET, v6.sin6_addr.s6_addr + 12, text, sizeof text);
    return std::string("ipv4:") + text + ":" + port;
  }
  ::inet_ntop(AF_INET6, &v6.sin6_addr, text, sizeof text);
  return std::string("ipv6:%5B") + text + "%5D:" + port;
}

// A listening socket for the first address that can be bound; -1 and errno if none can.
int Bind(const addrinfo* found) {
  for (; found != nullptr; found = found->ai_next) {
    const int fd = ::socket(found->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0) continue;
    const int on = 1;
    ::setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (::bind(fd, found->ai_addr, found->ai_addrlen) == 0 && ::listen(fd, SOMAXCONN) == 0) {
      return fd;
    }
    const int why = errno;
    ::close(fd);
    errno = why;
  }
  return -1;
}

int PortOf(int fd) {
  sockaddr_storage bound{};
  socklen_t size = sizeof bound;
  CHECK(::getsockname(fd, reinterpret_cast<sockaddr*>(&bound), &size) == 0);
  return ntohs(bound.ss_family == AF_INET ? reinterpret_cast<sockaddr_in&>(bound).sin_port
                                          : reinterpret_cast<sockaddr_in6&>(bound).sin6_port);
}

}  // namespace

Acceptor::~Acceptor() {
  Stop();
}

proto::Result<int> Acceptor::Listen(const std::string& address) {
  CHECK(socket_ < 0);
  const auto fail = [&](const std::string& why) {
    return proto::Fail(proto::ErrorCode::kUnavailable,
                       "Cannot listen for peers on " + address + " (" + why +
                           "): stop what uses the port, or configure an address of this machine "
                           "whose port is free.");
  };
  const auto colon = address.rfind(':');
  if (colon == std::string::npos) return fail("it has no port");
  std::string host = address.substr(0, colon);
  if (host.starts_with('[') && host.ends_with(']')) host = host.substr(1, host.size() - 2);
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_PASSIVE;
  addrinfo* found = nullptr;
  const int error = ::getaddrinfo(host.empty() ? nullptr : host.c_str(),
                                  address.c_str() + colon + 1, &hints, &found);
  if (error != 0) return fail(::gai_strerror(error));
  socket_ = Bind(found);
  const int why = errno;
  ::freeaddrinfo(found);
  if (socket_ < 0) return fail(std::strerror(why));
  wake_ = ::eventfd(0, EFD_CLOEXEC);
  if (wake_ < 0) return fail(std::strerror(errno));
  return PortOf(socket_);
}

void Acceptor::Start(Take take) {
  CHECK(socket_ >= 0 && !thread_.joinable());
  take_ = std::move(take);
  thread_ = std::thread([this] { Run(); });
}

void Acceptor::Stop() {
  if (thread_.joinable()) {
    const std::uint64_t one = 1;
    CHECK(::write(wake_, &one, sizeof one) == sizeof one);
    thread_.join();
  }
  for (int* fd : {&socket_, &wake_}) {
    if (*fd >= 0) ::close(std::exchange(*fd, -1));
  }
  const std::lock_guard lock(mutex_);
  for (const Connection& connection : connections_) ::close(connection.handle);
  connections_.clear();
}

void Acceptor::Run() {
  bool pauses = false;
  while (true) {
    // With a negative number poll passes over it: while there is no room, only the end is awaited.
    pollfd events[] = {{wake_, POLLIN, 0}, {pauses ? -1 : socket_, POLLIN, 0}};
    if (::poll(events, std::size(events), pauses ? kAcceptPauseMs : -1) < 0 && errno != EINTR) {
      pauses = true;
      continue;
    }
    if (events[0].revents != 0) return;
    pauses = !AcceptOne();
  }
}

bool Acceptor::AcceptOne() {
  const int fd = ::accept4(socket_, nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK);
  if (fd >= 0) {
    Admit(fd);
    return true;
  }
  // A connection that ended before it was taken, or a spurious event, is no reason to wait.
  return errno != EMFILE && errno != ENFILE && errno != ENOBUFS && errno != ENOMEM;
}

void Acceptor::Admit(int fd) {
  const int on = 1;
  ::setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  {
    const std::lock_guard lock(mutex_);
    Sweep();
    Trim(std::nullopt, kStrangersMax - 1);
    const int handle = ::fcntl(fd, F_DUPFD_CLOEXEC, 0);
    if (handle < 0) {
      ::close(fd);
      return;
    }
    connections_.push_back({NameOf(fd), handle, std::nullopt});
  }
  take_(fd);
}

void Acceptor::Identify(const std::string& name, proto::PartyId peer) {
  const std::lock_guard lock(mutex_);
  const auto found = std::ranges::find(connections_, name, &Connection::name);
  if (found == connections_.end() || found->peer) return;
  found->peer = peer;
  Sweep();
  Trim(peer, kConnectionsPerPeerMax);
}

void Acceptor::Sweep() {
  std::vector<pollfd> handles;
  for (const Connection& connection : connections_) handles.push_back({connection.handle, 0, 0});
  if (::poll(handles.data(), handles.size(), 0) <= 0) return;
  auto at = handles.begin();
  std::erase_if(connections_, [&](const Connection& connection) {
    if ((at++)->revents == 0) return false;  // Neither hung up nor failed.
    ::close(connection.handle);
    return true;
  });
}

void Acceptor::Trim(const std::optional<proto::PartyId>& owner, std::size_t most) {
  auto count = static_cast<std::size_t>(std::ranges::count(connections_, owner, &Connection::peer));
  for (auto it = connections_.begin(); count > most;) {
    if (it->peer != owner) {
      ++it;
      continue;
    }
    ::shutdown(it->handle, SHUT_RDWR);  // gRPC notices.
    ::close(it->handle);
    it = connections_.erase(it);
    --count;
  }
}

}  // namespace node
