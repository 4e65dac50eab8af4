// Re-sharing and truncation by one opening (design: wires).
//
// To put a sharing [y], |y| < 2^59, on a wire and drop `drop` bits: with parts r_A uniform in
// [0, 2^W), known to the members of A, open c = y + 2^59 + sum of r_A. The wire's mask is
// L = sum of (r_A >> drop), its public part what PublicPart(c) says, and M - L is y / 2^drop but
// for the carries of the parts' dropped bits: an error without bias, of standard deviation
// sqrt(#A / 12) and at most #A / 2 + 1 units. Without a drop the wire is exact.
#pragma once

#include <cstddef>

#include "mpc/field/fp.h"

namespace mpc {

// |y| < 2^kOpenBits for all that is opened under a mask; the offset keeps it positive.
inline constexpr unsigned kOpenBits = 59;
inline constexpr Int128 kOpenOffset = Int128{1} << kOpenBits;

// M for an opened c and `sets` = #A parts. The dropped fractions of the parts average #A / 2 units
// and the floor takes half a unit back: so half a unit is added first when #A is even.
class PublicPartOf {
 public:
  PublicPartOf(unsigned drop, std::size_t sets)
      : drop_(drop),
        half_(drop > 0 && sets % 2 == 0 ? UInt128{1} << (drop - 1) : 0),
        low_(Fp::FromSigned(drop == 0 ? kOpenOffset
                                      : (kOpenOffset >> drop) + static_cast<Int128>(sets / 2))) {}

  // Of any element: a lying king chooses it.
  Fp operator()(Fp opened) const { return Fp::FromUnsigned(Shifted(opened)) - low_; }
  // The same in steps, for long vectors: M = Shifted(c) - low(), Shifted(c) = (c + half()) >> drop.
  UInt128 Shifted(Fp opened) const { return (opened.value() + half_) >> drop_; }
  UInt128 half() const { return half_; }
  Fp low() const { return low_; }

 private:
  unsigned drop_;
  UInt128 half_;
  Fp low_;  // The offset, and the half unit that the floor takes of each part.
};

inline Fp PublicPart(Fp opened, unsigned drop, std::size_t sets) {
  return PublicPartOf(drop, sets)(opened);
}

}  // namespace mpc
