// Are all claims of an attempt true? One inner product says so, and shrinks step by step to a
// triple.
//
// Claims are sum a * b = y over degree-t sharings. With random coefficients rho the sum of all,
// sum rho * a * b = sum rho * y, is an inner product [x] . [y] = [s] of long vectors (a scaled by
// its claim's rho); it is false but with probability 2 / p when a claim is. Claims that share
// factors become few pairs (claims.h): matrix products one for each inner index, complex products
// with one left factor two.
//
// A step cuts the vectors into k blocks x(1) .. x(k), the values at 1 .. k of a vector of
// polynomials f of degree k - 1, likewise g; h = f . g has degree 2k - 2 and h(1) + .. + h(k) = s.
// The values h(i) but h(k), which follows from s, are opened under masks through the same layers as
// products (they may be lied about), and a challenge zeta, fresh and unknown until they are fixed,
// leaves the claim f(zeta) . g(zeta) = h(zeta), k times shorter. If s was wrong, h is not f . g,
// and agrees with it at no more than 2k of the p points.
//
// The last step has blocks of one element and one block more, a random pair: f(zeta) and g(zeta)
// are then uniform, and the triple (f, g, h)(zeta) is opened and multiplied in public; h - f g
// shows nothing but the liars' own errors.
//
// Soundness error: 2 / p + sum over steps of 2k / (p - 4096) < 2^-112.
// Work: the 2k - 2 values of the first step are quadratic forms of the k x k matrix of products of
// blocks, gathered in one pass over the claims (k products a pair); a second pass folds. Memory:
// the folded vectors, 2 elements for every 16 pairs. Steps: 16 blocks, then 64, until 2048 are
// left.
//
// Papers: Boneh, Boyle, Corrigan-Gibbs, Gilboa, Ishai (CRYPTO 2019); Goyal, Song, Zhu (CRYPTO
// 2020).
#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "mpc/party.h"
#include "mpc/preprocessing/preprocessor.h"

namespace mpc {

// The number of opened values of each step, at least two steps.
std::vector<std::size_t> CompressionSizes(std::uint64_t pairs);

class Compression {
 public:
  // `preprocessor`, `opened` (all product layers) and `kept`, if any, outlive this. `coin` chooses
  // rho.
  Compression(const PartyContext& context, std::uint64_t attempt, const Preprocessor& preprocessor,
              const OpenedLayers& opened, const proto::Digest& coin, KeptShares* kept = nullptr);
  Compression(const Compression&) = delete;
  Compression& operator=(const Compression&) = delete;
  ~Compression();

  std::uint32_t step() const { return step_; }
  // This member's degree-2t message vector of the present step.
  std::vector<Fp> Message() const;
  // The present step's opened values, as fixed, and the coin named by that.
  void Fold(std::span<const Fp> values, const proto::Digest& coin);
  // Once all steps are folded: shares of f(zeta), g(zeta), h(zeta).
  std::array<Fp, 3> Triple() const;

 private:
  struct Shape {
    std::size_t blocks;  // k, without the random one.
    bool last;
  };
  static std::vector<Shape> ShapesOf(std::uint64_t pairs);
  friend std::vector<std::size_t> CompressionSizes(std::uint64_t pairs);

  // Calls visit(x, y, count) with the long vectors of step 0, in consecutive pieces of up to
  // kPiece pairs; every piece but the last is full, and the last is filled up to whole groups of k.
  // Returns [s] when `claimed`.
  template <class Visit>
  Fp Stream(bool claimed, Visit visit) const;
  std::vector<Fp> InnerValues() const;  // h(i) of a step that is not the last.
  std::vector<Fp> LastValues() const;
  std::array<Fp, 2> RandomPair() const;
  Label LabelOf(Purpose purpose) const { return {epoch_, attempt_, step_, purpose}; }

  const Preprocessor& preprocessor_;
  const OpenedLayers& opened_;
  KeptShares* const kept_;
  const std::uint64_t epoch_;
  const std::uint64_t attempt_;
  const proto::Digest rho_;
  const std::vector<Shape> shapes_;
  std::uint32_t step_ = 0;
  // The folded claim x . y = s, from the first fold on.
  std::vector<Fp> x_;
  std::vector<Fp> y_;
  Fp s_;
};

}  // namespace mpc
