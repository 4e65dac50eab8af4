// init, start, status, keys: one validator, one key.

#include <algorithm>
#include <csignal>
#include <cstdio>
#include <memory>

#include <CLI/CLI.hpp>
#include <malloc.h>
#include <spdlog/spdlog.h>
#include <sys/resource.h>

#include "node/ceremony/proposal.h"
#include "node/cli/commands.h"
#include "node/cli/genesis.h"
#include "node/cli/network_files.h"
#include "node/loop/config.h"
#include "node/loop/files.h"
#include "node/loop/host.h"
#include "node/loop/key_file.h"
#include "node/loop/process_secrecy.h"
#include "node/net/certificate.h"
#include "node/rpc/client.h"

namespace node {

using nlohmann::json;
using proto::ErrorCode;
using proto::Fail;
using proto::Result;

namespace {

// All connections that may be open (net/limits.h, rpc/server.h), the store's files and some more.
// Without a descriptor the store cannot write, and the validator stops.
constexpr rlim_t kOpenFilesWanted = 4096;

void AllowOpenFiles() {
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur >= kOpenFilesWanted) return;
  limit.rlim_cur = std::min(limit.rlim_max, kOpenFilesWanted);
  if (::setrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur < kOpenFilesWanted) {
    spdlog::warn(
        "this process may open {} files: under a flood of connections that is too few; {} do",
        limit.rlim_cur, kOpenFilesWanted);
  }
}

Result<proto::SecretKey> NewKey() {
  return proto::SecretKey::From(Entropy(32));
}

struct InitOptions {
  std::string home;
  std::string name = "validator";
  std::string peer_address = "127.0.0.1:26601";
  std::string rpc_address = "127.0.0.1:26600";
};

// A validator's identity before it is part of any network: the genesis ceremony adds its shares of
// the network's keys.
Result<> Init(const InitOptions& options) {
  const std::string& home = options.home;
  auto key = NewKey();
  if (!key) return tl::unexpected(key.error());
  auto tls = MakeTlsIdentity(options.name);
  if (!tls) return tl::unexpected(tls.error());
  proto::ValidatorSpec card;
  card.name = options.name;
  card.key = key->public_key();
  card.certificate = tls->certificate_pem;
  card.certificate_signature = key->Sign(proto::CertificateDigest(tls->certificate_pem));
  card.peer_address = options.peer_address;
  card.rpc_address = options.rpc_address;
  const std::string text = genesis::FormatCard(card);
  const std::string settings = FormatConfig(Config());
  if (auto made = MakeDirectories(home); !made) return made;
  KeyFile keys(std::move(*key));
  keys.tls_certificate_pem = std::move(tls->certificate_pem);
  keys.tls_key_pem = std::move(tls->key_pem);
  // The keys first: a home that has some is not touched.
  if (auto written = WriteKeyFile(home + "/keys.json", keys); !written) return written;
  for (const auto& [file, bytes] : {std::pair{"/node.toml", proto::AsBytes(settings)},
                                    std::pair{"/validator.json", proto::AsBytes(text)}}) {
    if (auto written = WriteFile(home + file, bytes); !written) return written;
  }
  std::printf("%s", text.c_str());
  SayProgress("made " + home + "; its card, " + home +
              "/validator.json, goes to who makes the proposal (waxseal genesis create)");
  return {};
}

Result<> Start(const std::string& home, bool dangerous) {
  const auto config = ReadConfig(home);
  if (!config) return tl::unexpected(config.error());
  if ((!config->fsync || config->link_delay_ms > 0) && !dangerous) {
    const auto genesis = ReadGenesis(config->Path(config->genesis));
    if (!genesis) return tl::unexpected(genesis.error());
    if (!genesis->spec.opaque_transactions) {
      return Fail(ErrorCode::kInvalidArgument,
                  home +
                      "/node.toml says fsync = false or sets link_delay_ms, which are for "
                      "benchmarks: without syncs this validator could contradict its own votes "
                      "after a power failure and be punished. Remove the lines, or say "
                      "--dangerous-no-fsync if you mean it");
    }
  }
  // Before any thread: only this one waits for the signals.
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGTERM);
  sigaddset(&signals, SIGINT);
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  std::signal(SIGPIPE, SIG_IGN);
  KeepProcessSecret();  // Keys and masks are in memory.
  AllowOpenFiles();
  // Bundles come and go by the hundred megabytes: large blocks go back to the system when freed.
  ::mallopt(M_MMAP_THRESHOLD, 16 << 20);
  // Smaller ones are used again at every commit: giving them back each time costs page faults.
  ::mallopt(M_TRIM_THRESHOLD, 32 << 20);
  ::mallopt(M_ARENA_MAX, 2);
  spdlog::set_level(spdlog::level::from_str(config->log_level));
  spdlog::flush_on(spdlog::level::info);

