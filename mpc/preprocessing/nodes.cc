#include "mpc/preprocessing/nodes.h"

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

}  // namespace mpc
