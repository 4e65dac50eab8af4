// ask, account: the client's side.

#include <cstdio>
#include <memory>

#include <CLI/CLI.hpp>
#include <unistd.h>

#include "node/cli/ask.h"
#include "node/cli/commands.h"
#include "node/rpc/json_rpc.h"

namespace node {

using nlohmann::json;
using proto::Result;

namespace {

struct AskCommand {
  Access access;
  std::string model;
  std::string text;
  bool as_json = false;
  bool until_end = false;
  bool stream = false;
  bool no_stream = false;
};

json ToJson(const Written& token) {
  return {{"step", token.step}, {"token", token.token}, {"text", token.text}};
}

// A line an object, at once.
void PrintLine(const json& value) {
  const std::string line = FormatJson(value);
  std::printf("%s\n", line.c_str());
  std::fflush(stdout);
}

Result<> RunAsk(const AskCommand& command) {
  const auto client = command.access.Open();
  if (!client) return tl::unexpected(client.error());
  // To a terminal a text is written as it comes.
  const bool for_people = !command.as_json && !command.stream;
  const bool typed = for_people && !command.no_stream && isatty(STDOUT_FILENO) != 0;
  AskOptions options;
  options.until_end = command.until_end;
  if (command.stream) {
    options.on_token = [](const Written& token) { PrintLine(ToJson(token)); };
  } else if (typed) {
    options.on_token = [](const Written& token) {
      std::fputs(token.text.c_str(), stdout);
      std::fflush(stdout);
    };
  }
  const auto answer = Ask(*client, command.model, command.text,
                          for_people ? SayProgress : Progress([](const std::string&) {}), options);
  if (!answer) {
    if (typed) std::printf("\n");
    return tl::unexpected(answer.error());
  }
  if (command.stream) {
    PrintLine(ToJson(*answer));
    return {};
  }
  if (command.as_json) {
    PrintJson(ToJson(*answer));
    return {};
  }
  if (answer->writes()) {
    std::printf("%s\n", (typed ? answer->text_rest : answer->text).c_str());
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
  if (answer->writes()) {
    std::printf("%u tokens were computed, %llu of the price %llu charged\n", answer->steps,
                static_cast<unsigned long long>(answer->record.value("charged", 0ull)),
                static_cast<unsigned long long>(answer->record.value("price", 0ull)));
  }
  for (const std::string& name : answer->wrong_steps) {
    std::printf("%s gave a wrong share of the text as it came\n", name.c_str());
  }
  for (const std::string& name : answer->wrong_masks) {
    std::printf("%s gave a wrong share of the masks\n", name.c_str());
  }
  for (const json& named : ToJson(*answer)["named"]) {
    std::printf("%s is named on the ledger: %s\n", named.value("party", "").c_str(),
                named.value("misdeed", "").c_str());
  }
  return {};
}

}  // namespace

void AddRequestCommands(CLI::App& app, Command& run) {
  const auto ask = std::make_shared<AskCommand>();
  CLI::App* ask_command =
      app.add_subcommand("ask", "Ask a model about a text that nobody else sees");
  ask->access.AddTo(*ask_command);
  ask_command->add_option("--model", ask->model, "Name or id; else the only model there is");
  ask_command->add_option("--text", ask->text, "The text")->required();
  ask_command->add_flag("--json", ask->as_json, "Print one JSON object");
  ask_command->add_flag("--until-end", ask->until_end,
                        "Stop at the end of the text: the validators learn its length, and the "
                        "rest is not charged");
  ask_command->add_flag("--stream", ask->stream,
                        "Print a JSON object a token as it comes, and the whole one at the end");
  ask_command->add_flag("--no-stream", ask->no_stream, "Write a text only when it is proved");
  ask_command->callback([&run, ask] { run = [ask] { return RunAsk(*ask); }; });

  const auto access = std::make_shared<Access>();
  const auto prove = std::make_shared<bool>(false);
  CLI::App* account = app.add_subcommand("account", "Show the balance of the key's account");
  access->AddTo(*account);
  account->add_flag("--prove", *prove, "As the newest signed block has it, with its proof checked");
  account->callback([&run, access, prove] {
    run = [access, prove]() -> Result<> {
      const auto client = access->Open();
      if (!client) return tl::unexpected(client.error());
      const std::string key = client->key().public_key().hex();
      Result<json> answer;
      if (*prove) {
        auto proved = client->Proved("account", {{"key", key}});
        if (!proved) return tl::unexpected(proved.error());
        answer = std::move(proved->answer);
        (*answer)["proved_height"] = proved->proven.header().height;
      } else {
        answer = client->Any("account", {{"key", key}});
        if (!answer) return tl::unexpected(answer.error());
      }
      (*answer)["key"] = key;
      PrintJson(*answer);
      return {};
    };
  });
}

}  // namespace node
