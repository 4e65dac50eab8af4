#include "mpc/sharing/zero_sets.h"

#include <array>
#include <bit>
#include <utility>

#include "mpc/field/fp.h"
#include "mpc/sharing/replicated.h"
#include "proto/base/check.h"

namespace mpc {
namespace {

using proto::PartyId;

// All subsets of `within` with `size` elements, ascending.
std::vector<PartySet> Subsets(PartySet within, std::size_t size) {
  std::vector<PartySet> subsets;
  for (PartySet set = 0;; set = (set - within) & within) {
    if (static_cast<std::size_t>(std::popcount(set)) == size) subsets.push_back(set);
    if (set == within) return subsets;
  }
}

// What is spanned for one set T: rows in echelon form of the values at the first t points outside.
class Span {
 public:
  Span(PartySet outside, std::size_t size, std::size_t dimension)
      : size_(size), dimension_(dimension) {
    for (std::size_t i = 0; points_.size() < dimension; ++i) {
      if ((outside >> i & 1) != 0) points_.push_back(static_cast<PartyId>(i));
    }
  }

  bool full() const { return rows_.size() == dimension_; }
  bool Lacks(PartySet zero_set) const { return Lead(Reduced(zero_set)) < dimension_; }
  void Add(PartySet zero_set) {
    std::vector<Fp> row = Reduced(zero_set);
    if (Lead(row) < dimension_) rows_.push_back(std::move(row));
  }

 private:
  std::size_t Lead(const std::vector<Fp>& row) const {
    std::size_t lead = 0;
    while (lead < dimension_ && row[lead] == Fp()) ++lead;
    return lead;
  }
  std::vector<Fp> Reduced(PartySet zero_set) const {
    std::vector<Fp> row;
    for (const PartyId point : points_) row.push_back(Fp(ZeroFactor(zero_set, size_, point)));
    for (const std::vector<Fp>& other : rows_) {
      const std::size_t lead = Lead(other);
      const Fp factor = row[lead];
      for (std::size_t i = 0; i < dimension_; ++i)
        row[i] = row[i] * other[lead] - factor * other[i];
    }
    return row;
  }

  std::size_t size_;
  std::size_t dimension_;
  std::vector<PartyId> points_;
  std::vector<std::vector<Fp>> rows_;
};

// For one T after another, until its span is full, the set that adds to most spans.
std::vector<PartySet> FindZeroSets(std::size_t n) {
  const std::size_t t = proto::Committee(static_cast<std::uint16_t>(n)).max_faulty();
  if (t == 0) return {};  // Of degree 0: the constant.
  const PartySet all = (PartySet{1} << n) - 1;
  std::vector<Span> spans(std::size_t{all} + 1, Span(0, n, 0));  // By T.
  const std::vector<PartySet> adversaries = Subsets(all, t);
  for (const PartySet adversary : adversaries) spans[adversary] = Span(all & ~adversary, n, t);
  std::vector<PartySet> found;
  for (const PartySet adversary : adversaries) {
    const std::vector<PartySet> candidates = Subsets(all & ~adversary, n - 2 * t + 1);
    while (!spans[adversary].full()) {
      PartySet best = 0;
      std::size_t most = 0;
      for (const PartySet candidate : candidates) {
        if (!spans[adversary].Lacks(candidate)) continue;
        std::size_t gain = 0;
        for (const PartySet other : Subsets(all & ~candidate, t)) {
          gain += !spans[other].full() && spans[other].Lacks(candidate) ? 1 : 0;
        }
        if (gain > most) best = candidate, most = gain;
      }
      CHECK(most > 0);
      found.push_back(best);
      for (const PartySet other : Subsets(all & ~best, t)) spans[other].Add(best);
    }
  }
  return found;
}

template <std::size_t kParties>
const std::vector<PartySet>& Found() {
  static const std::vector<PartySet> found = FindZeroSets(kParties);
  return found;
}

template <std::size_t... kParties>
const std::vector<PartySet>& FoundOf(std::size_t n, std::index_sequence<kParties...>) {
  using Function = const std::vector<PartySet>& (*)();
  static constexpr std::array<Function, sizeof...(kParties)> kFound{Found<kParties + 1>...};
  return kFound[n - 1]();
}

}  // namespace

const std::vector<PartySet>& ZeroSets(const proto::Committee& committee) {
  CHECK(committee.size() >= 1 && committee.size() <= kReplicatedPartiesMax);
  return FoundOf(committee.size(), std::make_index_sequence<kReplicatedPartiesMax>());
}

std::int64_t ZeroFactor(PartySet zero_set, std::size_t committee_size, PartyId party) {
  const auto point = static_cast<std::int64_t>(Index(party)) + 1;
  std::int64_t factor = point;
  for (std::size_t j = 0; j < committee_size; ++j) {
    if ((zero_set >> j & 1) == 0) factor *= point - (static_cast<std::int64_t>(j) + 1);
  }
  return factor;
}

}  // namespace mpc
