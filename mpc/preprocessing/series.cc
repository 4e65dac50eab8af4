#include "mpc/preprocessing/series.h"

#include <utility>

#include "mpc/functions/trig.h"

namespace mpc {

SeriesShares::SeriesShares(const Reductions& reductions, TensorId op, const OpenedLayers& opened)
    : reductions_(reductions),
      op_(op),
      opened_(opened),
      layers_(reductions.layers().of(op)),
      phases_(layers_.nodes.size()),
      dropped_(layers_.nodes.size()) {}

const std::vector<Fp>& SeriesShares::Phases(std::uint32_t node) {
  std::vector<Fp>& phases = phases_[node];
  if (phases.empty()) {
    phases = layers_.nodes[node].leaf() ? ClearPhases(node)
                                        : reductions_.Result(layers_.nodes[node].reduction, opened_,
                                                             std::exchange(dropped_[node], {}));
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

Claims SeriesShares::Products(const ProductNode& node) {
  const std::vector<Fp>& right = Phases(node.right);
  return {.a = {.values = Phases(node.left)},
          .b = {.values = right},
          .extent = {1, 1, right.size()},
          .complex = true};
}

}  // namespace mpc
