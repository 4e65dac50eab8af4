// The directory of a local network, and the dealer that fills it.
//
//   DIR/genesis.json     the same for all
//   DIR/client.key       a funded account for `ask` and `model register`
//   DIR/nodeI/           one validator's home: node.toml, keys.json, genesis.json, data/, log, pid
//
// One process draws all keys here: the operator of a local network is its dealer (`waxseal genesis`
// has none). Each home gets its own validator's secrets and no others.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "proto/base/result.h"
#include "proto/spec.h"

namespace node {

struct NetworkOptions {
  std::string directory;
  std::uint16_t validators = 4;
  std::uint16_t base_port = 26600;  // Validator I: RPC at base + 10 I, peers at base + 10 I + 1.
  std::vector<std::string> hosts;   // By validator; 127.0.0.1 where absent.
  std::string listen = "127.0.0.1";
  std::string spec;                      // Path of the chain spec.
  std::vector<proto::PublicKey> funded;  // Accounts beside the client's.
};

// Creates everything; kInvalidArgument when the directory holds a network already.
proto::Result<proto::Genesis> CreateNetwork(const NetworkOptions& options);
proto::Result<proto::Genesis> ReadGenesis(const std::string& path);

std::string HomeOf(const std::string& directory, std::size_t validator);

}  // namespace node
