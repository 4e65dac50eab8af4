// SHA-256 of two strings of equal length at once, by the processor's SHA instructions: what long
// Merkle trees are made of. One string's rounds wait for each other; those of two fill the gaps.
//
// The digests are SHA-256's, FIPS 180-4.
#pragma once

#include <array>

#include "proto/base/bytes.h"

namespace proto {

class Sha256Pair {
 public:
  static bool Supported();

  // Hashes of prefix || string; the prefix is of whole blocks (CHECKed). Only where Supported
  // (CHECKed).
  explicit Sha256Pair(ByteSpan prefix);

  // Strings of equal length, in whole blocks (CHECKed).
  std::array<Digest, 2> operator()(ByteSpan first, ByteSpan second) const;

 private:
  using State = std::array<std::uint32_t, 8>;

  State start_;  // After the prefix.
  std::size_t prefix_size_;
};

}  // namespace proto
