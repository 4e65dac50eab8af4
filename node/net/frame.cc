#include "node/net/frame.h"

#include <algorithm>
#include <string>
#include <utility>

namespace node {

std::array<std::uint8_t, kLengthBytes> LengthOf(std::size_t message_size) {
  std::array<std::uint8_t, kLengthBytes> length{};
  for (std::size_t i = 0; i < length.size(); ++i) {
    length[i] = static_cast<std::uint8_t>(std::uint64_t{message_size} >> (8 * i));
  }
  return length;
}

proto::Result<std::optional<proto::Bytes>> Assembler::Take(proto::ByteSpan& bytes) {
  if (length_count_ < kLengthBytes) {
    const std::size_t count = std::min(kLengthBytes - length_count_, bytes.size());
    std::copy_n(bytes.begin(), count, length_.begin() + static_cast<std::ptrdiff_t>(length_count_));
    bytes = bytes.subspan(count);
    length_count_ += count;
    if (length_count_ < kLengthBytes) return std::nullopt;
    std::uint64_t size = 0;
    for (std::size_t i = kLengthBytes; i > 0; --i) size = size << 8 | length_[i - 1];
    if (size > message_bytes_max_) {
      return proto::Fail(proto::ErrorCode::kExhausted,
                         "A message exceeds " + std::to_string(message_bytes_max_) + " bytes.");
    }
    size_ = static_cast<std::size_t>(size);
    message_.reserve(size_);
  }
  const auto part = bytes.first(std::min(size_ - message_.size(), bytes.size()));
  message_.insert(message_.end(), part.begin(), part.end());
  bytes = bytes.subspan(part.size());
  if (message_.size() < size_) return std::nullopt;
  length_count_ = 0;
  return std::exchange(message_, {});
}

}  // namespace node
