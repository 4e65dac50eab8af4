// The canonical format of what every node computes for itself and hashes: headers, receipts, state
// records. Integers little-endian of fixed width, byte strings and lists behind a u32 count, fields
// in the order of their declaration, nothing optional but behind a flag. One value, one encoding.
//
// A type describes its fields once, for both directions:
//
//   void Fields(auto& io, Of<Account> auto& record) { io(record.balance, record.nonce); }
//
// and EncodeFields and DecodeFields do the rest. A FieldReader is given hostile bytes: it never
// reads past their end, and after the first fault all it gives is zero or empty.
#pragma once

#include <algorithm>
#include <array>
#include <concepts>
#include <functional>
#include <optional>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "proto/base/bytes.h"
#include "proto/base/check.h"
#include "proto/base/result.h"
#include "proto/committee.h"
#include "proto/crypto/signature.h"

namespace proto {

// A T to read, or a const T to write.
template <class R, class T>
concept Of = std::same_as<std::remove_const_t<R>, T>;

class FieldWriter {
 public:
  template <class... Ts>
  void operator()(const Ts&... values) {
    (Put(values), ...);
  }
  // An enumeration from 1 to `last`.
  template <class E>
  void Choice(E value, E last) {
    CHECK(value >= E{1} && value <= last);
    Put(static_cast<std::uint8_t>(value));
  }
  void Sized(const Bytes& bytes, std::size_t size_max) {
    Count(bytes.size(), size_max);
    bytes_.insert(bytes_.end(), bytes.begin(), bytes.end());
  }
  template <class T, class Item>
  void List(const std::vector<T>& list, std::size_t count_max, Item item) {
    Count(list.size(), count_max);
    for (const T& value : list) item(value);
  }
  template <class T>
  void List(const std::vector<T>& list, std::size_t count_max) {
    List(list, count_max, [this](const T& value) { Put(value); });
  }
  template <class T, class Item>
  void Optional(const std::optional<T>& value, Item item) {
    Put(value.has_value());
    if (value) item(*value);
  }
  // A value with a codec of its own.
  template <class T, class Encode, class Decode>
  void Part(const T& value, std::size_t size_max, Encode encode, Decode) {
    Sized(encode(value), size_max);
  }
  template <class T>
  void Ascending(const std::vector<T>& list) {
    CHECK(std::ranges::adjacent_find(list, std::ranges::greater_equal{}) == list.end());
  }

  void Reserve(std::size_t bytes) { bytes_.reserve(bytes); }
  Bytes Take() { return std::move(bytes_); }

 private:
  template <std::unsigned_integral T>
  void Put(T value) {
    std::array<std::uint8_t, sizeof(T)> bytes;
    for (std::size_t i = 0; i < sizeof(T); ++i) {
      bytes[i] = static_cast<std::uint8_t>(value >> (8 * i));
    }
    Put(bytes);
  }
  void Put(bool value) { bytes_.push_back(value ? 1 : 0); }
  void Put(PartyId party) { Put(Index(party)); }
  template <std::size_t kSize>
  void Put(const std::array<std::uint8_t, kSize>& bytes) {
    bytes_.insert(bytes_.end(), bytes.begin(), bytes.end());
  }
  void Put(const Digest& digest) { Put(digest.bytes); }
  void Put(const PublicKey& key) { Put(key.bytes); }
  void Count(std::size_t count, std::size_t count_max) {
    CHECK(count <= count_max && count <= 0xffffffff);
    Put(static_cast<std::uint32_t>(count));
  }

  Bytes bytes_;
};

class FieldReader {
 public:
  explicit FieldReader(ByteSpan bytes) : rest_(bytes) {}

