// localnet: a network of validators on this machine.

#include <memory>

#include <CLI/CLI.hpp>

#include "node/cli/commands.h"
#include "node/cli/localnet.h"
#include "node/loop/files.h"

namespace node {

using proto::Result;

void AddNetworkCommands(CLI::App& app, Command& run) {
  CLI::App* localnet = app.add_subcommand("localnet", "Run a network of validators here");
  localnet->require_subcommand(1);
  const auto options = std::make_shared<NetworkOptions>();
  options->directory = DefaultDirectory();
  options->spec = ShippedPath("chain-spec/devnet.json");
  const auto if_absent = std::make_shared<bool>(false);
  const auto add_directory = [options](CLI::App* command) {
    command->add_option("--dir", options->directory, "Directory of the network")
        ->capture_default_str();
  };
  const auto add_creation = [options, add_directory](CLI::App* command) {
    add_directory(command);
    command->add_option("--n", options->validators, "Validators; 4, 7, 10 or 13 can compute")
        ->check(CLI::Range(4, 13))
        ->capture_default_str();
    command
        ->add_option("--base-port", options->base_port,
                     "First port; validator I uses base + 10 I and the next")
        ->check(CLI::Range(1024, 60000))
        ->capture_default_str();
    command->add_option("--hosts", options->hosts, "The validators' host names, comma separated")
        ->delimiter(',');
    command->add_option("--listen", options->listen, "Address that validators listen at")
        ->capture_default_str();
    command->add_option("--spec", options->spec, "Chain spec")->capture_default_str();
  };

  CLI::App* create = localnet->add_subcommand("create", "Make keys, homes and genesis document");
  add_creation(create);
  create->add_flag("--if-absent", *if_absent, "Succeed when there is a network already");
  create->callback([&run, options, if_absent] {
    run = [options, if_absent]() -> Result<> {
      if (*if_absent && FileExists(options->directory + "/genesis.json")) return {};
      const auto genesis = CreateNetwork(*options);
      if (!genesis) return tl::unexpected(genesis.error());
      SayProgress("made a network of " + std::to_string(genesis->validators.size()) +
                  " validators in " + options->directory);
      return {};
    };
  });

  CLI::App* up = localnet->add_subcommand("up", "Create the network if needed, start it, wait");
  add_creation(up);
  up->callback([&run, options] {
    run = [options]() -> Result<> {
      const std::string path = options->directory + "/genesis.json";
      auto genesis = FileExists(path) ? ReadGenesis(path) : CreateNetwork(*options);
      if (!genesis) return tl::unexpected(genesis.error());
      return StartNetwork(options->directory, *genesis, SayProgress);
    };
  });

  CLI::App* status = localnet->add_subcommand("status", "Show every validator");
  add_directory(status);
  status->callback([&run, options] {
    run = [options]() -> Result<> {
      const auto genesis = ReadGenesis(options->directory + "/genesis.json");
      if (!genesis) return tl::unexpected(genesis.error());
      PrintJson(NetworkStatus(options->directory, *genesis));
      return {};
    };
  });

  CLI::App* down = localnet->add_subcommand("down", "Stop all validators; their data stays");
  add_directory(down);
  down->callback([&run, options] {
    run = [options]() -> Result<> {
      const auto genesis = ReadGenesis(options->directory + "/genesis.json");
      if (!genesis) return tl::unexpected(genesis.error());
      return StopNetwork(options->directory, *genesis);
    };
  });
}

}  // namespace node
