#include "mpc/online/evaluator.h"

#include <algorithm>
#include <utility>

#include "mpc/online/operations.h"
#include "mpc/plan/schedule.h"
#include "proto/base/check.h"

namespace mpc {

Evaluator::Evaluator(std::shared_ptr<const Plan> plan, Bundle bundle,
                     std::vector<std::uint32_t> masked_tokens, std::size_t sets)
    : plan_(std::move(plan)),
      bundle_(std::move(bundle)),
      masked_tokens_(std::move(masked_tokens)),
      sets_(sets),
      rounds_(OpeningRounds(*plan_)),
      between_(OperationsBetween(*plan_)),
      tensors_(plan_->ops.size()),
      computed_(plan_->ops.size()),
      readers_(plan_->ops.size()) {
  CHECK(masked_tokens_.size() == plan_->tokens);
  for (const std::uint32_t token : masked_tokens_) CHECK(token < plan_->vocabulary_padded());
  CHECK(bundle_.slots.size() == plan_->ops.size());
  for (TensorId id = 0; id < plan_->ops.size(); ++id) {
    CHECK(bundle_.store || bundle_.slots[id].size() == SlotSize(*plan_, id));
    for (const TensorId input : plan_->ops[id].inputs) ++readers_[input];
  }
  ++readers_.back();  // output()
}

std::size_t Evaluator::RoundSize(std::size_t round) const {
  std::size_t size = 0;
  for (const TensorId id : rounds_.at(round)) size += OpenedSize(id);
  return size;
}

void Evaluator::Load(TensorId op) {
  std::vector<Fp>& slot = bundle_.slots[op];
  const std::size_t size = SlotSize(*plan_, op);
  if (slot.empty() && size > 0 && bundle_.store) slot = bundle_.store->Load(op);
  CHECK(slot.size() == size);
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
    Load(op.kind == OpKind::kTokenIs ? 0 : id);
    if (op.kind == OpKind::kEmbed) {
      tensors_[id] = Embed(*plan_, op, bundle_.slots[id], masked_tokens_);
    } else if (op.kind == OpKind::kTokenIs) {
      tensors_[id] = TokenIs(*plan_, op, bundle_.slots[0], masked_tokens_);
    } else {
      std::vector<const Tensor*> inputs;
      for (const TensorId input : op.inputs) inputs.push_back(&*tensors_[input]);
      tensors_[id] = Compute(*plan_, op, inputs, bundle_.slots[id]);
      for (const TensorId input : op.inputs) Release(input);
      bundle_.slots[id] = std::vector<Fp>();  // `{}` would keep its memory.
    }
    computed_[id] = true;
    if (readers_[id] == 0) tensors_[id].reset();
  }
  bundle_.slots[0] = std::vector<Fp>();  // kTokenIs needs nothing else, so all of them are through.
}

std::optional<std::vector<Fp>> Evaluator::Advance() {
  CHECK(!opening_);
  ComputeReady();
  if (round_ == rounds_.size()) {
    CHECK(computed_.back());
    return std::nullopt;
  }
  opening_ = true;
  std::vector<Fp> shares(RoundSize(round_));
  auto next = shares.begin();
  for (const TensorId id : rounds_[round_]) {
    Load(id);
    const TensorId input = plan_->ops[id].inputs[0];
    const std::vector<Fp>& share = tensors_[input]->share;
    // kOpen: [r], then [L]; the others' masks come last.
    const Op& op = plan_->ops[id];
    const std::vector<Fp>& slot = bundle_.slots[id];
    const std::size_t first = op.kind == OpKind::kOpen ? 0 : slot.size() - share.size();
    const Fp offset = OpeningOffset(op);
    for (std::size_t i = 0; i < share.size(); ++i) {
      *next++ = share[i] + slot[first + i] + offset;
    }
    Release(input);
  }
  return shares;
}

void Evaluator::Opened(std::span<const Fp> values) {
  CHECK(opening_ && values.size() == RoundSize(round_));
  opening_ = false;
  for (const TensorId id : rounds_[round_]) {
    const Op& op = plan_->ops[id];
    const std::size_t count = OpenedSize(id);
    tensors_[id] = FromOpened(*plan_, op, values.first(count), bundle_.slots[id], sets_);
    values = values.subspan(count);
    bundle_.slots[id] = std::vector<Fp>();
    computed_[id] = true;
    if (readers_[id] == 0) tensors_[id].reset();
  }
  ++round_;
}

const std::vector<Fp>& Evaluator::output() const {
  CHECK(computed_.back());
  return tensors_.back()->share;
}

}  // namespace mpc