  if (auto finished = FinishGenesis(home, *config); !finished) return finished;
  auto host = Host::Open(*config);
  if (!host) return tl::unexpected(host.error());
  if (auto started = (*host)->Start(); !started) return started;
  const Snapshot latest = (*host)->latest();
  const auto own = latest.validator((*host)->key());
  spdlog::info("{} of chain {} in epoch {} at height {}, interface at http://{}",
               own ? own->card.name : "observer", (*host)->chain().hex().substr(0, 16),
               latest.epoch()->record.number, latest.header().height, (*host)->rpc_address());
  const timespec poll{0, 200'000'000};
  while (sigtimedwait(&signals, nullptr, &poll) < 0 && (*host)->failure().empty()) {
  }
  const std::string failure = (*host)->failure();
  spdlog::info("stopping");
  (*host)->Stop();
  if (!failure.empty()) return Fail(ErrorCode::kUnavailable, failure);
  return {};
}

}  // namespace

void AddNodeCommands(CLI::App& app, Command& run) {
  const auto home = std::make_shared<std::string>();
  const auto options = std::make_shared<InitOptions>();
  CLI::App* init =
      app.add_subcommand("init", "Make a validator's home: its own keys, settings and public card");
  init->add_option("--home", options->home, "Directory to make")->required();
  init->add_option("--name", options->name, "The validator's name, [a-z0-9.-]")
      ->capture_default_str();
  init->add_option("--peer-address", options->peer_address,
                   "host:port at which other validators reach it")
      ->capture_default_str();
  init->add_option("--rpc-address", options->rpc_address, "host:port at which clients reach it")
      ->capture_default_str();
  init->callback([&run, options] { run = [options] { return Init(*options); }; });

  CLI::App* start = app.add_subcommand("start", "Run the validator of a home until SIGTERM");
  start->add_option("--home", *home, "The validator's home (node.toml)")->required();
  const auto dangerous = std::make_shared<bool>(false);
  start->add_flag("--dangerous-no-fsync", *dangerous,
                  "Accept fsync = false and link_delay_ms in node.toml outside of benchmarks");
  start->callback(
      [&run, home, dangerous] { run = [home, dangerous] { return Start(*home, *dangerous); }; });

  const auto access = std::make_shared<Access>();
  const auto rpc = std::make_shared<std::string>();
  CLI::App* status = app.add_subcommand("status", "Show what a validator says of itself");
  access->AddTo(*status);
  status->add_option("--rpc", *rpc, "The validator's address, host:port; else the first of --dir");
  status->callback([&run, access, rpc] {
    run = [access, rpc]() -> Result<> {
      std::string address = *rpc;
      if (address.empty()) {
        const auto genesis = ReadGenesis(access->GenesisPath());
        if (!genesis) return tl::unexpected(genesis.error());
        address = genesis->validators.front().rpc_address;
      }
      auto answer = Call(address, "status", json::object());
      if (!answer) return tl::unexpected(answer.error());
      const auto peers = Call(address, "peers", json::object());
      if (peers) (*answer)["peers"] = *peers;
      PrintJson(*answer);
      return {};
    };
  });

  CLI::App* keys = app.add_subcommand("keys", "Make and show the keys of accounts");
  keys->require_subcommand(1);
  const auto path = std::make_shared<std::string>();
  CLI::App* create = keys->add_subcommand("new", "Make a key file, readable by you alone");
  create->add_option("FILE", *path, "Where to write it")->required();
  create->callback([&run, path] {
    run = [path]() -> Result<> {
      const auto key = NewKey();
      if (!key) return tl::unexpected(key.error());
      if (auto written = WriteSecretKey(*path, *key); !written) return written;
      std::printf("%s\n", key->public_key().hex().c_str());
      return {};
    };
  });
  CLI::App* lock = keys->add_subcommand(
      "lock",
      "Encrypt a key file with a passphrase (WAXSEAL_PASSPHRASE_FD, WAXSEAL_PASSPHRASE, or "
      "asked for); every command then asks for it");
  lock->add_option("FILE", *path, "validator.key, keys.json or an account's key")->required();
  lock->callback([&run, path] { run = [path] { return LockKeyFile(*path); }; });
  CLI::App* unlock = keys->add_subcommand("unlock", "Decrypt a key file again");
  unlock->add_option("FILE", *path, "The key file")->required();
  unlock->callback([&run, path] { run = [path] { return UnlockKeyFile(*path); }; });
  CLI::App* show = keys->add_subcommand("show", "Print the public key of a key file");
  show->add_option("FILE", *path, "The key file")->required();
  show->callback([&run, path] {
    run = [path]() -> Result<> {
      const auto key = ReadSecretKey(*path);
      if (!key) return tl::unexpected(key.error());
      std::printf("%s\n", key->public_key().hex().c_str());
      return {};
    };
  });
}

}  // namespace node
