#include "mpc/online/evaluator.h"

#include <algorithm>
#include <utility>

#include "mpc/field/sums.h"
#include "mpc/online/operations.h"
#include "mpc/plan/schedule.h"
#include "proto/base/check.h"

namespace mpc {

Evaluator::Evaluator(std::shared_ptr<const Plan> plan, Bundle bundle,
                     std::vector<std::uint32_t> masked_tokens, std::size_t sets, bool until_end)
    : plan_(std::move(plan)),
      bundle_(std::move(bundle)),
      masked_tokens_(std::move(masked_tokens)),
      sets_(sets),
      rounds_(OpeningRounds(*plan_)),
      between_(OperationsBetween(*plan_)),
      tensors_(plan_->ops.size()),
      computed_(plan_->ops.size()),
      readers_(plan_->ops.size()),
      ends_(rounds_.size()),
      steps_wanted_(plan_->steps) {
  CHECK(masked_tokens_.size() == plan_->tokens);
  for (const std::uint32_t token : masked_tokens_) CHECK(token < plan_->vocabulary_padded());
  CHECK(bundle_.slots.size() == plan_->ops.size());
  for (TensorId id = 0; id < plan_->ops.size(); ++id) {
    CHECK(bundle_.store || bundle_.slots[id].size() == SlotSize(*plan_, id));
    const Op& op = plan_->ops[id];
    for (const TensorId input : op.inputs) ++readers_[input];
    if (op.kind == OpKind::kTokenIs && !op.inputs.empty()) {
      indicators_[op.inputs[1]].push_back(id);
    }
  }
  // The output is one tensor, or a column of several.
  const TensorId result = plan_->ops.back().inputs[0];
  const Op& op = plan_->ops[result];
  const bool joined = op.kind == OpKind::kConcat && op.cols == 1;
  for (const TensorId tensor : joined ? op.inputs : std::vector<TensorId>{result}) {
    const std::size_t before = parts_.empty() ? 0 : parts_.back().end;
    parts_.push_back({tensor, before + plan_->ops[tensor].size()});
    ++readers_[tensor];
  }
  if (!until_end) return;
  for (std::size_t round = 0; round < rounds_.size(); ++round) {
    for (const TensorId id : between_[round]) {
      const auto end = std::ranges::lower_bound(plan_->ends, id);
      if (end == plan_->ends.end() || *end != id) continue;
      const auto step = static_cast<std::uint32_t>(end - plan_->ends.begin());
      ends_[round].push_back(step);
      asked_.insert(step);
      ++readers_[id];
    }
  }
}

std::size_t Evaluator::RoundSize(std::size_t round) const {
  std::size_t size = 0;
  for (const TensorId id : rounds_.at(round)) size += OpenedSize(id);
  return size + ends_[round].size();
}

std::span<const Fp> Evaluator::Slot(TensorId op) const {
  if (SlotSize(*plan_, op) == 0) return {};
  const std::span<const Fp> slot = bundle_.Slot(op);
  CHECK(slot.size() == SlotSize(*plan_, op));
  return slot;
}

std::size_t Evaluator::OpenedSize(TensorId id) const {
  return plan_->ops[plan_->ops[id].inputs[0]].size();
}

void Evaluator::Release(TensorId tensor) {
  if (--readers_[tensor] == 0) tensors_[tensor].reset();
}

void Evaluator::ComputeReady() {
  for (const TensorId id : between_[round_]) {
    const Op& op = plan_->ops[id];
    const bool is_token = op.kind == OpKind::kTokenIs;
    if (op.kind == OpKind::kOutput || (is_token && !op.inputs.empty())) {
      // TakeOutput's, and computed with its lookup.
      for (const TensorId input : op.inputs) Release(input);
      computed_[id] = true;
      continue;
    }
    if (op.kind == OpKind::kEmbed) {
      tensors_[id] = Embed(*plan_, op, Slot(id), masked_tokens_);
    } else if (is_token) {
      tensors_[id] = TokenIs(*plan_, op, Slot(0), masked_tokens_);
    } else {
      std::vector<const Tensor*> inputs;
      for (const TensorId input : op.inputs) inputs.push_back(&*tensors_[input]);
      tensors_[id] = Compute(*plan_, op, inputs, Slot(id));
      for (const TensorId input : op.inputs) Release(input);
      bundle_.slots[id] = std::vector<Fp>();  // `{}` would keep its memory.
    }
    computed_[id] = true;
    if (readers_[id] == 0) tensors_[id].reset();
  }
  bundle_.slots[0] = std::vector<Fp>();  // kTokenIs needs nothing else, so all of them are through.
}

// Whether a number that is looked up is a token follows from the lookup's mask and what it opened.
void Evaluator::ComputeIndicators(TensorId lookup, std::span<const Fp> opened) {
  const auto found = indicators_.find(lookup);
  if (found == indicators_.end()) return;
  const std::vector<std::uint64_t> parts = LowParts(plan_->ops[lookup], opened);
  const std::vector<std::uint32_t> low(parts.begin(), parts.end());
  for (const TensorId id : found->second) {
    if (readers_[id] == 0) continue;  // Asked by nobody.
    tensors_[id] = TokenIs(*plan_, plan_->ops[id], Slot(lookup), low);
  }
}

void Evaluator::TakeOutput() {
  const TensorId last = static_cast<TensorId>(plan_->ops.size() - 1);
  for (; next_part_ < parts_.size() && computed_[parts_[next_part_].tensor]; ++next_part_) {
    const Part& part = parts_[next_part_];
    const std::vector<Fp>& share = tensors_[part.tensor]->share;
    const Fp* const mask = Slot(last).data() + (part.end - share.size());
    const std::size_t before = partial_.size();
    partial_.resize(before + share.size());
    Add(share.data(), mask, Fp(), share.size(), partial_.data() + before);
    Release(part.tensor);
  }
  // A step is there only once it is known that none before it was the last.
  const std::uint32_t known =
      asked_.empty() ? steps_wanted_ : std::min(steps_wanted_, *asked_.begin() + 1);
  const std::size_t group = plan_->group();
  for (; partial_.size() >= group && steps_ < known; ++steps_) {
    const auto end = partial_.begin() + static_cast<std::ptrdiff_t>(group);
    output_.insert(output_.end(), partial_.begin(), end);
    partial_.erase(partial_.begin(), end);
  }
}

std::optional<std::vector<Fp>> Evaluator::Advance() {
  CHECK(!opening_);
  ComputeReady();
  TakeOutput();
  if (steps_ == steps_wanted_) return std::nullopt;
  CHECK(round_ < rounds_.size());
  opening_ = true;
  std::vector<Fp> shares(RoundSize(round_));
  Fp* next = shares.data();
  for (const TensorId id : rounds_[round_]) {
    const TensorId input = plan_->ops[id].inputs[0];
    const std::vector<Fp>& share = tensors_[input]->share;
    // kOpen: [r], then [L]; the others' masks come last.
    const Op& op = plan_->ops[id];
    const std::span<const Fp> slot = Slot(id);
    const std::size_t first = op.kind == OpKind::kOpen ? 0 : slot.size() - share.size();
    Add(share.data(), slot.data() + first, OpeningOffset(op), share.size(), next);
    next += share.size();
    Release(input);
  }
  for (const std::uint32_t step : ends_[round_]) {
    *next++ = tensors_[plan_->ends[step]]->share[0];
    Release(plan_->ends[step]);
  }
  return shares;
}

void Evaluator::Opened(std::span<const Fp> values) {
  CHECK(opening_ && values.size() == RoundSize(round_));
  opening_ = false;
  for (const TensorId id : rounds_[round_]) {
    const Op& op = plan_->ops[id];
    const std::size_t count = OpenedSize(id);
    if (op.kind == OpKind::kLookup) ComputeIndicators(id, values.first(count));
    tensors_[id] = FromOpened(*plan_, op, values.first(count), Slot(id), sets_);
    values = values.subspan(count);
    bundle_.slots[id] = std::vector<Fp>();
    computed_[id] = true;
    if (readers_[id] == 0) tensors_[id].reset();
  }
  for (std::size_t i = 0; i < values.size(); ++i) {
    const std::uint32_t step = ends_[round_][i];
    if (values[i] == Fp(1)) steps_wanted_ = std::min(steps_wanted_, step + 1);
    asked_.erase(step);
  }
  ++round_;
}

}  // namespace mpc
