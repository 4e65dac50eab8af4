#include "mpc/field/byte_product.h"

#include <algorithm>
#include <vector>

#include <immintrin.h>

#include "mpc/field/gemm_kernel.h"
#include "proto/base/check.h"

namespace mpc {
namespace {

#define WAXSEAL_VNNI __attribute__((target("avx512f,avx512bw,avx512vl,avx512vnni")))
#define UNROLL _Pragma("GCC unroll 4")

constexpr std::size_t kBytes = 16;    // Of an element.
constexpr std::size_t kColumns = 64;  // Of a panel: four vectors of 16 sums.
constexpr std::size_t kVectors = 4;
constexpr std::size_t kTogether = 4;     // Indices that one instruction sums over.
constexpr std::size_t kInRegisters = 4;  // Bytes of a share whose sums are in registers at a time.
constexpr std::size_t kDepth = 256;      // Inner indices of a panel: it stays in the first cache.
// Sums that stay in the second cache, by how many columns are taken before the next panel below.
constexpr std::size_t kSumsMax = std::size_t{1} << 17;
constexpr std::size_t kSumsOfPanel = kBytes * kColumns;  // Of one row.

// The column of a vector's sum after the weights' bytes were interleaved.
constexpr std::size_t ColumnOf(std::size_t vector, std::size_t lane) {
  return lane / 4 * 16 + vector * 4 + lane % 4;
}

// Byte b of four elements stands together: at 4 b of their 64 bytes.
WAXSEAL_VNNI void PackFour(const Fp* x, std::uint8_t* out) {
  __m128i e[4];
  UNROLL
  for (std::size_t i = 0; i < 4; ++i) {
    e[i] = _mm_loadu_si128(reinterpret_cast<const __m128i*>(x + i));
  }
  const __m128i low[2] = {_mm_unpacklo_epi8(e[0], e[1]), _mm_unpacklo_epi8(e[2], e[3])};
  const __m128i high[2] = {_mm_unpackhi_epi8(e[0], e[1]), _mm_unpackhi_epi8(e[2], e[3])};
  auto* const to = reinterpret_cast<__m128i*>(out);
  _mm_storeu_si128(to, _mm_unpacklo_epi16(low[0], low[1]));
  _mm_storeu_si128(to + 1, _mm_unpackhi_epi16(low[0], low[1]));
  _mm_storeu_si128(to + 2, _mm_unpacklo_epi16(high[0], high[1]));
  _mm_storeu_si128(to + 3, _mm_unpackhi_epi16(high[0], high[1]));
}

// Four rows of 64 bytes to four vectors, in which the four bytes of a column stand together.
WAXSEAL_VNNI void Interleave(const __m512i* rows, std::uint8_t* out) {
  const __m512i low[2] = {_mm512_unpacklo_epi8(rows[0], rows[1]),
                          _mm512_unpacklo_epi8(rows[2], rows[3])};
  const __m512i high[2] = {_mm512_unpackhi_epi8(rows[0], rows[1]),
                           _mm512_unpackhi_epi8(rows[2], rows[3])};
  _mm512_storeu_si512(out, _mm512_unpacklo_epi16(low[0], low[1]));
  _mm512_storeu_si512(out + 64, _mm512_unpackhi_epi16(low[0], low[1]));
  _mm512_storeu_si512(out + 128, _mm512_unpacklo_epi16(high[0], high[1]));
  _mm512_storeu_si512(out + 192, _mm512_unpackhi_epi16(high[0], high[1]));
}

// sums[16 vectors] += the products of four bytes of a share, `first` and the next three, with a
// panel.
WAXSEAL_VNNI void MultiplyPanel(const std::uint8_t* x, const std::uint8_t* panel,
                                std::size_t groups, std::size_t first, std::int32_t* sums) {
  __m512i sum[kInRegisters][kVectors];
  UNROLL
  for (std::size_t b = 0; b < kInRegisters; ++b) {
    UNROLL
    for (std::size_t v = 0; v < kVectors; ++v) {
      sum[b][v] = _mm512_loadu_si512(sums + (b * kVectors + v) * 16);
    }
  }
  x += first * kTogether;
  for (std::size_t group = 0; group < groups; ++group) {
    __m512i w[kVectors];
    UNROLL
    for (std::size_t v = 0; v < kVectors; ++v) {
      w[v] = _mm512_loadu_si512(panel + (group * kVectors + v) * 64);
    }
    UNROLL
    for (std::size_t b = 0; b < kInRegisters; ++b) {
      std::int32_t four;
      __builtin_memcpy(&four, x + group * 64 + b * kTogether, sizeof four);
      const __m512i share = _mm512_set1_epi32(four);
      UNROLL
      for (std::size_t v = 0; v < kVectors; ++v) {
        sum[b][v] = _mm512_dpbusd_epi32(sum[b][v], share, w[v]);
      }
    }
  }
  UNROLL
  for (std::size_t b = 0; b < kInRegisters; ++b) {
    UNROLL
    for (std::size_t v = 0; v < kVectors; ++v) {
      _mm512_storeu_si512(sums + (b * kVectors + v) * 16, sum[b][v]);
    }
  }
}

// One product for at most kByteRows rows and kByteInnerMax inner indices.
class ByteProduct {
 public:
  ByteProduct(std::span<const Fp> x, std::size_t x_row, const PackedIntegers& w, std::size_t first,
              std::size_t rows, std::size_t inner, std::size_t cols, Fp* y)
      : w_(w),
        first_(first),
        rows_(rows),
        inner_(inner),
        cols_(cols),
        groups_((inner + kTogether - 1) / kTogether),
        pieces_(w.width()),
        y_(y),
        x_(rows * groups_ * 64),
        offsets_(rows) {
    for (std::size_t i = 0; i < rows; ++i) PackRow(x.subspan(i * x_row, inner), i);
  }

