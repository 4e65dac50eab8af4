#include "mpc/preprocessing/reductions.h"

#include <algorithm>
#include <array>
#include <utility>

#include "mpc/field/combine.h"
#include "mpc/opening/masked.h"
#include "proto/base/check.h"

namespace mpc {
namespace {

constexpr std::size_t kBlock = 512;

void Negate(std::span<Fp> shares) {
  for (Fp& share : shares) share = -share;
}

// shares[i] = factor * integers[i] + constant - shares[i].
void SubtractFrom(Fp factor, Fp constant, const UInt128* integers, std::span<Fp> shares) {
  std::array<Fp, kBlock> sums;
  const std::array<Fp, 2> coefficients{factor, Fp(-1)};
  for (std::size_t first = 0; first < shares.size(); first += kBlock) {
    const std::size_t count = std::min(kBlock, shares.size() - first);
    const std::array<const UInt128*, 2> vectors{integers + first, Integers(&shares[first])};
    std::fill_n(sums.begin(), count, constant);
    AddCombination(coefficients, vectors, count, sums.data());
    std::copy_n(sums.begin(), count, shares.begin() + static_cast<std::ptrdiff_t>(first));
  }
}

}  // namespace

SetIndex HoldersOf(const ReplicatedSets& sets, std::uint64_t attempt,
                   const std::vector<proto::PartyId>& excluded) {
  // The factor n + 1 is prime to C(n, t) for n up to 13: whoever is king meets every set.
  const std::uint64_t n = sets.committee().size();
  CHECK(excluded.size() <= sets.committee().max_faulty());
  auto set = static_cast<SetIndex>((attempt + 1 + attempt / n) % sets.count());
  const auto contains = [&](proto::PartyId party) { return sets.Contains(set, party); };
  while (std::ranges::any_of(excluded, contains)) {
    set = static_cast<SetIndex>((set + 1) % sets.count());
  }
  return set;
}

Reductions::Reductions(const ReplicatedSets& sets, ReplicatedKeys keys,
                       std::optional<ReplicatedKeys> mask_keys, const Plan& plan,
                       std::uint64_t epoch, std::uint64_t attempt, SetIndex holders,
                       const Segment& segment)
    : plan_(plan),
      epoch_(epoch),
      attempt_(attempt),
      segment_(segment),
      layers_(plan, sets.count(), segment),
      keys_(std::move(keys)),
      mask_keys_(std::move(mask_keys)),
      prss_(sets, keys_),
      holders_(holders),
      holder_(sets.Contains(holders, prss_.party())),
      factor_(sets.Factor(holders, prss_.party())) {
  CHECK(segment.masks.has_value() == mask_keys_.has_value());
  if (mask_keys_) mask_prss_.emplace(sets, *mask_keys_);
}

void Reductions::Hide(ReductionId id, std::span<Fp> values, std::vector<Fp>* dropped) const {
  switch (layers_.reduction(id).masking) {
    case Masking::kPublic:
      return prss_.AddZero(LabelOf(id, Purpose::kBitZero), values);
    case Masking::kUniform:
      if (dropped == nullptr) {
        prss_.AddRandom(LabelOf(id, Purpose::kProduct), values);
        break;
      }
      *dropped = prss_.Random(LabelOf(id, Purpose::kProduct), values.size());
      for (std::size_t i = 0; i < values.size(); ++i) values[i] += (*dropped)[i];
      break;
    case Masking::kBounded: {
      const Label label = LabelOf(id, Purpose::kProduct);
      const Fp offset = Fp::FromSigned(kOpenOffset);
      for (Fp& value : values) value += offset;
      if (dropped == nullptr) {
        prss_.AddBounded(label, {{0, values}});
        break;
      }
      dropped->assign(values.size(), Fp());
      prss_.AddBounded(label, {{0, values}, {layers_.reduction(id).drop, *dropped}});
      break;
    }
  }
  prss_.AddZero(LabelOf(id, Purpose::kProductZero), values);
}

std::span<const Fp> Reductions::Opened(ReductionId id, const OpenedLayers& opened) const {
  const Reduction& reduction = layers_.reduction(id);
  CHECK(reduction.layer < opened.size());
  const std::vector<Fp>& layer = opened[reduction.layer];
  CHECK(layer.size() == layers_.size(reduction.layer));
  return std::span(layer).subspan(reduction.first, reduction.claims);
}

std::vector<Fp> Reductions::Claimed(ReductionId id, const OpenedLayers& opened,
                                    std::vector<Fp> mask) const {
  const Reduction& reduction = layers_.reduction(id);
  const Label label = LabelOf(id, Purpose::kProduct);
  std::vector<Fp> shares = std::move(mask);  // Of r, then of c - offset - r.
  const bool known = !shares.empty();
  shares.resize(reduction.claims);
  Fp offset;
  switch (reduction.masking) {
    case Masking::kPublic: {
      const std::span<const Fp> c = Opened(id, opened);
      return {c.begin(), c.end()};
    }
    case Masking::kUniform:
      if (!known) prss_.AddRandom(label, shares);
      break;
    case Masking::kBounded:
      CHECK(!known);
      prss_.AddBounded(label, {{0, shares}});
      offset = Fp::FromSigned(kOpenOffset);
      break;
  }
  if (!holder_) {
    Negate(shares);
    return shares;
  }
  SubtractFrom(factor_, -factor_ * offset, Integers(Opened(id, opened).data()), shares);
  return shares;
}

std::vector<Fp> Reductions::Result(ReductionId id, const OpenedLayers& opened,
                                   std::vector<Fp> dropped) const {
  const Reduction& reduction = layers_.reduction(id);
  if (reduction.masking != Masking::kBounded) return Claimed(id, opened, std::move(dropped));
  std::vector<Fp> shares = std::move(dropped);
  if (shares.empty()) {
    shares.resize(reduction.claims);
    prss_.AddBounded(LabelOf(id, Purpose::kProduct), {{reduction.drop, shares}});
  }
  if (!holder_) {
    Negate(shares);
    return shares;
  }
  const std::span<const Fp> c = Opened(id, opened);
  const PublicPartOf public_part(reduction.drop, prss_.sets().count());
  std::array<UInt128, kBlock> shifted;
  for (std::size_t first = 0; first < c.size(); first += kBlock) {
    const std::size_t count = std::min(kBlock, c.size() - first);
    for (std::size_t i = 0; i < count; ++i) shifted[i] = public_part.Shifted(c[first + i]);
    SubtractFrom(factor_, -factor_ * public_part.low(), shifted.data(),
                 std::span(shares).subspan(first, count));
  }
  return shares;
}

}  // namespace mpc
