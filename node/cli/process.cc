#include "node/cli/process.h"

#include <cerrno>
#include <charconv>
#include <chrono>
#include <csignal>
#include <cstring>
#include <thread>

#include <fcntl.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include "node/loop/files.h"

extern char** environ;

namespace node {

using proto::ErrorCode;
using proto::Fail;
using proto::Result;

namespace {

constexpr std::size_t kSmallFileMax = 1 << 16;

std::optional<pid_t> ReadPid(const std::string& home) {
  const auto bytes = ReadFile(home + "/pid", kSmallFileMax);
  if (!bytes) return std::nullopt;
  const std::string_view text = proto::AsText(*bytes);
  pid_t pid = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), pid);
  if (error != std::errc() || pid <= 1) return std::nullopt;
  return pid;
}

bool Alive(pid_t pid, const std::string& home) {
  ::waitpid(pid, nullptr, WNOHANG);  // Reaps it where it is our child.
  const auto command = ReadFile("/proc/" + std::to_string(pid) + "/cmdline", kSmallFileMax);
  // A zombie's command line is empty.
  return command && proto::AsText(*command).find(home) != std::string_view::npos;
}

Result<> WaitForEnd(pid_t pid, const std::string& home, int patience_ms) {
  constexpr int kStepMs = 20;
  for (int waited = 0; waited <= patience_ms; waited += kStepMs) {
    // A child of ours has let go of its files when it can be reaped, and not before.
    if (::waitpid(pid, nullptr, WNOHANG) != 0 && !Alive(pid, home)) return {};
    std::this_thread::sleep_for(std::chrono::milliseconds(kStepMs));
  }
  return Fail(ErrorCode::kUnavailable, "the validator of " + home + " does not end");
}

}  // namespace

std::string SelfPath() {
  char path[4096];
  const ssize_t size = ::readlink("/proc/self/exe", path, sizeof path);
  return size > 0 ? std::string(path, static_cast<std::size_t>(size)) : "waxseal";
}

Result<pid_t> StartValidator(const std::string& program, const std::string& home) {
  if (const auto pid = RunningValidator(home)) {
    return Fail(ErrorCode::kInvalidArgument,
                "the validator of " + home + " runs already, as process " + std::to_string(*pid));
  }
  const std::string log = home + "/log";
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
  posix_spawn_file_actions_addopen(&actions, 1, log.c_str(), O_WRONLY | O_CREAT | O_APPEND, 0644);
  posix_spawn_file_actions_adddup2(&actions, 1, 2);
  posix_spawnattr_t attributes;
  posix_spawnattr_init(&attributes);
  posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSID);
  std::string words[] = {program, "start", "--home", home};
  char* arguments[] = {words[0].data(), words[1].data(), words[2].data(), words[3].data(), nullptr};
  pid_t pid = 0;
  const int error = posix_spawn(&pid, program.c_str(), &actions, &attributes, arguments, environ);
  posix_spawnattr_destroy(&attributes);
  posix_spawn_file_actions_destroy(&actions);
  if (error != 0) {
    return Fail(ErrorCode::kUnavailable, "cannot start " + program + ": " + std::strerror(error));
  }
  if (auto written = WriteFile(home + "/pid", proto::AsBytes(std::to_string(pid) + "\n"));
      !written) {
    ::kill(pid, SIGKILL);
    return tl::unexpected(written.error());
  }
  return pid;
}

std::optional<pid_t> RunningValidator(const std::string& home) {
  const auto pid = ReadPid(home);
  if (!pid || !Alive(*pid, home)) return std::nullopt;
  return pid;
}

Result<> StopValidator(const std::string& home, int patience_ms) {
  const auto pid = RunningValidator(home);
  if (!pid) return {};
  ::kill(*pid, SIGTERM);
  if (WaitForEnd(*pid, home, patience_ms)) return {};
  ::kill(*pid, SIGKILL);
  return WaitForEnd(*pid, home, patience_ms);
}

Result<> KillValidator(const std::string& home) {
  const auto pid = RunningValidator(home);
  if (!pid) return {};
  ::kill(*pid, SIGKILL);
  return WaitForEnd(*pid, home, 10'000);
}

}  // namespace node
