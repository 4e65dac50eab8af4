#include "mpc/field/fp.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>
#include <string>
#include <type_traits>

namespace mpc {
namespace {

Fp SquareTimes(Fp x, unsigned times) {
  for (unsigned i = 0; i < times; ++i) x *= x;
  return x;
}

}  // namespace

void Fp::ToBytes(std::span<std::uint8_t, kBytes> out) const {
  for (std::size_t i = 0; i < kBytes; ++i) out[i] = static_cast<std::uint8_t>(value_ >> (8 * i));
}

std::optional<Fp> Fp::FromBytes(std::span<const std::uint8_t, kBytes> bytes) {
  const UInt128 value =
      UInt128{proto::GetU64(bytes.first<8>())} | UInt128{proto::GetU64(bytes.last<8>())} << 64;
  if (value >= kModulus) return std::nullopt;
  return Fp(value, Raw{});
}

Fp Fp::Power(UInt128 exponent) const {
  Fp result(1);
  for (Fp square = *this; exponent != 0; exponent >>= 1, square *= square) {
    if ((exponent & 1) != 0) result *= square;
  }
  return result;
}

// x^(p - 2), p - 2 = 4 (2^125 - 1) + 1. With r(k) = x^(2^k - 1): r(a + b) = r(a)^(2^b) r(b).
Fp Fp::Inverse() const {
  const Fp r1 = *this;
  const Fp r2 = SquareTimes(r1, 1) * r1;
  const Fp r4 = SquareTimes(r2, 2) * r2;
  const Fp r5 = SquareTimes(r4, 1) * r1;
  const Fp r10 = SquareTimes(r5, 5) * r5;
  const Fp r20 = SquareTimes(r10, 10) * r10;
  const Fp r25 = SquareTimes(r20, 5) * r5;
  const Fp r50 = SquareTimes(r25, 25) * r25;
  const Fp r100 = SquareTimes(r50, 50) * r50;
  const Fp r125 = SquareTimes(r100, 25) * r25;
  return SquareTimes(r125, 2) * r1;
}

// p = 3 mod 4: x^((p + 1) / 4) = x^(2^125) is a root of every square, and itself a square.
std::optional<Fp> Fp::Sqrt() const {
  const Fp root = SquareTimes(*this, 125);
  if (root * root != *this) return std::nullopt;
  return root;
}

// An element's memory is its encoding.
static_assert(std::endian::native == std::endian::little && sizeof(Fp) == Fp::kBytes &&
              std::is_trivially_copyable_v<Fp>);

proto::Bytes EncodeElements(std::span<const Fp> elements) {
  const auto* first = reinterpret_cast<const std::uint8_t*>(elements.data());
  return proto::Bytes(first, first + elements.size_bytes());
}

proto::Result<std::vector<Fp>> DecodeElements(proto::ByteSpan bytes) {
  if (bytes.size() % Fp::kBytes != 0) {
    return proto::Fail(
        proto::ErrorCode::kInvalidArgument,
        "field elements take 16 bytes each; there are " + std::to_string(bytes.size()) + " bytes");
  }
  // By blocks, which are looked at in the first cache before they are put in their place.
  std::array<Fp, 256> block;
  std::vector<Fp> elements;
  elements.reserve(bytes.size() / Fp::kBytes);
  while (!bytes.empty()) {
    const std::size_t count = std::min(block.size(), bytes.size() / Fp::kBytes);
    std::memcpy(block.data(), bytes.data(), count * Fp::kBytes);
    for (std::size_t i = 0; i < count; ++i) {
      if (block[i].value() < Fp::kModulus) continue;
      return proto::Fail(
          proto::ErrorCode::kInvalidArgument,
          "field element " + std::to_string(elements.size() + i) + " is not below 2^127 - 1");
    }
    elements.insert(elements.end(), block.data(), block.data() + count);
    bytes = bytes.subspan(count * Fp::kBytes);
  }
  return elements;
}

}  // namespace mpc
