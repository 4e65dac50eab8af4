#include "mpc/preprocessing/reductions.h"

#include <utility>

#include "mpc/opening/masked.h"
#include "proto/base/check.h"

namespace mpc {
namespace {

void AddTo(std::span<Fp> sum, std::span<const Fp> values) {
  for (std::size_t i = 0; i < sum.size(); ++i) sum[i] += values[i];
}

}  // namespace

Reductions::Reductions(const ReplicatedSets& sets, ReplicatedKeys keys,
                       std::optional<ReplicatedKeys> mask_keys, const Plan& plan,
                       std::uint64_t epoch, std::uint64_t attempt, const Segment& segment)
    : plan_(plan),
      epoch_(epoch),
      attempt_(attempt),
      segment_(segment),
      layers_(plan, sets.count(), segment),
      keys_(std::move(keys)),
      mask_keys_(std::move(mask_keys)),
      prss_(sets, keys_) {
  CHECK(segment.masks.has_value() == mask_keys_.has_value());
  if (mask_keys_) mask_prss_.emplace(sets, *mask_keys_);
}

void Reductions::Hide(ReductionId id, std::span<Fp> values, std::vector<Fp>* dropped) const {
  const std::size_t count = values.size();
  switch (layers_.reduction(id).masking) {
    case Masking::kPublic:
      return AddTo(values, prss_.Zero(LabelOf(id, Purpose::kBitZero), count));
    case Masking::kUniform:
      AddTo(values, prss_.Random(LabelOf(id, Purpose::kProduct), count));
      break;
    case Masking::kBounded: {
      const Label label = LabelOf(id, Purpose::kProduct);
      auto shares = dropped != nullptr
                        ? prss_.BoundedShares(label, count, {0, layers_.reduction(id).drop})
                        : prss_.BoundedShares(label, count, {0});
      AddTo(values, shares[0]);
      for (Fp& value : values) value += Fp::FromSigned(kOpenOffset);
      if (dropped != nullptr) *dropped = std::move(shares[1]);
      break;
    }
  }
  AddTo(values, prss_.Zero(LabelOf(id, Purpose::kProductZero), count));
}

std::span<const Fp> Reductions::Opened(ReductionId id, const OpenedLayers& opened) const {
  const Reduction& reduction = layers_.reduction(id);
  CHECK(reduction.layer < opened.size());
  const std::vector<Fp>& layer = opened[reduction.layer];
  CHECK(layer.size() == layers_.size(reduction.layer));
  return std::span(layer).subspan(reduction.first, reduction.claims);
}

std::vector<Fp> Reductions::Claimed(ReductionId id, const OpenedLayers& opened) const {
  const std::span<const Fp> c = Opened(id, opened);
  std::vector<Fp> shares;  // Of r, then of c - offset - r.
  Fp offset;
  switch (layers_.reduction(id).masking) {
    case Masking::kPublic:
      return {c.begin(), c.end()};
    case Masking::kUniform:
      shares = prss_.Random(LabelOf(id, Purpose::kProduct), c.size());
      break;
    case Masking::kBounded:
      shares =
          std::move(prss_.BoundedShares(LabelOf(id, Purpose::kProduct), c.size(), {0}).front());
      offset = Fp::FromSigned(kOpenOffset);
      break;
  }
  for (std::size_t i = 0; i < c.size(); ++i) shares[i] = c[i] - offset - shares[i];
  return shares;
}

std::vector<Fp> Reductions::Result(ReductionId id, const OpenedLayers& opened,
                                   std::vector<Fp> dropped) const {
  const Reduction& reduction = layers_.reduction(id);
  if (reduction.masking != Masking::kBounded) return Claimed(id, opened);
  const std::span<const Fp> c = Opened(id, opened);
  std::vector<Fp> shares = std::move(dropped);
  if (shares.empty()) {
    const Label label = LabelOf(id, Purpose::kProduct);
    shares = std::move(prss_.BoundedShares(label, c.size(), {reduction.drop}).front());
  }
  const PublicPartOf public_part(reduction.drop, prss_.sets().count());
  for (std::size_t i = 0; i < c.size(); ++i) shares[i] = public_part(c[i]) - shares[i];
  return shares;
}

}  // namespace mpc
