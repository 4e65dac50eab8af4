// The field F_p, p = 2^127 - 1 (a Mersenne prime, p = 3 mod 4).
//
// An element is a canonical residue in [0, p), two machine words. Additions and products reduce by
// folding bit 127 upwards; no branch depends on a value, so all operations except Inverse, Sqrt and
// division by them (used on public values and on secrets alike: fixed exponents) are constant time.
#pragma once

#include <compare>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "proto/base/bytes.h"

namespace mpc {

__extension__ using Int128 = __int128;
__extension__ using UInt128 = unsigned __int128;

class Fp {
 public:
  static constexpr UInt128 kModulus = (UInt128{1} << 127) - 1;
  static constexpr std::size_t kBytes = 16;

  constexpr Fp() = default;
  // Any signed integer, taken mod p. Negative x becomes p - |x|.
  constexpr Fp(std::int64_t x)  // NOLINT(google-explicit-constructor): integers embed in the field.
      : value_(x >= 0 ? static_cast<UInt128>(x)
                      : kModulus - static_cast<UInt128>(-static_cast<Int128>(x))) {}
  static constexpr Fp FromSigned(Int128 x) {
    const auto sign = static_cast<UInt128>(x >> 127);  // 0 or all ones.
    const UInt128 magnitude = (static_cast<UInt128>(x) ^ sign) - sign;
    const Fp positive = FromUnsigned(magnitude);
    return Select(sign, -positive, positive);
  }
  static constexpr Fp FromUnsigned(UInt128 x) { return Fp(Canonical(Fold(x)), Raw{}); }

  constexpr UInt128 value() const { return value_; }
  // The representative in (-p/2, p/2].
  constexpr Int128 ToSigned() const {
    const auto big = static_cast<UInt128>(-static_cast<Int128>(value_ > kModulus / 2));
    return static_cast<Int128>(value_ - (kModulus & big));
  }

  // 16 bytes little-endian. Decoding refuses values that are not canonical.
  void ToBytes(std::span<std::uint8_t, kBytes> out) const;
  static std::optional<Fp> FromBytes(std::span<const std::uint8_t, kBytes> bytes);
  // 128 uniform bits to a uniform element but for a bias of 2^-126.
  static constexpr Fp FromUniform(UInt128 bits) { return FromUnsigned(bits & kModulus); }

  friend constexpr Fp operator+(Fp a, Fp b) { return Fp(Canonical(a.value_ + b.value_), Raw{}); }
  friend constexpr Fp operator-(Fp a, Fp b) {
    return Fp(Canonical(a.value_ + (kModulus - b.value_)), Raw{});
  }
  friend constexpr Fp operator-(Fp a) { return Fp() - a; }
  friend constexpr Fp operator*(Fp a, Fp b) {
    const auto a0 = static_cast<std::uint64_t>(a.value_);
    const auto a1 = static_cast<std::uint64_t>(a.value_ >> 64);
    const auto b0 = static_cast<std::uint64_t>(b.value_);
    const auto b1 = static_cast<std::uint64_t>(b.value_ >> 64);
    const UInt128 low = UInt128{a0} * b0;
    const UInt128 mid = UInt128{a0} * b1 + UInt128{a1} * b0;  // a1, b1 < 2^63: no carry is lost.
    const UInt128 high = UInt128{a1} * b1;
    // a*b = low + mid 2^64 + high 2^128, and 2^127 = 1.
    const UInt128 mid_low = mid << 64;
    const UInt128 sum = low + mid_low;
    const UInt128 carry = static_cast<UInt128>(sum < low);  // worth 2^128 = 2
    const UInt128 top = (high << 1) + ((mid >> 64) << 1) + (carry << 1) + (sum >> 127);
    return Fp(Canonical(Fold((sum & kModulus) + Fold(top))), Raw{});
  }
  Fp& operator+=(Fp b) { return *this = *this + b; }
  Fp& operator-=(Fp b) { return *this = *this - b; }
  Fp& operator*=(Fp b) { return *this = *this * b; }

  Fp Power(UInt128 exponent) const;  // Exponent public.
  Fp Inverse() const;                // 0 maps to 0.
  // A square root when there is one (the one that is itself a square), else none.
  std::optional<Fp> Sqrt() const;

  friend constexpr bool operator==(Fp a, Fp b) { return a.value_ == b.value_; }

 private:
  struct Raw {};
  constexpr Fp(UInt128 value, Raw) : value_(value) {}
  static constexpr UInt128 Fold(UInt128 x) { return (x & kModulus) + (x >> 127); }
  // x <= 2^127: to [0, p).
  static constexpr UInt128 Canonical(UInt128 x) {
    x = Fold(x);
    const auto full = static_cast<UInt128>(-static_cast<Int128>(x == kModulus));
    return x & ~full;
  }
  static constexpr Fp Select(UInt128 mask, Fp a, Fp b) {
    return Fp((a.value_ & mask) | (b.value_ & ~mask), Raw{});
  }

  UInt128 value_ = 0;
};

// 16 bytes an element, in order.
proto::Bytes EncodeElements(std::span<const Fp> elements);
// kInvalidArgument when the length is no multiple of 16 or an element is not canonical.
proto::Result<std::vector<Fp>> DecodeElements(proto::ByteSpan bytes);

}  // namespace mpc
