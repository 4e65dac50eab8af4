// A message with one long byte string in it, without the copies that protobuf makes of that on each
// way: the string is written behind the other fields, and found where it lies.
//
// What is written is what protobuf reads (fields may come in any order), and what is not of the
// form that is looked for here is left to protobuf: the two always agree.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "proto/base/bytes.h"

namespace proto {

// Of a message that is one message field, with the string in that: { message { field, ... } }.
struct LongField {
  std::uint32_t message = 0;  // Their numbers.
  std::uint32_t field = 0;
};

// The message of the inner fields in `rest`, serialized, and of the string.
Bytes JoinLongField(const LongField& place, const std::string& rest, ByteSpan string);

struct CutMessage {
  std::string rest;  // The inner message without the string, serialized.
  ByteSpan string;   // Inside of what was cut.
};
// None unless `bytes` are such a message, with the string once and no more than kRestMax bytes
// besides.
inline constexpr std::size_t kRestMax = 4096;
std::optional<CutMessage> CutLongField(const LongField& place, ByteSpan bytes);

}  // namespace proto
