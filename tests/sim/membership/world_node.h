// One node of the world: its keys, its storage, and what runs while it is up.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "tests/sim/membership/world.h"

namespace sim {

struct MembershipWorld::Node {
  Node(proto::SecretKey own, proto::SecretKey later)
      : key(std::move(own)), next(std::move(later)) {}

  std::string name;
  proto::SecretKey key;
  proto::SecretKey next;  // What it changes its key for.
  std::optional<proto::CoinSecret> coin;
  node::MemoryStore store;
  std::optional<node::MemoryStore> copy;
  std::unique_ptr<node::LedgerMachine> machine;
  std::uint64_t life = 0;  // What was scheduled for an earlier one is void.
  bool doomed = false;     // Dies within the next thing that it does.
  bool away = false;
  bool knows_more = false;    // It may say again what it never said.
  std::uint64_t checked = 0;  // Height.
  std::uint64_t height = 0;   // When it last grew.
  std::uint64_t grown_at = 0;
  std::vector<std::string> notes;
};

}  // namespace sim
