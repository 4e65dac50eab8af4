// soak: four validators, one of them hostile, under clients that are hostile too, for a long time;
// what the honest ones' memory does is printed every minute.
//
//   waxseal_soak [--minutes M] [--rate R] [--dir DIR]
//
// Each minute: resident memory of each honest validator, and in brackets what of it is its own
// (anonymous), not pages of files that the kernel may take back. The last lines say how the former
// grew: medians of the first and last quarter of the time, and the slope of a line through the
// second half. Exits 1 when a validator stopped, or no block was made for a minute.

#include <algorithm>
#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <sstream>
#include <string>
#include <thread>

#include <CLI/CLI.hpp>
#include <arpa/inet.h>
#include <sys/socket.h>
#include <unistd.h>

#include "node/cli/commands.h"
#include "node/cli/load.h"
#include "node/cli/localnet.h"
#include "node/cli/process.h"
#include "node/loop/config.h"
#include "node/loop/files.h"
#include "node/rpc/client.h"
#include "tests/soak/hostile_peer.h"

namespace soak {

namespace {

using proto::Result;

constexpr std::uint16_t kBasePort = 23'000;
constexpr std::size_t kHonest = 3;

struct Memory {
  double resident = 0;  // MiB.
  double anonymous = 0;
};

Memory MemoryOf(const std::string& home) {
  Memory memory;
  const auto pid = node::RunningValidator(home);
  if (!pid) return memory;
  const auto status = node::ReadFile("/proc/" + std::to_string(*pid) + "/status", 1 << 16);
  if (!status) return memory;
  std::istringstream in{std::string(proto::AsText(*status))};
  for (std::string word; in >> word;) {
    double kib = 0;
    if (word == "VmRSS:" && in >> kib) memory.resident = kib / 1024;
    if (word == "RssAnon:" && in >> kib) memory.anonymous = kib / 1024;
  }
  return memory;
}

// MiB an hour, by least squares over the minutes of the second half.
double Slope(const std::vector<double>& minutes) {
  const std::size_t first = minutes.size() / 2;
  const double count = static_cast<double>(minutes.size() - first);
  double mean_time = 0;
  double mean = 0;
  for (std::size_t i = first; i < minutes.size(); ++i) {
    mean_time += static_cast<double>(i) / count;
    mean += minutes[i] / count;
  }
  double above = 0;
  double below = 0;
  for (std::size_t i = first; i < minutes.size(); ++i) {
    const double time = static_cast<double>(i) - mean_time;
    above += time * (minutes[i] - mean);
    below += time * time;
  }
  return below > 0 ? 60 * above / below : 0;
}

std::uint64_t HeightOf(const std::string& address) {
  const auto page = node::Get(address, "/blocks/");
  if (!page) return 0;
  const auto json = nlohmann::json::parse(page->body, nullptr, false);
  return json.is_object() ? json.value("height", std::uint64_t{0}) : 0;
}

double DiskMiB(const std::string& directory) {
  double bytes = 0;
  std::error_code error;
  for (std::filesystem::recursive_directory_iterator it(directory, error), end; it != end;
       it.increment(error)) {
    if (it->is_regular_file(error)) bytes += static_cast<double>(it->file_size(error));
  }
  return bytes / (1 << 20);
}

int Dial(const std::string& address) {
  const auto colon = address.rfind(':');
  sockaddr_in to{};
  to.sin_family = AF_INET;
  ::inet_pton(AF_INET, address.substr(0, colon).c_str(), &to.sin_addr);
  to.sin_port = htons(static_cast<std::uint16_t>(std::stoul(address.substr(colon + 1))));
  const int file = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (file < 0) return -1;
  if (::connect(file, reinterpret_cast<sockaddr*>(&to), sizeof to) == 0) return file;
  ::close(file);
  return -1;
}

// Less than an address may have at the interface: the honest client shares it. More than strangers
// may have at the members' port.
constexpr std::size_t kHostileClients = 100;
constexpr std::size_t kHostileStrangers = 400;

// Clients that say half a word and wait, ask for much and do not read, or send nonsense.
void PlayHostileClients(const std::string& address, std::size_t connections,
                        const std::atomic<bool>& stop) {
  const std::string beginnings[] = {
      "POST / HTTP/1.1\r\nHost: x\r\nContent-Le", "GET /blocks/1 HTTP/1.1\r\nHost: x\r\n\r\n",
      "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 8000000\r\n\r\n[[[[", "\x16\x03\x01 nonsense",
      "POST /transactions HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\n\n\xff\xff\xff\x7f"};
  std::vector<int> open;
  for (std::size_t i = 0; !stop; ++i) {
    if (const int file = Dial(address); file >= 0) {
      const std::string& text = beginnings[i % std::size(beginnings)];
      (void)!::send(file, text.data(), text.size(), MSG_NOSIGNAL);
      open.push_back(file);
    }
    if (open.size() > connections) {
      ::close(open.front());
      open.erase(open.begin());
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(100));
  }
  for (const int file : open) ::close(file);
}

double Median(std::vector<double> values) {
  if (values.empty()) return 0;
  std::ranges::sort(values);
  return values[values.size() / 2];
}

Result<> Soak(const std::string& directory, unsigned minutes, double rate) {
  node::NetworkOptions options;
  options.directory = directory;
  options.base_port = node::FreeBasePort(kBasePort, kHonest + 1);
  options.spec = node::ShippedPath("chain-spec/bench.json");
  const auto genesis = node::CreateNetwork(options);
  if (!genesis) return tl::unexpected(genesis.error());
  const auto home = [&](std::size_t i) { return node::HomeOf(directory, i); };
  struct Down {
    const std::string& directory;
    const proto::Genesis& genesis;
    ~Down() {
      (void)node::StopNetwork(directory, genesis);
      std::error_code ignored;
      std::filesystem::remove_all(directory, ignored);
    }
  } const down{directory, *genesis};
  const std::filesystem::path own(node::SelfPath());
  for (std::size_t i = 0; i <= kHonest; ++i) {
    const std::string program =
        i == kHonest ? own.string() : (own.parent_path() / "waxseal").string();
    const auto pid = node::StartValidator(program, home(i));
    if (!pid) return tl::unexpected(pid.error());
  }
  for (std::size_t i = 0; i < kHonest; ++i) {
    if (auto ready = node::WaitReady(directory, *genesis, i, std::chrono::seconds(60)); !ready) {
      return ready;
    }
  }

  std::atomic<bool> stop = false;
  const std::string& first = genesis->validators[0].rpc_address;
  node::Sender sender(first, node::Transactions(proto::ChainId(*genesis), 512, {}), rate);
  std::thread honest_client([&] { sender.Run(stop); });
  std::thread hostile_clients([&] { PlayHostileClients(first, kHostileClients, stop); });
  std::thread hostile_strangers(
      [&] { PlayHostileClients(genesis->validators[0].peer_address, kHostileStrangers, stop); });
  std::vector<std::vector<double>> resident(kHonest);
  Result<> outcome;
  std::uint64_t height = 0;
  for (unsigned minute = 0; minute <= minutes && outcome; ++minute) {
    std::printf("minute %3u  height %7llu  taken %8llu  disk %7.0f MiB  resident MiB", minute,
                static_cast<unsigned long long>(HeightOf(first)),
                static_cast<unsigned long long>(sender.counts().taken), DiskMiB(directory));
    for (std::size_t i = 0; i < kHonest; ++i) {
      const Memory memory = MemoryOf(home(i));
      resident[i].push_back(memory.resident);
      std::printf("  %6.1f (%.1f)", memory.resident, memory.anonymous);
      if (resident[i].back() == 0) {
        outcome = proto::Fail(proto::ErrorCode::kUnavailable,
                              "validator " + std::to_string(i) + " stopped");
      }
    }
    std::printf("\n");
    std::fflush(stdout);
    if (minute == minutes) break;
    std::this_thread::sleep_for(std::chrono::minutes(1));
    const std::uint64_t now = HeightOf(first);
    if (now <= height) {
      outcome = proto::Fail(proto::ErrorCode::kUnavailable, "no block was made for a minute");
    }
    height = now;
  }
  stop = true;
  honest_client.join();
  hostile_clients.join();
  hostile_strangers.join();
  for (std::size_t i = 0; i < kHonest; ++i) {
    const auto quarter =
        static_cast<std::ptrdiff_t>(std::max<std::size_t>(resident[i].size() / 4, 1));
    const double early = Median({resident[i].begin(), resident[i].begin() + quarter});
    const double late = Median({resident[i].end() - quarter, resident[i].end()});
    std::printf(
        "validator %zu: median %.1f MiB in the first quarter, %.1f MiB in the last; in the second "
        "half %+.1f MiB an hour\n",
        i, early, late, Slope(resident[i]));
  }
  return outcome;
}

}  // namespace

}  // namespace soak

int main(int argc, char** argv) {
  CLI::App app("Validators under hostile peers and clients, for a long time");
  unsigned minutes = 60;
  double rate = 50;
  std::string home;
  std::string directory =
      (std::filesystem::temp_directory_path() / ("waxseal-soak-" + std::to_string(::getpid())))
          .string();
  app.add_option("--minutes", minutes, "How long")->check(CLI::Range(1u, 10'000u));
  app.add_option("--rate", rate, "Honest transactions a second")->check(CLI::PositiveNumber);
  app.add_option("--dir", directory, "Where the network lives; removed afterwards");
  // A validator is started as: PROGRAM start --home HOME.
  CLI::App* start = app.add_subcommand("start", "The hostile peer");
  start->add_option("--home", home, "Its home")->required();
  CLI11_PARSE(app, argc, argv);
  const auto done =
      start->parsed() ? soak::PlayHostilePeer(home) : soak::Soak(directory, minutes, rate);
  if (done) return EXIT_SUCCESS;
  std::fprintf(stderr, "soak: %s\n", done.error().message.c_str());
  return EXIT_FAILURE;
}
