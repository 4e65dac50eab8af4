#include "mpc/field/share_product.h"

#include <algorithm>
#include <array>

#include "mpc/field/lanes.h"
#include "proto/base/check.h"

namespace mpc {
namespace {

using lanes::kLanes;
using lanes::Lanes;

static_assert(kShareColumns == kLanes);

// x0, x1, x2, x0 + x1, x0 + x2, x1 + x2.
constexpr std::size_t kParts = 6;
constexpr unsigned kPartBits = 43;
constexpr std::uint64_t kPart = (std::uint64_t{1} << kPartBits) - 1;

using SignedLanes = std::int64_t __attribute__((vector_size(sizeof(Lanes))));

using Parts = std::array<std::uint64_t, kParts>;

Parts Split(Fp x) {
  const auto low = static_cast<std::uint64_t>(x.value()) & kPart;
  const auto middle = static_cast<std::uint64_t>(x.value() >> kPartBits) & kPart;
  const auto high = static_cast<std::uint64_t>(x.value() >> (2 * kPartBits));
  return {low, middle, high, low + middle, low + high, middle + high};
}

// Sums of the six products, 52 bits below and the rest above.
struct Products {
  Lanes low[kParts];
  Lanes high[kParts];
};

#define UNROLL_ROWS _Pragma("GCC unroll 2")
#define UNROLL_PARTS _Pragma("GCC unroll 6")

WAXSEAL_IFMA void Multiply(const Parts* a, const std::uint64_t* b, std::size_t depth,
                           Products* out) {
  __m512i low[kShareRows][kParts] = {};
  __m512i high[kShareRows][kParts] = {};
  for (std::size_t l = 0; l < depth; ++l) {
    UNROLL_PARTS
    for (std::size_t part = 0; part < kParts; ++part) {
      const __m512i y = _mm512_loadu_si512(b + (l * kParts + part) * kLanes);
      UNROLL_ROWS
      for (std::size_t row = 0; row < kShareRows; ++row) {
        const __m512i x = _mm512_set1_epi64(static_cast<long long>(a[l * kShareRows + row][part]));
        low[row][part] = _mm512_madd52lo_epu64(low[row][part], x, y);
        high[row][part] = _mm512_madd52hi_epu64(high[row][part], x, y);
      }
    }
  }
  UNROLL_ROWS
  for (std::size_t row = 0; row < kShareRows; ++row) {
    UNROLL_PARTS
    for (std::size_t part = 0; part < kParts; ++part) {
      lanes::StoreLanes(reinterpret_cast<Lanes>(low[row][part]), &out[row].low[part]);
      lanes::StoreLanes(reinterpret_cast<Lanes>(high[row][part]), &out[row].high[part]);
    }
  }
}

#undef UNROLL_ROWS
#undef UNROLL_PARTS

// Adds `high` 2^52 + `low` times 2^shift to limbs of 52 bits. The halves may be negative, the value
// is not.
WAXSEAL_IFMA_INLINE void AddShifted(Lanes low, Lanes high, unsigned shift, Lanes* limbs) {
  high += reinterpret_cast<Lanes>(reinterpret_cast<SignedLanes>(low) >> lanes::kLimbBits);
  low &= lanes::kLimb;
  limbs += shift / lanes::kLimbBits;
  shift %= lanes::kLimbBits;
  limbs[0] += low << shift & lanes::kLimb;
  limbs[1] += (low >> (lanes::kLimbBits - shift)) + (high << shift & lanes::kLimb);
  limbs[2] += high >> (lanes::kLimbBits - shift);
}

// Of 2^0, 2^43, .. 2^172, from the six products.
WAXSEAL_IFMA_INLINE void Coefficients(const Lanes* p, Lanes* c) {
  c[0] = p[0];
  c[1] = p[3] - p[0] - p[1];
  c[2] = p[4] - p[0] - p[2] + p[1];
  c[3] = p[5] - p[1] - p[2];
  c[4] = p[2];
}

// out[0 .. 8) += the products.
WAXSEAL_IFMA void AddTo(const Products& products, Fp* out) {
  const lanes::Limbs start = lanes::Split(out);
  lanes::Sum sum{{start.limb[0] & lanes::kLimb, start.limb[1] & lanes::kLimb, start.limb[2]}};
  Lanes low[5], high[5];
  Coefficients(products.low, low);
  Coefficients(products.high, high);
  // 2^127 = 1: 2^129 = 2^2 and 2^172 = 2^45.
  constexpr unsigned kShifts[5] = {0, kPartBits, 2 * kPartBits, 3 * kPartBits - 127,
                                   4 * kPartBits - 127};
  for (std::size_t i = 0; i < 5; ++i) AddShifted(low[i], high[i], kShifts[i], sum.limb);
  lanes::Store(sum, out);
}

// Rows by pairs, the last one filled up with zeros: element (i, l) at (i / 2 * depth + l) * 2 + i
// % 2.
void PackRows(FieldView a, std::size_t rows, std::size_t depth, std::vector<Parts>& packed) {
  const std::size_t pairs = (rows + kShareRows - 1) / kShareRows;
  packed.assign(pairs * depth * kShareRows, Parts{});
  for (std::size_t i = 0; i < rows; ++i) {
    Parts* const row = packed.data() + i / kShareRows * depth * kShareRows + i % kShareRows;
    for (std::size_t l = 0; l < depth; ++l) {
      row[l * kShareRows] = Split(a.data[i * a.row + l * a.column]);
    }
  }
}

void PackColumns(FieldView b, std::size_t depth, std::vector<std::uint64_t>& packed) {
  packed.resize(depth * kParts * kLanes);
  for (std::size_t l = 0; l < depth; ++l) {
    for (std::size_t j = 0; j < kLanes; ++j) {
      const Parts parts = Split(b.data[l * b.row + j * b.column]);
      for (std::size_t part = 0; part < kParts; ++part) {
        packed[(l * kParts + part) * kLanes + j] = parts[part];
      }
    }
  }
}

}  // namespace

// Three dimensions, three matrices: as many arguments as a product has.
// NOLINTNEXTLINE(readability-function-size)
void AddShareProduct(FieldView a, FieldView b, std::size_t rows, std::size_t inner,
                     std::size_t cols, Fp* y, std::size_t y_row) {
  CHECK(cols % kShareColumns == 0 && Supported(GemmPath::kIfma));
  std::vector<Parts> packed_rows;
  std::vector<std::uint64_t> packed_columns;
  Products products[kShareRows];
  for (std::size_t first = 0; first < inner; first += kShareDepth) {
    const std::size_t depth = std::min(kShareDepth, inner - first);
    PackRows({a.data + first * a.column, a.row, a.column}, rows, depth, packed_rows);
    for (std::size_t j = 0; j < cols; j += kShareColumns) {
      PackColumns({b.data + first * b.row + j * b.column, b.row, b.column}, depth, packed_columns);
      for (std::size_t i = 0; i < rows; i += kShareRows) {
        Multiply(packed_rows.data() + i * depth, packed_columns.data(), depth, products);
        for (std::size_t row = 0; row < kShareRows && i + row < rows; ++row) {
          AddTo(products[row], y + (i + row) * y_row + j);
        }
      }
    }
  }
}

}  // namespace mpc
