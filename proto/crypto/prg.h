// Prg: a pseudorandom stream, AES-128 in counter mode (VAES where present, else OpenSSL).
//
// The key of a stream is derived from a 32-byte master key and a label by a tagged hash: distinct
// labels give independent streams. Offset-free: reading continues where the last Fill ended.
#pragma once

#include <memory>
#include <span>

#include "proto/base/bytes.h"

namespace proto {

class Prg {
 public:
  // `master`: 32 bytes.
  Prg(ByteSpan master, ByteSpan label);
  Prg(Prg&&) noexcept;
  Prg& operator=(Prg&&) noexcept;
  ~Prg();

  void Fill(std::span<std::uint8_t> out);
  // Moves to an absolute position in the stream, in 16-byte blocks.
  void Seek(std::uint64_t block);
  std::uint64_t U64();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace proto
