// AES-128 in counter mode, sixteen blocks at a time: what Prg runs where the machine has VAES.
//
// The stream is that of the cipher with a 128-bit big-endian counter from 0 on, as OpenSSL's
// AES-128-CTR gives it. Constant time; the key is erased.
#pragma once

#include <cstdint>
#include <span>

#include <immintrin.h>

namespace proto {

class AesCtr {
 public:
  static constexpr std::size_t kBlockSize = 16;

  static bool Supported();

  // Only where Supported (CHECKed).
  explicit AesCtr(std::span<const std::uint8_t, kBlockSize> key);
  AesCtr(const AesCtr&) = delete;
  AesCtr& operator=(const AesCtr&) = delete;
  ~AesCtr();

  // Fills whole blocks (CHECKed) with the stream from block high 2^64 + low on.
  void Generate(std::uint64_t high, std::uint64_t low, std::span<std::uint8_t> out) const;

 private:
  static constexpr std::size_t kRoundKeys = 11;

  alignas(kBlockSize) std::uint8_t keys_[kRoundKeys][kBlockSize];
};

}  // namespace proto
