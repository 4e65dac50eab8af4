#include "mpc/preprocessing/nodes.h"

#include "mpc/field/products.h"
#include "proto/base/check.h"

namespace mpc {

Nodes::Nodes(std::size_t count) : weights_(count) {
  if (count == 0) return;
  // 1 / (j - 1)! from the highest down.
  std::vector<Fp> inverse_factorials(count);
  Fp factorial(1);
  for (std::size_t j = 1; j < count; ++j) factorial *= Fp(static_cast<std::int64_t>(j));
  inverse_factorials[count - 1] = factorial.Inverse();
  for (std::size_t j = count - 1; j > 0; --j) {
    inverse_factorials[j - 1] = inverse_factorials[j] * Fp(static_cast<std::int64_t>(j));
  }
  for (std::size_t j = 0; j < count; ++j) {
    const Fp weight = inverse_factorials[j] * inverse_factorials[count - 1 - j];
    weights_[j] = (count - 1 - j) % 2 == 0 ? weight : -weight;
  }
}

std::vector<Fp> Nodes::At(Fp z) const {
  std::vector<Fp> coefficients(count());
  Fp product(1);  // Of z - i over the points before, then over those after.
  for (std::size_t j = 0; j < count(); ++j) {
    coefficients[j] = weights_[j] * product;
    product *= z - Fp(static_cast<std::int64_t>(j + 1));
  }
  product = Fp(1);
  for (std::size_t j = count(); j-- > 0;) {
    coefficients[j] *= product;
    product *= z - Fp(static_cast<std::int64_t>(j + 1));
  }
  return coefficients;
}

// p(i) = l(i) * sum over j of weight[j] p(j) / (i - j), with l(i) the product of all i - j: the sum
// is an inner product with consecutive inverses.
std::vector<Fp> Nodes::Extend(std::span<const Fp> values, std::size_t last) const {
  CHECK(values.size() == count() && count() > 0);
  std::vector<Fp> inverses(last + 1);  // 1 / i, by p = (p / i) i + p mod i.
  std::vector<Fp> weighted(count());   // The last node first.
  if (last > 0) inverses[1] = Fp(1);
  for (std::size_t i = 2; i <= last; ++i) {
    const UInt128 quotient = Fp::kModulus / i;
    const auto rest = static_cast<std::size_t>(Fp::kModulus % i);
    inverses[i] = -(Fp::FromUnsigned(quotient) * inverses[rest]);
  }
  for (std::size_t j = 0; j < count(); ++j) {
    weighted[count() - 1 - j] = weights_[j] * values[j];
  }
  Fp product(1);  // l(m + 1) = m!
  for (std::size_t i = 1; i <= count(); ++i) product *= Fp(static_cast<std::int64_t>(i));
  std::vector<Fp> extended;
  for (std::size_t i = count() + 1; i <= last; ++i) {
    extended.push_back(product *
                       InnerProduct(weighted.data(), inverses.data() + (i - count()), count()));
    product *= Fp(static_cast<std::int64_t>(i)) * inverses[i - count()];
  }
  return extended;
}

}  // namespace mpc
