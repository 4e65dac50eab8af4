// A network of validators on one machine: created, started, watched and stopped.
#pragma once

#include <string>
#include <vector>

#include "node/cli/client.h"
#include "node/cli/network_files.h"

namespace node {

// A base port from `first` on, in steps of 100, at which no port of `validators` validators is in
// use here; `first` when there is none. Below the system's ephemeral ports, if `first` is.
std::uint16_t FreeBasePort(std::uint16_t first, std::uint16_t validators);

// Starts what does not run and waits until every validator is ready. kUnavailable names an occupied
// address, or the validator that did not come up and why (its log's last line).
proto::Result<> StartNetwork(const std::string& directory, const proto::Genesis& genesis,
                             const Progress& progress);
proto::Result<> StartOne(const std::string& directory, const proto::Genesis& genesis,
                         std::size_t validator);
// Until `validator` answers /ready; kUnavailable after `patience`.
proto::Result<> WaitReady(const std::string& directory, const proto::Genesis& genesis,
                          std::size_t validator, std::chrono::seconds patience);
proto::Result<> StopNetwork(const std::string& directory, const proto::Genesis& genesis);
// One entry a validator: its status, or that it is down.
nlohmann::json NetworkStatus(const std::string& directory, const proto::Genesis& genesis);

}  // namespace node
