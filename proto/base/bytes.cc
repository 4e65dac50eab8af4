#include "proto/base/bytes.h"

#include <algorithm>

#include <openssl/crypto.h>

#include "proto/base/check.h"

namespace proto {

std::string ToHex(ByteSpan bytes) {
  static constexpr char kDigits[] = "0123456789abcdef";
  std::string hex;
  hex.reserve(2 * bytes.size());
  for (const std::uint8_t byte : bytes) {
    hex.push_back(kDigits[byte >> 4]);
    hex.push_back(kDigits[byte & 15]);
  }
  return hex;
}

Result<Bytes> FromHex(std::string_view hex) {
  const auto digit = [](char c) {
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    if (c >= 'A' && c <= 'F') return c - 'A' + 10;
    return -1;
  };
  if (hex.size() % 2 != 0) {
    return Fail(ErrorCode::kInvalidArgument, "hexadecimal text must have an even number of digits");
  }
  Bytes bytes;
  bytes.reserve(hex.size() / 2);
  for (std::size_t i = 0; i < hex.size(); i += 2) {
    const int high = digit(hex[i]);
    const int low = digit(hex[i + 1]);
    if (high < 0 || low < 0) {
      return Fail(ErrorCode::kInvalidArgument, "text is not hexadecimal");
    }
    bytes.push_back(static_cast<std::uint8_t>(16 * high + low));
  }
  return bytes;
}

namespace {

void PutInteger(Bytes& out, std::uint64_t value, int size) {
  for (int i = 0; i < size; ++i) out.push_back(static_cast<std::uint8_t>(value >> (8 * i)));
}

std::uint64_t GetInteger(ByteSpan bytes, std::size_t size) {
  CHECK(bytes.size() >= size);
  std::uint64_t value = 0;
  for (std::size_t i = 0; i < size; ++i) value |= std::uint64_t{bytes[i]} << (8 * i);
  return value;
}

}  // namespace

void PutU32(Bytes& out, std::uint32_t value) {
  PutInteger(out, value, 4);
}
void PutU64(Bytes& out, std::uint64_t value) {
  PutInteger(out, value, 8);
}
std::uint32_t GetU32(ByteSpan bytes) {
  return static_cast<std::uint32_t>(GetInteger(bytes, 4));
}
std::uint64_t GetU64(ByteSpan bytes) {
  return GetInteger(bytes, 8);
}

void SecureErase(void* data, std::size_t size) {
  OPENSSL_cleanse(data, size);
}

Result<Digest> Digest::From(ByteSpan bytes) {
  Digest digest;
  if (bytes.size() != digest.bytes.size()) {
    return Fail(ErrorCode::kInvalidArgument, "a digest has 32 bytes");
  }
  std::ranges::copy(bytes, digest.bytes.begin());
  return digest;
}

}  // namespace proto
