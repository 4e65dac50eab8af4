#include "node/store/file_store.h"

#include <algorithm>
#include <cerrno>
#include <cstdio>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "node/store/mapped_file.h"
#include "proto/crypto/hash.h"

namespace node {

using proto::Bytes;
using proto::ByteSpan;
using proto::Digest;
using proto::ErrorCode;
using proto::Fail;
using proto::Result;
using proto::SharedBytes;

namespace {

constexpr std::size_t kNameSizeMax = 128;
constexpr std::size_t kHeaderSize = Digest{}.bytes.size();
// Files on their way in and out; names begin with no dot.
constexpr std::string_view kComing = ".coming.";
constexpr std::string_view kGoing = ".going.";

Digest Fingerprint(std::string_view name, ByteSpan bytes) {
  return proto::Hasher("waxseal/file").AddSized(proto::AsBytes(name)).AddSized(bytes).Finish();
}

Descriptor OpenAt(const Directory& directory, const std::string& name, int flags) {
  return Descriptor(openat(directory.number(), name.c_str(), flags | O_NOFOLLOW | O_CLOEXEC, 0600));
}

tl::unexpected<proto::Error> NoName() {
  return Fail(ErrorCode::kInvalidArgument,
              "a file name has 1 to 128 characters of [a-z0-9._-] and begins with no dot");
}

}  // namespace

bool IsFileName(std::string_view name) {
  const auto allowed = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '.' || c == '_' || c == '-';
  };
  return !name.empty() && name.size() <= kNameSizeMax && name.front() != '.' &&
         std::ranges::all_of(name, allowed);
}

Result<std::unique_ptr<FileStore>> FileStore::Open(const std::string& path) {
  auto directory = Directory::Hold(path);
  if (!directory) return tl::unexpected(directory.error());
  std::unique_ptr<FileStore> store(new FileStore(std::move(*directory)));
  if (auto removed = store->RemoveLeftovers(); !removed) return tl::unexpected(removed.error());
  return store;
}

Result<> FileStore::RemoveLeftovers() {
  const auto entries = directory_.Entries();
  if (!entries) return tl::unexpected(entries.error());
  for (const std::string& name : *entries) {
    if (!name.starts_with(kComing) && !name.starts_with(kGoing)) continue;
    if (auto discarded = Discard(name); !discarded) return discarded;
  }
  return directory_.Sync();
}

std::string FileStore::Path(std::string_view name) const {
  return directory_.path() + "/" + std::string(name);
}

// Overwrites and unlinks.
Result<> FileStore::Discard(const std::string& name) {
  const Descriptor file = OpenAt(directory_, name, O_WRONLY);
  if (!file.valid()) return tl::unexpected(SystemError("cannot open " + Path(name)));
  if (auto overwritten = Overwrite(file.number()); !overwritten) return overwritten;
  if (unlinkat(directory_.number(), name.c_str(), 0) != 0) {
    return tl::unexpected(SystemError("cannot remove " + Path(name)));
  }
  return {};
}

Result<> FileStore::Write(const std::string& name, const Digest& digest, ByteSpan bytes) {
  const Descriptor file = OpenAt(directory_, name, O_WRONLY | O_CREAT | O_TRUNC);
  if (!file.valid()) return tl::unexpected(SystemError("cannot create " + Path(name)));
  for (const ByteSpan part : {digest.span(), bytes}) {
    if (auto written = WriteAll(file.number(), part); !written) return written;
  }
  if (fsync(file.number()) != 0) return tl::unexpected(SystemError("cannot sync"));
  return {};
}

Result<> FileStore::Put(std::string_view name, ByteSpan bytes) {
  if (!IsFileName(name)) return NoName();
  if (bytes.size() > kFileSizeMax) return Fail(ErrorCode::kExhausted, "the file is too long");
  const std::string place(name);
  const std::string coming = std::string(kComing) + place;
  if (auto written = Write(coming, Fingerprint(name, bytes), bytes); !written) {
    (void)Discard(coming);  // If this fails too, the next Open does it.
    return Fail(written.error().code, "cannot keep " + Path(name) + ": " + written.error().message);
  }
  // What is replaced is a secret too.
  const Descriptor replaced = OpenAt(directory_, place, O_WRONLY);
  if (renameat(directory_.number(), coming.c_str(), directory_.number(), place.c_str()) != 0) {
    return tl::unexpected(SystemError("cannot rename to " + Path(name)));
  }
  if (auto synced = directory_.Sync(); !synced) return synced;
  return replaced.valid() ? Overwrite(replaced.number()) : Result<>();
}

Result<SharedBytes> FileStore::Map(std::string_view name) const {
  if (!IsFileName(name)) return NoName();
  const Descriptor file = OpenAt(directory_, std::string(name), O_RDONLY);
  struct stat status {};
  if (!file.valid() || fstat(file.number(), &status) != 0) {
    return tl::unexpected(SystemError("cannot open " + Path(name)));
  }
  const auto size = static_cast<std::size_t>(status.st_size);
  const auto damaged = [&] {
    return Fail(ErrorCode::kCorrupt, Path(name) + " is damaged: it is not what was written");
  };
  if (!S_ISREG(status.st_mode) || size < kHeaderSize || size - kHeaderSize > kFileSizeMax) {
    return damaged();
  }
  auto whole = MapFile(file.number(), size);
  if (!whole) return tl::unexpected(whole.error());
  SharedBytes bytes = whole->Part(kHeaderSize, size - kHeaderSize);
  if (!std::ranges::equal(Fingerprint(name, bytes.span()).span(),
                          whole->span().first(kHeaderSize))) {
    return damaged();
  }
  return bytes;
}

Result<Bytes> FileStore::Get(std::string_view name) const {
  const auto mapped = Map(name);
  if (!mapped) return tl::unexpected(mapped.error());
  return Bytes(mapped->span().begin(), mapped->span().end());
}

bool FileStore::Has(std::string_view name) const {
  struct stat status {};
  return IsFileName(name) &&
         fstatat(directory_.number(), std::string(name).c_str(), &status, AT_SYMLINK_NOFOLLOW) ==
             0 &&
         S_ISREG(status.st_mode);
}

Result<> FileStore::Erase(std::string_view name) {
  if (!IsFileName(name)) return NoName();
  const std::string place(name);
  const std::string going = std::string(kGoing) + place;
  if (renameat(directory_.number(), place.c_str(), directory_.number(), going.c_str()) != 0) {
    if (errno == ENOENT) return {};
    return tl::unexpected(SystemError("cannot erase " + Path(name)));
  }
  if (auto synced = directory_.Sync(); !synced) return synced;
  if (auto discarded = Discard(going); !discarded) return discarded;
  return directory_.Sync();
}

Result<std::vector<std::string>> FileStore::List(std::string_view prefix) const {
  auto entries = directory_.Entries();
  if (!entries) return entries;
  std::erase_if(*entries, [&](const std::string& name) {
    return !name.starts_with(prefix) || !IsFileName(name);
  });
  return entries;
}

}  // namespace node
