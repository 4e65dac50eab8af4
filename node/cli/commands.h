// The groups of commands. Each adds its subcommands to the parser; the chosen one sets `run`.
#pragma once

#include <functional>
#include <string>

#include <nlohmann/json.hpp>

#include "node/cli/client.h"
#include "proto/base/result.h"

namespace CLI {
class App;
}

namespace node {

using Command = std::function<proto::Result<>()>;

void AddNodeCommands(CLI::App& app, Command& run);       // init, start, status, keys
void AddGenesisCommands(CLI::App& app, Command& run);    // genesis
void AddNetworkCommands(CLI::App& app, Command& run);    // localnet
void AddValidatorCommands(CLI::App& app, Command& run);  // validator
void AddModelCommands(CLI::App& app, Command& run);      // model
void AddPoolCommand(CLI::App& app, Command& run);        // pool, pool fill
void AddRequestCommands(CLI::App& app, Command& run);    // ask, account
void AddProofCommands(CLI::App& app, Command& run);      // query, verify
void AddEvalCommand(CLI::App& app, Command& run);        // eval
void AddDemoCommand(CLI::App& app, Command& run);        // demo
void AddLedgerBench(CLI::App& bench, Command& run);      // bench ledger
void AddMpcBench(CLI::App& bench, Command& run);         // bench mpc, bench inference

// Where a client finds its network: --dir, and --genesis and --key where they lie elsewhere.
struct Access {
  std::string directory;
  std::string genesis;
  std::string key;

  void AddTo(CLI::App& command);
  proto::Result<Client> Open() const;
  std::string GenesisPath() const;
};

// ~/.waxseal, or the environment's WAXSEAL_DIR.
std::string DefaultDirectory();
// A file that ships with the project, by its path there.
std::string ShippedPath(const std::string& path);

// For people on stderr, so that stdout holds the answer alone.
void SayProgress(const std::string& line);
// To stdout: indented for people.
void PrintJson(const nlohmann::json& value);

}  // namespace node
