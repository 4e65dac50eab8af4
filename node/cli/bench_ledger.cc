// bench ledger: validators on this machine under an open-loop load.

#include <algorithm>
#include <atomic>
#include <cmath>
#include <cstdio>
#include <filesystem>
#include <memory>
#include <sstream>
#include <thread>

#include <CLI/CLI.hpp>
#include <unistd.h>

#include "node/cli/commands.h"
#include "node/cli/load.h"
#include "node/cli/localnet.h"
#include "node/cli/network_files.h"
#include "node/cli/process.h"
#include "node/loop/config.h"
#include "node/loop/files.h"
#include "node/loop/key_file.h"
#include "node/rpc/client.h"

namespace node {

using nlohmann::json;
using proto::ErrorCode;
using proto::Fail;
using proto::Result;

namespace {

constexpr std::size_t kAccountsPerSender = 64;
constexpr std::uint16_t kBasePort = 21'000;
constexpr std::chrono::seconds kDrain{5};

struct Options {
  std::uint16_t validators = 4;
  std::size_t transaction_bytes = 512;
  double rate = 10'000;
  unsigned seconds = 20;
  unsigned warmup = 5;
  bool fsync = true;
  bool is_signed = true;
  unsigned down = 0;
  std::uint32_t link_delay_ms = 0;
  std::uint32_t header_delay_ms = Config().header_delay_ms;
  std::string directory;
  std::string running;  // The folder of a network that runs already.
  bool print_json = false;
};

// What is read of one validator at one instant.
struct Reading {
  double cpu_seconds = 0;
  std::map<std::string, double> metrics;  // Summed over their labels.

  double operator[](const std::string& name) const {
    const auto found = metrics.find("waxseal_" + name);
    return found == metrics.end() ? 0 : found->second;
  }
};

double CpuSeconds(pid_t pid) {
  const auto bytes = ReadFile("/proc/" + std::to_string(pid) + "/stat", 4096);
  if (!bytes) return 0;
  const std::string text(proto::AsText(*bytes));
  std::istringstream in(text.substr(text.rfind(')') + 1));
  std::string skipped;
  for (int i = 0; i < 11; ++i) in >> skipped;
  double user = 0;
  double system = 0;
  in >> user >> system;
  return (user + system) / static_cast<double>(::sysconf(_SC_CLK_TCK));
}

Reading Read(const std::string& home, const std::string& address) {
  Reading reading;
  if (const auto pid = RunningValidator(home)) reading.cpu_seconds = CpuSeconds(*pid);
  const auto page = Get(address, "/metrics");
  if (!page) return reading;
  std::istringstream lines(page->body);
  for (std::string line; std::getline(lines, line);) {
    if (line.starts_with('#')) continue;
    const auto space = line.rfind(' ');
    if (space == std::string::npos) continue;
    const std::string name = line.substr(0, line.find_first_of("{ "));
    reading.metrics[name] += std::strtod(line.c_str() + space, nullptr);
  }
  return reading;
}

double Milliseconds(std::vector<std::uint64_t>& latencies, double quantile) {
  if (latencies.empty()) return 0;
  const auto rank = static_cast<std::size_t>(quantile * static_cast<double>(latencies.size() - 1));
  std::ranges::nth_element(latencies, latencies.begin() + static_cast<std::ptrdiff_t>(rank));
  return std::round(static_cast<double>(latencies[rank]) / 1e4) / 100;
}

json Latencies(const std::vector<Observer::Executed>& executed, std::uint64_t from,
               std::uint64_t until) {
  std::vector<std::uint64_t> within;
  double sum = 0;
  for (const auto& [time, latency] : executed) {
    if (time < from || time >= until) continue;
    within.push_back(latency);
    sum += static_cast<double>(latency) / 1e6;
  }
  const double count = static_cast<double>(std::max<std::size_t>(within.size(), 1));
  return {{"count", within.size()},
          {"mean_ms", std::round(sum / count * 100) / 100},
          {"p50_ms", Milliseconds(within, 0.5)},
          {"p90_ms", Milliseconds(within, 0.9)},
          {"p99_ms", Milliseconds(within, 0.99)}};
}

double Rounded(double value) {
  return std::round(value * 1000) / 1000;
}

// Starts the network, and takes it away again however the measurement ends; or one that runs.
class Network {
 public:
  explicit Network(const Options& options) : options_(options) {}
  ~Network() {
    if (genesis_.validators.empty() || !options_.running.empty()) return;
    (void)StopNetwork(options_.directory, genesis_);
    std::error_code ignored;
    std::filesystem::remove_all(options_.directory, ignored);
  }