  template <class... Ts>
  void operator()(Ts&... values) {
    (Get(values), ...);
  }
  template <class E>
  void Choice(E& value, E last) {
    std::uint8_t number = 0;
    Get(number);
    if (number < 1 || number > static_cast<std::uint8_t>(last)) Refuse("a choice is unknown");
    value = fault_.empty() ? static_cast<E>(number) : E{1};
  }
  void Sized(Bytes& bytes, std::size_t size_max) {
    const ByteSpan next = Next(Count(size_max));
    bytes.assign(next.begin(), next.end());
  }
  template <class T, class Item>
  void List(std::vector<T>& list, std::size_t count_max, Item item) {
    list.clear();
    for (std::size_t left = Count(count_max); left > 0 && fault_.empty(); --left) {
      item(list.emplace_back());
    }
  }
  template <class T>
  void List(std::vector<T>& list, std::size_t count_max) {
    List(list, count_max, [this](T& value) { Get(value); });
  }
  template <class T, class Item>
  void Optional(std::optional<T>& value, Item item) {
    bool present = false;
    Get(present);
    if (present) item(value.emplace(T{}));  // T{}: Clang 14 takes no emplace() of a member class.
  }
  template <class T, class Encode, class Decode>
  void Part(T& value, std::size_t size_max, Encode, Decode decode) {
    const ByteSpan bytes = Next(Count(size_max));
    if (!fault_.empty()) return;
    auto decoded = decode(bytes);
    if (!decoded) return Refuse(decoded.error().message);
    value = *std::move(decoded);
  }
  template <class T>
  void Ascending(const std::vector<T>& list) {
    if (std::ranges::adjacent_find(list, std::ranges::greater_equal{}) != list.end()) {
      Refuse("a list is not ascending");
    }
  }

  // kCorrupt unless everything was read and nothing was wrong.
  Result<> Finish(std::string_view what) {
    if (!rest_.empty()) Refuse("bytes are left over");
    if (fault_.empty()) return {};
    return Fail(ErrorCode::kCorrupt, "this is no " + std::string(what) + ": " + fault_);
  }

 private:
  template <std::unsigned_integral T>
  void Get(T& value) {
    value = 0;
    const ByteSpan bytes = Next(sizeof(T));
    for (std::size_t i = 0; i < bytes.size(); ++i) {
      value = static_cast<T>(value | T{bytes[i]} << (8 * i));
    }
  }
  void Get(bool& value) {
    std::uint8_t flag = 0;
    Get(flag);
    if (flag > 1) Refuse("a flag is neither 0 nor 1");
    value = fault_.empty() && flag == 1;
  }
  void Get(PartyId& party) {
    std::uint16_t index = 0;
    Get(index);
    party = PartyId{index};
  }
  template <std::size_t kSize>
  void Get(std::array<std::uint8_t, kSize>& bytes) {
    bytes.fill(0);
    std::ranges::copy(Next(kSize), bytes.begin());
  }
  void Get(Digest& digest) { Get(digest.bytes); }
  void Get(PublicKey& key) { Get(key.bytes); }
  std::size_t Count(std::size_t count_max) {
    std::uint32_t count = 0;
    Get(count);
    if (count > count_max) Refuse("a count is beyond its limit");
    return fault_.empty() ? count : 0;
  }
  ByteSpan Next(std::size_t size) {
    if (size > rest_.size()) {
      Refuse("the bytes end too early");
      return {};
    }
    const ByteSpan next = rest_.first(size);
    rest_ = rest_.subspan(size);
    return next;
  }
  void Refuse(std::string_view reason) {
    if (fault_.empty()) fault_ = reason;
    rest_ = {};
  }

  ByteSpan rest_;
  std::string fault_;
};

template <class T>
Bytes EncodeFields(const T& value) {
  FieldWriter writer;
  Fields(writer, value);
  return writer.Take();
}

template <class T>
Result<T> DecodeFields(ByteSpan bytes, std::string_view what) {
  FieldReader reader(bytes);
  T value;
  Fields(reader, value);
  if (auto done = reader.Finish(what); !done) return tl::unexpected(done.error());
  return value;
}

}  // namespace proto
