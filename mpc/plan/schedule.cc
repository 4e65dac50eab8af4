#include "mpc/plan/schedule.h"

#include <algorithm>

namespace mpc {

std::vector<std::vector<TensorId>> OpeningRounds(const Plan& plan) {
  std::vector<std::vector<TensorId>> rounds;
  std::vector<std::size_t> openings(plan.ops.size(), 0);  // On the longest way to each tensor.
  for (TensorId id = 0; id < plan.ops.size(); ++id) {
    const Op& op = plan.ops[id];
    for (const TensorId input : op.inputs) openings[id] = std::max(openings[id], openings[input]);
    if (op.kind != OpKind::kOpen) continue;
    const std::size_t round = openings[id]++;
    if (round == rounds.size()) rounds.emplace_back();
    rounds[round].push_back(id);
  }
  return rounds;
}

}  // namespace mpc
