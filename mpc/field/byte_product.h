// Shares times 8 and 16-bit integers by bytes (AVX-512 VNNI).
//
// An element is 16 unsigned bytes x_0 .. x_15, a weight one signed byte or, as 256 h + l + 128,
// two. vpdpbusd multiplies 64 unsigned by 64 signed bytes and adds four of the products to each of
// 16 sums of 32 bits: 16 such sums, one for each byte of the share, make an element of the result.
//   |sum of x_b w over k < inner| <= 255 * 128 * inner < 2^31 for inner <= kByteInnerMax,
// so nothing is lost and nothing saturates. Four multiply-adds of a share and a byte for each
// instruction, where 52-bit lanes (gemm_kernel.h) have two.
//
// Each weight is read once, as it is stored, for up to kByteRows rows. Constant time.
#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>

#include "mpc/field/fp.h"
#include "mpc/field/packed_integers.h"

namespace mpc {

inline constexpr std::size_t kByteInnerMax =
    std::size_t{std::numeric_limits<std::int32_t>::max()} / (255 * 128);
inline constexpr std::size_t kByteRows = 256;

bool ByteProductSupported();
// y += x * w as AddProduct; weights of 1 or 2 bytes, on a processor that has the instructions
// (CHECKed).
void AddByteProduct(std::span<const Fp> x, const PackedIntegers& w, std::size_t rows,
                    std::size_t inner, std::size_t cols, std::span<Fp> y);

}  // namespace mpc
