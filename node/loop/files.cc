#include "node/loop/files.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <utility>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

namespace node {

using proto::ErrorCode;
using proto::Fail;
using proto::Result;

namespace {

std::string Why() {
  return std::strerror(errno);
}

Result<> WriteAll(int file, const std::string& path, proto::ByteSpan bytes) {
  while (!bytes.empty()) {
    const ssize_t written = ::write(file, bytes.data(), bytes.size());
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) {
      const auto code = errno == ENOSPC ? ErrorCode::kExhausted : ErrorCode::kUnavailable;
      return Fail(code, "cannot write " + path + ": " + Why());
    }
    bytes = bytes.subspan(static_cast<std::size_t>(written));
  }
  if (::fsync(file) != 0)
    return Fail(ErrorCode::kUnavailable, "cannot sync " + path + ": " + Why());
  return {};
}

Result<> WriteNew(const std::string& path, proto::ByteSpan bytes, unsigned mode, int flags) {
  const int file = ::open(path.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC | flags, mode);
  if (file < 0) {
    if (errno == EEXIST) {
      return Fail(ErrorCode::kInvalidArgument, path + " exists already; move it away first");
    }
    return Fail(ErrorCode::kUnavailable, "cannot create " + path + ": " + Why());
  }
  Result<> written = WriteAll(file, path, bytes);
  ::close(file);
  if (!written) ::unlink(path.c_str());
  return written;
}

}  // namespace

Result<proto::Bytes> ReadFile(const std::string& path, std::size_t bytes_max) {
  const int file = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (file < 0) {
    const auto code = errno == ENOENT ? ErrorCode::kNotFound : ErrorCode::kUnavailable;
    return Fail(code, "cannot read " + path + ": " + Why());
  }
  proto::Bytes bytes;
  struct stat status {};
  if (::fstat(file, &status) == 0 && S_ISREG(status.st_mode)) {
    bytes.reserve(std::min(static_cast<std::size_t>(status.st_size), bytes_max));
  }
  std::array<std::uint8_t, 1 << 16> chunk;
  for (;;) {
    const ssize_t got = ::read(file, chunk.data(), chunk.size());
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) {
      auto error = Fail(ErrorCode::kUnavailable, "cannot read " + path + ": " + Why());
      ::close(file);
      return error;
    }
    if (got == 0) break;
    bytes.insert(bytes.end(), chunk.data(), chunk.data() + got);
    if (bytes.size() > bytes_max) {
      ::close(file);
      return Fail(ErrorCode::kExhausted,
                  path + " is larger than " + std::to_string(bytes_max) + " bytes");
    }
  }
  ::close(file);
  return bytes;
}

Result<> MoveFile(const std::string& from, const std::string& to) {
  if (::rename(from.c_str(), to.c_str()) != 0) {
    return Fail(ErrorCode::kUnavailable, "cannot replace " + to + ": " + Why());
  }
  // The name is durable with its directory.
  const auto slash = to.rfind('/');
  const std::string directory = slash == std::string::npos ? "." : to.substr(0, slash + 1);
  const int file = ::open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  const bool synced = file >= 0 && ::fsync(file) == 0;
  if (file >= 0) ::close(file);
  if (!synced) return Fail(ErrorCode::kUnavailable, "cannot sync " + directory + ": " + Why());
  return {};
}

Result<> WriteFile(const std::string& path, proto::ByteSpan bytes, unsigned mode) {
  const std::string temporary = path + ".tmp";
  if (auto written = WriteNew(temporary, bytes, mode, O_TRUNC); !written) return written;
  return MoveFile(temporary, path);
}

Result<> CreateFile(const std::string& path, proto::ByteSpan bytes, unsigned mode) {
  return WriteNew(path, bytes, mode, O_EXCL);
}

bool FileExists(const std::string& path) {
  return ::access(path.c_str(), F_OK) == 0;
}

Result<> MakeDirectories(const std::string& path) {
  std::error_code error;
  std::filesystem::create_directories(path, error);
  if (error) return Fail(ErrorCode::kUnavailable, "cannot create " + path + ": " + error.message());
  return {};
}

}  // namespace node
