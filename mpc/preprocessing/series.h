// The phases of one kSeries operation: shares of 2^b cos(k w L) and 2^b sin(k w L).
//
// The phase of a summand L_A is clear to A's members, so a sharing of it is free; the tree of
// products (mpc/preprocessing/layers.h) does the rest.
//
// For a committee with many sets, and a period of 2^B units, the mask has known bits instead
// (PhaseBits): with r_A the parts of the opening's mask, `drop` bits of which are dropped,
//   r = sum of (low_A + 2^(drop + B) high_A) + 2^drop rho,   L = rho + 2^B sum of high_A,
// where low_A are r_A's dropped bits, high_A what is above the B next ones, and rho = sum of 2^j
// b_j takes the place of those. So exp(iwL) = exp(iw rho) is the product of the phases of pairs of
// bits, each linear in b, b' and b b'. An opened y + r shows what it would under the sum of r_A:
// the dropped bits are uniform by the low_A, the B next ones by rho, and the rest is y's carry
// under bounded integers as wide as before. What is dropped is the same, so the truncation's error
// is.
#pragma once

#include <optional>
#include <vector>

#include "mpc/preprocessing/claims.h"
#include "mpc/preprocessing/random_bits.h"
#include "mpc/preprocessing/reductions.h"

namespace mpc {

class SeriesShares {
 public:
  // The arguments outlive this. `op` is a kSeries operation, or one without a tree.
  SeriesShares(const Reductions& reductions, TensorId op, const OpenedLayers& opened);

  // Shares of a node: the cosines of all elements, then the sines. Kept.
  const std::vector<Fp>& Phases(std::uint32_t node);
  // The complex products of a node's children.
  Claims Products(const ProductNode& node);
  // Of a mask with known bits: their squares, and the product of a leaf's two.
  Claims Squares() { return bits_->Squares(); }
  Claims PairProduct(std::uint32_t leaf);
  // Its shares: of L (kept) and of r.
  const std::vector<Fp>& Mask();
  std::vector<Fp> OpeningMask();
  // Where Reductions::Hide may leave what the node's shares will be made of.
  std::vector<Fp>& Dropped(std::uint32_t node) { return dropped_[node]; }

 private:
  std::vector<Fp> ClearPhases(SetIndex set);
  std::vector<Fp> PairPhases(std::uint32_t leaf);
  // Shares of one bit of all elements.
  std::span<const Fp> Bit(std::uint32_t bit);

  const Reductions& reductions_;
  const TensorId op_;
  const OpenedLayers& opened_;
  const OpLayers& layers_;
  std::optional<MaskParts> parts_;  // Of the wire that the operation reads.
  std::optional<RandomBits> bits_;  // Of its mask, the lowest of all elements first.
  std::vector<Fp> mask_;
  std::vector<std::vector<Fp>> phases_;   // By node.
  std::vector<std::vector<Fp>> dropped_;  // By node, until its phases are there.
};

}  // namespace mpc
