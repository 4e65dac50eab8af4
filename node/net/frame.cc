#include "node/net/frame.h"

#include <algorithm>
#include <string>
#include <utility>

#include "proto/base/check.h"

namespace node {

using proto::ErrorCode;
using proto::Fail;

Cut CutFrame(std::size_t message_size, std::size_t offset) {
  CHECK(offset <= message_size);
  const std::size_t size = std::min(message_size - offset, kFrameBytesMax);
  return {size, message_size - offset - size};
}

proto::Result<std::optional<proto::Bytes>> Assembler::Add(proto::ByteSpan data,
                                                          std::uint64_t more) {
  if (data.size() > kFrameBytesMax) return Fail(ErrorCode::kExhausted, "A frame is too long.");
  if (data.empty() && more > 0) return Fail(ErrorCode::kCorrupt, "An empty frame promises more.");
  if (more > message_bytes_max_ || data.size() > message_bytes_max_ - more) {
    return Fail(ErrorCode::kExhausted,
                "A message exceeds " + std::to_string(message_bytes_max_) + " bytes.");
  }
  if (more_ > 0 && data.size() + more != more_) {
    return Fail(ErrorCode::kCorrupt, "A frame contradicts the one before it.");
  }
  if (more_ == 0) {
    message_.clear();
    message_.reserve(data.size() + static_cast<std::size_t>(more));  // Untouched until it comes.
  }
  message_.insert(message_.end(), data.begin(), data.end());
  more_ = more;
  if (more_ > 0) return std::optional<proto::Bytes>();
  return std::optional<proto::Bytes>(std::exchange(message_, {}));
}

}  // namespace node
