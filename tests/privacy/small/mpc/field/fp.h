// In place of mpc/field/fp.h: the field of seven elements, 7 = 2^3 - 1 = 3 mod 4, for tests that
// count through all of it. The same interface, nothing fast.
#pragma once

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
  static constexpr UInt128 kModulus = 7;
  static constexpr std::size_t kBytes = 16;

  constexpr Fp() = default;
  constexpr Fp(std::int64_t x)  // NOLINT(google-explicit-constructor): integers embed in the field.
      : Fp(FromSigned(x)) {}
  static constexpr Fp FromSigned(Int128 x) {
    constexpr auto kSigned = static_cast<Int128>(kModulus);
    return Fp(static_cast<UInt128>((x % kSigned + kSigned) % kSigned), Raw{});
  }
  static constexpr Fp FromUnsigned(UInt128 x) {
    if (x >> 64 == 0) return Small(static_cast<std::uint64_t>(x));
    return Fp(x % kModulus, Raw{});
  }
  static constexpr Fp FromUniform(UInt128 bits) { return FromUnsigned(bits & kModulus); }

  constexpr UInt128 value() const { return value_; }
  constexpr Int128 ToSigned() const {
    return static_cast<Int128>(value_) - (value_ > kModulus / 2 ? Int128{kModulus} : Int128{0});
  }

  friend constexpr Fp operator+(Fp a, Fp b) { return Small(a.Word() + b.Word()); }
  friend constexpr Fp operator-(Fp a, Fp b) { return Small(a.Word() + 7 - b.Word()); }
  friend constexpr Fp operator-(Fp a) { return Fp() - a; }
  friend constexpr Fp operator*(Fp a, Fp b) { return Small(a.Word() * b.Word()); }
  Fp& operator+=(Fp b) { return *this = *this + b; }
  Fp& operator-=(Fp b) { return *this = *this - b; }
  Fp& operator*=(Fp b) { return *this = *this * b; }
  friend constexpr bool operator==(Fp a, Fp b) { return a.value_ == b.value_; }

  Fp Power(UInt128 exponent) const {
    Fp power(1);
    for (UInt128 i = 0; i < exponent; ++i) power *= *this;
    return power;
  }
  Fp Inverse() const { return Power(kModulus - 2); }

 private:
  struct Raw {};
  constexpr Fp(UInt128 value, Raw) : value_(value) {}

  static constexpr Fp Small(std::uint64_t x) { return Fp(UInt128{x % 7}, Raw{}); }
  constexpr std::uint64_t Word() const { return static_cast<std::uint64_t>(value_); }

  UInt128 value_ = 0;
};

}  // namespace mpc
