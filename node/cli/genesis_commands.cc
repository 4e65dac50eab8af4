// genesis: a network's first keys and document, made by its operators' machines together.

#include <cstdio>
#include <memory>

#include <CLI/CLI.hpp>

#include "node/ceremony/proposal.h"
#include "node/cli/commands.h"
#include "node/cli/genesis.h"
#include "node/cli/network_files.h"
#include "node/loop/files.h"
#include "node/loop/process_secrecy.h"

namespace node {

using proto::ErrorCode;
using proto::Fail;
using proto::Result;

namespace {

// KEY or KEY:BALANCE, the key in hexadecimal.
Result<proto::FundedAccount> ParseFunding(const std::string& text, std::uint64_t balance) {
  const auto colon = text.find(':');
  const auto bytes = proto::FromHex(text.substr(0, colon));
  const auto key = bytes ? proto::PublicKey::From(*bytes) : tl::unexpected(bytes.error());
  if (!key) {
    return Fail(ErrorCode::kInvalidArgument,
                "--fund takes KEY or KEY:BALANCE: " + key.error().message);
  }
  if (colon != std::string::npos) {
    const std::string digits = text.substr(colon + 1);
    if (digits.empty() || digits.size() > 18 ||
        digits.find_first_not_of("0123456789") != std::string::npos) {
      return Fail(ErrorCode::kInvalidArgument, "--fund takes KEY:BALANCE, a whole number");
    }
    balance = std::stoull(digits);
  }
  return proto::FundedAccount{*key, balance};
}

struct CreateOptions {
  std::string spec;
  std::vector<std::string> cards;
  std::vector<std::string> funds;
  std::string out = "proposal.json";
};

Result<> Create(const CreateOptions& options) {
  const auto spec_text = ReadFile(options.spec, proto::kGenesisBytesMax);
  if (!spec_text) return tl::unexpected(spec_text.error());
  const auto spec = proto::ParseChainSpec(proto::AsText(*spec_text));
  if (!spec) return Fail(spec.error().code, options.spec + ": " + spec.error().message);
  std::vector<std::string> cards;
  for (const std::string& path : options.cards) {
    const auto text = ReadFile(path, proto::kGenesisBytesMax);
    if (!text) return tl::unexpected(text.error());
    if (const auto card = genesis::ParseCard(proto::AsText(*text)); !card) {
      return Fail(card.error().code, path + ": " + card.error().message);
    }
    cards.emplace_back(proto::AsText(*text));
  }
  std::vector<proto::FundedAccount> accounts;
  for (const std::string& fund : options.funds) {
    const auto account = ParseFunding(fund, spec->funded_balance);
    if (!account) return tl::unexpected(account.error());
    accounts.push_back(*account);
  }
  const auto proposal =
      genesis::MakeProposal(proto::AsText(*spec_text), cards, std::move(accounts));
  if (!proposal) return tl::unexpected(proposal.error());
  const std::string text = genesis::FormatProposal(*proposal);
  if (auto written = CreateFile(options.out, proto::AsBytes(text), 0644); !written) return written;
  SayProgress("wrote " + options.out + " for " + std::to_string(proposal->validators.size()) +
              " validators; each of them runs, with this same file, at about the same time:\n"
              "  waxseal genesis join --home HOME --proposal " +
              options.out);
  return {};
}

Result<> Join(const std::string& home, const std::string& path, unsigned patience) {
  KeepProcessSecret();
  const auto text = ReadFile(path, proto::kGenesisBytesMax);
  if (!text) return tl::unexpected(text.error());
  const auto proposal = genesis::ParseProposal(proto::AsText(*text));
  if (!proposal) return Fail(proposal.error().code, path + ": " + proposal.error().message);
  const auto document = JoinGenesis(home, *proposal, std::chrono::seconds(patience), SayProgress);
  if (!document) return tl::unexpected(document.error());
  SayProgress("complete: all " + std::to_string(document->validators.size()) +
              " validators signed the genesis document of chain " + ChainId(*document).hex() +
              "\nrun: waxseal start --home " + home);
  return {};
}

Result<> Check(const std::string& path, const std::string& signatures) {
  const auto document = ReadGenesis(path);
  if (!document) return tl::unexpected(document.error());
  std::printf("%s\n", ChainId(*document).hex().c_str());
  if (signatures.empty()) return {};
  const auto text = ReadFile(signatures, proto::kGenesisBytesMax);
  if (!text) return tl::unexpected(text.error());
  if (auto valid = VerifySignatures(*document, proto::AsText(*text)); !valid) {
    return Fail(valid.error().code, signatures + ": " + valid.error().message);
  }
  SayProgress("signed by all " + std::to_string(document->validators.size()) + " validators");
  return {};
}

}  // namespace

void AddGenesisCommands(CLI::App& app, Command& run) {
  CLI::App* group = app.add_subcommand(
      "genesis", "Make a network's first keys and its genesis document together, without a dealer");
  group->require_subcommand(1);

  const auto options = std::make_shared<CreateOptions>();
  options->spec = ShippedPath("chain-spec/devnet.json");
  CLI::App* create =
      group->add_subcommand("create", "Make a proposal from the validators' cards (init)");
  create->add_option("--spec", options->spec, "Chain spec")->capture_default_str();
  create->add_option("--card", options->cards, "A validator's card; once for each")->required();
  create->add_option("--fund", options->funds,
                     "An account's public key, or KEY:BALANCE; any number of times");
  create->add_option("--out", options->out, "Where to write the proposal")->capture_default_str();
  create->callback([&run, options] { run = [options] { return Create(*options); }; });

  const auto home = std::make_shared<std::string>();
  const auto path = std::make_shared<std::string>();
  const auto patience = std::make_shared<unsigned>(3600);
  CLI::App* join = group->add_subcommand(
      "join", "Take part in the ceremony of a proposal; every validator does, at one time");
  join->add_option("--home", *home, "The validator's home")->required();
  join->add_option("--proposal", *path, "The proposal; the same file for all")->required();
  join->add_option("--patience", *patience, "Seconds to wait while nothing changes")
      ->check(CLI::Range(1u, 86'400u))
      ->capture_default_str();
  join->callback([&run, home, path, patience] {
    run = [home, path, patience] { return Join(*home, *path, *patience); };
  });

  const auto signatures = std::make_shared<std::string>();
  CLI::App* check =
      group->add_subcommand("check", "Check a genesis document and print its chain's id");
  check->add_option("FILE", *path, "The document")->required();
  check->add_option("--signatures", *signatures, "genesis.signatures.json of any validator");
  check->callback(
      [&run, path, signatures] { run = [path, signatures] { return Check(*path, *signatures); }; });
}

}  // namespace node
