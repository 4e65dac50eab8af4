// Members on loopback, and the means to attack them.
#pragma once

#include <chrono>
#include <condition_variable>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include "node/net/network.h"
#include "proto/spec.h"

namespace node::test {

using proto::Bytes;
using proto::PartyId;

inline constexpr std::chrono::seconds kPatience{60};

// A bound TCP socket on 127.0.0.1.
class Socket {
 public:
  explicit Socket(int port = 0) : fd_(::socket(AF_INET, SOCK_STREAM, 0)) {
    const int on = 1;
    ::setsockopt(fd_, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    address_.sin_family = AF_INET;
    address_.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    address_.sin_port = htons(static_cast<std::uint16_t>(port));
  }
  Socket(const Socket&) = delete;
  ~Socket() { ::close(fd_); }

  bool Bind() { return ::bind(fd_, name(), sizeof address_) == 0; }
  bool Listen() { return Bind() && ::listen(fd_, 16) == 0; }
  bool Connect() { return ::connect(fd_, name(), sizeof address_) == 0; }
  bool Connect(int port) {
    address_.sin_port = htons(static_cast<std::uint16_t>(port));
    return Connect();
  }
  // Whether the other side has closed or cut it; what it has sent is left there.
  bool Ended() const {
    char byte = 0;
    const ssize_t size = ::recv(fd_, &byte, 1, MSG_PEEK | MSG_DONTWAIT);
    return size == 0 || (size < 0 && errno != EAGAIN);
  }
  // False when the other side has closed.
  bool Write(proto::ByteSpan bytes) {
    return ::send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL) ==
           static_cast<ssize_t>(bytes.size());
  }
  int port() const {
    sockaddr_in bound{};
    socklen_t size = sizeof bound;
    ::getsockname(fd_, reinterpret_cast<sockaddr*>(&bound), &size);
    return ntohs(bound.sin_port);
  }

 private:
  sockaddr* name() { return reinterpret_cast<sockaddr*>(&address_); }
  int fd_;
  sockaddr_in address_{};
};

// Free until somebody takes it. Outside the range the kernel gives to outgoing connections, and
// beginning elsewhere in each process, so that tests that run side by side do not meet.
inline int FreePort() {
  constexpr int kFirst = 15000;
  constexpr int kCount = 15000;
  static int next = ::getpid() * 64;
  for (int tries = 0; tries < kCount; ++tries) {
    const int port = kFirst + next++ % kCount;
    if (Socket(port).Bind()) return port;
  }
  ADD_FAILURE() << "no port is free";
  return 0;
}

inline std::string At(int port) {
  return "127.0.0.1:" + std::to_string(port);
}

// What genesis says of one member, and what only the member knows.
struct Member {
  proto::SecretKey key;
  TlsIdentity identity;
  int port;

  static Member Make(std::uint8_t seed, const std::string& name) {
    Bytes secret(32, seed);
    return {*proto::SecretKey::From(secret), *MakeTlsIdentity(name), FreePort()};
  }
  PeerInfo Info(std::uint16_t id) const {
    const std::string& pem = identity.certificate_pem;
    return {PartyId{id}, At(port), pem, key.public_key(), key.Sign(proto::CertificateDigest(pem))};
  }
};

inline std::vector<Member> MakeMembers(std::uint16_t count) {
  std::vector<Member> members;
  for (std::uint16_t i = 0; i < count; ++i) {
    members.push_back(
        Member::Make(static_cast<std::uint8_t>(i + 1), "validator-" + std::to_string(i)));
  }
  return members;
}

// One member's network and what it reported.
class Host {
 public:
  Host(const std::vector<Member>& members, std::uint16_t self, const Limits& limits = {})
      : Host(members, self, Infos(members, self), limits) {}
  Host(const std::vector<Member>& members, std::uint16_t self, std::vector<PeerInfo> peers,
       const Limits& limits = {})
      : network(PartyId{self}, members[self].identity, std::move(peers), At(members[self].port),
                Network::Callbacks{
                    [this](PartyId from, Channel channel, Bytes& message) {
                      return OnMessage(from, channel, message);
                    },
                    [this](PartyId peer, Channel channel) { Count(connected_, peer, channel); },
                    [this](PartyId peer, Channel channel) { Count(disconnected_, peer, channel); }},
                limits) {}
  ~Host() {
    Unblock();
    network.Stop();
  }

