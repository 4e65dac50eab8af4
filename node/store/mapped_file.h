// Files mapped into memory, read-only: pages come as they are read, belong to the page cache, and
// are the same for all processes that map the file. Whoever shortens a mapped file, or a disk that
// cannot be read, ends the process that touches the missing page (SIGBUS).
#pragma once

#include <string>

#include "node/store/directory.h"
#include "proto/base/shared_bytes.h"

namespace node {

proto::Result<proto::SharedBytes> MapFile(const std::string& path);
// The first `size` bytes of an open file, which may be closed afterwards.
proto::Result<proto::SharedBytes> MapFile(int file, std::size_t size);

// A file without a name that grows at its end and is mapped part by part: for what is too large for
// memory and gone with the process.
class ScratchFile {
 public:
  static proto::Result<ScratchFile> Make(const std::string& directory);

  std::size_t size() const { return size_; }
  proto::Result<> Append(proto::ByteSpan bytes);
  // The bytes, mapped, appended from the next page on.
  proto::Result<proto::SharedBytes> Keep(proto::ByteSpan bytes);
  // All of it.
  proto::Result<proto::SharedBytes> Map() const { return MapFile(file_.number(), size_); }

 private:
  explicit ScratchFile(Descriptor file) : file_(std::move(file)) {}

  Descriptor file_;
  std::size_t size_ = 0;
};

}  // namespace node
