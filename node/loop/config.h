// What an operator tunes: node.toml in the validator's home. Nothing here can make two honest nodes
// disagree; what could is in the genesis document.
#pragma once

#include <cstdint>
#include <string>

#include "proto/base/result.h"

namespace node {

struct Config {
  std::string home;  // Other paths are relative to it.
  std::string genesis = "genesis.json";
  std::string keys = "keys.json";
  std::string next_keys = "next_keys.json";  // Of a change of keys; need not be there.
  std::string data = "data";                 // LevelDB and bulk files.
  // Files of models, open to everybody; several validators of one machine may name one directory
  // and share them in memory.
  std::string models = "data/models";
  std::string peer_listen;  // host:port; empty: the address in the genesis document.
  std::string rpc_listen;
  std::uint32_t header_delay_ms = 15;  // Between headers while transactions wait.
  std::uint32_t idle_delay_ms = 250;   // Between headers while none do.
  // False: a crash of the machine may make this validator contradict its own votes. Refused but for
  // chains of benchmarks (start --dangerous-no-fsync says otherwise).
  bool fsync = true;
  // Messages of peers are held back so long before they are looked at: a slow network, for
  // benchmarks. Refused like fsync = false.
  std::uint32_t link_delay_ms = 0;
  // Certificates kept for validators that are behind; who is further gets a snapshot.
  std::uint32_t retain_rounds = 200'000;
  std::string log_level = "info";  // trace, debug, info, warn, error

  std::string Path(const std::string& name) const;
};

// Reads home/node.toml. An unknown or mistyped entry is kInvalidArgument and named.
proto::Result<Config> ReadConfig(const std::string& home);
std::string FormatConfig(const Config& config);

}  // namespace node
