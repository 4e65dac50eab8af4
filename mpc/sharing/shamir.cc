#include "mpc/sharing/shamir.h"

#include <algorithm>
#include <array>
#include <optional>
#include <utility>

#include "mpc/field/combine.h"
#include "proto/base/check.h"

namespace mpc {

using proto::PartyId;

namespace {

// Positions looked at together as long as all shares agree.
constexpr std::size_t kBlock = 256;

}  // namespace

std::vector<Fp> LagrangeCoefficients(std::span<const Fp> points, Fp at) {
  std::vector<Fp> coefficients(points.size(), Fp(1));  // First without their denominators.
  std::vector<Fp> denominators(points.size(), Fp(1));
  std::vector<Fp> before;  // Products of the denominators before each, and of all.
  before.push_back(Fp(1));
  for (std::size_t k = 0; k < points.size(); ++k) {
    for (std::size_t j = 0; j < points.size(); ++j) {
      if (j == k) continue;
      coefficients[k] *= at - points[j];
      denominators[k] *= points[k] - points[j];
    }
    before.push_back(before.back() * denominators[k]);
  }
  CHECK(before.back() != Fp());
  Fp inverse = before.back().Inverse();  // One for all of them.
  for (std::size_t k = points.size(); k-- > 0;) {
    coefficients[k] *= inverse * before[k];
    inverse *= denominators[k];
  }
  return coefficients;
}

// t + 1 parties whose shares determine the polynomial, and how to evaluate it at the points wanted
// and at the other parties'.
struct RobustDecoder::Basis {
  struct Value {
    std::optional<PartyId> party;  // Whose share it is, if it is here; else
    std::vector<Fp> coefficients;
  };
  std::vector<PartyId> parties;
  std::vector<Value> values;
  std::vector<PartyId> others;
  std::vector<std::vector<Fp>> at_others;
};

RobustDecoder::RobustDecoder(const proto::Committee& committee, std::size_t size,
                             std::vector<Fp> points)
    : committee_(committee),
      size_(size),
      points_(std::move(points)),
      shares_(committee.size()),
      values_(points_.size() * size) {}

bool RobustDecoder::Add(PartyId party, std::vector<Fp> shares) {
  CHECK(Index(party) < committee_.size() && shares.size() == size_);
  if (std::find(received_.begin(), received_.end(), party) != received_.end()) return false;
  received_.push_back(party);
  shares_[Index(party)] = std::move(shares);
  CheckDecoded(party);
  if (!decoded_ && received_.size() >= Agreement(committee_)) Decode();
  // The right shares of t + 1 parties are all that later ones are checked against.
  for (std::size_t k = committee_.validity(); decoded_ && k < received_.size(); ++k) {
    shares_[Index(received_[k])] = std::vector<Fp>();
  }
  return true;
}

const std::vector<Fp>& RobustDecoder::values() const {
  CHECK(decoded_);
  return values_;
}

bool RobustDecoder::IsWrong(PartyId party) const {
  return std::binary_search(wrong_.begin(), wrong_.end(), party);
}

RobustDecoder::Basis RobustDecoder::MakeBasis(std::span<const PartyId> parties) const {
  Basis basis;
  basis.parties.assign(parties.begin(), parties.end());
  std::vector<Fp> points;
  for (const PartyId party : parties) points.push_back(Point(party));
  for (const Fp at : points_) {
    const auto here = std::ranges::find(received_, at, Point);
    if (here != received_.end()) {
      basis.values.push_back({*here, {}});
    } else {
      basis.values.push_back({std::nullopt, LagrangeCoefficients(points, at)});
    }
  }
  for (const PartyId party : received_) {
    if (std::find(parties.begin(), parties.end(), party) != parties.end()) continue;
    basis.others.push_back(party);
    basis.at_others.push_back(LagrangeCoefficients(points, Point(party)));
  }
  return basis;
}

void RobustDecoder::Evaluate(const Basis& basis, const std::vector<Fp>& coefficients,
                             std::size_t first, std::span<Fp> out) const {
  std::vector<const Fp*> shares;
  for (const PartyId party : basis.parties) shares.push_back(shares_[Index(party)].data() + first);
  Combine(coefficients, shares, out.size(), out.data());
}

Fp RobustDecoder::Evaluate(const Basis& basis, const std::vector<Fp>& coefficients,
                           std::size_t position) const {
  Fp sum;
  for (std::size_t k = 0; k < basis.parties.size(); ++k) {
    sum += coefficients[k] * shares_[Index(basis.parties[k])][position];
  }
  return sum;
}

void RobustDecoder::Correct(PartyId party, std::size_t position, Fp right) {
  Fp& share = shares_[Index(party)][position];
  if (share == right) return;
  share = right;
  const auto at = std::lower_bound(wrong_.begin(), wrong_.end(), party);
  if (at == wrong_.end() || *at != party) wrong_.insert(at, party);
}

void RobustDecoder::TakeValues(const Basis& basis, std::size_t first, std::size_t count) {
  std::span<Fp> out = values_;
  for (const auto& [party, coefficients] : basis.values) {
    if (party) {
      std::copy_n(shares_[Index(*party)].data() + first, count, out.data() + first);
    } else if (count == 1) {
      out[first] = Evaluate(basis, coefficients, first);
    } else {
      Evaluate(basis, coefficients, first, out.subspan(first, count));
    }
    out = out.subspan(size_);
  }
}

bool RobustDecoder::Accept(const Basis& basis, std::size_t position) {
  std::size_t agreeing = basis.parties.size();
  for (std::size_t k = 0; k < basis.others.size(); ++k) {
    const Fp right = Evaluate(basis, basis.at_others[k], position);
    agreeing += shares_[Index(basis.others[k])][position] == right ? 1 : 0;
  }
  if (agreeing < Agreement(committee_)) return false;
  for (std::size_t k = 0; agreeing < received_.size() && k < basis.others.size(); ++k) {
    Correct(basis.others[k], position, Evaluate(basis, basis.at_others[k], position));
  }
  TakeValues(basis, position, 1);
  return true;
}

bool RobustDecoder::AcceptBlock(const Basis& basis, std::size_t first, std::size_t count) {
  const auto begin = static_cast<std::ptrdiff_t>(first);
  std::size_t agreeing = basis.parties.size();
  std::vector<std::pair<PartyId, std::vector<Fp>>> corrections;
  std::array<Fp, kBlock> block;
  const std::span right = std::span(block).first(count);
  for (std::size_t k = 0; k < basis.others.size(); ++k) {
    const PartyId party = basis.others[k];
    Evaluate(basis, basis.at_others[k], first, right);
    if (std::equal(right.begin(), right.end(), shares_[Index(party)].begin() + begin)) {
      ++agreeing;
    } else if (IsWrong(party)) {
      corrections.emplace_back(party, std::vector<Fp>(right.begin(), right.end()));
    } else {
      return false;
    }
  }
  if (agreeing < Agreement(committee_)) return false;
  for (const auto& [party, corrected] : corrections) {
    std::ranges::copy(corrected, shares_[Index(party)].begin() + begin);
  }
  TakeValues(basis, first, count);
  return true;
}

bool RobustDecoder::Search(std::size_t position) {
  // Lexicographic in the order: choices without the parties found wrong come first.
  const std::vector<PartyId> order = received_;
  std::vector<bool> chosen(order.size());
  std::fill_n(chosen.begin(), committee_.validity(), true);
  do {
    std::vector<PartyId> parties;
    for (std::size_t i = 0; i < order.size(); ++i) {
      if (chosen[i]) parties.push_back(order[i]);
    }
    if (Accept(MakeBasis(parties), position)) return true;
  } while (std::prev_permutation(chosen.begin(), chosen.end()));
  return false;
}

void RobustDecoder::CheckDecoded(PartyId party) {
  if (next_ == 0) return;
  const Basis basis = MakeBasis(std::span(received_).first(committee_.validity()));
  const auto at = std::find(basis.others.begin(), basis.others.end(), party);
  CHECK(at != basis.others.end());
  const std::vector<Fp>& coefficients =
      basis.at_others[static_cast<std::size_t>(at - basis.others.begin())];
  for (std::size_t first = 0; first < next_; first += kBlock) {
    std::array<Fp, kBlock> block;
    const std::span right = std::span(block).first(std::min(kBlock, next_ - first));
    Evaluate(basis, coefficients, first, right);
    const Fp* const share = shares_[Index(party)].data() + first;
    if (std::equal(right.begin(), right.end(), share)) continue;
    for (std::size_t i = 0; i < right.size(); ++i) Correct(party, first + i, right[i]);
  }
}

void RobustDecoder::Arrange() {
  std::ranges::sort(received_);
  const auto wrong = std::stable_partition(received_.begin(), received_.end(),
                                           [this](PartyId party) { return !IsWrong(party); });
  const auto reach = static_cast<std::ptrdiff_t>(committee_.max_faulty());
  auto best = received_.begin();
  for (auto next = best; next + reach < wrong; ++next) {
    if (Index(next[reach]) - Index(*next) < Index(best[reach]) - Index(*best)) best = next;
  }
  std::rotate(received_.begin(), best, best + reach + 1);
}

void RobustDecoder::Decode() {
  while (next_ < size_) {
    Arrange();
    const Basis basis = MakeBasis(std::span(received_).first(committee_.validity()));
    for (std::size_t end = next_; next_ < size_;) {
      const std::size_t count = std::min(kBlock, size_ - next_);
      if (next_ >= end && AcceptBlock(basis, next_, count)) {
        next_ += count;
        continue;
      }
      end = std::max(end, next_ + count);  // Up to here one by one.
      if (!Accept(basis, next_)) break;
      ++next_;
    }
    if (next_ == size_) break;
    // Either the basis holds a wrong share, which the search finds, or too few have come.
    if (!Search(next_)) return;
    ++next_;
  }
  decoded_ = true;
}

}  // namespace mpc
