#include "mpc/preprocessing/layers.h"

#include <algorithm>
#include <numeric>
#include <utility>

#include "mpc/plan/phases.h"
#include "proto/base/check.h"

namespace mpc {
namespace {

// Bits of the one-hot vectors that an operation takes.
unsigned RandomBits(const Plan& plan, const Op& op) {
  if (op.kind == OpKind::kEmbed) return plan.digit_bits_high + plan.digit_bits_low;
  return OpensDigits(op.kind) ? op.digit_bits : 0;
}

}  // namespace

std::vector<Segment> CutPlan(const Plan& plan, std::size_t sets, std::uint64_t values,
                             std::uint64_t masks) {
  const Layers layers(plan, sets);
  std::vector<std::uint64_t> opened(plan.ops.size());
  for (ReductionId id = 0; id < layers.reductions(); ++id) {
    opened[layers.reduction(id).op] += layers.reduction(id).claims;
  }
  std::vector<bool> joined(plan.ops.size());  // To the operation before.
  for (TensorId id = 0; id < plan.ops.size(); ++id) {
    if (layers.SeriesOf(id) == kNone) continue;
    for (TensorId next = id + 1; next <= layers.SeriesOf(id); ++next) joined[next] = true;
  }
  std::vector<Segment> segments;
  std::uint64_t sum = 0;
  for (TensorId id = 0; id < plan.ops.size(); ++id) {
    const std::uint64_t own = opened[id];
    const bool full = own > 0 && sum > 0 && sum + own > values;
    if (segments.empty() || (full && !joined[id])) {
      segments.push_back({id, id, masks});
      sum = 0;
    }
    sum += own;
    segments.back().end = id + 1;
  }
  return segments;
}

Layers::Layers(const Plan& plan, std::size_t sets, const Segment& segment)
    : ops_(plan.ops.size()), series_of_(plan.ops.size(), kNone) {
  const auto end = static_cast<TensorId>(std::min<std::size_t>(segment.end, plan.ops.size()));
  for (TensorId id = segment.begin; id < end; ++id) {
    if (RandomBits(plan, plan.ops[id]) > 0) first_ = 1;
    if (plan.ops[id].kind != OpKind::kSeries) continue;
    ops_[id].bits = PhaseBits(plan, id, sets);
    if (ops_[id].bits == 0) continue;
    first_ = 1;
    const TensorId open = plan.ops[id].inputs[0];
    CHECK(segment.Has(open));  // CutPlan.
    series_of_[open] = id;
  }
  for (TensorId id = segment.begin; id < end; ++id) {
    const Op& op = plan.ops[id];
    const auto products = [&](std::size_t terms, std::size_t pairs) {
      ops_[id].direct =
          Add({.op = id, .layer = first_, .claims = op.size(), .terms = terms, .pairs = pairs});
    };
    const auto input = [&](std::size_t i) -> const Op& { return plan.ops[op.inputs[i]]; };
    switch (op.kind) {
      case OpKind::kEmbed:
        AddOneHots(id, plan.tokens, plan.digit_bits_high, plan.digit_bits_low);
        break;
      case OpKind::kCompare:
      case OpKind::kLookup:
        AddOneHots(id, plan.ops[op.inputs[0]].size() * op.digits, (op.digit_bits + 1u) / 2,
                   op.digit_bits / 2u);
        break;
      case OpKind::kSeries:
        AddSeries(id, op, sets);
        break;
      case OpKind::kMul:
        products(1, input(1).size());
        break;
      case OpKind::kRowDot:
        products(input(0).cols, input(0).size());
        break;
      case OpKind::kScores:
        products(input(0).cols / op.heads, input(0).cols);
        break;
      case OpKind::kMix:
        products(input(0).cols, input(0).cols * op.heads);
        break;
      default:
        break;
    }
  }
}

ReductionId Layers::Add(Reduction reduction) {
  if (reduction.layer >= sizes_.size()) sizes_.resize(reduction.layer + 1);
  reduction.first = sizes_[reduction.layer];
  sizes_[reduction.layer] += reduction.claims;
  pairs_ += reduction.pairs;
  reductions_.push_back(reduction);
  return static_cast<ReductionId>(reductions_.size() - 1);
}

std::uint32_t Layers::AddNode(OpLayers& layers, std::uint32_t left, std::uint32_t right,
                              Reduction reduction) {
  ProductNode node{.left = left, .right = right};
  node.leaves = layers.nodes[left].leaves + layers.nodes[right].leaves;
  reduction.layer = std::max(layers.nodes[left].depth, layers.nodes[right].depth);
  node.depth = reduction.layer + 1;
  node.reduction = Add(reduction);
  layers.nodes.push_back(node);
  return static_cast<std::uint32_t>(layers.nodes.size() - 1);
}

void Layers::AddSeries(TensorId id, const Op& op, std::size_t sets) {
  OpLayers& layers = ops_[id];
  if (layers.bits > 0) {
    const std::size_t bits = layers.bits * op.size();
    layers.squares = Add({.op = id, .claims = bits, .pairs = bits, .masking = Masking::kPublic});
  }
  if (op.series.poly.size() > 2) {
    layers.direct = Add({.op = id, .layer = first_, .claims = op.size(), .pairs = op.size()});
  }
  const std::size_t harmonics = op.series.cosine.size();
  if (harmonics == 0) return;
  // A complex product: two claims, the real parts of all elements and then the imaginary ones.
  const Reduction complex{.op = id,
                          .claims = 2 * op.size(),
                          .pairs = 2 * op.size(),
                          .masking = Masking::kBounded,
                          .drop = op.series.phase_bits};
  if (layers.bits > 0) {
    AddPairs(id, op, layers.bits);
  } else {
    layers.nodes.assign(sets, ProductNode{.depth = first_});
  }
  std::vector<std::uint32_t> level(layers.nodes.size());
  std::iota(level.begin(), level.end(), 0u);
  while (level.size() > 1) {
    std::vector<std::uint32_t> next;
    for (std::size_t i = 0; i + 1 < level.size(); i += 2) {
      next.push_back(AddNode(layers, level[i], level[i + 1], complex));
    }
    if (level.size() % 2 != 0) next.push_back(level.back());
    level = std::move(next);
  }
  layers.results = {level.front()};
  for (std::size_t k = 2; k <= harmonics; ++k) {
    const std::uint32_t left = layers.results[k / 2 - 1];
    const std::uint32_t right = layers.results[k - k / 2 - 1];
    Reduction product = complex;
    if (layers.nodes.back().left == left) product.pairs = 0;  // Joins those of the node before.
    layers.results.push_back(AddNode(layers, left, right, product));
  }
}

// The phase of two bits is linear in them and in their product, that of a last one in it.
void Layers::AddPairs(TensorId id, const Op& op, std::uint32_t bits) {
  OpLayers& layers = ops_[id];
  for (std::uint32_t bit = 0; bit < bits; bit += 2) {
    ProductNode leaf{.depth = first_};
    if (bit + 1 < bits) {
      leaf.reduction = Add({.op = id, .layer = first_, .claims = op.size(), .pairs = op.size()});
      leaf.depth = first_ + 1;
    }
    layers.nodes.push_back(leaf);
  }
}

// Joins two one-hot vectors. They sum to one, so the entries of the product in the first row and in
// the first column follow from the others.
std::uint32_t Layers::JoinDigits(TensorId id, std::size_t count, std::uint32_t left,
                                 std::uint32_t right) {
  OpLayers& layers = ops_[id];
  const std::size_t rows = std::size_t{1} << layers.nodes[left].leaves;
  const std::size_t cols = std::size_t{1} << layers.nodes[right].leaves;
  return AddNode(layers, left, right,
                 {.op = id, .claims = count * (rows - 1) * (cols - 1), .pairs = count});
}

std::uint32_t Layers::AddDigit(TensorId id, std::size_t count, std::uint32_t first,
                               std::uint32_t bits) {
  if (bits == 1) return first;
  const std::uint32_t left = AddDigit(id, count, first, bits - bits / 2);
  const std::uint32_t right = AddDigit(id, count, first + bits - bits / 2, bits / 2);
  return JoinDigits(id, count, left, right);
}

void Layers::AddOneHots(TensorId id, std::size_t count, std::uint32_t high, std::uint32_t low) {
  if (high + low == 0) return;  // One word: its indicator is the constant one.
  OpLayers& layers = ops_[id];
  layers.direct = Add({.op = id,
                       .claims = count * (high + low),
                       .pairs = count * (high + low),
                       .masking = Masking::kPublic});
  layers.nodes.assign(high + low, ProductNode{.depth = 1});
  if (high == 0 || low == 0) {
    layers.results = {AddDigit(id, count, 0, high + low)};
    return;
  }
  const std::uint32_t left = AddDigit(id, count, 0, high);
  const std::uint32_t right = AddDigit(id, count, high, low);
  layers.results = {JoinDigits(id, count, left, right)};
}

}  // namespace mpc
