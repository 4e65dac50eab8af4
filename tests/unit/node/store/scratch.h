// A directory of its own for each test, gone afterwards; in memory where the system has such a
// place, since no test here can tell a sync that reached a disk from one that did not.
#pragma once

#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <string>
#include <system_error>

#include <unistd.h>

#include "proto/base/check.h"

namespace node {

class Scratch {
 public:
  Scratch() : path_(Place() / "waxseal-store-XXXXXX") { CHECK(mkdtemp(path_.data()) != nullptr); }
  Scratch(const Scratch&) = delete;
  Scratch& operator=(const Scratch&) = delete;
  ~Scratch() { std::filesystem::remove_all(path_); }

  std::string operator/(const std::string& name) const { return path_ + "/" + name; }

 private:
  static constexpr std::uintmax_t kRoom = std::uintmax_t{1} << 30;

  static std::filesystem::path Place() {
    const std::filesystem::path memory = "/dev/shm";
    std::error_code error;
    const bool roomy = access(memory.c_str(), W_OK) == 0 &&
                       std::filesystem::space(memory, error).available >= kRoom && !error;
    return roomy ? memory : std::filesystem::temp_directory_path();
  }

  std::string path_;
};

}  // namespace node
