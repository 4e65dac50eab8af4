// validator: joining, leaving, changing keys.

#include <memory>

#include <CLI/CLI.hpp>

#include "node/cli/commands.h"
#include "node/cli/network_files.h"
#include "node/loop/config.h"
#include "node/loop/files.h"
#include "node/loop/key_file.h"
#include "node/net/certificate.h"

namespace node {

using nlohmann::json;
using proto::ErrorCode;
using proto::Fail;
using proto::Result;

namespace {

struct Options {
  Access access;
  std::string home;
  std::string name;
  std::string peer;
  std::string rpc;
  std::uint64_t stake = 0;
  bool fund = false;
  bool new_key = false;
};

// Signs with the validator's own key: its account pays.
Result<Client> OpenAs(const Options& options, const KeyFile& keys) {
  auto genesis = ReadGenesis(options.access.GenesisPath());
  if (!genesis) return tl::unexpected(genesis.error());
  return Client(std::move(*genesis), keys.validator.Clone(), options.home + "/account.lock");
}

proto::ValidatorSpec CardOf(const KeyFile& keys) {
  proto::ValidatorSpec card;
  card.key = keys.validator.public_key();
  card.certificate = keys.tls_certificate_pem;
  card.certificate_signature = keys.validator.Sign(proto::CertificateDigest(card.certificate));
  return card;
}

// What the ledger knows of the validator; null when it is none.
Result<json> Find(const Client& client) {
  const auto all = client.Any("validators", json::object());
  if (!all) return tl::unexpected(all.error());
  for (const json& entry : *all) {
    if (entry.value("key", "") == client.key().public_key().hex()) return entry;
  }
  return json();
}

Result<> Join(const Options& options) {
  if (!FileExists(options.home + "/keys.json")) {
    return Fail(ErrorCode::kNotFound,
                options.home + " has no keys.json; make it: waxseal init --home " + options.home);
  }
  const auto keys = ReadKeyFile(options.home + "/keys.json");
  if (!keys) return tl::unexpected(keys.error());
  const auto client = OpenAs(options, *keys);
  if (!client) return tl::unexpected(client.error());
  if (!FileExists(options.home + "/genesis.json")) {
    const std::string text = proto::FormatGenesis(client->genesis());
    if (auto written = WriteFile(options.home + "/genesis.json", proto::AsBytes(text)); !written) {
      return written;
    }
  }
  // Until the ledger knows its addresses, it listens where its settings say.
  auto config = ReadConfig(options.home);
  if (!config) return tl::unexpected(config.error());
  if (config->peer_listen.empty()) config->peer_listen = options.peer;
  if (config->rpc_listen.empty()) config->rpc_listen = options.rpc;
  if (auto written = WriteFile(options.home + "/node.toml", proto::AsBytes(FormatConfig(*config)));
      !written) {
    return written;
  }
  const proto::ChainSpec& spec = client->genesis().spec;
  const std::uint64_t stake = options.stake == 0 ? spec.stake_min : options.stake;
  if (options.fund) {
    const auto payer = options.access.Open();
    if (!payer) return tl::unexpected(payer.error());
    const auto paid = payer->Execute(
        proto::Transfer{client->key().public_key(), stake + 10 * spec.transaction_fee});
    if (!paid) return tl::unexpected(paid.error());
  }
  proto::JoinValidators join{CardOf(*keys), stake};
  join.card.name = options.name;
  join.card.peer_address = options.peer;
  join.card.rpc_address = options.rpc;
  if (auto checked = proto::CheckValidatorSpec(join.card); !checked) return checked;
  if (auto sound = CheckCertificate(join.card.certificate); !sound) {
    return tl::unexpected(sound.error());
  }
  if (auto joined = client->Execute(join); !joined) return tl::unexpected(joined.error());
  SayProgress(options.name + " has bonded " + std::to_string(stake) +
              " and is a member from the next epoch on; run: waxseal start --home " + options.home);
  return {};
}

Result<> Leave(const Options& options) {
  const auto keys = ReadKeyFile(options.home + "/keys.json");
  if (!keys) return tl::unexpected(keys.error());
  const auto client = OpenAs(options, *keys);
  if (!client) return tl::unexpected(client.error());
  if (auto left = client->Execute(proto::LeaveValidators{}); !left) {
    return tl::unexpected(left.error());
  }
  SayProgress(
      "it leaves with the end of the epoch (one later, if the next one is decided); let "
      "it run until then and until its requests are finished; the stake is paid out " +
      std::to_string(client->genesis().spec.unbonding_rounds) + " rounds later");
  return {};
}

Result<> Rotate(const Options& options) {
  const auto keys = ReadKeyFile(options.home + "/keys.json");
  if (!keys) return tl::unexpected(keys.error());
  const auto client = OpenAs(options, *keys);
  if (!client) return tl::unexpected(client.error());
  const auto present = Find(*client);
  if (!present) return tl::unexpected(present.error());
  if (present->is_null()) {
    return Fail(ErrorCode::kNotFound, "the key of " + options.home + " is no validator's");
  }
  const std::string name = options.name.empty() ? present->value("name", "") : options.name;
  const std::string path = options.home + "/next_keys.json";
  if (!FileExists(path)) {
    auto key = options.new_key ? proto::SecretKey::From(Entropy(32))
                               : Result<proto::SecretKey>(keys->validator.Clone());
    if (!key) return tl::unexpected(key.error());
    auto tls = MakeTlsIdentity(name);
    if (!tls) return tl::unexpected(tls.error());
    KeyFile next(std::move(*key));
    next.tls_certificate_pem = std::move(tls->certificate_pem);
    next.tls_key_pem = std::move(tls->key_pem);
    if (auto written = WriteKeyFile(path, next); !written) return written;
  }
  const auto next = ReadKeyFile(path);
  if (!next) return tl::unexpected(next.error());
  proto::RotateValidator rotate{CardOf(*next), {}};
  rotate.card.name = name;
  rotate.card.peer_address =
      options.peer.empty() ? present->value("peer_address", "") : options.peer;
  rotate.card.rpc_address = options.rpc.empty() ? present->value("rpc_address", "") : options.rpc;
  rotate.consent = next->validator.Sign(proto::RotationDigest(
      client->chain(), keys->validator.public_key(), next->validator.public_key()));
  if (auto rotated = client->Execute(rotate); !rotated) return tl::unexpected(rotated.error());
  SayProgress("from the next epoch on it is " + rotate.card.key.hex() +
              "; restart the validator now, so that it has " + path);
  return {};
}

Result<> List(const Options& options) {
  const auto genesis = ReadGenesis(options.access.GenesisPath());
  if (!genesis) return tl::unexpected(genesis.error());
  auto nobody = proto::SecretKey::From(Entropy(32));
  if (!nobody) return tl::unexpected(nobody.error());
  const Client client(*genesis, std::move(*nobody));
  client.Refresh();
  auto validators = client.Any("validators", json::object());
  if (!validators) return tl::unexpected(validators.error());
  auto epoch = client.Any("epoch", json::object());
  if (!epoch) return tl::unexpected(epoch.error());
  epoch->erase("validators");
  PrintJson({{"epoch", *epoch}, {"validators", *validators}});
  return {};
}

}  // namespace

void AddValidatorCommands(CLI::App& app, Command& run) {
  CLI::App* validator =
      app.add_subcommand("validator", "Join the validators, leave them, change keys");
  validator->require_subcommand(1);
  const auto options = std::make_shared<Options>();
  const auto add = [&](const char* name, const char* what, Result<> (*command)(const Options&)) {
    CLI::App* sub = validator->add_subcommand(name, what);
    options->access.AddTo(*sub);
    sub->callback(
        [&run, options, command] { run = [options, command] { return command(*options); }; });
    return sub;
  };
  const auto add_home = [options](CLI::App* sub) {
    sub->add_option("--home", options->home, "The validator's home")->required();
  };
  const auto add_addresses = [options](CLI::App* sub, bool required) {
    sub->add_option("--peer", options->peer, "Where validators reach it, host:port")
        ->required(required);
    sub->add_option("--rpc", options->rpc, "Where clients reach it, host:port")->required(required);
    sub->add_option("--name", options->name, "Its name, for people")->required(required);
  };
  CLI::App* join = add("join", "Bond stake: a member from the next epoch on", Join);
  add_home(join);
  add_addresses(join, true);
  join->add_option("--stake", options->stake, "What to bond; else the least");
  join->add_flag("--fund", options->fund, "Pay the stake and fees from the client's account");
  add_home(add("leave", "Leave with the end of the epoch", Leave));
  CLI::App* rotate =
      add("rotate", "Change certificate, addresses and, with --new-key, key", Rotate);
  add_home(rotate);
  add_addresses(rotate, false);
  rotate->add_flag("--new-key", options->new_key, "Make a new validator key too");
  add("list", "Show who has stake and who is a member", List);
}

}  // namespace node
