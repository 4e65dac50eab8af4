#include "mpc/preprocessing/wire_masks.h"

#include <algorithm>
#include <utility>

#include "mpc/field/combine.h"
#include "mpc/field/products.h"
#include "mpc/plan/rotate.h"
#include "proto/base/check.h"

namespace mpc {
namespace {

// Whether preprocessing multiplies the masks of this operation's inputs.
bool MultipliesMasks(const Op& op) {
  switch (op.kind) {
    case OpKind::kMul:
    case OpKind::kRowDot:
    case OpKind::kScores:
    case OpKind::kMix:
      return true;
    case OpKind::kSeries:
      return op.series.poly.size() > 2;
    default:
      return false;
  }
}

// b[i, j] of an operand that is broadcast over columns, or over everything.
std::size_t BroadcastAt(const Op& b, std::size_t cols, std::size_t at) {
  if (b.size() == 1) return 0;
  return b.cols == cols ? at : at / cols;
}

}  // namespace

WireMasks::WireMasks(const Reductions& reductions, OpenSlots* kept)
    : reductions_(reductions),
      plan_(reductions.plan()),
      kept_(kept),
      last_use_(plan_.ops.size(), kNone),
      masks_(plan_.ops.size()) {
  for (TensorId id = static_cast<TensorId>(plan_.ops.size()); id-- > 0;) {
    const Op& op = plan_.ops[id];
    const bool linear = op.wire && op.kind != OpKind::kOpen && last_use_[id] != kNone;
    if (!linear && !(reductions.segment().Has(id) && MultipliesMasks(op))) continue;
    for (const TensorId input : op.inputs) {
      if (last_use_[input] == kNone) last_use_[input] = id;
    }
  }
  std::size_t wires = 0;
  for (TensorId id = 0; id < plan_.ops.size(); ++id) {
    if (plan_.ops[id].kind == OpKind::kOpen && last_use_[id] != kNone)
      wires += plan_.ops[id].size();
  }
  if (wires > kKeptMasksMax) kept_ = nullptr;
  if (kept_ != nullptr) kept_->resize(plan_.ops.size());
}

void WireMasks::Make(TensorId id) {
  if (last_use_[id] == kNone || reductions_.layers().SeriesOf(id) != kNone) return;
  const Op& op = plan_.ops[id];
  if (op.kind != OpKind::kOpen) {
    masks_[id] = Linear(op);
    return;
  }
  const Label label = reductions_.MaskLabel(id);
  if (kept_ == nullptr) {
    masks_[id] =
        std::move(reductions_.mask_prss().BoundedShares(label, op.size(), {op.drop}).front());
    return;
  }
  std::vector<Fp>& slot = (*kept_)[id];
  if (!slot.empty()) return;
  slot.resize(2 * op.size());
  reductions_.mask_prss().AddBounded(label, {{0, std::span(slot).first(op.size())},
                                             {op.drop, std::span(slot).subspan(op.size())}});
}

void WireMasks::Release(TensorId id) {
  for (const TensorId input : plan_.ops[id].inputs) {
    if (last_use_[input] == id) masks_[input] = std::vector<Fp>();
  }
}

std::span<const Fp> WireMasks::Of(TensorId id) const {
  const Op& op = plan_.ops[id];
  if (kept_ != nullptr && op.kind == OpKind::kOpen) {
    CHECK((*kept_)[id].size() == 2 * op.size());
    return std::span((*kept_)[id]).subspan(op.size());
  }
  CHECK(masks_[id].size() == op.size());
  return masks_[id];
}

std::vector<Fp> WireMasks::Linear(const Op& op) const {
  const std::span<const Fp> a = Of(op.inputs[0]);
  const std::size_t cols = op.cols;
  std::vector<Fp> out(op.size());
  switch (op.kind) {
    case OpKind::kAdd: {
      Multiply(Fp(op.scale[0]), a.data(), out.size(), out.data());
      if (op.inputs.size() < 2) return out;
      const Op& second = plan_.ops[op.inputs[1]];
      const std::span<const Fp> b = Of(op.inputs[1]);
      if (b.size() == out.size()) {
        const Fp scale(op.scale[1]);
        const UInt128* const integers = Integers(b.data());
        AddCombination({&scale, 1}, {&integers, 1}, out.size(), out.data());
        return out;
      }
      for (std::size_t i = 0; i < out.size(); ++i) {
        out[i] += Fp(op.scale[1]) * b[BroadcastAt(second, cols, i)];
      }
      return out;
    }
    case OpKind::kAddPerColumn: {
      const std::span<const Fp> b = Of(op.inputs[1]);
      for (std::size_t i = 0; i < out.size(); ++i) out[i] = a[i] + Fp(op.scale[0]) * b[i % cols];
      return out;
    }
    case OpKind::kScaleColumns: {
      const PackedIntegers& weight = plan_.constants[op.weight].values;
      for (std::size_t i = 0; i < out.size(); ++i) out[i] = Fp(weight[i % weight.size()]) * a[i];
      return out;
    }
    case OpKind::kRowSum: {
      const std::size_t width = a.size() / out.size();
      for (std::size_t i = 0; i < a.size(); ++i) out[i / width] += a[i];
      return out;
    }
    case OpKind::kRows:
      std::copy_n(a.begin() + static_cast<std::ptrdiff_t>(op.begin * cols), out.size(),
                  out.begin());
      return out;
    case OpKind::kAddConstant:
    case OpKind::kReshape:
      return {a.begin(), a.end()};
    case OpKind::kConcat: {
      auto next = out.begin();
      for (const TensorId input : op.inputs) {
        const std::span<const Fp> part = Of(input);
        next = std::copy(part.begin(), part.end(), next);
      }
      return out;
    }
    case OpKind::kColumns: {
      const std::size_t width = a.size() / op.rows;
      for (std::size_t i = 0; i < out.size(); ++i) {
        out[i] = a[i / cols * width + op.begin + i % cols];
      }
      return out;
    }
    case OpKind::kRotate:
      Rotate(op, plan_.constants[op.weight], a.data(), out.data());
      return out;
    default:
      CHECK(false);  // Validate: no other operation makes a wire.
  }
  return out;
}

}  // namespace mpc
