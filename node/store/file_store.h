// FileStore: the bulk files of interfaces.h, one file each in a directory of their own.
//
// A file is its hash (32 bytes, over the name too) and then the bytes. It is written beside its
// place, synced and renamed into it, so after a crash it is whole or absent. Erasing moves it out
// of its place first: from then on it is absent, and what a crash leaves is overwritten and
// unlinked by the next Open. One process at a time; one thread changes files, any may read.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "node/store/directory.h"
#include "node/store/interfaces.h"

namespace node {

inline constexpr std::size_t kFileSizeMax = std::size_t{16} << 30;

class FileStore : public BulkStore {
 public:
  // Created when absent, for its owner's eyes alone. kUnavailable when another process holds it.
  static proto::Result<std::unique_ptr<FileStore>> Open(const std::string& directory);

  // kExhausted when the disk is full: then nothing has changed.
  proto::Result<> Put(std::string_view name, proto::ByteSpan bytes) override;
  // kCorrupt when what is on the disk is not what was put.
  proto::Result<proto::Bytes> Get(std::string_view name) const override;
  // What is erased meanwhile changes under the reader.
  proto::Result<proto::SharedBytes> Map(std::string_view name) const override;
  bool Has(std::string_view name) const override;
  proto::Result<> Erase(std::string_view name) override;
  proto::Result<std::vector<std::string>> List(std::string_view prefix) const override;

 private:
  explicit FileStore(Directory directory) : directory_(std::move(directory)) {}
  proto::Result<> RemoveLeftovers();
  proto::Result<> Write(const std::string& name, const proto::Digest& digest,
                        proto::ByteSpan bytes);
  proto::Result<> Discard(const std::string& name);
  std::string Path(std::string_view name) const;

  Directory directory_;
};

// Whether `name` may name a bulk file.
bool IsFileName(std::string_view name);

}  // namespace node
