// Every DAG of four validators up to six rounds, modulo symmetry, delivered with each of its last
// vertices and each of its coins last: what is committed is what the definition says (reference.h).
//
// Why this covers all orders of delivery. Say the implementation's state is right for a DAG without
// one of its maximal vertices v if it has committed there what the definition commits; the rest of
// its state is the DAG itself. Every order of delivery of D ends with some maximal vertex or coin;
// so if, for every D and every v (or coin), the step from D - v to D is right, then by induction
// over the number of vertices every order is.
//
// Symmetry. The rule looks at parents and at who leads a round, not at who wrote two vertices of
// different rounds. So the authors of each round may be renamed independently, as long as the
// leader stays the leader: the leader's vertex of an even round is marked, the others of a round
// (all of an odd round) are an unordered collection of parent sets. A parent set has 3 or 4 of the
// round before: five choices above a full round, one above a round of three. Of each class one DAG
// is visited, under names drawn by chance.
//
// Bound. The leaders that six rounds can decide stand in rounds 2 and 4. Their votes and paths lie
// in the parent sets of rounds 3, 4 and 5: those are enumerated, with partial last rounds. The
// parents of round 2 only widen histories, and round 6 only reveals a coin: both are drawn.
// With shares of two validators a coin is known; before, it may be: both are visited.
//
// The default tests visit one in kShare of the DAGs that reach round 5, and all smaller ones.
// WAXSEAL_EXHAUSTIVE=1 (the slow suite) visits all; WAXSEAL_EXHAUSTIVE=K/N the K-th of N slices of
// those that reach round 5, so that a long run may be cut, and told how far it is.

#include <algorithm>
#include <array>
#include <bit>
#include <cstdio>
#include <cstdlib>
#include <random>

#include <gtest/gtest.h>

#include "consensus/commit/sequencer.h"
#include "consensus/commit/tusk.h"
#include "proto/crypto/hash.h"
#include "tests/sim/consensus/reference.h"

namespace sim {
namespace {

using consensus::CertificatePtr;
using consensus::Reference;
using proto::PartyId;

constexpr std::uint16_t kParties = 4;
constexpr std::uint64_t kRounds = 6;
constexpr std::uint64_t kShare = 40;
const proto::Committee kFour(kParties);

using Mask = std::uint8_t;  // Of positions in a round. Position 0 of an even round is the leader's.
constexpr Mask kAbsent = 0;
constexpr Mask kRoot = 0xff;               // A vertex of round 1.
using Round = std::array<Mask, kParties>;  // Each position's parents.
using Shape = std::vector<Round>;

int Count(const Round& round) {
  return static_cast<int>(std::ranges::count_if(round, [](Mask mask) { return mask != kAbsent; }));
}

Mask Present(const Round& round) {
  Mask present = 0;
  for (std::size_t i = 0; i < kParties; ++i) present |= static_cast<Mask>((round[i] != 0) << i);
  return present;
}

// All rounds above `below`, one for each class, empty ones left out.
std::vector<Round> RoundsAbove(const Round& below, bool leader_round) {
  std::vector<Mask> choices = {kAbsent};
  for (Mask mask = 1; mask < 16; ++mask) {
    if (std::popcount(mask) >= 3 && (mask & ~Present(below)) == 0) choices.push_back(mask);
  }
  std::vector<Round> rounds;
  Round round{};
  const auto fill = [&](const auto& self, std::size_t position, std::size_t least) -> void {
    if (position == kParties) {
      if (Count(round) > 0) rounds.push_back(round);
      return;
    }
    const bool leads = leader_round && position == 0;
    for (std::size_t k = leads ? 0 : least; k < choices.size(); ++k) {
      round[position] = choices[k];
      self(self, position + 1, leads ? 0 : k);
    }
  };
  fill(fill, 0, 0);
  return rounds;
}

class DrawnLeaders : public consensus::Leaders {
 public:
  std::array<std::optional<PartyId>, kRounds + 1> known;
  std::optional<PartyId> Leader(std::uint64_t round) const override {
    return round <= kRounds ? known[round] : std::nullopt;
  }
};

// A shape under names: the real structures and the definition's.
class Case {
 public:
  Case(const Shape& shape, std::mt19937_64& random) {
    std::array<std::array<std::uint16_t, kParties>, kRounds + 1> names{};
    for (std::uint64_t round = 1; round <= shape.size(); ++round) {
      names[round] = {0, 1, 2, 3};
      std::ranges::shuffle(names[round], random);
      leaders_[round] = PartyId{names[round][0]};
      for (std::size_t i = 0; i < kParties; ++i) {
        const Mask mask = shape[round - 1][i];
        if (mask == kAbsent) continue;
        auto certificate = std::make_shared<consensus::Certificate>();
        consensus::Header& header = certificate->header;
        const Reference self = At(round, names[round][i]);
        header.round = round;
        header.author = self.author;
        header.digest = self.digest;
        for (std::size_t k = 0; round > 1 && k < kParties; ++k) {
          if (mask >> k & 1) header.parents.push_back(At(round - 1, names[round - 1][k]));
        }
        std::ranges::sort(header.parents);
        whole_.Add({self, header.parents, {}, {}});
        const bool named = round < shape.size() &&
                           std::ranges::any_of(shape[round], [&](Mask m) { return m >> i & 1; });
        if (!named) maximal_.push_back(vertices_.size());
        vertices_.push_back(std::move(certificate));
      }
    }
  }

