// A directory of its own for each test, gone afterwards.
#pragma once

#include <cstdlib>
#include <filesystem>
#include <string>

#include "proto/base/check.h"

namespace node {

class Scratch {
 public:
  Scratch() : path_(std::filesystem::temp_directory_path() / "waxseal-store-XXXXXX") {
    CHECK(mkdtemp(path_.data()) != nullptr);
  }
  Scratch(const Scratch&) = delete;
  Scratch& operator=(const Scratch&) = delete;
  ~Scratch() { std::filesystem::remove_all(path_); }

  std::string operator/(const std::string& name) const { return path_ + "/" + name; }

 private:
  std::string path_;
};

}  // namespace node