  Result<> Join() {
    auto genesis = ReadGenesis(options_.running + "/genesis.json");
    if (!genesis) return tl::unexpected(genesis.error());
    if (genesis->validators.size() != options_.validators) {
      return Fail(ErrorCode::kInvalidArgument, "the network has " +
                                                   std::to_string(genesis->validators.size()) +
                                                   " validators: say so with --n");
    }
    genesis_ = std::move(*genesis);
    return {};
  }

  Result<> Start() {
    for (std::size_t i = 0; i < Senders() * kAccountsPerSender && options_.is_signed; ++i) {
      auto key = proto::SecretKey::From(Entropy(32));
      if (!key) return tl::unexpected(key.error());
      accounts_.push_back(std::move(*key));
    }
    NetworkOptions network;
    network.directory = options_.directory;
    network.validators = options_.validators;
    network.base_port = FreeBasePort(kBasePort, options_.validators);
    network.spec = ShippedPath("chain-spec/bench.json");
    for (const auto& account : accounts_) network.funded.push_back(account.public_key());
    auto genesis = CreateNetwork(network);
    if (!genesis) return tl::unexpected(genesis.error());
    genesis_ = std::move(*genesis);
    for (std::size_t i = 0; i < options_.validators; ++i) {
      auto config = ReadConfig(Home(i));
      if (!config) return tl::unexpected(config.error());
      config->fsync = options_.fsync;
      config->link_delay_ms = options_.link_delay_ms;
      config->header_delay_ms = options_.header_delay_ms;
      config->log_level = "warn";
      if (auto written = WriteFile(Home(i) + "/node.toml", proto::AsBytes(FormatConfig(*config)));
          !written) {
        return written;
      }
    }
    if (auto started = StartNetwork(options_.directory, genesis_, [](const std::string&) {});
        !started) {
      return started;
    }
    for (std::size_t i = Senders(); i < options_.validators; ++i) {
      if (auto killed = KillValidator(Home(i)); !killed) return killed;
    }
    return {};
  }

  std::size_t Senders() const { return options_.validators - options_.down; }
  std::string Home(std::size_t i) const {
    return HomeOf(options_.running.empty() ? options_.directory : options_.running, i);
  }
  const std::string& Address(std::size_t i) const { return genesis_.validators[i].rpc_address; }
  const proto::Genesis& genesis() const { return genesis_; }
  std::vector<proto::SecretKey> TakeAccounts(std::size_t sender) {
    std::vector<proto::SecretKey> taken;
    for (std::size_t i = 0; i < kAccountsPerSender && !accounts_.empty(); ++i) {
      taken.push_back(std::move(accounts_[sender * kAccountsPerSender + i]));
    }
    return taken;
  }
  std::vector<Reading> ReadAll() const {
    std::vector<Reading> readings;
    for (std::size_t i = 0; i < Senders(); ++i) readings.push_back(Read(Home(i), Address(i)));
    return readings;
  }