  // Waves up to `coins` are known.
  std::vector<ReferenceCommit> Expected(std::uint64_t coins) const {
    return whole_.Order(
        [&](std::uint64_t round) {
          return round <= coins ? std::optional(leaders_[round]) : std::nullopt;
        },
        kGcDepth);
  }

  const std::vector<std::size_t>& maximal() const { return maximal_; }

  // All but `last`, then `last`; with the coins up to `before`, then up to `after`.
  std::vector<ReferenceCommit> Deliver(std::size_t last, std::uint64_t before,
                                       std::uint64_t after) const {
    consensus::Dag dag(kFour);
    consensus::Sequencer sequencer(std::make_unique<consensus::Tusk>(kFour), kGcDepth, 0, 0);
    DrawnLeaders leaders;
    std::vector<ReferenceCommit> commits;
    const auto advance = [&](std::uint64_t coins) {
      for (std::uint64_t round = 2; round <= coins; round += 2)
        leaders.known[round] = leaders_[round];
      for (const auto& ordered : sequencer.Advance(dag, leaders)) {
        auto& commit = commits.emplace_back();
        commit.leader = ordered.leader->header.reference();
        for (const auto& vertex : ordered.vertices) {
          commit.vertices.push_back(vertex->header.reference());
        }
      }
    };
    for (std::size_t i = 0; i < vertices_.size(); ++i) {
      if (i != last) dag.Insert(vertices_[i]);
    }
    advance(before);
    if (last < vertices_.size()) dag.Insert(vertices_[last]);
    advance(after);
    return commits;
  }
  std::size_t size() const { return vertices_.size(); }

 private:
  static constexpr std::uint32_t kGcDepth = 64;

  static const Reference& At(std::uint64_t round, std::uint16_t author) {
    static const auto references = [] {
      std::array<std::array<Reference, kParties>, kRounds + 1> all{};
      for (std::uint64_t r = 1; r <= kRounds; ++r) {
        for (std::uint16_t i = 0; i < kParties; ++i) {
          all[r][i] = {r, PartyId{i},
                       proto::Hasher("test/vertex").Add(r).Add(std::uint64_t{i}).Finish()};
        }
      }
      return all;
    }();
    return references[round][author];
  }

  std::vector<CertificatePtr> vertices_;  // Ascending by round.
  std::vector<std::size_t> maximal_;
  WholeDag whole_{kFour};
  std::array<PartyId, kRounds + 1> leaders_{};
};

bool Equal(const std::vector<ReferenceCommit>& a, const std::vector<ReferenceCommit>& b) {
  return std::ranges::equal(a, b, [](const auto& x, const auto& y) {
    return x.leader == y.leader && x.vertices == y.vertices;
  });
}

class Enumeration {
 public:
  // The DAGs whose number modulo `share` is `slice`, of those that reach round 5.
  Enumeration(std::uint64_t slice, std::uint64_t share) : slice_(slice % share), share_(share) {}

