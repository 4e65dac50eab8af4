// The preprocessor's reading of a plan: which degree reductions it takes, and in which layer.
//
// A claim is an inner product  sum a * b = y  of degree-t sharings, made a degree-t sharing [y] by
// one opening of degree 2t. A reduction is a batch of claims of one operation that lie in one
// layer; everything is done as early as what it multiplies is known:
//
//   kMul, kRowDot, kScores, kMix   products of mask parts, which are free: the first layer
//   kSeries   the square of the mask: the first. The phases exp(i w L_A), one of each replicated
//             set, are clear to the set's members and multiplied in a tree of ceil(log2 C(n,t))
//             layers to exp(i w L), the first harmonic; harmonic k is the product of harmonics
//             floor(k/2) and ceil(k/2), ceil(log2 K) layers more. Where that takes fewer products
//             (PhaseBits) the mask has B known bits and exp(i w L) is the product of the phases of
//             ceil(B / 2) pairs of them: squares in layer 0, one product a pair in layer 1, and a
//             tree
//   kEmbed, kCompare, kLookup
//             random bits by opening squares: layer 0. One-hot vectors of ever more bits as outer
//             products, the high and the low digit by halves, then one of the other: for 8 + 7 bits
//             layers 1 to 4
//
// What is multiplied needs no public c: it is opened to the n - t members of one set alone
// (reductions.h). The squares behind random bits must be public, so where there are any they have
// layer 0 to themselves and the others begin in layer 1.
//
// n = 4 takes 6 layers for 12 harmonics. What an opened value costs: mpc/preprocessing/attempt.h.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "mpc/plan/plan.h"

namespace mpc {

using ReductionId = std::uint32_t;

// What is added to y before it is opened, and how [y] follows from the opened c.
enum class Masking : std::uint8_t {
  kPublic,   // c = y is public: the square of a random element.
  kUniform,  // c = y + r with r uniform in F_p; [y] = c - [r].
  kBounded,  // c = y + 2^59 + r with r a bounded integer; the low `drop` bits are dropped.
};

struct Reduction {
  TensorId op = 0;
  std::uint32_t layer = 0;
  std::size_t first = 0;  // Where its values begin in the layer's vector.
  std::size_t claims = 0;
  std::size_t terms = 1;  // Products summed in each claim; of complex ones, one.
  std::size_t pairs = 0;  // That a random combination of the claims takes (claims.h).
  Masking masking = Masking::kUniform;
  std::uint8_t drop = 0;
};

// A node of an operation's tree of products. Leaves come first, children before their parents.
struct ProductNode {
  std::uint32_t left = kNone;  // kNone for a leaf.
  std::uint32_t right = kNone;
  std::uint32_t leaves = 1;       // How many lie below.
  std::uint32_t depth = 0;        // Layers that must be fixed before it is known.
  ReductionId reduction = kNone;  // Of a leaf: of the product of a pair of bits, if it is one.

  bool leaf() const { return left == kNone; }
};

struct OpLayers {
  std::optional<ReductionId> direct;  // Products of masks, the square of a mask, squares for bits.
  // kSeries whose mask has known bits: their number and their squares.
  std::uint32_t bits = 0;
  ReductionId squares = kNone;
  // kSeries: phases; the leaves are the sets, or pairs of bits with their product. Others: one-hot
  // vectors.
  std::vector<ProductNode> nodes;
  std::vector<std::uint32_t>
      results;  // kSeries: the nodes of the harmonics 1..K. Others: the root.
};

// Opened values up to which an attempt keeps the shares it computes from them, 16 bytes each,
// instead of computing them again for every layer: what a segment has by default.
inline constexpr std::size_t kKeptValuesMax = std::size_t{1} << 24;

// A part of a plan that one attempt prepares: its operations from `begin` to `end`, and with them
// their slots of the bundle. The masks of wires are those of attempt number `masks`, so that all
// parts of a bundle speak of the same wires.
//
// Attempts of one bundle have different numbers; one that dies kills the bundle.
struct Segment {
  TensorId begin = 0;
  TensorId end = kNone;                // Beyond the last: all.
  std::optional<std::uint64_t> masks;  // None: the attempt's own.

  bool Has(TensorId op) const { return op >= begin && op < end; }
};

// Cuts a plan into segments of at most about `values` opened values, one operation at least. A
// series and the wire whose mask has its bits stay together.
std::vector<Segment> CutPlan(const Plan& plan, std::size_t sets, std::uint64_t values,
                             std::uint64_t masks);

class Layers {
 public:
  // `plan` must be valid; `sets` is C(n, t).
  Layers(const Plan& plan, std::size_t sets, const Segment& segment = {});

  std::uint32_t depth() const { return static_cast<std::uint32_t>(sizes_.size()); }
  // Opened values of a layer.
  std::size_t size(std::uint32_t layer) const { return sizes_[layer]; }
  // Whether a layer's values are for all members, not for those of one set.
  bool Public(std::uint32_t layer) const { return layer < first_; }
  // Where products of masks lie.
  std::uint32_t first() const { return first_; }
  // Of all reductions: what the verification multiplies.
  std::uint64_t pairs() const { return pairs_; }
  const OpLayers& of(TensorId op) const { return ops_[op]; }
  // The series whose bits a kOpen's mask has; kNone: it is a bounded integer and no more.
  TensorId SeriesOf(TensorId open) const { return series_of_[open]; }
  const Reduction& reduction(ReductionId id) const { return reductions_[id]; }
  std::size_t reductions() const { return reductions_.size(); }

 private:
  ReductionId Add(Reduction reduction);
  void AddSeries(TensorId id, const Op& op, std::size_t sets);
  void AddPairs(TensorId id, const Op& op, std::uint32_t bits);
  // `count` random one-hot vectors of 2^(high + low) entries.
  void AddOneHots(TensorId id, std::size_t count, std::uint32_t high, std::uint32_t low);
  std::uint32_t AddNode(OpLayers& layers, std::uint32_t left, std::uint32_t right,
                        Reduction reduction);
  std::uint32_t AddDigit(TensorId id, std::size_t count, std::uint32_t first, std::uint32_t bits);
  std::uint32_t JoinDigits(TensorId id, std::size_t count, std::uint32_t left, std::uint32_t right);

  std::vector<OpLayers> ops_;
  std::vector<TensorId> series_of_;
  std::vector<Reduction> reductions_;
  std::vector<std::size_t> sizes_;
  std::uint32_t first_ = 0;
  std::uint64_t pairs_ = 0;
};

}  // namespace mpc
