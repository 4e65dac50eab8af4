// Inner products in F_p, reduced once at the end.
#pragma once

#include <cstddef>
#include <cstdint>

#include "mpc/field/fp.h"

namespace mpc {

// A sum of up to 2^64 products of elements, exact: low + 2^128 high + 2^256 top. Constant time.
class ProductSum {
 public:
  void Add(Fp a, Fp b) {
    const auto a0 = static_cast<std::uint64_t>(a.value());
    const auto a1 = static_cast<std::uint64_t>(a.value() >> 64);
    const auto b0 = static_cast<std::uint64_t>(b.value());
    const auto b1 = static_cast<std::uint64_t>(b.value() >> 64);
    const UInt128 mid = UInt128{a0} * b1 + UInt128{a1} * b0;  // a1, b1 < 2^63: no carry is lost.
    const UInt128 first = UInt128{a0} * b0;
    const UInt128 low = first + (mid << 64);
    const UInt128 high = UInt128{a1} * b1 + (mid >> 64) + static_cast<UInt128>(low < first);
    low_ += low;
    const UInt128 carried = high + static_cast<UInt128>(low_ < low);  // Below 2^127.
    high_ += carried;
    top_ += static_cast<std::uint64_t>(high_ < carried);
  }

  // 2^128 = 2 and 2^256 = 4 in F_p.
  Fp Value() const {
    const Fp high = Fp::FromUnsigned(high_);
    const Fp top = Fp::FromUnsigned(top_);
    return Fp::FromUnsigned(low_) + high + high + Fp(4) * top;
  }

 private:
  UInt128 low_ = 0;
  UInt128 high_ = 0;
  std::uint64_t top_ = 0;
};

inline Fp Dot(const Fp* a, const Fp* b, std::size_t count) {
  if (count == 1) return *a * *b;
  ProductSum sum;
  for (std::size_t i = 0; i < count; ++i) sum.Add(a[i], b[i]);
  return sum.Value();
}

}  // namespace mpc