  void Add() {
    const std::size_t room = kSumsMax / (rows_ * kSumsOfPanel * pieces_);
    const std::size_t panels = std::clamp<std::size_t>(room, 1, (cols_ + kColumns - 1) / kColumns);
    std::vector<std::int32_t> sums(panels * pieces_ * rows_ * kSumsOfPanel);
    std::vector<std::uint8_t> panel(kDepth * kColumns * pieces_);
    for (std::size_t block = 0; block < cols_; block += panels * kColumns) {
      std::ranges::fill(sums, 0);
      const std::size_t end = std::min(cols_, block + panels * kColumns);
      for (std::size_t k = 0; k < inner_; k += kDepth) {
        const std::size_t depth = std::min(kDepth, inner_ - k);
        for (std::size_t column = block; column < end; column += kColumns) {
          Pack(k, depth, column, panel.data());
          AddPanel(k, depth, panel.data(),
                   &sums[(column - block) / kColumns * pieces_ * rows_ * kSumsOfPanel]);
        }
      }
      for (std::size_t column = block; column < end; column += kColumns) {
        AddSums(&sums[(column - block) / kColumns * pieces_ * rows_ * kSumsOfPanel], column);
      }
    }
  }

 private:
  // Also what the 128 that is taken off the lower byte of a weight of two is worth.
  void PackRow(std::span<const Fp> row, std::size_t i) {
    std::uint8_t* out = &x_[i * groups_ * 64];
    std::size_t k = 0;
    for (; k + kTogether <= row.size(); k += kTogether, out += 64) PackFour(&row[k], out);
    if (k < row.size()) {
      Fp rest[kTogether];
      std::ranges::copy(row.subspan(k), rest);
      PackFour(rest, out);
    }
    if (pieces_ == 1) return;
    Fp sum;
    for (const Fp share : row) sum += share;
    offsets_[i] = sum * Fp(128);
  }

  WAXSEAL_VNNI void Pack(std::size_t k, std::size_t depth, std::size_t column,
                         std::uint8_t* panel) const {
    const std::size_t width = std::min(kColumns, cols_ - column);
    const auto mask = width == kColumns ? ~std::uint64_t{0} : (std::uint64_t{1} << width) - 1;
    for (std::size_t group = 0; group * kTogether < depth; ++group) {
      __m512i rows[2][kTogether] = {};
      for (std::size_t j = 0; j < kTogether && group * kTogether + j < depth; ++j) {
        const std::size_t at = (first_ + k + group * kTogether + j) * cols_ + column;
        const std::uint8_t* const from = w_.bytes().data() + at * pieces_;
        if (pieces_ == 1) {
          // The next panel's, which lie on the same page.
          _mm_prefetch(reinterpret_cast<const char*>(from + kColumns), _MM_HINT_T1);
          rows[0][j] = _mm512_maskz_loadu_epi8(mask, from);
        } else {
          LoadTwo(from, mask, rows[0][j], rows[1][j]);
        }
      }
      for (std::size_t piece = 0; piece < pieces_; ++piece) {
        Interleave(rows[piece], panel + piece * kDepth * kColumns + group * kTogether * kColumns);
      }
    }
  }

