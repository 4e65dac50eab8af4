#include "mpc/plan/phases.h"

#include <algorithm>
#include <bit>

namespace mpc {
namespace {

// Whether preprocessing may need this input's mask for an operation other than a series.
bool ReadsMask(const Op& op) {
  switch (op.kind) {
    case OpKind::kMul:
    case OpKind::kRowDot:
    case OpKind::kScores:
    case OpKind::kMix:
      return true;
    default:
      return op.wire && op.kind != OpKind::kOpen;  // A linear map of it.
  }
}

}  // namespace

unsigned PhaseBits(const Plan& plan, TensorId series, std::size_t sets) {
  const Op& op = plan.ops[series];
  const auto period = static_cast<std::uint64_t>(op.series.period);
  if (op.series.cosine.empty() || !std::has_single_bit(period) || period < 2) return 0;
  const auto bits = static_cast<unsigned>(std::bit_width(period) - 1);
  if (bits > kPeriodBitsMax) return 0;
  const std::size_t products = bits + BitPairs(bits) + 2 * (BitPhases(bits) - 1);
  if (products >= 2 * (sets - 1)) return 0;
  const TensorId open = op.inputs[0];
  for (TensorId id = open + 1; id < plan.ops.size(); ++id) {
    const Op& other = plan.ops[id];
    if (id == series || std::ranges::count(other.inputs, open) == 0) continue;
    if (other.kind == OpKind::kSeries || ReadsMask(other)) return 0;
  }
  return bits;
}

}  // namespace mpc
