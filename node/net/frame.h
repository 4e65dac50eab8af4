// Messages on a stream of bytes: each behind its length, in eight bytes.
//
// A message is refused at its length, before it is stored. Its room is reserved at once but, being
// untouched, taken from the machine only as the bytes arrive.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>

#include "proto/base/bytes.h"

namespace node {

inline constexpr std::size_t kLengthBytes = 8;

// What stands before a message of so many bytes.
std::array<std::uint8_t, kLengthBytes> LengthOf(std::size_t message_size);

class Assembler {
 public:
  explicit Assembler(std::size_t message_bytes_max) : message_bytes_max_(message_bytes_max) {}

  // Takes from the front of `bytes`, the stream's next, up to the end of a message: that message,
  // or nothing when all were taken and more is to come. kExhausted: the sender promises a message
  // beyond the limit; its stream is to end.
  proto::Result<std::optional<proto::Bytes>> Take(proto::ByteSpan& bytes);

 private:
  const std::size_t message_bytes_max_;
  std::array<std::uint8_t, kLengthBytes> length_{};
  std::size_t length_count_ = 0;  // Bytes of it that are here.
  std::size_t size_ = 0;          // Of the message, once all are.
  proto::Bytes message_;
};

}  // namespace node
