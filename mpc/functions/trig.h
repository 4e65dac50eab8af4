// Integer cosine and sine, bit for bit the same on every machine: part of the protocol.
#pragma once

#include <cstdint>
#include <span>

#include "mpc/field/fp.h"

namespace mpc {

struct CosSin {
  std::int64_t cos;
  std::int64_t sin;
};

// round(2^bits * cos(2 pi x / period)), round(2^bits * sin(...)) up to one unit; x any signed
// integer of up to 127 bits, period > 0, bits <= 40.
CosSin IntegerCosSin(Int128 x, std::int64_t period, unsigned bits);

// The first harmonics: out[k - 1] is IntegerCosSin(k x, period, bits), up to one unit as well but
// not bit for bit, by one complex product each. At most kHarmonicCountMax.
inline constexpr std::size_t kHarmonicCountMax = 64;
void IntegerHarmonics(Int128 x, std::int64_t period, unsigned bits, std::span<CosSin> out);

}  // namespace mpc
