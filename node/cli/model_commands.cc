// model: what the network serves.

#include <array>
#include <cstdio>
#include <map>
#include <memory>
#include <string>

#include <CLI/CLI.hpp>

#include "mpc/sharing/replicated.h"
#include "node/cli/commands.h"
#include "node/cli/evaluation.h"
#include "node/cli/package.h"
#include "node/loop/files.h"
#include "node/store/shared_files.h"
#include "proto/crypto/hash.h"

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

json ToJson(const Package::Cost& cost) {
  return {{"tokens", cost.tokens},
          {"openings", cost.counted.openings},
          {"rounds", cost.counted.rounds},
          {"exchanges", cost.counted.exchanges},
          {"online_bytes", cost.counted.online_bytes},
          {"preprocessing_products", cost.counted.products_total},
          {"preprocessing_bytes", cost.counted.preprocessing_bytes},
          {"bundle_bytes", cost.counted.bundle_bytes},
          {"leakage_bits", cost.leakage_bits}};
}

// How many of the weights have so many bits.
std::map<std::string, std::size_t> WeightsByBits(const mpc::Plan& plan) {
  std::map<std::string, std::size_t> counts;
  for (const mpc::Constant& constant : plan.constants) {
    counts[std::to_string(8 * constant.values.width())] += constant.values.size();
  }
  return counts;
}

void SayCosts(const Package& package) {
  for (const Package::Cost& cost : package.costs) {
    SayProgress(std::to_string(cost.tokens) + " tokens: " + std::to_string(cost.counted.openings) +
                " online openings in " + std::to_string(cost.counted.rounds) + " rounds, " +
                std::to_string(cost.counted.online_bytes >> 20) + " MiB online and " +
                std::to_string(cost.counted.preprocessing_bytes >> 20) +
                " MiB before, all members together, statistical distance 2^-" +
                std::to_string(static_cast<int>(cost.leakage_bits)));
  }
}

void SayError(std::uint32_t tokens, const Agreement& error) {
  std::string text = std::to_string(tokens) + " tokens: in fixed point " +
                     std::to_string(error.same) + " of " + std::to_string(error.texts) +
                     " texts of the sample are answered as by the float model";
  std::array<char, 64> figure{};
  if (error.tokens > 0) {
    text += ", " + std::to_string(error.tokens_same) + " of " + std::to_string(error.tokens) +
            " tokens";
  } else {
    std::snprintf(figure.data(), figure.size(), ", largest difference %.2g",
                  error.worst_difference);
    text += figure.data();
  }
  if (error.flagged > 0) {
    text += ", " + std::to_string(error.flagged) + " beyond the ranges: bring more text (--sample)";
  }
  SayProgress(text);
}

struct ImportOptions {
  RegisterOptions model;
  std::uint16_t validators = 4;
  std::string out;
  bool as_json = false;
};

Result<> Import(const ImportOptions& options) {
  const RegisterOptions& o = options.model;
  if (options.validators % 3 != 1 || options.validators > mpc::kReplicatedPartiesMax) {
    return proto::Fail(proto::ErrorCode::kInvalidArgument,
                       "the committee must have 4, 7, 10 or 13 members");
  }
  const auto model = ReadModel(o.directory, o.vocabulary, o.calibration);
  if (!model) return tl::unexpected(model.error());
  // Whoever registers the package will be its owner.
  const auto nobody = proto::SecretKey::From(proto::Sha256(proto::AsBytes("nobody")).span());
  if (!nobody) return tl::unexpected(nobody.error());
  const Progress progress = options.as_json ? Progress([](const std::string&) {}) : SayProgress;
  const auto package = MakePackage(*model, proto::Committee(options.validators),
                                   nobody->public_key(), o.package, progress);
  if (!package) return tl::unexpected(package.error());
  json report = {{"name", package->manifest.name},
                 {"architecture", package->manifest.architecture},
                 {"buckets", json::array()}};
  if (!model->doubt.empty()) report["doubt"] = model->doubt;
  for (std::size_t i = 0; i < package->plans.size(); ++i) {
    json bucket = ToJson(package->costs[i]);
    const Agreement error = ExpectedError(*model, package->plans[i], options.validators);
    if (!options.as_json) SayError(package->costs[i].tokens, error);
    bucket["error"] = ToJson(error);
    bucket["weights_by_bits"] = WeightsByBits(package->plans[i]);
    report["buckets"].push_back(std::move(bucket));
  }
  const std::string out = options.out.empty() ? package->manifest.name + ".package" : options.out;
  if (auto written = WritePackage(*package, out); !written) return written;
  report["package"] = out;
  if (options.as_json) {
    PrintJson(report);
  } else {
    SayCosts(*package);
    std::printf("%s\n", out.c_str());
  }
  return {};
}

