#include "mpc/preprocessing/series.h"

#include "mpc/functions/trig.h"

namespace mpc {

SeriesShares::SeriesShares(const Reductions& reductions, TensorId op, const OpenedLayers& opened)
    : reductions_(reductions),
      op_(op),
      opened_(opened),
      layers_(reductions.layers().of(op)),
      phases_(layers_.nodes.size()) {}

const std::vector<Fp>& SeriesShares::Phases(std::uint32_t node) {
  std::vector<Fp>& phases = phases_[node];
  if (phases.empty()) {
    phases = layers_.nodes[node].leaf()
                 ? ClearPhases(node)
                 : reductions_.Result(layers_.nodes[node].reduction, opened_);
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

// (c1 + i s1)(c2 + i s2): the real parts (c1, -s1) . (c2, s2), the imaginary (c1, s1) . (s2, c2).
Claims SeriesShares::Products(const ProductNode& node) {
  const std::vector<Fp>& left = Phases(node.left);
  const std::vector<Fp>& right = Phases(node.right);
  const std::size_t size = left.size() / 2;
  left_.resize(4 * size);
  right_.resize(4 * size);
  for (std::size_t i = 0; i < size; ++i) {
    left_[2 * i] = left_[2 * (size + i)] = left[i];
    left_[2 * i + 1] = -left[size + i];
    left_[2 * (size + i) + 1] = left[size + i];
    right_[2 * i] = right_[2 * (size + i) + 1] = right[i];
    right_[2 * i + 1] = right_[2 * (size + i)] = right[size + i];
  }
  return {.a = {.values = left_, .stride = {0, 0, 2}},
          .b = {.values = right_, .stride = {0, 0, 2}},
          .extent = {1, 1, 2 * size},
          .terms = 2};
}

}  // namespace mpc
