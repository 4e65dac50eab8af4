// The token masks of one attempt: for each token a uniform r in [0, V') and its one-hot vector.
//
// Random bits come from opened squares (Damgard et al., TCC 2006): for a uniform a and s the root
// of c = a^2 that is itself a square, a / s is 1 or -1, either with probability one half, and b =
// (a / s + 1) / 2 a bit that nobody knows. The first bit is r's most significant.
#pragma once

#include <vector>

#include "mpc/preprocessing/claims.h"
#include "mpc/preprocessing/reductions.h"

namespace mpc {

class EmbedShares {
 public:
  // The arguments outlive this. The plan has at least one mask bit, but for Indicators and
  // TokenMasks.
  EmbedShares(const Reductions& reductions, const OpenedLayers& opened);

  // The squares to open: layer 0. The views hold until the next call.
  Claims Squares();
  // The products of a node's children that are not implied: rows and columns from 1.
  Claims Products(const ProductNode& node);

  // tokens x V' shares of the one-hot vectors, and tokens shares of r. Need all layers.
  std::vector<Fp> Indicators();
  std::vector<Fp> TokenMasks();

 private:
  std::vector<Fp> RandomElements() const;
  const std::vector<Fp>& Bits();
  // tokens x 2^leaves shares of a node's one-hot vectors. Kept.
  const std::vector<Fp>& OneHot(std::uint32_t node);
  std::vector<Fp> LeafOneHot(std::uint32_t bit);
  std::vector<Fp> JoinedOneHot(const ProductNode& node);

  const Reductions& reductions_;
  const OpenedLayers& opened_;
  const OpLayers& layers_;
  const std::size_t tokens_;
  const std::size_t bit_count_;  // Of one token.
  std::vector<Fp> elements_;
  std::vector<Fp> bits_;  // tokens x bit_count.
  std::vector<std::vector<Fp>> one_hots_;
};

}  // namespace mpc
