// ask, verify, account: the client's side.

#include <cstdio>
#include <memory>

#include <CLI/CLI.hpp>

#include "node/cli/ask.h"
#include "node/cli/commands.h"
#include "node/cli/network_files.h"
#include "node/cli/verify.h"
#include "node/loop/files.h"
#include "node/rpc/client.h"
#include "node/rpc/json.h"

namespace node {

using nlohmann::json;
using proto::ErrorCode;
using proto::Fail;
using proto::Result;

namespace {

constexpr std::size_t kProofBytesMax = std::size_t{16} << 20;

struct AskOptions {
  Access access;
  std::string model;
  std::string text;
  bool as_json = false;
};

Result<> RunAsk(const AskOptions& options) {
  const auto client = options.access.Open();
  if (!client) return tl::unexpected(client.error());
  const auto answer = Ask(*client, options.model, options.text,
                          options.as_json ? Progress([](const std::string&) {}) : SayProgress);
  if (!answer) return tl::unexpected(answer.error());
  if (options.as_json) {
    PrintJson(ToJson(*answer));
    return {};
  }
  if (answer->writes()) {
    std::printf("%s\n", answer->text.c_str());
  } else if (answer->labels.empty()) {
    PrintJson(answer->logits);
  }
  for (std::size_t i = 0; i < answer->probabilities.size(); ++i) {
    std::printf("%s%-10s %6.2f %%\n", i == answer->best ? "* " : "  ",
                i < answer->labels.size() ? answer->labels[i].c_str() : std::to_string(i).c_str(),
                100 * answer->probabilities[i]);
  }
  if (!answer->in_range) {
    std::printf(
        "Do not rely on this answer: inside the computation a value left the range that the model\n"
        "was compiled for, so it may be wrong. Texts like this one belong into the sample that "
        "the\n"
        "model is imported with (--sample).\n");
  }
  std::printf("request %llu, proved under block %llu, %.2f s after submission\n",
              static_cast<unsigned long long>(answer->request),
              static_cast<unsigned long long>(answer->proof_height), answer->seconds);
  for (const std::string& name : answer->wrong_masks) {
    std::printf("%s gave a wrong share of the masks\n", name.c_str());
  }
  for (const json& named : ToJson(*answer)["named"]) {
    std::printf("%s is named on the ledger: %s\n", named.value("party", "").c_str(),
                named.value("misdeed", "").c_str());
  }
  return {};
}

struct VerifyOptions {
  Access access;
  std::uint64_t request = 0;
  std::string file;
  std::string rpc;
};

// An answer holds so many; the rest is asked for.
Result<json> AllLinks(const std::string& address) {
  json links = json::array();
  for (;;) {
    auto part = Call(address, "epoch_links", {{"from", proto::kFirstEpoch + links.size()}});
    if (!part) return tl::unexpected(part.error());
    if (!part->is_array() || part->empty()) return links;
    links.insert(links.end(), part->begin(), part->end());
  }
}

Result<> RunVerify(const VerifyOptions& options) {
  const auto genesis = ReadGenesis(options.access.GenesisPath());
  if (!genesis) return tl::unexpected(genesis.error());
  json answer;
  if (!options.file.empty()) {
    const auto bytes = ReadFile(options.file, kProofBytesMax);
    if (!bytes) return tl::unexpected(bytes.error());
    answer = json::parse(proto::AsText(*bytes), nullptr, false);
  } else {
    const std::string address =
        options.rpc.empty() ? genesis->validators.front().rpc_address : options.rpc;
    auto fetched = Call(address, "result", {{"id", options.request}});
    if (!fetched) return tl::unexpected(fetched.error());
    answer = std::move(*fetched);
    if (auto links = AllLinks(address); links) {
      answer["links"] = std::move(*links);
    } else {
      return tl::unexpected(links.error());
    }
  }
  const auto proved = VerifyResult(*genesis, options.request, answer);
  if (!proved) {
    return Fail(ErrorCode::kDenied, "the proof does not hold: " + proved.error().message);
  }
  PrintJson({{"verified", true},
             {"request", options.request},
             {"height", proved->header.height},
             {"block", proto::BlockDigest(proved->header).hex()},
             {"record", ToJson(Names(), proved->record)}});
  return {};
}

}  // namespace

void AddRequestCommands(CLI::App& app, Command& run) {
  const auto ask = std::make_shared<AskOptions>();
  CLI::App* ask_command =
      app.add_subcommand("ask", "Ask a model about a text that nobody else sees");
  ask->access.AddTo(*ask_command);
  ask_command->add_option("--model", ask->model, "Name or id; else the only model there is");
  ask_command->add_option("--text", ask->text, "The text")->required();
  ask_command->add_flag("--json", ask->as_json, "Print one JSON object");
  ask_command->callback([&run, ask] { run = [ask] { return RunAsk(*ask); }; });

  const auto verify = std::make_shared<VerifyOptions>();
  CLI::App* verify_command =
      app.add_subcommand("verify", "Check a request's record against the genesis document alone");
  verify->access.AddTo(*verify_command);
  verify_command->add_option("--request", verify->request, "The request's number")->required();
  verify_command->add_option("--rpc", verify->rpc, "The validator to ask, host:port");
  verify_command->add_option("--file", verify->file,
                             "An answer of the method `result`, instead of asking");
  verify_command->callback([&run, verify] { run = [verify] { return RunVerify(*verify); }; });

  const auto access = std::make_shared<Access>();
  CLI::App* account = app.add_subcommand("account", "Show the balance of the key's account");
  access->AddTo(*account);
  account->callback([&run, access] {
    run = [access]() -> Result<> {
      const auto client = access->Open();
      if (!client) return tl::unexpected(client.error());
      const std::string key = client->key().public_key().hex();
      auto answer = client->Any("account", {{"key", key}});
      if (!answer) return tl::unexpected(answer.error());
      (*answer)["key"] = key;
      PrintJson(*answer);
      return {};
    };
  });
}

}  // namespace node
