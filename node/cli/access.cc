#include <cstdio>
#include <cstdlib>

#include <CLI/CLI.hpp>

#include "node/cli/commands.h"
#include "node/cli/network_files.h"
#include "node/loop/key_file.h"

namespace node {

std::string DefaultDirectory() {
  if (const char* directory = std::getenv("WAXSEAL_DIR")) return directory;
  const char* home = std::getenv("HOME");
  return std::string(home != nullptr ? home : ".") + "/.waxseal";
}

std::string ShippedPath(const std::string& path) {
  const char* root = std::getenv("WAXSEAL_HOME");
  return (root != nullptr ? std::string(root) + "/" : std::string()) + path;
}

void SayProgress(const std::string& line) {
  std::fprintf(stderr, "%s\n", line.c_str());
}

void PrintJson(const nlohmann::json& value) {
  std::printf("%s\n", value.dump(2, ' ', false, nlohmann::json::error_handler_t::replace).c_str());
}

void Access::AddTo(CLI::App& command) {
  directory = DefaultDirectory();
  command.add_option("--dir", directory, "Directory of the network (genesis.json, client.key)")
      ->capture_default_str();
  command.add_option("--genesis", genesis, "Genesis document, where it is not in --dir");
  command.add_option("--key", key, "Key file of the account that pays, where it is not in --dir");
}

std::string Access::GenesisPath() const {
  return genesis.empty() ? directory + "/genesis.json" : genesis;
}

proto::Result<Client> Access::Open() const {
  auto document = ReadGenesis(GenesisPath());
  if (!document) {
    return proto::Fail(document.error().code,
                       document.error().message + "; start a network with: waxseal localnet up");
  }
  const std::string path = key.empty() ? directory + "/client.key" : key;
  auto secret = ReadSecretKey(path);
  if (!secret) return tl::unexpected(secret.error());
  return Client(std::move(*document), std::move(*secret), path + ".lock");
}

}  // namespace node
