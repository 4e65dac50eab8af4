// Bytes: owned and viewed octets, and the few conversions every part needs.
#pragma once

#include <array>
#include <compare>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "proto/base/result.h"

namespace proto {

using Bytes = std::vector<std::uint8_t>;
using ByteSpan = std::span<const std::uint8_t>;

inline ByteSpan AsBytes(std::string_view text) {
  return {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()};
}
inline std::string_view AsText(ByteSpan bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

// Lower-case hexadecimal, two digits a byte, no prefix.
std::string ToHex(ByteSpan bytes);
// Accepts an even number of hexadecimal digits of either case; anything else is kInvalidArgument.
Result<Bytes> FromHex(std::string_view hex);

// Little-endian integers appended to, and read from the front of, a byte string.
void PutU32(Bytes& out, std::uint32_t value);
void PutU64(Bytes& out, std::uint64_t value);
// The caller guarantees the length (CHECKed): 4 and 8 bytes.
std::uint32_t GetU32(ByteSpan bytes);
std::uint64_t GetU64(ByteSpan bytes);

// Overwrites a secret in a way the compiler may not remove.
void SecureErase(void* data, std::size_t size);

// 32 octets that name something: a SHA-256 hash, most often.
struct Digest {
  std::array<std::uint8_t, 32> bytes{};

  auto operator<=>(const Digest&) const = default;
  ByteSpan span() const { return bytes; }
  std::string hex() const { return ToHex(bytes); }
  // Exactly 32 bytes, else kInvalidArgument.
  static Result<Digest> From(ByteSpan bytes);
};

}  // namespace proto
