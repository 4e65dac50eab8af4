#include "node/store/shared_files.h"

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <csignal>
#include <filesystem>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "node/store/mapped_file.h"
#include "proto/crypto/hash.h"

namespace node {

using proto::Bytes;
using proto::ByteSpan;
using proto::ErrorCode;
using proto::Fail;
using proto::Result;
using proto::SharedBytes;

namespace {

// On its way in: then the process that brings it, and the name.
constexpr std::string_view kComing = ".coming.";

bool IsModelFile(std::string_view name) {
  return name.starts_with(kModelFilePrefix);
}

bool HasItsHash(std::string_view name, ByteSpan bytes) {
  return proto::Sha256(bytes).hex() == name.substr(kModelFilePrefix.size());
}

bool IsHash(std::string_view hex) {
  return hex.size() == 2 * proto::Digest{}.bytes.size() && std::ranges::all_of(hex, [](char c) {
           return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');
         });
}

Result<> CheckName(std::string_view name) {
  if (IsHash(name.substr(kModelFilePrefix.size()))) return {};
  return Fail(ErrorCode::kInvalidArgument, "a model's file is named by its hash");
}

}  // namespace

Result<std::unique_ptr<SharedFiles>> SharedFiles::OpenDirectory(const std::string& models,
                                                                std::unique_ptr<BulkStore> own) {
  if (mkdir(models.c_str(), 0700) != 0 && errno != EEXIST) {
    return tl::unexpected(SystemError("cannot make " + models));
  }
  Descriptor directory(open(models.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!directory.valid()) return tl::unexpected(SystemError("cannot open " + models));
  return std::unique_ptr<SharedFiles>(
      new SharedFiles(models, std::move(directory), std::move(own)));
}

Result<std::unique_ptr<SharedFiles>> SharedFiles::Open(const std::string& models,
                                                       std::unique_ptr<BulkStore> own) {
  auto files = OpenDirectory(models, std::move(own));
  if (!files) return files;
  if (auto removed = (*files)->RemoveLeftovers(); !removed) return tl::unexpected(removed.error());
  return files;
}

Result<> SharedFiles::Place(const std::string& models, ByteSpan bytes) {
  const auto files = OpenDirectory(models, nullptr);
  if (!files) return tl::unexpected(files.error());
  return (*files)->PutModel(std::string(kModelFilePrefix) + proto::Sha256(bytes).hex(), bytes);
}

// Of processes that are gone.
Result<> SharedFiles::RemoveLeftovers() const {
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator(path_, error)) {
    const std::string name = entry.path().filename();
    if (!name.starts_with(kComing)) continue;
    pid_t process = 0;
    const auto end = name.data() + name.size();
    const auto read = std::from_chars(name.data() + kComing.size(), end, process);
    const bool alive =
        read.ec == std::errc() && process != getpid() && (kill(process, 0) == 0 || errno == EPERM);
    if (!alive) unlinkat(directory_.number(), name.c_str(), 0);
  }
  if (error) return Fail(ErrorCode::kUnavailable, "cannot read " + path_ + ": " + error.message());
  return {};
}

Result<> SharedFiles::Put(std::string_view name, ByteSpan bytes) {
  if (!IsModelFile(name)) return own_->Put(name, bytes);
  if (auto named = CheckName(name); !named) return named;
  if (!HasItsHash(name, bytes)) {
    return Fail(ErrorCode::kInvalidArgument, "a model's file does not have the hash of its name");
  }
  return PutModel(name, bytes);
}

Result<> SharedFiles::PutModel(std::string_view name, ByteSpan bytes) {
  if (Has(name)) return {};
  const std::string place(name);
  const std::string coming = std::string(kComing) + std::to_string(getpid()) + "." + place;
  const auto failed = [&](proto::Error error) {
    unlinkat(directory_.number(), coming.c_str(), 0);
    return Fail(error.code, "cannot keep " + Path(name) + ": " + error.message);
  };
  {
    const Descriptor file(openat(directory_.number(), coming.c_str(),
                                 O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0400));
    if (!file.valid()) return failed(SystemError("cannot create it"));
    if (auto written = WriteAll(file.number(), bytes); !written) return failed(written.error());
    if (fsync(file.number()) != 0) return failed(SystemError("cannot sync"));
  }
  // Another process may have brought the same bytes: either is as good.
  if (renameat(directory_.number(), coming.c_str(), directory_.number(), place.c_str()) != 0) {
    return failed(SystemError("cannot rename"));
  }
  if (fsync(directory_.number()) != 0) return failed(SystemError("cannot sync"));
  return {};
}

Result<SharedBytes> SharedFiles::Map(std::string_view name) const {
  if (!IsModelFile(name)) return own_->Map(name);
  if (auto named = CheckName(name); !named) return tl::unexpected(named.error());
  const std::scoped_lock lock(mutex_);
  auto& known = mapped_[std::string(name)];
  std::shared_ptr<const Mapping> mapping = known.lock();
  if (!mapping) {
    auto bytes = MapFile(Path(name));
    if (!bytes) return tl::unexpected(bytes.error());
    if (!HasItsHash(name, bytes->span())) {
      unlinkat(directory_.number(), std::string(name).c_str(), 0);
      return Fail(ErrorCode::kCorrupt, Path(name) + " was damaged and is removed");
    }
    mapping = std::make_shared<const Mapping>(Mapping{std::move(*bytes)});
    known = mapping;
  }
  return SharedBytes(mapping->bytes.span(), mapping);
}

Result<Bytes> SharedFiles::Get(std::string_view name) const {
  if (!IsModelFile(name)) return own_->Get(name);
  const auto mapped = Map(name);
  if (!mapped) return tl::unexpected(mapped.error());
  return Bytes(mapped->span().begin(), mapped->span().end());
}

bool SharedFiles::Has(std::string_view name) const {
  if (!IsModelFile(name)) return own_->Has(name);
  struct stat status {};
  return CheckName(name) &&
         fstatat(directory_.number(), std::string(name).c_str(), &status, AT_SYMLINK_NOFOLLOW) ==
             0 &&
         S_ISREG(status.st_mode);
}

// Others may have it mapped; they keep it until they let it go.
Result<> SharedFiles::Erase(std::string_view name) {
  if (!IsModelFile(name)) return own_->Erase(name);
  if (auto named = CheckName(name); !named) return named;
  if (unlinkat(directory_.number(), std::string(name).c_str(), 0) != 0 && errno != ENOENT) {
    return tl::unexpected(SystemError("cannot remove " + Path(name)));
  }
  return {};
}

Result<std::vector<std::string>> SharedFiles::List(std::string_view prefix) const {
  if (!IsModelFile(prefix)) return own_->List(prefix);
  std::vector<std::string> names;
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator(path_, error)) {
    std::string name = entry.path().filename();
    if (name.starts_with(prefix) && CheckName(name)) names.push_back(std::move(name));
  }
  if (error) return Fail(ErrorCode::kUnavailable, "cannot read " + path_ + ": " + error.message());
  std::ranges::sort(names);
  return names;
}

}  // namespace node
