#include "mpc/preprocessing/series.h"

#include <algorithm>
#include <array>
#include <utility>

#include "mpc/field/combine.h"
#include "mpc/functions/trig.h"

namespace mpc {

namespace {

Fp PowerOfTwo(unsigned exponent) {
  return Fp::FromUnsigned(UInt128{1} << exponent);
}

}  // namespace

SeriesShares::SeriesShares(const Reductions& reductions, TensorId op, const OpenedLayers& opened)
    : reductions_(reductions),
      op_(op),
      opened_(opened),
      layers_(reductions.layers().of(op)),
      phases_(layers_.nodes.size()),
      dropped_(layers_.nodes.size()) {
  if (layers_.bits > 0) bits_.emplace(reductions, layers_.squares, opened);
}

const std::vector<Fp>& SeriesShares::Phases(std::uint32_t node) {
  std::vector<Fp>& phases = phases_[node];
  if (!phases.empty()) return phases;
  if (!layers_.nodes[node].leaf()) {
    phases = reductions_.Result(layers_.nodes[node].reduction, opened_,
                                std::exchange(dropped_[node], {}));
  } else {
    phases = bits_ ? PairPhases(node) : ClearPhases(node);
  }
  return phases;
}

std::vector<Fp> SeriesShares::ClearPhases(SetIndex set) {
  const Op& op = reductions_.plan().ops[op_];
  const ReplicatedSets& sets = reductions_.prss().sets();
  const proto::PartyId self = reductions_.prss().party();
  const std::size_t size = op.size();
  std::vector<Fp> shares(2 * size);
  if (!sets.Contains(set, self)) return shares;
  const TensorId open = op.inputs[0];
  if (!parts_) parts_ = reductions_.OpenParts(open);
  const UInt128* const parts = parts_->parts.data() + set * size;
  const unsigned drop = reductions_.plan().ops[open].drop;
  const Fp factor = sets.Factor(set, self);
  for (std::size_t i = 0; i < size; ++i) {
    const CosSin phase = IntegerCosSin(static_cast<Int128>(parts[i] >> drop), op.series.period,
                                       op.series.phase_bits);
    shares[i] = factor * Fp(phase.cos);
    shares[size + i] = factor * Fp(phase.sin);
  }
  return shares;
}

std::span<const Fp> SeriesShares::Bit(std::uint32_t bit) {
  const std::size_t size = reductions_.plan().ops[op_].size();
  return std::span(bits_->Bits()).subspan(bit * size, size);
}

Claims SeriesShares::PairProduct(std::uint32_t leaf) {
  const std::span<const Fp> low = Bit(2 * leaf);
  return {.a = {.values = low, .stride = {0, 0, 1}},
          .b = {.values = Bit(2 * leaf + 1), .stride = {0, 0, 1}},
          .extent = {1, 1, low.size()}};
}

// With C_v the phase of the pair's value v: C_0 + (C_1 - C_0) b + (C_2 - C_0) b' +
// (C_3 - C_2 - C_1 + C_0) b b'.
std::vector<Fp> SeriesShares::PairPhases(std::uint32_t leaf) {
  const Op& op = reductions_.plan().ops[op_];
  const std::size_t size = op.size();
  const bool pair = 2 * leaf + 1 < layers_.bits;
  std::vector<Fp> product;
  std::vector<const UInt128*> terms{Integers(Bit(2 * leaf).data())};
  if (pair) {
    product = reductions_.Result(layers_.nodes[leaf].reduction, opened_);
    terms.push_back(Integers(Bit(2 * leaf + 1).data()));
    terms.push_back(Integers(product.data()));
  }
  std::array<CosSin, 4> phase;
  for (std::size_t value = 0; value < phase.size(); ++value) {
    phase[value] = IntegerCosSin(static_cast<Int128>(value) << (2 * leaf), op.series.period,
                                 op.series.phase_bits);
  }
  std::vector<Fp> shares(2 * size);
  const auto combine = [&](std::int64_t CosSin::*part, Fp* out) {
    const auto at = [&](std::size_t value) { return phase[value].*part; };
    std::vector<Fp> factors{Fp(at(1) - at(0))};
    if (pair) {
      factors.push_back(Fp(at(2) - at(0)));
      factors.push_back(Fp(at(3) - at(2) - at(1) + at(0)));
    }
    std::fill_n(out, size, Fp(at(0)));
    AddCombination(factors, terms, size, out);
  };
  combine(&CosSin::cos, shares.data());
  combine(&CosSin::sin, shares.data() + size);
  return shares;
}

const std::vector<Fp>& SeriesShares::Mask() {
  if (!mask_.empty()) return mask_;
  const TensorId open = reductions_.plan().ops[op_].inputs[0];
  const Op& wire = reductions_.plan().ops[open];
  const std::vector<Fp> high = std::move(
      reductions_.mask_prss()
          .BoundedShares(reductions_.MaskLabel(open), wire.size(), {wire.drop + layers_.bits})
          .front());
  std::vector<Fp> factors{PowerOfTwo(layers_.bits)};
  std::vector<const UInt128*> terms{Integers(high.data())};
  for (std::uint32_t bit = 0; bit < layers_.bits; ++bit) {
    factors.push_back(PowerOfTwo(bit));
    terms.push_back(Integers(Bit(bit).data()));
  }
  mask_.resize(wire.size());
  AddCombination(factors, terms, mask_.size(), mask_.data());
  return mask_;
}

// The sum of low_A is that of r_A less 2^drop times that of r_A >> drop.
std::vector<Fp> SeriesShares::OpeningMask() {
  const TensorId open = reductions_.plan().ops[op_].inputs[0];
  const Op& wire = reductions_.plan().ops[open];
  auto parts = reductions_.mask_prss().BoundedShares(reductions_.MaskLabel(open), wire.size(),
                                                     {0, wire.drop});
  const std::array<Fp, 2> factors{-PowerOfTwo(wire.drop), PowerOfTwo(wire.drop)};
  const std::array<const UInt128*, 2> terms{Integers(parts[1].data()), Integers(Mask().data())};
  AddCombination(factors, terms, parts[0].size(), parts[0].data());
  return std::move(parts[0]);
}

Claims SeriesShares::Products(const ProductNode& node) {
  const std::vector<Fp>& right = Phases(node.right);
  return {.a = {.values = Phases(node.left)},
          .b = {.values = right},
          .extent = {1, 1, right.size()},
          .complex = true};
}

}  // namespace mpc
