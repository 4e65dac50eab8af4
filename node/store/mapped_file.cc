#include "node/store/mapped_file.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

namespace node {

using proto::ByteSpan;
using proto::Result;
using proto::SharedBytes;

namespace {

constexpr std::size_t kPage = 4096;

Result<SharedBytes> MapPart(int file, std::size_t offset, std::size_t size) {
  if (size == 0) return SharedBytes();
  void* const memory = mmap(nullptr, size, PROT_READ, MAP_SHARED, file, static_cast<off_t>(offset));
  if (memory == MAP_FAILED) return tl::unexpected(SystemError("cannot map a file"));
  const std::shared_ptr<const void> owner(memory, [size](void* m) { munmap(m, size); });
  return SharedBytes({static_cast<const std::uint8_t*>(memory), size}, owner);
}

}  // namespace

Result<SharedBytes> MapFile(int file, std::size_t size) {
  return MapPart(file, 0, size);
}

Result<SharedBytes> MapFile(const std::string& path) {
  const Descriptor file(
      open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));  // Of a pipe: no wait.
  struct stat status {};
  if (!file.valid() || fstat(file.number(), &status) != 0) {
    return tl::unexpected(SystemError("cannot open " + path));
  }
  if (!S_ISREG(status.st_mode)) {
    return proto::Fail(proto::ErrorCode::kInvalidArgument, path + " is no file");
  }
  return MapFile(file.number(), static_cast<std::size_t>(status.st_size));
}

Result<ScratchFile> ScratchFile::Make(const std::string& directory) {
  Descriptor file(open(directory.c_str(), O_TMPFILE | O_RDWR | O_CLOEXEC, 0600));
  if (!file.valid()) return tl::unexpected(SystemError("cannot make a file in " + directory));
  return ScratchFile(std::move(file));
}

Result<> ScratchFile::Append(ByteSpan bytes) {
  if (auto written = WriteAll(file_.number(), bytes); !written) return written;
  size_ += bytes.size();
  return {};
}

Result<SharedBytes> ScratchFile::Keep(ByteSpan bytes) {
  const proto::Bytes zeros((kPage - size_ % kPage) % kPage);
  if (auto padded = Append(zeros); !padded) return tl::unexpected(padded.error());
  const std::size_t offset = size_;
  if (auto written = Append(bytes); !written) return tl::unexpected(written.error());
  return MapPart(file_.number(), offset, bytes.size());
}

}  // namespace node