  void Run() {
    // Round 1 is full; round 2 is full, or lacks the leader, or another.
    const Round roots = {kRoot, kRoot, kRoot, kRoot};
    const Mask any = 0xf;  // Replaced by drawn parents.
    for (const Round& second : {Round{any, any, any, any}, Round{kAbsent, any, any, any},
                                Round{any, any, any, kAbsent}}) {
      Shape shape = {roots, second};
      Visit(shape);
      Extend(shape);
    }
  }

  std::uint64_t dags() const { return dags_; }
  std::uint64_t deliveries() const { return deliveries_; }
  std::uint64_t committing() const { return committing_; }

 private:
  void Extend(Shape& shape) {
    if (Count(shape.back()) < kFour.quorum() || ::testing::Test::HasFailure()) return;
    const std::uint64_t round = shape.size() + 1;
    for (const Round& next : RoundsAbove(shape.back(), consensus::IsLeaderRound(round))) {
      shape.push_back(next);
      if (round < 5 || ++reached_ % share_ == slice_) Visit(shape);
      if (round < 5) Extend(shape);
      shape.pop_back();
    }
  }

  void Visit(Shape shape) {
    ++dags_;
    const auto drawn = [&] { return static_cast<Mask>(0xf & ~(1 << random_() % 5)); };
    for (Mask& mask : shape[1]) {
      if (mask != kAbsent) mask = drawn();
    }
    // Which coins may be known: by two shares in round r + 2 they are; from a quorum of votes on
    // they may be.
    std::uint64_t least = 0;
    std::uint64_t most = 0;
    for (std::uint64_t wave = 2; wave <= 4; wave += 2) {
      if (shape.size() > wave && Count(shape[wave]) >= kFour.quorum()) most = wave;
      if (shape.size() > wave + 1 && Count(shape[wave + 1]) >= kFour.validity()) least = wave;
    }
    if (shape.size() == 5 && Count(shape[4]) >= kFour.quorum() && random_() % 2) {
      const Mask parents = Count(shape[4]) == 4 ? drawn() : Present(shape[4]);
      shape.push_back({parents, parents, kAbsent, random_() % 2 ? parents : kAbsent});
      least = 4;
    }
    const Case drawn_case(shape, random_);
    for (std::uint64_t coins = least; coins <= most; coins += 2) {
      const auto expected = drawn_case.Expected(coins);
      committing_ += !expected.empty();
      for (const std::size_t last : drawn_case.maximal())
        Check(drawn_case, expected, last, coins, coins);
      // The newest coin last.
      if (coins > least) Check(drawn_case, expected, drawn_case.size(), coins - 2, coins);
    }
  }

  void Check(const Case& drawn, const std::vector<ReferenceCommit>& expected, std::size_t last,
             std::uint64_t before, std::uint64_t after) {
    ++deliveries_;
    EXPECT_TRUE(Equal(drawn.Deliver(last, before, after), expected))
        << "DAG " << dags_ << ", last vertex " << last << ", coins " << before << ", " << after;
  }

  const std::uint64_t slice_;
  const std::uint64_t share_;
  std::uint64_t reached_ = 0;
  std::uint64_t dags_ = 0;
  std::uint64_t deliveries_ = 0;
  std::uint64_t committing_ = 0;
  std::mt19937_64 random_{1};
};

TEST(Exhaustive, FourValidatorsUpToSixRounds) {
  const char* const text = std::getenv("WAXSEAL_EXHAUSTIVE");
  std::uint64_t slice = 0;
  std::uint64_t share = kShare;
  if (text) {
    char* rest = nullptr;
    slice = std::strtoull(text, &rest, 10);
    share = *rest == '/' ? std::strtoull(rest + 1, nullptr, 10) : 1;
    ASSERT_TRUE(slice >= 1 && slice <= share) << "WAXSEAL_EXHAUSTIVE is 1, or K/N: " << text;
  }
  Enumeration enumeration(slice, share);
  enumeration.Run();
  std::printf("%llu DAGs, %llu of them commit, %llu deliveries\n",
              static_cast<unsigned long long>(enumeration.dags()),
              static_cast<unsigned long long>(enumeration.committing()),
              static_cast<unsigned long long>(enumeration.deliveries()));
  EXPECT_GE(enumeration.dags(), 50'000 * kShare / std::max(share, kShare));
  if (share == 1) {
    EXPECT_GE(enumeration.dags(), 1'000'000u);
  }
}

}  // namespace
}  // namespace sim
