// Masks with known digits, of one kEmbed, kCompare or kLookup: uniform numbers of some bits, each
// with its one-hot vector. For kEmbed a number is a token's mask r in [0, V'); for the others a
// digit of the mask R of an element (mpc/opening/digits.h).
//
// The random bits (random_bits.h) of one number follow one another, the most significant first.
#pragma once

#include <optional>
#include <vector>

#include "mpc/preprocessing/claims.h"
#include "mpc/preprocessing/random_bits.h"
#include "mpc/preprocessing/reductions.h"

namespace mpc {

class OneHotShares {
 public:
  // The arguments outlive this. There is at least one bit, but for Indicators and Numbers.
  OneHotShares(const Reductions& reductions, TensorId op, const OpenedLayers& opened);

  // The squares to open: layer 0. The views hold until the next call.
  Claims Squares() { return random_bits_->Squares(); }
  // The products of a node's children that are not implied: rows and columns from 1.
  Claims Products(const ProductNode& node);

  // Shares of the one-hot vectors, one after another, and of the numbers. Need all layers.
  std::vector<Fp> Indicators();
  std::vector<Fp> Numbers();
  // Shares of R, one an element of the input. Not for kEmbed.
  std::vector<Fp> Masks();

 private:
  static std::size_t Count(const Plan& plan, TensorId op);
  static std::size_t Bits(const Plan& plan, TensorId op);
  // count x 2^leaves shares of a node's one-hot vectors. Kept.
  const std::vector<Fp>& OneHot(std::uint32_t node);
  std::vector<Fp> LeafOneHot(std::uint32_t bit);
  std::vector<Fp> JoinedOneHot(const ProductNode& node);

  const Reductions& reductions_;
  const TensorId op_;
  const OpenedLayers& opened_;
  const OpLayers& layers_;
  const std::size_t count_;
  const std::size_t bit_count_;            // Of one number.
  std::optional<RandomBits> random_bits_;  // count x bit_count; none where there are no bits.
  std::vector<std::vector<Fp>> one_hots_;
};

}  // namespace mpc