  // 64 weights of two bytes: l = the lower less 128, and h.
  WAXSEAL_VNNI static void LoadTwo(const std::uint8_t* from, std::uint64_t mask, __m512i& low,
                                   __m512i& high) {
    // GCC 12 warns of the forms without a mask.
    constexpr __mmask32 kAll = 0xffffffff;
    __m256i l[2], h[2];
    UNROLL
    for (std::size_t half = 0; half < 2; ++half) {
      const __m512i w =
          _mm512_maskz_loadu_epi16(static_cast<__mmask32>(mask >> (32 * half)), from + 64 * half);
      l[half] = _mm512_maskz_cvtepi16_epi8(kAll, w);
      h[half] = _mm512_maskz_cvtepi16_epi8(kAll, _mm512_srai_epi16(w, 8));
    }
    low = _mm512_xor_si512(_mm512_maskz_inserti64x4(0xff, _mm512_castsi256_si512(l[0]), l[1], 1),
                           _mm512_set1_epi8(static_cast<char>(0x80)));
    high = _mm512_maskz_inserti64x4(0xff, _mm512_castsi256_si512(h[0]), h[1], 1);
  }

  void AddPanel(std::size_t k, std::size_t depth, const std::uint8_t* panel, std::int32_t* sums) {
    const std::size_t groups = (depth + kTogether - 1) / kTogether;
    for (std::size_t piece = 0; piece < pieces_; ++piece) {
      for (std::size_t i = 0; i < rows_; ++i, sums += kSumsOfPanel) {
        const std::uint8_t* const x = &x_[(i * groups_ + k / kTogether) * 64];
        for (std::size_t b = 0; b < kBytes; b += kInRegisters) {
          MultiplyPanel(x, panel + piece * kDepth * kColumns, groups, b, sums + b * kColumns);
        }
      }
    }
  }

  // Sums of four bytes are below 2^56 in size: 2^56 more makes them positive.
  void AddSums(const std::int32_t* sums, std::size_t column) {
    constexpr unsigned kPositiveBits = 56;
    const Fp positive =
        RecombineWords({std::uint64_t{1} << kPositiveBits, std::uint64_t{1} << kPositiveBits,
                        std::uint64_t{1} << kPositiveBits, std::uint64_t{1} << kPositiveBits});
    const std::size_t width = std::min(kColumns, cols_ - column);
    for (std::size_t piece = 0; piece < pieces_; ++piece) {
      const bool high = piece == 1;
      for (std::size_t i = 0; i < rows_; ++i, sums += kSumsOfPanel) {
        const Fp offset = (high ? Fp() : offsets_[i]) - positive;
        Fp* const out = y_ + i * cols_ + column;
        for (std::size_t at = 0; at < kColumns; ++at) {
          const std::size_t c = ColumnOf(at / 16, at % 16);
          if (c >= width) continue;
          std::array<std::uint64_t, 4> words;
          for (std::size_t word = 0; word < 4; ++word) {
            const std::int32_t* const s = sums + word * 4 * kColumns + at;
            const std::int64_t sum = s[0] + s[kColumns] * (std::int64_t{1} << 8) +
                                     s[2 * kColumns] * (std::int64_t{1} << 16) +
                                     s[3 * kColumns] * (std::int64_t{1} << 24);
            words[word] = static_cast<std::uint64_t>(sum + (std::int64_t{1} << kPositiveBits));
          }
          const Fp sum = RecombineWords(words) + offset;
          out[c] += high ? Fp(256) * sum : sum;
        }
      }
    }
  }

  const PackedIntegers& w_;
  const std::size_t first_;  // The first of the weights' rows.
  const std::size_t rows_, inner_, cols_;
  const std::size_t groups_;
  const std::size_t pieces_;  // Bytes of a weight.
  Fp* const y_;
  std::vector<std::uint8_t> x_;  // By row and group.
  std::vector<Fp> offsets_;      // By row.
};

#undef UNROLL

}  // namespace

bool ByteProductSupported() {
  static const bool supported =
      __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
      __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512vnni");
  return supported;
}

// Three dimensions, three matrices: as many arguments as a product has.
// NOLINTNEXTLINE(readability-function-size)
void AddByteProduct(std::span<const Fp> x, const PackedIntegers& w, std::size_t rows,
                    std::size_t inner, std::size_t cols, std::span<Fp> y) {
  CHECK(x.size() == rows * inner && w.size() == inner * cols && y.size() == rows * cols);
  CHECK(ByteProductSupported() && w.width() <= 2);
  if (cols == 0) return;
  for (std::size_t row = 0; row < rows; row += kByteRows) {
    const std::size_t count = std::min(kByteRows, rows - row);
    for (std::size_t k = 0; k < inner; k += kByteInnerMax) {
      ByteProduct(x.subspan(row * inner + k), inner, w, k, count,
                  std::min(kByteInnerMax, inner - k), cols, y.data() + row * cols)
          .Add();
    }
  }
}

}  // namespace mpc
