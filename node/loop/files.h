// Small whole-file helpers with errors that say what to do.
#pragma once

#include <string>

#include "proto/base/bytes.h"

namespace node {

inline constexpr std::size_t kFileBytesMax = std::size_t{1} << 32;

proto::Result<proto::Bytes> ReadFile(const std::string& path,
                                     std::size_t bytes_max = kFileBytesMax);
// Replaces the file as a whole. `mode`: permission bits, 0600 for secrets.
proto::Result<> WriteFile(const std::string& path, proto::ByteSpan bytes, unsigned mode = 0644);
// Fails when the file exists.
proto::Result<> CreateFile(const std::string& path, proto::ByteSpan bytes, unsigned mode);
// Gives the file another name in its directory, as one durable step.
proto::Result<> MoveFile(const std::string& from, const std::string& to);
bool FileExists(const std::string& path);
proto::Result<> MakeDirectories(const std::string& path);

}  // namespace node
