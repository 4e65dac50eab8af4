// eval: a model's answers beside the float model's, through a network or on this machine alone.

#include <chrono>
#include <cstdio>
#include <memory>

#include <CLI/CLI.hpp>

#include "mpc/model/compile.h"
#include "node/cli/ask.h"
#include "node/cli/commands.h"
#include "node/cli/evaluation.h"
#include "node/cli/package.h"
#include "node/loop/files.h"

namespace node {

using nlohmann::json;
using proto::ErrorCode;
using proto::Fail;
using proto::Result;
using std::chrono::steady_clock;

namespace {

constexpr std::size_t kDataBytesMax = std::size_t{256} << 20;

struct EvalOptions {
  Access access;
  std::string model;
  std::string vocabulary;
  std::string sample;
  std::string data;
  std::size_t limit = 0;
  std::uint16_t validators = 4;
  bool local = false;
  bool as_json = false;
  PackageOptions package;
};

struct Example {
  std::string text;
  std::optional<std::uint32_t> label;
};

// A sentence a line; after a tab its label, a number.
std::vector<Example> ReadExamples(proto::ByteSpan bytes, std::size_t limit) {
  std::vector<Example> examples;
  for (const std::string& line : Lines(bytes)) {
    if (limit != 0 && examples.size() == limit) break;
    const std::size_t tab = line.rfind('\t');
    Example example{line.substr(0, tab), std::nullopt};
    if (tab != std::string::npos) {
      const std::string label = line.substr(tab + 1);
      const bool number = !label.empty() && label.size() < 6 &&
                          label.find_first_not_of("0123456789") == std::string::npos;
      if (!number) continue;  // A table's head.
      example.label = static_cast<std::uint32_t>(std::stoul(label));
    }
    examples.push_back(std::move(example));
  }
  return examples;
}

Result<> RunEval(const EvalOptions& options) {
  const Progress progress = options.as_json ? Progress([](const std::string&) {}) : SayProgress;
  const auto data = ReadFile(options.data, kDataBytesMax);
  if (!data) return tl::unexpected(data.error());
  const std::vector<Example> examples = ReadExamples(*data, options.limit);
  if (examples.empty()) {
    return Fail(ErrorCode::kInvalidArgument, options.data + ": no sentence in it");
  }
  const auto model = ReadModel(options.model, options.vocabulary, options.sample);
  if (!model) return tl::unexpected(model.error());
  std::optional<Client> client;
  proto::Committee committee(options.validators);
  proto::PublicKey owner;
  if (!options.local) {
    auto opened = options.access.Open();
    if (!opened) return tl::unexpected(opened.error());
    client.emplace(std::move(*opened));
    committee = client->genesis().committee();
    owner = client->key().public_key();
  } else {
    const auto nobody = proto::SecretKey::From(proto::Bytes(32, 1));
    if (!nobody) return tl::unexpected(nobody.error());
    owner = nobody->public_key();
  }
  const auto package = MakePackage(*model, committee, owner, options.package, progress);
  if (!package) return tl::unexpected(package.error());
  std::string id;
  if (client) {
    const auto registered = RegisterPackage(*client, *package, progress);
    if (!registered) return tl::unexpected(registered.error());
    id = registered->hex();
  }

  Agreement agreement;
  std::size_t too_long = 0;
  double seconds = 0;
  std::uint64_t openings = 0, bytes = 0;
  for (const Example& example : examples) {
    const std::vector<std::uint32_t> ids = model->tokenizer.Encode(example.text);
    const auto plan = std::ranges::find_if(
        package->plans, [&](const mpc::Plan& p) { return p.tokens >= ids.size(); });
    if (plan == package->plans.end() || ids.empty()) {
      ++too_long;
      continue;
    }
    const auto& cost = package->costs[static_cast<std::size_t>(plan - package->plans.begin())];
    openings += cost.counted.openings;
    bytes += cost.counted.online_bytes;
    std::vector<double> outputs;
    const auto start = steady_clock::now();
    if (client) {
      const auto answer = Ask(*client, id, example.text, [](const std::string&) {});
      if (!answer) return tl::unexpected(answer.error());
      seconds += answer->seconds;
      outputs = answer->logits;
      for (const std::uint32_t token : answer->written) outputs.push_back(token);
      if (answer->architecture.ends_with("-embedding-mean")) {
        for (double& value : outputs) value *= static_cast<double>(ids.size());
      }
    } else {
      bool within = true;
      outputs = EvaluateHere(*model, *plan, ids, options.validators, agreement.texts, &within);
      agreement.excesses += within ? 0 : 1;
      seconds += std::chrono::duration<double>(steady_clock::now() - start).count();
    }
    Compare(*model, ids, example.label, std::move(outputs), agreement);
    if (agreement.texts % 50 == 0) progress(std::to_string(agreement.texts) + " texts");
  }
  json result = ToJson(agreement);
  const double texts = std::max<double>(1, static_cast<double>(agreement.texts));
  result["through"] = client ? "network" : "fixed point";
  result["too_long"] = too_long;
  result["openings"] = static_cast<double>(openings) / texts;
  result["online_bytes"] = static_cast<double>(bytes) / texts;
  result["seconds"] = seconds / texts;
  PrintJson(result);
  return {};
}

}  // namespace

void AddEvalCommand(CLI::App& app, Command& run) {
  const auto options = std::make_shared<EvalOptions>();
  CLI::App* eval = app.add_subcommand(
      "eval", "Compare a model's private answers with the float model's, per text");
  options->access.AddTo(*eval);
  eval->add_option("--model", options->model, "The Hugging Face directory")->required();
  eval->add_option("--data", options->data, "A sentence a line, after a tab its label, a number")
      ->required();
  eval->add_option("--limit", options->limit, "Texts to take; else all");
  eval->add_option("--vocab", options->vocabulary, "The tokenizer's file");
  eval->add_option("--sample,--calibration", options->sample, "Text to measure value ranges on");
  eval->add_option("--tokens", options->package.tokens, "Lengths, comma separated")
      ->delimiter(',')
      ->capture_default_str();
  eval->add_option("--generate", options->package.generate, "Tokens of an answer")
      ->capture_default_str();
  eval->add_flag("--local", options->local,
                 "In the protocol's integers on this machine, without a network");
  eval->add_option("--validators", options->validators, "With --local: members of the committee")
      ->capture_default_str();
  eval->add_flag("--json", options->as_json, "Print one JSON object and nothing else");
  eval->callback([&run, options] { run = [options] { return RunEval(*options); }; });
}

}  // namespace node
