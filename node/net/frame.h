// Messages of up to a gigabyte travel as frames of at most one mebibyte.
//
// The first frame states the length (data + more), each later one must agree with what its
// predecessor left, and only the last may be empty: so a message is refused before it is stored.
// Its room is reserved at once but, being untouched, taken from the machine only as the bytes
// arrive.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>

#include "node/net/limits.h"
#include "proto/base/bytes.h"

namespace node {

struct Cut {
  std::size_t size;    // Bytes in this frame.
  std::uint64_t more;  // Bytes of the message after it.
};

// The frame that begins at `offset` of a message; offset == message_size only for an empty message.
Cut CutFrame(std::size_t message_size, std::size_t offset);

class Assembler {
 public:
  explicit Assembler(std::size_t message_bytes_max) : message_bytes_max_(message_bytes_max) {}

  // The message that this frame completes, or nothing when more is to come. An error is the
  // sender's fault, and the end of its stream: kExhausted for a message beyond the limit, kCorrupt
  // for frames that contradict each other.
  proto::Result<std::optional<proto::Bytes>> Add(proto::ByteSpan data, std::uint64_t more);

 private:
  const std::size_t message_bytes_max_;
  proto::Bytes message_;
  std::uint64_t more_ = 0;  // What the message lacks; 0 between messages.
};

}  // namespace node
