#include "node/rpc/clients.h"

#include <algorithm>

#include "proto/base/check.h"

namespace node {

std::string Clients::NameOf(const std::string& address) {
  constexpr std::size_t kNetworkBytes = 8;
  return address.size() == 16 ? address.substr(0, kNetworkBytes) : address;
}

Clients::Client& Clients::Find(const std::string& name, Time now) {
  const auto known = clients_.find(name);
  if (known != clients_.end()) return known->second;
  if (clients_.size() >= kClientsMax) {
    std::erase_if(clients_, [](const auto& entry) {
      return entry.second.connections == 0 && entry.second.kept == 0;
    });
  }
  return clients_.emplace(name, Client{0, 0, limits_.burst, now}).first->second;
}

bool Clients::Enter(const std::string& name, Time now) {
  const std::lock_guard lock(mutex_);
  Client& client = Find(name, now);
  if (client.connections >= limits_.connections_max) return false;
  ++client.connections;
  return true;
}

void Clients::Leave(const std::string& name) {
  const std::lock_guard lock(mutex_);
  const auto client = clients_.find(name);
  CHECK(client != clients_.end() && client->second.connections > 0);
  --client->second.connections;
}

bool Clients::MayAsk(const std::string& name, Time now) {
  const std::lock_guard lock(mutex_);
  Client& client = Find(name, now);
  const std::chrono::duration<double> passed = now - client.filled;
  client.filled = now;
  client.tokens =
      std::min(limits_.burst, client.tokens + passed.count() * limits_.requests_per_second);
  if (client.tokens < 1) return false;
  client.tokens -= 1;
  return true;
}

std::optional<Clients::Room> Clients::Hold(const std::string& name, std::size_t bytes) {
  const std::lock_guard lock(mutex_);
  const auto client = clients_.find(name);
  if (client == clients_.end() || bytes > limits_.kept_bytes_max - client->second.kept ||
      bytes > limits_.all_kept_bytes_max - kept_) {
    return std::nullopt;
  }
  client->second.kept += bytes;
  kept_ += bytes;
  return Room(*this, name, bytes);
}

void Clients::GiveBack(const std::string& name, std::size_t bytes) {
  const std::lock_guard lock(mutex_);
  const auto client = clients_.find(name);
  CHECK(client != clients_.end() && client->second.kept >= bytes);
  client->second.kept -= bytes;
  kept_ -= bytes;
}

std::size_t Clients::size() const {
  const std::lock_guard lock(mutex_);
  return clients_.size();
}

}  // namespace node