Result<Package> PackageFor(const RegisterOptions& options, const Client& client) {
  if (IsPackage(options.directory)) {
    return ReadPackage(options.directory, client.key().public_key());
  }
  const auto model = ReadModel(options.directory, options.vocabulary, options.calibration);
  if (!model) return tl::unexpected(model.error());
  return MakePackage(*model, client.genesis().committee(), client.key().public_key(),
                     options.package, SayProgress);
}

Result<> Register(const RegisterOptions& options) {
  const auto client = options.access.Open();
  if (!client) return tl::unexpected(client.error());
  client->Refresh();
  const auto package = PackageFor(options, *client);
  if (!package) return tl::unexpected(package.error());
  SayCosts(*package);
  // Validators of a network on this machine keep models together.
  const std::string models = options.access.directory + "/models";
  const auto id = RegisterPackage(*client, *package, FileExists(models) ? models : "", SayProgress);
  if (!id) return tl::unexpected(id.error());
  std::printf("%s\n", id->hex().c_str());
  return {};
}

Result<> Place(const std::string& directory, const std::string& models) {
  const auto nobody = proto::SecretKey::From(proto::Sha256(proto::AsBytes("nobody")).span());
  if (!nobody) return tl::unexpected(nobody.error());
  const auto package = ReadPackage(directory, nobody->public_key());
  if (!package) return tl::unexpected(package.error());
  for (const proto::SharedBytes& file : package->files) {
    if (auto placed = SharedFiles::Place(models, file.span()); !placed) return placed;
  }
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

void AddImportOptions(CLI::App& command, RegisterOptions& options) {
  command
      .add_option("DIRECTORY", options.directory,
                  "With config.json, model.safetensors (or shards and their index) and a tokenizer")
      ->required();
  command.add_option("--name", options.package.name, "The model's name; else the directory's");
  command.add_option("--vocab", options.vocabulary,
                     "The tokenizer's file, where it is not in the directory");
  command.add_option("--sample,--calibration", options.calibration,
                     "Text, a sentence a line, to measure the ranges of values on; else the "
                     "directory's calibration.txt, else the text that ships with the project");
  command.add_option("--tokens", options.package.tokens, "Lengths to serve, comma separated")
      ->delimiter(',')
      ->capture_default_str();
  command
      .add_option("--generate", options.package.generate,
                  "Tokens of an answer, of a model that writes text")
      ->capture_default_str();
  command
      .add_option("--temperature", options.package.temperature,
                  "Of a model that writes text: sample its tokens; 0 takes the likeliest")
      ->capture_default_str();
  command
      .add_option("--weight-error", options.package.weight_error,
                  "What weights of 8 bits may change of a logit, of an embedding relative to its "
                  "size (root of the mean square, on the sample); 0: weights of 20 bits")
      ->capture_default_str();
  command
      .add_option("--approximation", options.package.approximation,
                  "What stands for GELU and softmax: exact, puma or mpcformer (docs/distil.md)")
      ->capture_default_str();
}

}  // namespace

void AddModelCommands(CLI::App& app, Command& run) {
  CLI::App* model = app.add_subcommand("model", "Register and list models");
  model->require_subcommand(1);
  const auto options = std::make_shared<RegisterOptions>();
  CLI::App* add = model->add_subcommand(
      "register",
      "Put a model on the ledger and hand out its files: an imported package, or a Hugging Face "
      "directory, which is imported first");
  options->access.AddTo(*add);
  AddImportOptions(*add, *options);
  add->add_option("--price", options->package.price, "Of one request")->capture_default_str();
  add->add_option("--pool", options->package.pool_target, "Bundles to keep ready for each length")
      ->capture_default_str();
  add->callback([&run, options] { run = [options] { return Register(*options); }; });

  const auto imported = std::make_shared<ImportOptions>();
  CLI::App* importing = model->add_subcommand(
      "import", "Compile a Hugging Face directory to a package and say what it costs");
  AddImportOptions(*importing, imported->model);
  importing->add_option("--validators", imported->validators, "Members of the committee")
      ->capture_default_str();
  importing->add_option("--out", imported->out, "Directory of the package; else NAME.package");
  importing->add_flag("--json", imported->as_json, "Print one JSON object");
  importing->callback([&run, imported] { run = [imported] { return Import(*imported); }; });

  const auto placed = std::make_shared<std::pair<std::string, std::string>>();
  CLI::App* place = model->add_subcommand(
      "place",
      "Copy a package's files to where validators of this machine keep models, in place "
      "of sending them");
  place->add_option("PACKAGE", placed->first, "The package's directory")->required();
  place->add_option("--models", placed->second, "The directory; see `models` in node.toml")
      ->required();
  place->callback(
      [&run, placed] { run = [placed] { return Place(placed->first, placed->second); }; });

  const auto access = std::make_shared<Access>();
  CLI::App* list = model->add_subcommand("list", "List the registered models");
  access->AddTo(*list);
  list->callback([&run, access] { run = [access] { return Show(*access, "models"); }; });
}

}  // namespace node
