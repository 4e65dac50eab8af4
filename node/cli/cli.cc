#include "node/cli/cli.h"

#include <cstdio>
#include <cstdlib>
#include <exception>
#include <string>

#include <CLI/CLI.hpp>

#include "node/cli/commands.h"

namespace node {

namespace {

// Of names that strangers chose: a terminal obeys control characters.
std::string Printable(std::string text) {
  for (char& c : text) {
    if ((c >= 0 && c < ' ') || c == 0x7f) c = '?';
  }
  return text;
}

}  // namespace

int RunCli(int argc, char** argv) {
  CLI::App app("Waxseal: a ledger that runs a transformer on an input nobody sees.", "waxseal");
  app.require_subcommand(1);
  app.failure_message(CLI::FailureMessage::help);
  app.failure_message([](const CLI::App* failed, const CLI::Error& error) {
    return "waxseal: " + std::string(error.what()) + "; see: " + failed->get_name() + " --help\n";
  });
  Command run;
  AddNodeCommands(app, run);
  AddGenesisCommands(app, run);
  AddNetworkCommands(app, run);
  AddValidatorCommands(app, run);
  AddModelCommands(app, run);
  AddPoolCommand(app, run);
  AddRequestCommands(app, run);
  AddProofCommands(app, run);
  AddEvalCommand(app, run);
  AddDemoCommand(app, run);
  CLI::App* bench = app.add_subcommand("bench", "Measure on this machine");
  bench->require_subcommand(1);
  AddLedgerBench(*bench, run);
  AddMpcBench(*bench, run);
  try {
    app.parse(argc, argv);
    const auto done = run ? run() : proto::Result<>();
    if (done) return EXIT_SUCCESS;
    std::fprintf(stderr, "waxseal: %s\n", Printable(done.error().message).c_str());
  } catch (const CLI::ParseError& error) {
    return app.exit(error);
  } catch (const nlohmann::json::exception& error) {
    // The types of a validator's answer are its own claim.
    std::fprintf(stderr, "waxseal: an answer is not what it should be: %s\n", error.what());
  } catch (const std::exception& error) {
    std::fprintf(stderr, "waxseal: %s\n", error.what());
  }
  return EXIT_FAILURE;
}

}  // namespace node
