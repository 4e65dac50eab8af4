// The secp256k1 group as the crypto folder uses it: scalars and points of libsecp256k1 with the
// operations that the coin and ECIES share. Points are never the identity, scalars never zero: an
// operation that would give one fails instead.
//
// Constant time: MultiplySecret, MultiplyGenerator, and every operation on scalars alone.
// Variable time, for public inputs only: Multiply, Negative, Sum.
#pragma once

#include <array>
#include <optional>
#include <vector>

#include <secp256k1.h>

#include "proto/base/bytes.h"

namespace proto {

using Scalar = std::array<std::uint8_t, 32>;           // Big-endian, in [1, order).
using CompressedPoint = std::array<std::uint8_t, 33>;  // SEC 1.

// Created once; never randomised, so that it can be shared and runs are equal.
const secp256k1_context* SigningContext();

bool IsScalar(const Scalar& scalar);
Scalar SmallScalar(std::uint32_t value);  // Evaluation points: not zero.
void Negate(Scalar& scalar);
[[nodiscard]] bool MultiplyBy(Scalar& scalar, const Scalar& factor);
[[nodiscard]] bool AddTo(Scalar& scalar, const Scalar& summand);

// Only the canonical encoding of a point on the curve is accepted.
std::optional<secp256k1_pubkey> ParsePoint(ByteSpan compressed);
CompressedPoint Serialize(const secp256k1_pubkey& point);
// The point with even y that an x-only key stands for.
std::optional<secp256k1_pubkey> LiftX(const std::array<std::uint8_t, 32>& x);

secp256k1_pubkey MultiplyGenerator(const Scalar& secret);
CompressedPoint MultiplySecret(const secp256k1_pubkey& point, const Scalar& secret);
secp256k1_pubkey Multiply(const secp256k1_pubkey& point, const Scalar& factor);
secp256k1_pubkey Negative(const secp256k1_pubkey& point);
std::optional<secp256k1_pubkey> Sum(const std::vector<secp256k1_pubkey>& points);

}  // namespace proto
