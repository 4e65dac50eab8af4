// The phases of one kSeries operation: shares of 2^b cos(k w L) and 2^b sin(k w L).
//
// The phase of a summand L_A is clear to A's members, so a sharing of it is free; the tree of
// products (mpc/preprocessing/layers.h) does the rest.
#pragma once

#include <optional>
#include <vector>

#include "mpc/preprocessing/claims.h"
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
  // Where Reductions::Hide may leave what the node's shares will be made of.
  std::vector<Fp>& Dropped(std::uint32_t node) { return dropped_[node]; }

 private:
  std::vector<Fp> ClearPhases(SetIndex set);

  const Reductions& reductions_;
  const TensorId op_;
  const OpenedLayers& opened_;
  const OpLayers& layers_;
  std::optional<MaskParts> parts_;        // Of the wire that the operation reads.
  std::vector<std::vector<Fp>> phases_;   // By node.
  std::vector<std::vector<Fp>> dropped_;  // By node, until its phases are there.
};

}  // namespace mpc