  static std::vector<PeerInfo> Infos(const std::vector<Member>& members, std::uint16_t self) {
    std::vector<PeerInfo> infos;
    for (std::uint16_t i = 0; i < members.size(); ++i) {
      if (i != self) infos.push_back(members[i].Info(i));
    }
    return infos;
  }

  void Send(std::uint16_t to, Channel channel, Bytes message) {
    network.Send(PartyId{to}, channel, std::make_shared<const Bytes>(std::move(message)));
  }
  bool AwaitConnected(std::uint16_t peer, Channel channel, int times = 1) {
    return Await([&] { return connected_[{peer, channel}] >= times; });
  }
  bool AwaitDisconnected(std::uint16_t peer, Channel channel, int times = 1) {
    return Await([&] { return disconnected_[{peer, channel}] >= times; });
  }
  bool AwaitMessages(std::uint16_t peer, Channel channel, std::size_t count) {
    return Await([&] { return messages_[{peer, channel}].size() >= count; });
  }
  std::vector<Bytes> Messages(std::uint16_t peer, Channel channel) {
    const std::lock_guard lock(mutex_);
    return messages_[{peer, channel}];
  }
  int connected(std::uint16_t peer, Channel channel) {
    const std::lock_guard lock(mutex_);
    return connected_[{peer, channel}];
  }
  // Until Unblock(), there is no room for messages.
  void Block() {
    const std::lock_guard lock(mutex_);
    blocked_ = true;
  }
  void Unblock() {
    const std::lock_guard lock(mutex_);
    blocked_ = false;
    changed_.notify_all();
  }
  bool AwaitOffer() {
    return Await([&] { return offered_ > 0; });
  }
  ChannelStatus Status(std::uint16_t peer, Channel channel) const {
    for (const PeerStatus& status : network.peers()) {
      if (status.id == PartyId{peer}) return status.channels[static_cast<std::size_t>(channel)];
    }
    ADD_FAILURE() << "no peer " << peer;
    return {};
  }
  template <class Condition>
  bool Await(Condition condition) {
    std::unique_lock lock(mutex_);
    return changed_.wait_for(lock, kPatience, condition);
  }

 private:
  using Key = std::pair<std::uint16_t, Channel>;

  bool OnMessage(PartyId from, Channel channel, Bytes& message) {
    const std::lock_guard lock(mutex_);
    if (blocked_) {
      offered_ += 1;
      changed_.notify_all();
      return false;
    }
    messages_[{Index(from), channel}].push_back(std::move(message));
    changed_.notify_all();
    return true;
  }
  void Count(std::map<Key, int>& counts, PartyId peer, Channel channel) {
    const std::lock_guard lock(mutex_);
    counts[{Index(peer), channel}] += 1;
    changed_.notify_all();
  }

  std::mutex mutex_;
  std::condition_variable changed_;
  bool blocked_ = false;
  int offered_ = 0;  // Messages, again and again, while blocked.
  std::map<Key, std::vector<Bytes>> messages_;
  std::map<Key, int> connected_;
  std::map<Key, int> disconnected_;

 public:
  Network network;  // Last: its callbacks use the rest.
};

// For what no callback announces.
template <class Condition>
bool Eventually(Condition condition) {
  const auto end = std::chrono::steady_clock::now() + kPatience;
  while (std::chrono::steady_clock::now() < end) {
    if (condition()) return true;
    ::usleep(10000);
  }
  return condition();
}

// `size` bytes that differ from one another and between seeds.
inline Bytes Pattern(std::size_t size, std::uint32_t seed) {
  Bytes bytes(size);
  std::uint32_t state = seed * 2654435761u + 1;
  for (auto& byte : bytes) {
    state = state * 1664525u + 1013904223u;
    byte = static_cast<std::uint8_t>(state >> 24);
  }
  return bytes;
}

}  // namespace node::test
