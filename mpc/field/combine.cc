#include "mpc/field/combine.h"

#include <algorithm>

#include "mpc/field/lanes.h"
#include "mpc/field/product_sum.h"
#include "proto/base/check.h"

namespace mpc {
namespace {

using lanes::kLanes;
using lanes::kLimb;
using lanes::kLimbBits;
using lanes::kTerms;
using lanes::Limbs;
using lanes::Sum;

void Portable(std::span<const Fp> coefficients, const UInt128* const* vectors, std::size_t first,
              std::size_t count, Fp* out) {
  for (std::size_t i = first; i < count; ++i) {
    ProductSum sum;
    for (std::size_t k = 0; k < coefficients.size(); ++k) {
      sum.Add(coefficients[k], Fp::FromUnsigned(vectors[k][i]));
    }
    out[i] += sum.Value();
  }
}

WAXSEAL_IFMA void Ifma(std::span<const Fp> coefficients, const UInt128* const* vectors,
                       std::size_t count, Fp* out) {
  for (std::size_t i = 0; i < count; i += kLanes) {
    const Limbs start = lanes::Split(out + i);
    Sum sum{{start.limb[0] & kLimb, start.limb[1] & kLimb, start.limb[2]}};
    for (std::size_t k = 0; k < coefficients.size(); ++k) {
      lanes::MultiplyAdd(sum, lanes::SplitOne(coefficients[k]), lanes::Split(vectors[k] + i));
    }
    lanes::Store(sum, out + i);
  }
}

}  // namespace

void AddCombination(std::span<const Fp> coefficients, std::span<const UInt128* const> vectors,
                    std::size_t count, Fp* out, GemmPath path) {
  CHECK(coefficients.size() == vectors.size() && Supported(path));
  std::size_t whole = 0;
  if (path == GemmPath::kIfma) {
    whole = count - count % kLanes;
    for (std::size_t first = 0; first < coefficients.size(); first += kTerms) {
      const std::size_t terms = std::min(kTerms, coefficients.size() - first);
      Ifma(coefficients.subspan(first, terms), vectors.data() + first, whole, out);
    }
  }
  Portable(coefficients, vectors.data(), whole, count, out);
}

}  // namespace mpc
