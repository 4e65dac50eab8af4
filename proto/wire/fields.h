// The canonical format of what every node computes for itself and hashes: headers, receipts, state
// records. Integers little-endian of fixed width, byte strings and lists behind a u32 count, fields
// in the order of their declaration, nothing optional but behind a flag. One value, one encoding.
//
// A FieldReader is given hostile bytes. It never reads past the end; after the first fault all it
// returns is zero or empty, and Finish says what was wrong. So a decoder reads straight through and
// asks once.
#pragma once

#include <algorithm>
#include <array>
#include <string>
#include <vector>

#include "proto/base/bytes.h"
#include "proto/base/check.h"
#include "proto/base/result.h"
#include "proto/committee.h"
#include "proto/crypto/signature.h"

namespace proto {

class FieldWriter {
 public:
  void U8(std::uint8_t value) { bytes_.push_back(value); }
  void Bool(bool value) { U8(value ? 1 : 0); }
  void U16(std::uint16_t value) {
    U8(static_cast<std::uint8_t>(value));
    U8(static_cast<std::uint8_t>(value >> 8));
  }
  void U32(std::uint32_t value) { PutU32(bytes_, value); }
  void U64(std::uint64_t value) { PutU64(bytes_, value); }
  void Party(PartyId party) { U16(Index(party)); }
  void Fixed(ByteSpan bytes) { bytes_.insert(bytes_.end(), bytes.begin(), bytes.end()); }
  void Name(const Digest& digest) { Fixed(digest.span()); }
  void Key(const PublicKey& key) { Fixed(key.span()); }
  void Sized(ByteSpan bytes) {
    Count(bytes.size());
    Fixed(bytes);
  }
  void Count(std::size_t count) {
    CHECK(count <= 0xffffffff);
    U32(static_cast<std::uint32_t>(count));
  }
  template <class List, class Put>
  void Each(const List& list, Put put) {
    Count(list.size());
    for (const auto& item : list) put(item);
  }

  Bytes Take() { return std::move(bytes_); }

 private:
  Bytes bytes_;
};

class FieldReader {
 public:
  explicit FieldReader(ByteSpan bytes) : rest_(bytes) {}

  std::uint8_t U8() { return static_cast<std::uint8_t>(Integer(1)); }
  bool Bool() {
    const std::uint8_t value = U8();
    if (value > 1) Refuse("a flag is neither 0 nor 1");
    return value == 1;
  }
  std::uint16_t U16() { return static_cast<std::uint16_t>(Integer(2)); }
  std::uint32_t U32() { return static_cast<std::uint32_t>(Integer(4)); }
  std::uint64_t U64() { return Integer(8); }
  PartyId Party() { return PartyId{U16()}; }
  // 1 to `last`, as the enumeration E.
  template <class E>
  E Choice(E last) {
    const std::uint8_t value = U8();
    if (value < 1 || value > static_cast<std::uint8_t>(last)) Refuse("a choice is unknown");
    return fault_.empty() ? static_cast<E>(value) : E{};
  }
  template <std::size_t kSize>
  std::array<std::uint8_t, kSize> Fixed() {
    std::array<std::uint8_t, kSize> out{};
    const ByteSpan bytes = Next(kSize);
    std::copy(bytes.begin(), bytes.end(), out.begin());
    return out;
  }
  Digest Name() { return Digest{Fixed<32>()}; }
  PublicKey Key() { return PublicKey{Fixed<32>()}; }
  ByteSpan Sized(std::size_t size_max) { return Next(Count(size_max)); }
  std::size_t Count(std::size_t count_max) {
    const std::size_t count = U32();
    if (count > count_max) Refuse("a count is beyond its limit");
    return fault_.empty() ? count : 0;
  }
  // A list of at most `count_max`; stops at the first fault.
  template <class Get>
  auto Each(std::size_t count_max, Get get) {
    std::vector<decltype(get())> list;
    for (std::size_t left = Count(count_max); left > 0 && fault_.empty(); --left) {
      list.push_back(get());
    }
    return list;
  }

  void Refuse(std::string_view reason) {
    if (fault_.empty()) fault_ = reason;
    rest_ = {};
  }
  // kCorrupt unless everything was read and nothing was wrong.
  Result<> Finish(std::string_view what) {
    if (fault_.empty() && !rest_.empty()) Refuse("bytes are left over");
    if (fault_.empty()) return {};
    return Fail(ErrorCode::kCorrupt, "this is no " + std::string(what) + ": " + fault_);
  }

 private:
  ByteSpan Next(std::size_t size) {
    if (size > rest_.size()) {
      Refuse("the bytes end too early");
      return {};
    }
    const ByteSpan next = rest_.first(size);
    rest_ = rest_.subspan(size);
    return next;
  }
  std::uint64_t Integer(std::size_t size) {
    std::uint64_t value = 0;
    const ByteSpan bytes = Next(size);
    for (std::size_t i = 0; i < bytes.size(); ++i) value |= std::uint64_t{bytes[i]} << (8 * i);
    return value;
  }

  ByteSpan rest_;
  std::string fault_;
};

}  // namespace proto
