// model, pool: what the network serves.

#include <cstdio>
#include <memory>

#include <CLI/CLI.hpp>

#include "node/cli/commands.h"
#include "node/cli/package.h"

namespace node {

using nlohmann::json;
using proto::Result;

namespace {

struct RegisterOptions {
  Access access;
  std::string directory;
  std::string vocabulary;
  std::string calibration;
  PackageOptions package;
};

Result<> Register(const RegisterOptions& options) {
  const auto client = options.access.Open();
  if (!client) return tl::unexpected(client.error());
  const auto model = ReadModel(options.directory, options.vocabulary, options.calibration);
  if (!model) return tl::unexpected(model.error());
  const auto package = MakePackage(*model, client->genesis().committee(),
                                   client->key().public_key(), options.package, SayProgress);
  if (!package) return tl::unexpected(package.error());
  for (const Package::Cost& cost : package->costs) {
    SayProgress(std::to_string(cost.tokens) + " tokens: " + std::to_string(cost.openings) +
                " online openings in " + std::to_string(cost.rounds) +
                " rounds, statistical distance 2^-" +
                std::to_string(static_cast<int>(cost.leakage_bits)));
  }
  const auto id = RegisterPackage(*client, *package, SayProgress);
  if (!id) return tl::unexpected(id.error());
  std::printf("%s\n", id->hex().c_str());
  return {};
}

Result<> Show(const Access& access, const std::string& method) {
  const auto client = access.Open();
  if (!client) return tl::unexpected(client.error());
  const auto answer = client->Any(method, json::object());
  if (!answer) return tl::unexpected(answer.error());
  PrintJson(*answer);
  return {};
}

}  // namespace

void AddModelCommands(CLI::App& app, Command& run) {
  CLI::App* model = app.add_subcommand("model", "Register and list models");
  model->require_subcommand(1);
  const auto options = std::make_shared<RegisterOptions>();
  CLI::App* add = model->add_subcommand(
      "register", "Compile a Hugging Face directory, put it on the ledger, hand out its files");
  options->access.AddTo(*add);
  add->add_option("DIRECTORY", options->directory, "With config.json and model.safetensors")
      ->required();
  add->add_option("--name", options->package.name, "The model's name; else the directory's");
  add->add_option("--vocab", options->vocabulary, "vocab.txt, where it is not in the directory");
  add->add_option("--calibration", options->calibration,
                  "Text, a sentence a line, to measure the ranges of values on; else the "
                  "directory's calibration.txt");
  add->add_option("--tokens", options->package.tokens, "Lengths to serve, comma separated")
      ->delimiter(',')
      ->capture_default_str();
  add->add_option("--price", options->package.price, "Of one request")->capture_default_str();
  add->add_option("--pool", options->package.pool_target, "Bundles to keep ready for each length")
      ->capture_default_str();
  add->callback([&run, options] { run = [options] { return Register(*options); }; });

  const auto access = std::make_shared<Access>();
  CLI::App* list = model->add_subcommand("list", "List the registered models");
  access->AddTo(*list);
  list->callback([&run, access] { run = [access] { return Show(*access, "models"); }; });

  CLI::App* pool = app.add_subcommand("pool", "Show the preprocessed bundles of each model");
  access->AddTo(*pool);
  pool->callback([&run, access] { run = [access] { return Show(*access, "pool"); }; });
}

}  // namespace node
