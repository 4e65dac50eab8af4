// Public integers of 1, 2 or 4 bytes each: weights as they are stored.
//
// They are read where they lie, in a vector or in a mapped file that all processes of a machine
// share, and never widened as a whole. Little-endian, two's complement, at any alignment.
#pragma once

#include <cstdint>
#include <cstring>
#include <initializer_list>
#include <span>
#include <vector>

#include "proto/base/check.h"
#include "proto/base/shared_bytes.h"

namespace mpc {

class PackedIntegers {
 public:
  PackedIntegers() = default;
  // In as few bytes as hold all of them.
  PackedIntegers(std::span<const std::int32_t> values);    // NOLINT(google-explicit-constructor)
  PackedIntegers(const std::vector<std::int32_t>& values)  // NOLINT(google-explicit-constructor)
      : PackedIntegers(std::span<const std::int32_t>(values)) {}
  PackedIntegers(std::initializer_list<std::int32_t> values)
      : PackedIntegers(std::span<const std::int32_t>(values.begin(), values.size())) {}
  // `width` is 1, 2 or 4 and divides the bytes (CHECKed).
  PackedIntegers(unsigned width, proto::SharedBytes bytes)
      : width_(width), bytes_(std::move(bytes)) {
    CHECK((width == 1 || width == 2 || width == 4) && bytes_.size() % width == 0);
  }

  unsigned width() const { return width_; }
  std::size_t size() const { return bytes_.size() / width_; }
  proto::ByteSpan bytes() const { return bytes_.span(); }

  std::int32_t operator[](std::size_t i) const {
    switch (width_) {
      case 1:
        return At<std::int8_t>(i);
      case 2:
        return At<std::int16_t>(i);
      default:
        return At<std::int32_t>(i);
    }
  }
  // out[i] = (*this)[first + i]: a row or less at a time.
  template <class Number>
  void Widen(std::size_t first, std::size_t count, Number* out) const {
    switch (width_) {
      case 1:
        return Copy<std::int8_t>(first, count, out);
      case 2:
        return Copy<std::int16_t>(first, count, out);
      default:
        return Copy<std::int32_t>(first, count, out);
    }
  }
  std::vector<std::int32_t> ToVector() const {
    std::vector<std::int32_t> values(size());
    Widen(0, size(), values.data());
    return values;
  }

  // Whether fewer bytes each would hold them.
  bool IsTooWide() const;

  friend bool operator==(const PackedIntegers& a, const PackedIntegers& b);

 private:
  template <class Stored>
  Stored At(std::size_t i) const {
    Stored value;
    std::memcpy(&value, bytes_.span().data() + i * sizeof(Stored), sizeof(Stored));
    return value;
  }
  template <class Stored, class Number>
  void Copy(std::size_t first, std::size_t count, Number* out) const {
    for (std::size_t i = 0; i < count; ++i) out[i] = static_cast<Number>(At<Stored>(first + i));
  }

  unsigned width_ = 1;
  proto::SharedBytes bytes_;
};

}  // namespace mpc
