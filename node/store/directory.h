// Directory: an open directory that one process alone holds, and the file operations on its entries
// whose outcome must be durable.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "proto/base/bytes.h"

namespace node {

// A file descriptor that closes itself.
class Descriptor {
 public:
  explicit Descriptor(int number) : number_(number) {}
  Descriptor(Descriptor&& other) noexcept : number_(std::exchange(other.number_, -1)) {}
  Descriptor& operator=(Descriptor&& other) noexcept {
    std::swap(number_, other.number_);
    return *this;
  }
  ~Descriptor();

  int number() const { return number_; }
  bool valid() const { return number_ >= 0; }

 private:
  int number_;
};

// The error of the last system call: a full disk is kExhausted, an absent file kNotFound, all else
// kUnavailable. `doing`: what failed, as in "cannot write FILE".
proto::Error SystemError(const std::string& doing);

// All of `bytes`, or an error.
proto::Result<> WriteAll(int file, proto::ByteSpan bytes);
// Zeros over what the file holds, down to the disk. What the disk itself keeps elsewhere (copy on
// write, wear levelling) is out of reach: disks with secrets are to be encrypted.
proto::Result<> Overwrite(int file);

class Directory {
 public:
  // Makes the directory (mode 0700, one level) when it is absent. kUnavailable when another holder
  // has it, in this process or another.
  static proto::Result<Directory> Hold(const std::string& path);

  const std::string& path() const { return path_; }
  int number() const { return descriptor_.number(); }
  // Makes creations, renamings and removals durable.
  proto::Result<> Sync() const;
  proto::Result<std::vector<std::string>> Entries() const;  // Ascending, without . and ..

 private:
  Directory(std::string path, Descriptor descriptor)
      : path_(std::move(path)), descriptor_(std::move(descriptor)) {}

  std::string path_;
  Descriptor descriptor_;
};

}  // namespace node
