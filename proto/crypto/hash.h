// SHA-256 with domain separation: Hash(tag, parts) = SHA256(SHA256(tag) || SHA256(tag) || parts),
// the tagged hash of BIP-340, so that no two uses of the hash can be confused.
#pragma once

#include <initializer_list>
#include <memory>
#include <string_view>

#include "proto/base/bytes.h"

namespace proto {

class Hasher {
 public:
  explicit Hasher(std::string_view tag);
  Hasher(Hasher&&) noexcept;
  Hasher& operator=(Hasher&&) noexcept;
  ~Hasher();

  Hasher& Add(ByteSpan bytes);       // Raw: the caller makes the encoding unambiguous.
  Hasher& Add(std::uint64_t value);  // Eight bytes, little-endian.
  Hasher& AddSized(ByteSpan bytes);  // Length (u64) first.
  Digest Finish();                   // Once.

 private:
  struct State;
  std::unique_ptr<State> state_;
};

Digest Hash(std::string_view tag, std::initializer_list<ByteSpan> parts);
// Plain SHA-256, for formats that others define.
Digest Sha256(ByteSpan bytes);

}  // namespace proto
