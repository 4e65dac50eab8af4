// One validator of the world: its keys, its storage, and what runs while it is up.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "tests/sim/system/world.h"

namespace sim {

struct World::Validator {
  Validator(proto::SecretKey secret, proto::CoinSecret coin_secret, mpc::ReplicatedKeys keys)
      : key(std::move(secret)), coin(std::move(coin_secret)), replicated(std::move(keys)) {}

  proto::SecretKey key;
  proto::CoinSecret coin;
  mpc::ReplicatedKeys replicated;
  std::optional<mpc::PartyContext> context;
  node::MemoryStore store;
  node::MemoryFiles files;
  std::unique_ptr<node::LedgerMachine> machine;
  std::unique_ptr<node::Service> service;
  std::uint64_t life = 0;  // What was scheduled for an earlier one is void.
  bool doomed = false;     // Dies within the next thing that it does.
  std::uint64_t events_at = 0;
  std::uint64_t checked = 0;  // Height.
  bool away = false;          // Nothing boots it but its return.
  std::pair<node::MemoryStore, node::MemoryFiles> copy;
  std::vector<std::string> notes;
};

}  // namespace sim
