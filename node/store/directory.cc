#include "node/store/directory.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <memory>

#include <dirent.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

namespace node {

using proto::ErrorCode;
using proto::Fail;
using proto::Result;

namespace {

constexpr int kDirectoryFlags = O_RDONLY | O_DIRECTORY | O_CLOEXEC;

// A new directory is an entry of its parent.
Result<> SyncParent(const std::string& path) {
  const Descriptor parent(open((path + "/..").c_str(), kDirectoryFlags));
  if (!parent.valid() || fsync(parent.number()) != 0) {
    return tl::unexpected(SystemError("cannot sync the parent of " + path));
  }
  return {};
}

}  // namespace

Descriptor::~Descriptor() {
  if (valid()) close(number_);
}

proto::Error SystemError(const std::string& doing) {
  const int number = errno;
  const ErrorCode code = number == ENOSPC || number == EDQUOT || number == EFBIG
                             ? ErrorCode::kExhausted
                         : number == ENOENT ? ErrorCode::kNotFound
                                            : ErrorCode::kUnavailable;
  return {code, doing + ": " + std::strerror(number)};
}

Result<> WriteAll(int file, proto::ByteSpan bytes) {
  while (!bytes.empty()) {
    const ssize_t written = write(file, bytes.data(), bytes.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return tl::unexpected(SystemError("cannot write"));
    bytes = bytes.subspan(static_cast<std::size_t>(written));
  }
  return {};
}

Result<> Overwrite(int file) {
  static constexpr std::array<std::uint8_t, 65536> kZeros{};
  struct stat status {};
  if (fstat(file, &status) != 0 || lseek(file, 0, SEEK_SET) != 0) {
    return tl::unexpected(SystemError("cannot overwrite"));
  }
  for (auto left = static_cast<std::size_t>(status.st_size); left > 0;) {
    const std::size_t size = std::min(left, kZeros.size());
    if (auto written = WriteAll(file, proto::ByteSpan(kZeros).first(size)); !written) {
      return written;
    }
    left -= size;
  }
  if (fsync(file) != 0) return tl::unexpected(SystemError("cannot overwrite"));
  return {};
}

Result<Directory> Directory::Hold(const std::string& path) {
  if (mkdir(path.c_str(), 0700) == 0) {
    if (auto synced = SyncParent(path); !synced) return tl::unexpected(synced.error());
  } else if (errno != EEXIST) {
    return tl::unexpected(SystemError("cannot make the directory " + path));
  }
  Descriptor descriptor(open(path.c_str(), kDirectoryFlags));
  if (!descriptor.valid()) return tl::unexpected(SystemError("cannot open the directory " + path));
  if (flock(descriptor.number(), LOCK_EX | LOCK_NB) != 0) {
    if (errno != EWOULDBLOCK) return tl::unexpected(SystemError("cannot lock " + path));
    return Fail(ErrorCode::kUnavailable, path + " is already in use by another process");
  }
  return Directory(path, std::move(descriptor));
}

Result<> Directory::Sync() const {
  if (fsync(number()) != 0) return tl::unexpected(SystemError("cannot sync " + path_));
  return {};
}

Result<std::vector<std::string>> Directory::Entries() const {
  struct Close {
    void operator()(DIR* stream) const { closedir(stream); }
  };
  const std::unique_ptr<DIR, Close> stream(opendir(path_.c_str()));
  if (!stream) return tl::unexpected(SystemError("cannot list " + path_));
  std::vector<std::string> names;
  errno = 0;
  while (const dirent* entry = readdir(stream.get())) {
    const std::string name = entry->d_name;
    if (name != "." && name != "..") names.push_back(name);
    errno = 0;
  }
  if (errno != 0) return tl::unexpected(SystemError("cannot list " + path_));
  std::ranges::sort(names);
  return names;
}

}  // namespace node
