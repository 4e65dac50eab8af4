// What the connections of the interface share, be they HTTP, WebSocket or gRPC, and their places in
// it. Everything here is the I/O thread's, but for `clients`, `pool`, `handlers` and `stopping`.
#pragma once

#include <atomic>
#include <memory>
#include <set>
#include <string>
#include <utility>  // Before asio, which forgets it.

#include <boost/asio/io_context.hpp>
#include <boost/asio/thread_pool.hpp>

#include "node/rpc/clients.h"
#include "node/rpc/server.h"

namespace node {

class Guest;

inline std::string AsksTooOften(const RpcLimits& limits) {
  return "You ask too often: at most " +
         std::to_string(static_cast<std::uint64_t>(limits.client.requests_per_second)) +
         " requests a second for each address; put many transactions in one body.";
}

inline constexpr char kTooMuchKept[] =
    "Too much waits for you, or for all: read the answers to what you asked, and try again later.";

struct RpcShared {
  RpcShared(RpcHandlers what, const RpcLimits& bounds)
      : handlers(std::move(what)), limits(bounds), clients(bounds.client) {}

  const RpcHandlers handlers;
  const RpcLimits limits;
  Clients clients;
  std::set<Guest*> guests;   // All connections that live.
  std::size_t refusals = 0;  // Of them those that only learn that there is no place.
  std::size_t websockets = 0;
  std::atomic<std::size_t> subscriptions = 0;
  boost::asio::io_context io{1};
  std::unique_ptr<boost::asio::thread_pool> pool;  // Runs the handlers.
  std::atomic<bool> stopping = false;
};

// A connection's count against the limits, from its acceptance to its end.
class Seat {
 public:
  // `entered`: it counts for the client (Clients::Enter was true); else it is a refusal.
  Seat(RpcShared& shared, std::string client, bool entered)
      : shared_(&shared), client_(std::move(client)), entered_(entered) {
    if (!entered_) shared_->refusals += 1;
  }
  Seat(Seat&& other) noexcept
      : shared_(std::exchange(other.shared_, nullptr)),
        client_(std::move(other.client_)),
        entered_(other.entered_) {}
  Seat& operator=(Seat&&) = delete;
  ~Seat() {
    if (shared_ == nullptr) return;
    if (entered_) {
      shared_->clients.Leave(client_);
    } else {
      shared_->refusals -= 1;
    }
  }

  const std::string& client() const { return client_; }

 private:
  RpcShared* shared_;
  std::string client_;
  bool entered_;
};

class Guest {
 public:
  Guest(RpcShared& shared, Seat seat) : shared_(shared), seat_(std::move(seat)) {
    shared_.guests.insert(this);
  }
  Guest(const Guest&) = delete;
  virtual ~Guest() { shared_.guests.erase(this); }

  // Hangs up, soon.
  virtual void Cut() = 0;
  // Something may have happened that the connection waits for.
  virtual void Wake() {}

 protected:
  RpcShared& shared_;
  Seat seat_;
};

}  // namespace node
