// Who asks, and how much each may: connections at a time, requests a second, and bytes that the
// node keeps for it.
//
// A client is an IPv4 address, or an IPv6 network of 64 bits, which is what one subscriber has.
// Requests are paid from a bucket that fills at a steady rate. Thread-safe.
#pragma once

#include <chrono>
#include <cstddef>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <utility>

namespace node {

// Clients remembered at a time. Beyond it those without a connection, who have read all, are
// forgotten.
inline constexpr std::size_t kClientsMax = 65'536;

struct ClientLimits {
  std::size_t connections_max = 128;
  double requests_per_second = 2000;
  double burst = 4000;  // What an idle client may ask at once.
  // Of one client and of all: bodies of requests, from their announcement to their answer,
  // and answers till they are written.
  std::size_t kept_bytes_max = std::size_t{64} << 20;
  std::size_t all_kept_bytes_max = std::size_t{256} << 20;
};

class Clients {
 public:
  // Room for bytes, until this ends. Not to outlive the clients.
  class Room {
   public:
    Room(Room&& other) noexcept
        : clients_(other.clients_),
          client_(std::move(other.client_)),
          bytes_(std::exchange(other.bytes_, 0)) {}
    Room& operator=(Room&& other) noexcept {
      std::swap(clients_, other.clients_);
      std::swap(client_, other.client_);
      std::swap(bytes_, other.bytes_);
      return *this;
    }
    ~Room() {
      if (bytes_ > 0) clients_->GiveBack(client_, bytes_);
    }

   private:
    friend Clients;
    Room(Clients& clients, std::string client, std::size_t bytes)
        : clients_(&clients), client_(std::move(client)), bytes_(bytes) {}

    Clients* clients_;
    std::string client_;
    std::size_t bytes_;
  };

  using Time = std::chrono::steady_clock::time_point;

  explicit Clients(const ClientLimits& limits) : limits_(limits) {}

  // `address`: 4 or 16 bytes in network order.
  static std::string NameOf(const std::string& address);

  // False: the client has as many connections as it may. Each true is to be followed by a Leave.
  bool Enter(const std::string& client, Time now);
  void Leave(const std::string& client);
  // False: the client asks too often.
  bool MayAsk(const std::string& client, Time now);
  // Nothing: the node keeps too much already, for the client or for all together.
  std::optional<Room> Hold(const std::string& client, std::size_t bytes);

  std::size_t size() const;

 private:
  struct Client {
    std::size_t connections = 0;
    std::size_t kept = 0;
    double tokens = 0;
    Time filled;
  };

  void GiveBack(const std::string& client, std::size_t bytes);
  Client& Find(const std::string& client, Time now);  // Holding the mutex.

  const ClientLimits limits_;
  mutable std::mutex mutex_;
  std::map<std::string, Client> clients_;
  std::size_t kept_ = 0;  // For all.
};

}  // namespace node
