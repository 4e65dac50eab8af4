#include "mpc/field/packed_integers.h"

#include <limits>

namespace mpc {
namespace {

template <class Stored>
bool Fits(std::int32_t value) {
  return value >= std::numeric_limits<Stored>::min() && value <= std::numeric_limits<Stored>::max();
}

template <class Stored>
proto::SharedBytes Packed(std::span<const std::int32_t> values) {
  proto::Bytes bytes(values.size() * sizeof(Stored));
  for (std::size_t i = 0; i < values.size(); ++i) {
    const auto value = static_cast<Stored>(values[i]);
    std::memcpy(bytes.data() + i * sizeof(Stored), &value, sizeof(Stored));
  }
  return proto::SharedBytes(std::move(bytes));
}

}  // namespace

PackedIntegers::PackedIntegers(std::span<const std::int32_t> values) {
  for (const std::int32_t value : values) {
    while (width_ < 4 && !(width_ == 1 ? Fits<std::int8_t>(value) : Fits<std::int16_t>(value))) {
      width_ *= 2;
    }
  }
  bytes_ = width_ == 1   ? Packed<std::int8_t>(values)
           : width_ == 2 ? Packed<std::int16_t>(values)
                         : Packed<std::int32_t>(values);
}

bool PackedIntegers::IsTooWide() const {
  if (width_ == 1) return false;
  for (std::size_t i = 0; i < size(); ++i) {
    const std::int32_t value = (*this)[i];
    if (width_ == 2 ? !Fits<std::int8_t>(value) : !Fits<std::int16_t>(value)) return false;
  }
  return true;
}

bool operator==(const PackedIntegers& a, const PackedIntegers& b) {
  if (a.size() != b.size()) return false;
  for (std::size_t i = 0; i < a.size(); ++i) {
    if (a[i] != b[i]) return false;
  }
  return true;
}

}  // namespace mpc
