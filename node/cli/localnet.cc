#include "node/cli/localnet.h"

#include <algorithm>
#include <thread>

#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include "node/cli/process.h"
#include "node/loop/files.h"
#include "node/rpc/client.h"

namespace node {

using nlohmann::json;
using proto::ErrorCode;
using proto::Fail;
using proto::Result;

namespace {

constexpr std::chrono::milliseconds kPoll{100};
constexpr std::chrono::milliseconds kQuick{2000};
constexpr std::chrono::seconds kStartPatience{60};
constexpr std::size_t kLogBytesMax = std::size_t{1} << 30;

std::string LastLogLine(const std::string& home) {
  const auto log = ReadFile(home + "/log", kLogBytesMax);
  if (!log) return "it left no log";
  std::string_view text = proto::AsText(*log);
  while (!text.empty() && text.back() == '\n') text.remove_suffix(1);
  const auto line = text.rfind('\n');
  return std::string(line == std::string_view::npos ? text : text.substr(line + 1));
}

bool IsFree(unsigned port) {
  const int file = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (file < 0) return false;
  const int yes = 1;  // As servers do: a port whose last connection lingers is free.
  ::setsockopt(file, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  address.sin_port = htons(static_cast<std::uint16_t>(port));
  const bool free = ::bind(file, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0;
  ::close(file);
  return free;
}

}  // namespace

std::uint16_t FreeBasePort(std::uint16_t first, std::uint16_t validators) {
  constexpr unsigned kStep = 100;
  constexpr unsigned kLast = 32'000;
  for (unsigned base = first; base + 10u * validators < kLast; base += kStep) {
    bool free = true;
    for (unsigned i = 0; i < validators && free; ++i) {
      free = IsFree(base + 10 * i) && IsFree(base + 10 * i + 1);
    }
    if (free) return static_cast<std::uint16_t>(base);
  }
  return first;
}

Result<> StartOne(const std::string& directory, const proto::Genesis& genesis,
                  std::size_t validator) {
  const std::string home = HomeOf(directory, validator);
  if (RunningValidator(home)) return {};
  // Somebody else's server would answer in our validator's name.
  if (Get(genesis.validators[validator].rpc_address, "/health", kQuick)) {
    return Fail(ErrorCode::kUnavailable,
                genesis.validators[validator].rpc_address +
                    " is occupied by another program; stop it, or create the network with another "
                    "--base-port");
  }
  const auto pid = StartValidator(SelfPath(), home);
  if (!pid) return tl::unexpected(pid.error());
  return {};
}

Result<> WaitReady(const std::string& directory, const proto::Genesis& genesis,
                   std::size_t validator, std::chrono::seconds patience) {
  const std::string home = HomeOf(directory, validator);
  const std::string& name = genesis.validators[validator].name;
  const auto deadline = std::chrono::steady_clock::now() + patience;
  for (;;) {
    const auto answer = Get(genesis.validators[validator].rpc_address, "/ready", kQuick);
    if (answer && answer->status == 200) return {};
    if (!RunningValidator(home)) {
      return Fail(ErrorCode::kUnavailable, name + " ended: " + LastLogLine(home));
    }
    if (std::chrono::steady_clock::now() >= deadline) {
      return Fail(ErrorCode::kUnavailable,
                  name + " is not ready after " + std::to_string(patience.count()) +
                      " s: " + (answer ? answer->body : answer.error().message));
    }
    std::this_thread::sleep_for(kPoll);
  }
}

Result<> StartNetwork(const std::string& directory, const proto::Genesis& genesis,
                      const Progress& progress) {
  for (std::size_t i = 0; i < genesis.validators.size(); ++i) {
    if (auto started = StartOne(directory, genesis, i); !started) return started;
  }
  for (std::size_t i = 0; i < genesis.validators.size(); ++i) {
    if (auto ready = WaitReady(directory, genesis, i, kStartPatience); !ready) return ready;
    progress(genesis.validators[i].name + " is ready at http://" +
             genesis.validators[i].rpc_address);
  }
  return {};
}

Result<> StopNetwork(const std::string& directory, const proto::Genesis& genesis) {
  std::vector<std::thread> threads;
  std::vector<Result<>> results(genesis.validators.size());
  for (std::size_t i = 0; i < genesis.validators.size(); ++i) {
    threads.emplace_back([&, i] { results[i] = StopValidator(HomeOf(directory, i)); });
  }
  for (std::thread& thread : threads) thread.join();
  for (const Result<>& result : results) {
    if (!result) return result;
  }
  return {};
}

json NetworkStatus(const std::string& directory, const proto::Genesis& genesis) {
  json out = json::array();
  for (std::size_t i = 0; i < genesis.validators.size(); ++i) {
    const proto::ValidatorSpec& validator = genesis.validators[i];
    json entry = {{"validator", validator.name}, {"rpc", validator.rpc_address}};
    const auto pid = RunningValidator(HomeOf(directory, i));
    if (pid) entry["pid"] = *pid;
    const auto status = Call(validator.rpc_address, "status", json::object(), kQuick);
    entry["up"] = status.has_value();
    if (status) {
      entry["height"] = (*status)["height"];
      entry["proven_height"] = (*status)["proven_height"];
      entry["peers_connected"] = (*status)["peers_connected"];
      entry["ready"] = (*status)["ready"];
    }
    out.push_back(std::move(entry));
  }
  return out;
}

}  // namespace node
