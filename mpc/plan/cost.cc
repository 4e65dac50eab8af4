#include "mpc/plan/cost.h"

#include <algorithm>
#include <bit>
#include <numeric>

#include "mpc/field/fp.h"
#include "mpc/plan/phases.h"
#include "mpc/plan/schedule.h"

namespace mpc {

namespace {

std::uint64_t SetCount(const proto::Committee& committee) {
  std::uint64_t count = 1;
  for (std::uint64_t i = 1; i <= committee.max_faulty(); ++i) {
    count = count * (committee.size() - committee.max_faulty() + i) / i;
  }
  return count;
}

std::uint32_t LogUp(std::uint64_t x) {
  return static_cast<std::uint32_t>(std::bit_width(x - 1));
}

class Counter {
 public:
  Counter(const Plan& plan, std::uint64_t sets) : plan_(plan), sets_(sets) {}

  // Squares of random elements, which all members see, have layer 0 to themselves.
  bool squares() const { return first_ > 0; }
  std::vector<std::uint64_t> Products() {
    for (const Op& op : plan_.ops) {
      const bool embeds =
          op.kind == OpKind::kEmbed && plan_.digit_bits_high + plan_.digit_bits_low > 0;
      if (embeds || OpensDigits(op.kind)) first_ = 1;
    }
    std::vector<unsigned> phase_bits(plan_.ops.size());
    for (TensorId id = 0; id < plan_.ops.size(); ++id) {
      if (plan_.ops[id].kind == OpKind::kSeries) phase_bits[id] = PhaseBits(plan_, id, sets_);
      if (phase_bits[id] > 0) first_ = 1;
    }
    for (TensorId id = 0; id < plan_.ops.size(); ++id) {
      const Op& op = plan_.ops[id];
      switch (op.kind) {
        case OpKind::kMul:
        case OpKind::kRowDot:
        case OpKind::kScores:
        case OpKind::kMix:
          Add(first_, op.size());
          break;
        case OpKind::kSeries:
          Series(op, phase_bits[id]);
          break;
        case OpKind::kEmbed:
          OneHots(plan_.tokens, plan_.digit_bits_high, plan_.digit_bits_low);
          break;
        case OpKind::kCompare:
        case OpKind::kLookup:
          OneHots(plan_.ops[op.inputs[0]].size() * op.digits, (op.digit_bits + 1u) / 2,
                  op.digit_bits / 2u);
          break;
        default:
          break;
      }
    }
    return std::move(layers_);
  }

 private:
  void Add(std::uint32_t layer, std::uint64_t products) {
    if (products == 0) return;
    if (layer >= layers_.size()) layers_.resize(layer + 1);
    layers_[layer] += products;
  }

  // The tree of the phases, clear or of pairs of random bits, then harmonic k from harmonics k/2
  // and k - k/2.
  void Series(const Op& op, unsigned bits) {
    Add(0, bits * op.size());
    if (op.series.poly.size() > 2) Add(first_, op.size());
    const std::size_t harmonics = op.series.cosine.size();
    if (harmonics == 0) return;
    std::uint32_t depth = first_;
    if (bits > 0) {
      Add(depth, BitPairs(bits) * op.size());
      if (bits > 1) ++depth;
    }
    for (std::uint64_t left = bits > 0 ? BitPhases(bits) : sets_; left > 1; left -= left / 2) {
      Add(depth++, left / 2 * 2 * op.size());
    }
    for (std::size_t k = 2; k <= harmonics; ++k) Add(depth + LogUp(k) - 1, 2 * op.size());
  }

  // Squares for random bits, then one-hot vectors of ever more of them; returns the depth.
  std::uint32_t Digit(std::uint64_t count, std::uint32_t bits) {
    if (bits == 1) return 1;
    return Join(count, bits - bits / 2, Digit(count, bits - bits / 2), bits / 2,
                Digit(count, bits / 2));
  }
  std::uint32_t Join(std::uint64_t count, std::uint32_t left, std::uint32_t left_depth,
                     std::uint32_t right, std::uint32_t right_depth) {
    const std::uint32_t layer = std::max(left_depth, right_depth);
    Add(layer, count * ((1ull << left) - 1) * ((1ull << right) - 1));
    return layer + 1;
  }
  void OneHots(std::uint64_t count, std::uint32_t high, std::uint32_t low) {
    Add(0, count * (high + low));
    if (high > 0 && low > 0) {
      Join(count, high, Digit(count, high), low, Digit(count, low));
    } else if (high + low > 0) {
      Digit(count, high + low);
    }
  }

  const Plan& plan_;
  const std::uint64_t sets_;
  std::uint32_t first_ = 0;
  std::vector<std::uint64_t> layers_;
};

// Shares of an operation's slot in a bundle.
std::uint64_t SlotShares(const Plan& plan, const Op& op) {
  switch (op.kind) {
    case OpKind::kEmbed:
      return plan.tokens * (plan.vocabulary_padded() + 1);
    case OpKind::kOpen:
      return 2 * op.size();
    case OpKind::kCompare:
    case OpKind::kLookup:
      return plan.ops[op.inputs[0]].size() * ((std::uint64_t{op.digits} << op.digit_bits) + 1);
    case OpKind::kMul:
    case OpKind::kRowDot:
    case OpKind::kScores:
    case OpKind::kMix:
    case OpKind::kOutput:
    case OpKind::kNoise:
      return op.size();
    case OpKind::kSeries:
      return op.size() * (2 * op.series.cosine.size() + (op.series.poly.size() > 2 ? 1 : 0));
    default:
      return 0;
  }
}

}  // namespace

OpeningCost CostOfRound(const Plan& plan, const std::vector<TensorId>& round,
                        const proto::Committee& committee, std::uint64_t batch_saving_min) {
  std::size_t size = 0;
  for (const TensorId id : round) size += plan.ops[plan.ops[id].inputs[0]].size();
  return CostOfOpening(committee, size, batch_saving_min);
}

Cost CountCost(const Plan& plan, const proto::Committee& committee,
               std::uint64_t batch_saving_min) {
  const std::uint64_t n = committee.size();
  const std::uint64_t sets = SetCount(committee);
  Cost cost;
  for (const std::vector<TensorId>& round : OpeningRounds(plan)) {
    const OpeningCost opening = CostOfRound(plan, round, committee, batch_saving_min);
    ++cost.rounds;
    cost.exchanges += opening.exchanges;
    cost.online_bytes += opening.bytes(committee);
  }
  for (const Op& op : plan.ops) {
    if (Opens(op.kind)) cost.openings += plan.ops[op.inputs[0]].size();
    cost.bundle_bytes += SlotShares(plan, op) * Fp::kBytes;
  }
  Counter counter(plan, sets);
  cost.products = counter.Products();
  cost.products_total =
      std::accumulate(cost.products.begin(), cost.products.end(), std::uint64_t{0});
  // The king's own message and answer do not travel; the answer goes to a set, of squares to all.
  const std::uint64_t others = committee.quorum() - 1ull;
  const std::uint64_t squares = counter.squares() ? cost.products.front() : 0;
  cost.preprocessing_bytes =
      (cost.products_total * 2 * others + squares * (n - 1 - others)) * Fp::kBytes;
  cost.leakage_bits = LeakageBits(plan, 125 - LogUp(sets));
  return cost;
}

}  // namespace mpc