 private:
  const Options& options_;
  proto::Genesis genesis_;
  std::vector<proto::SecretKey> accounts_;
};

json Costs(const std::vector<Reading>& before, const std::vector<Reading>& after, double seconds,
           double transactions) {
  double cpu = 0;
  const auto sum = [&](const std::string& metric) {
    double total = 0;
    for (std::size_t i = 0; i < before.size(); ++i) total += after[i][metric] - before[i][metric];
    return total / static_cast<double>(before.size());
  };
  for (std::size_t i = 0; i < before.size(); ++i) {
    cpu += after[i].cpu_seconds - before[i].cpu_seconds;
  }
  cpu /= static_cast<double>(before.size());
  const bool is_known = cpu > 0;  // Not of processes that something else has started.
  const double rounds = std::max(sum("own_round"), 1.0);
  const double commits = std::max(sum("commits_total"), 1.0);
  const double executed = std::max(transactions, 1.0);
  json costs = {
      {"cpu_seconds", Rounded(cpu)},
      {"cpu_share_of_a_core", Rounded(cpu / seconds)},
      {"cpu_us_per_transaction", Rounded(cpu * 1e6 / executed)},
      {"rounds", rounds},
      {"rounds_per_second", Rounded(rounds / seconds)},
      {"cpu_ms_per_round", Rounded(cpu * 1e3 / rounds)},
      {"commits", commits},
      {"syncs_per_commit", Rounded(sum("store_syncs_total") / commits)},
      {"syncs_per_round", Rounded(sum("store_syncs_total") / rounds)},
      {"disk_bytes_per_commit", std::round(sum("store_written_bytes_total") / commits)},
      {"disk_bytes_per_transaction", std::round(sum("store_written_bytes_total") / executed)},
      {"net_bytes_sent_per_commit", std::round(sum("peer_sent_bytes_total") / commits)},
      {"net_bytes_sent_per_transaction", std::round(sum("peer_sent_bytes_total") / executed)},
      {"messages_per_round", Rounded(sum("messages_sent_total") / rounds)},
      {"signature_checks_per_round", Rounded(sum("signature_checks_total") / rounds)},
      {"share_checks_per_round", Rounded(sum("share_checks_total") / rounds)},
      {"transactions_checked_before_execution", sum("checks_saved_total")}};
  for (auto& [name, figure] : costs.items()) {
    if (!is_known && name.starts_with("cpu_")) figure = nullptr;
  }
  return costs;
}

Result<> Bench(const Options& options) {
  const proto::Committee committee(options.validators);
  if (options.down > committee.max_faulty()) {
    return Fail(ErrorCode::kInvalidArgument,
                "of " + std::to_string(options.validators) + " validators at most " +
                    std::to_string(committee.max_faulty()) + " may be down");
  }
  if (!options.running.empty() && options.is_signed) {
    return Fail(ErrorCode::kInvalidArgument,
                "--network: nobody pays for signed transactions there; say --signed off");
  }
  Network network(options);
  if (auto up = options.running.empty() ? network.Start() : network.Join(); !up) return up;
  SayProgress("network is up; warming up");

  std::atomic<bool> stop = false;
  std::atomic<bool> stop_observer = false;
  std::vector<std::unique_ptr<Sender>> senders;
  std::vector<std::thread> threads;
  Observer observer(network.Address(0));
  std::thread observing([&] { observer.Run(stop_observer); });
  const proto::Digest chain = proto::ChainId(network.genesis());
  for (std::size_t i = 0; i < network.Senders(); ++i) {
    senders.push_back(std::make_unique<Sender>(
        network.Address(i), Transactions(chain, options.transaction_bytes, network.TakeAccounts(i)),
        options.rate / static_cast<double>(network.Senders())));
    threads.emplace_back([&, i] { senders[i]->Run(stop); });
  }
  const auto counts = [&] {
    Sender::Counts all;
    for (const auto& sender : senders) {
      const Sender::Counts one = sender->counts();
      all.offered += one.offered;
      all.taken += one.taken;
      all.missed += one.missed;
    }
    return all;
  };
  std::this_thread::sleep_for(std::chrono::seconds(options.warmup));
  const Sender::Counts counts_before = counts();
  const std::vector<Reading> before = network.ReadAll();
  const double own_before = CpuSeconds(::getpid());
  const std::uint64_t from = NowNs();
  std::this_thread::sleep_for(std::chrono::seconds(options.seconds));
  const std::uint64_t until = NowNs();
  const double own_cpu = CpuSeconds(::getpid()) - own_before;
  const std::vector<Reading> after = network.ReadAll();
  const Sender::Counts counts_after = counts();
  stop = true;
  for (std::thread& thread : threads) thread.join();
  std::this_thread::sleep_for(kDrain);
  stop_observer = true;
  observing.join();

  const double seconds = static_cast<double>(until - from) / 1e9;
  const json executed = Latencies(observer.executed(), from, until);
  const double count = executed["count"].get<double>();
  const double offered = static_cast<double>(counts_after.offered - counts_before.offered);
  const double missed = static_cast<double>(counts_after.missed - counts_before.missed);
  json out = {{"validators", options.validators},
              {"down", options.down},
              {"transaction_bytes", options.transaction_bytes},
              {"signed", options.is_signed},
              {"fsync", options.fsync},
              {"link_delay_ms", options.link_delay_ms},
              {"seconds", Rounded(seconds)},
              {"offered_per_second", std::round(offered / seconds)},
              {"missed_per_second", std::round(missed / seconds)},
              {"executed_per_second", std::round(count / seconds)},
              {"executed", executed},
              {"finalized", Latencies(observer.finalized(), from, until)},
              {"failed", observer.failed()},
              {"load_cpu_seconds", Rounded(own_cpu)},
              {"each_validator", Costs(before, after, seconds, count)},
              {"cores", std::thread::hardware_concurrency()}};
  for (const auto& sender : senders) {
    if (!sender->last_error().empty()) out["last_refusal"] = sender->last_error();
  }
  if (!observer.last_error().empty()) out["last_error"] = observer.last_error();
  PrintJson(out);
  return {};
}

}  // namespace

void AddLedgerBench(CLI::App& bench, Command& run) {
  const auto options = std::make_shared<Options>();
  CLI::App* command = bench.add_subcommand(
      "ledger", "Measure the ledger: validators on this machine under an open-loop load");
  command->add_option("--n", options->validators, "Validators")
      ->check(CLI::Range(4, 16))
      ->capture_default_str();
  command->add_option("--tx-bytes", options->transaction_bytes, "Size of a transaction")
      ->check(CLI::Range(std::size_t{kLoadTransactionBytesMin}, std::size_t{1} << 17))
      ->capture_default_str();
  command->add_option("--rate", options->rate, "Transactions offered a second, by all senders")
      ->check(CLI::PositiveNumber)
      ->capture_default_str();
  command->add_option("--seconds", options->seconds, "Measured time")
      ->check(CLI::Range(1u, 3600u))
      ->capture_default_str();
  command->add_option("--warmup", options->warmup, "Seconds of load before it")
      ->capture_default_str();
  const auto on_off = [&](const std::string& name, bool& value, const std::string& text) {
    const std::map<std::string, bool> words = {{"on", true}, {"off", false}};
    command->add_option(name, value, text)
        ->transform(CLI::CheckedTransformer(words))
        ->capture_default_str();
  };
  on_off("--fsync", options->fsync, "Sync what must be durable: on or off");
  on_off("--signed", options->is_signed, "Signed transactions of accounts, or opaque bytes");
  command->add_option("--down", options->down, "Validators killed before the load")
      ->capture_default_str();
  command
      ->add_option("--link-delay-ms", options->link_delay_ms,
                   "Delay of every message between validators, one way")
      ->check(CLI::Range(0u, 10'000u))
      ->capture_default_str();
  command->add_option("--header-delay-ms", options->header_delay_ms, "Pacing of the headers")
      ->capture_default_str();
  command->add_option("--dir", options->directory, "Where the network lives; removed afterwards");
  command->add_option("--network", options->running,
                      "Folder of a network of opaque transactions that runs: load it instead");
  command->add_flag("--json", options->print_json, "One JSON object (the default)");
  command->callback([&run, options] {
    run = [options] {
      if (options->directory.empty()) {
        options->directory = std::filesystem::temp_directory_path().string() + "/waxseal-bench-" +
                             std::to_string(::getpid());
      }
      return Bench(*options);
    };
  });
}

}  // namespace node
