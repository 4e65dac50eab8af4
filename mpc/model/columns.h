// 8-bit weights with an integer a column: w = q * factor of its column * 2^-frac.
//
// A column is an output of the map, so the map is a product by bytes and one multiplication of each
// result by an integer: kLinear, then kScaleColumns, the integers q * factor those of a 16-bit
// matrix.
//
// One unit a matrix rounds normal weights by 1 to 2.5%, one a column by 0.7%. What is left of a
// column's error is what its inputs see of it: with the inputs X of calibration texts, the q that
// minimise |X (w - q factor)| are a closest vector of a lattice, and the nearest plane (Babai 1986)
// finds a near one: inputs are rounded one after the other, each taking on what the rounding of
// those before did to the result. On transformers this is GPTQ (Frantar, Ashkboos, Hoefler,
// Alistarh: GPTQ, ICLR 2023); 0.1 to 0.4% remain. Inputs are taken in blocks of kRoundingBlock,
// which bounds the cost: cols * inner * (block + rows) and inner * block * (block + rows)
// multiply-adds.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace mpc {

inline constexpr std::size_t kRoundingBlock = 512;
inline constexpr std::size_t kRoundingRowsMax = 1024;  // Of inputs that are worth looking at.

struct ByteColumns {
  std::vector<std::int32_t> integers;  // q, row-major as the weights; from -128 to 127.
  std::vector<std::int32_t> factors;   // By column; at least 1.
  // The root mean square of what the map's results move by, relative to theirs, on inputs that the
  // rounding has not seen: the last quarter of the given is kept apart for that.
  double error = 0;
};

// `weight` [inner x cols], |w| 2^frac < 2^15; `inputs` [rows x inner], at least two rows. Finite.
ByteColumns RoundToByteColumns(const std::vector<double>& weight, std::size_t cols, unsigned frac,
                               const std::vector<double>& inputs);

}  // namespace mpc
