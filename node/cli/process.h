// A validator as a child process: started in a session of its own, known by a pid file.
#pragma once

#include <optional>
#include <string>

#include <sys/types.h>

#include "proto/base/result.h"

namespace node {

// This program's own path.
std::string SelfPath();

// Runs `program start --home HOME`, its output appended to HOME/log, its pid in HOME/pid.
proto::Result<pid_t> StartValidator(const std::string& program, const std::string& home);

// The pid of the home's validator if it runs: the pid file names a living process whose command
// line holds the home.
std::optional<pid_t> RunningValidator(const std::string& home);

// SIGTERM, and SIGKILL after `patience_ms`; waits for the end. Not running is a success.
proto::Result<> StopValidator(const std::string& home, int patience_ms = 10'000);
// SIGKILL at once.
proto::Result<> KillValidator(const std::string& home);

}  // namespace node
