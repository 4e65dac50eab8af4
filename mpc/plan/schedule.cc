#include "mpc/plan/schedule.h"

#include <algorithm>

namespace mpc {

namespace {

// visit(operation, openings that must come before it), in the order of the operations.
template <class Visit>
void ForEachDepth(const Plan& plan, Visit visit) {
  std::vector<std::size_t> openings(plan.ops.size(), 0);  // On the longest way to each tensor.
  for (TensorId id = 0; id < plan.ops.size(); ++id) {
    const Op& op = plan.ops[id];
    for (const TensorId input : op.inputs) openings[id] = std::max(openings[id], openings[input]);
    visit(id, openings[id]);
    if (Opens(op.kind)) ++openings[id];
  }
}

}  // namespace

std::vector<std::vector<TensorId>> OpeningRounds(const Plan& plan) {
  std::vector<std::vector<TensorId>> rounds;
  ForEachDepth(plan, [&](TensorId id, std::size_t depth) {
    if (!Opens(plan.ops[id].kind)) return;
    if (depth == rounds.size()) rounds.emplace_back();
    rounds[depth].push_back(id);
  });
  return rounds;
}

std::vector<std::vector<TensorId>> OperationsBetween(const Plan& plan) {
  std::vector<std::vector<TensorId>> between(OpeningRounds(plan).size() + 1);
  ForEachDepth(plan, [&](TensorId id, std::size_t depth) {
    if (!Opens(plan.ops[id].kind)) between[depth].push_back(id);
  });
  return between;
}

}  // namespace mpc
