#include "proto/crypto/prg.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <optional>

#include <openssl/evp.h>

#include "proto/base/check.h"
#include "proto/crypto/aes_ctr.h"
#include "proto/crypto/hash.h"

namespace proto {
namespace {

constexpr std::size_t kMasterSize = 32;
constexpr std::size_t kBlockSize = 16;
// Short reads are served from a buffer. It fills by a little at first, since many streams are
// short.
constexpr std::size_t kBufferSizeMin = 256;
constexpr std::size_t kBufferSize = 4096;
// Longer ones are generated where they are wanted.
constexpr std::size_t kDirectSizeMin = 2048;
// What is encrypted to give the stream: it stays in the first-level cache.
constexpr std::size_t kZerosSize = 16384;
constexpr std::array<std::uint8_t, kZerosSize> kZeros{};

const EVP_CIPHER* Algorithm() {
  static const EVP_CIPHER* const algorithm = EVP_CIPHER_fetch(nullptr, "AES-128-CTR", nullptr);
  CHECK(algorithm != nullptr);
  return algorithm;
}

}  // namespace

// By VAES where the machine has it, else by OpenSSL: the same stream.
struct Prg::State {
  explicit State(std::span<const std::uint8_t, kBlockSize> key) {
    if (AesCtr::Supported()) {
      fast.emplace(key);
      return;
    }
    cipher = EVP_CIPHER_CTX_new();
    CHECK(cipher != nullptr);
    const std::array<std::uint8_t, kBlockSize> counter{};
    CHECK(EVP_EncryptInit_ex2(cipher, Algorithm(), key.data(), counter.data(), nullptr) == 1);
  }
  State(const State&) = delete;
  State& operator=(const State&) = delete;
  ~State() {
    SecureErase(buffer.data(), filled);
    EVP_CIPHER_CTX_free(cipher);
  }

  void Seek(std::uint64_t block) {
    high = 0;
    next_block = block;
    if (fast) return;
    std::array<std::uint8_t, kBlockSize> counter{};
    for (std::size_t i = 0; i < sizeof block; ++i) {
      counter[kBlockSize - 1 - i] = static_cast<std::uint8_t>(block >> (8 * i));
    }
    CHECK(EVP_EncryptInit_ex2(cipher, nullptr, nullptr, counter.data(), nullptr) == 1);
  }

  // Whole blocks.
  void Generate(std::span<std::uint8_t> out) {
    if (fast) {
      fast->Generate(high, next_block, out);
      const std::uint64_t before = next_block;
      next_block += out.size() / kBlockSize;
      if (next_block < before) ++high;
      return;
    }
    while (!out.empty()) {
      const std::size_t size = std::min(out.size(), kZerosSize);
      int written = 0;
      CHECK(EVP_EncryptUpdate(cipher, out.data(), &written, kZeros.data(),
                              static_cast<int>(size)) == 1);
      CHECK(static_cast<std::size_t>(written) == size);
      out = out.subspan(size);
    }
  }

  std::optional<AesCtr> fast;
  std::uint64_t high = 0;  // Of the counter, whose low half is the next block.
  std::uint64_t next_block = 0;
  EVP_CIPHER_CTX* cipher = nullptr;
  // buffer[begin, end) was generated and not yet read; buffer[0, filled) has been written to.
  std::array<std::uint8_t, kBufferSize> buffer;
  std::size_t begin = 0;
  std::size_t end = 0;
  std::size_t filled = 0;
  std::size_t next_fill = kBufferSizeMin;
};

Prg::Prg(ByteSpan master, ByteSpan label) {
  CHECK(master.size() == kMasterSize);
  Digest key = Hash("waxseal/prg", {master, label});
  state_ = std::make_unique<State>(std::span(key.bytes).first<kBlockSize>());
  SecureErase(key.bytes.data(), key.bytes.size());
}

Prg::Prg(Prg&&) noexcept = default;
Prg& Prg::operator=(Prg&&) noexcept = default;
Prg::~Prg() = default;

void Prg::Fill(std::span<std::uint8_t> out) {
  CHECK(state_ != nullptr);
  State& state = *state_;
  while (!out.empty()) {
    if (state.begin == state.end) {
      if (out.size() >= kDirectSizeMin) {
        // Whole blocks, so that the buffer always begins at one.
        const std::size_t size = out.size() - out.size() % kBlockSize;
        state.Generate(out.first(size));
        out = out.subspan(size);
        continue;
      }
      state.begin = 0;
      state.end = state.next_fill;
      state.next_fill = std::min(2 * state.next_fill, kBufferSize);
      state.filled = std::max(state.filled, state.end);
      state.Generate(std::span(state.buffer).first(state.end));
    }
    const std::size_t size = std::min(out.size(), state.end - state.begin);
    std::memcpy(out.data(), state.buffer.data() + state.begin, size);
    state.begin += size;
    out = out.subspan(size);
  }
}

void Prg::Seek(std::uint64_t block) {
  CHECK(state_ != nullptr);
  state_->Seek(block);
  state_->begin = state_->end = 0;
}

std::uint64_t Prg::U64() {
  std::array<std::uint8_t, 8> bytes{};
  Fill(bytes);
  return GetU64(bytes);
}

}  // namespace proto
