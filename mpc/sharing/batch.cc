#include "mpc/sharing/batch.h"

#include <algorithm>

#include "mpc/field/combine.h"
#include "proto/base/check.h"

namespace mpc {

using proto::PartyId;

namespace {

// Of the first t + 1 members, where a group's values lie.
std::vector<Fp> ValuePoints(const proto::Committee& committee) {
  std::vector<Fp> points;
  for (std::uint16_t k = 0; k < committee.validity(); ++k) points.push_back(Point(PartyId{k}));
  return points;
}

std::size_t Groups(const proto::Committee& committee, std::size_t size) {
  return (size + committee.validity() - 1) / committee.validity();
}

}  // namespace

Batch::Batch(const proto::Committee& committee, std::size_t size)
    : committee_(committee), size_(size), groups_(Groups(committee, size)) {}

std::vector<Fp> Batch::For(PartyId member, std::span<const Fp> values) const {
  CHECK(values.size() == size_);
  std::vector<Fp> y(groups_);
  const auto run = [&](std::size_t k) {
    const std::size_t begin = std::min(k * groups_, size_);
    return values.subspan(begin, std::min(groups_, size_ - begin));
  };
  if (Index(member) < committee_.validity()) {
    std::ranges::copy(run(Index(member)), y.begin());
    return y;
  }
  const std::vector<Fp> coefficients = LagrangeCoefficients(ValuePoints(committee_), Point(member));
  const std::size_t whole = size_ / std::max<std::size_t>(groups_, 1);  // Runs that are not short.
  std::vector<const Fp*> runs;
  for (std::size_t k = 0; k < whole; ++k) runs.push_back(run(k).data());
  Combine(std::span(coefficients).first(whole), runs, groups_, y.data());
  if (whole == coefficients.size()) return y;
  const UInt128* const last = Integers(run(whole).data());
  AddCombination({&coefficients[whole], 1}, {&last, 1}, run(whole).size(), y.data());
  return y;
}

RobustDecoder Batch::ValuesDecoder() const {
  return RobustDecoder(committee_, groups_, ValuePoints(committee_));
}

bool OpensInBatches(const proto::Committee& committee, std::size_t size, std::uint64_t saving_min) {
  const std::uint64_t in_batches = 2 * std::uint64_t{Groups(committee, size)};
  const std::uint64_t others = committee.size() - 1u;
  return size > in_batches && (size - in_batches) * others * Fp::kBytes >= saving_min;
}

OpeningCost CostOfOpening(const proto::Committee& committee, std::size_t size,
                          std::uint64_t saving_min) {
  if (!OpensInBatches(committee, size, saving_min)) return {size, 1};
  return {2 * std::uint64_t{Groups(committee, size)}, 2};
}

}  // namespace mpc
