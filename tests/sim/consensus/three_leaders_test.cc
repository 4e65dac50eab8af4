// Every decision that DAGs of four validators up to eight rounds can ask for: three leaders, of
// rounds 2, 4 and 6, so that walks back pass over absent, unreached and unsupported ones.
//
// Decisions see votes for leaders and paths between them. So DAGs are merged when they agree in
// what the rule can see so far and in what the vertices of the newest round reach: whatever is put
// on them then is seen alike (`KeyOf`). Of each class one DAG is built round by round, by all
// rounds that can be put on one of each class below. Histories, which these classes do not keep,
// are the six rounds' of exhaustive_test.cc; it also argues why the steps that are visited cover
// all orders.

#include <cstdio>
#include <cstdlib>
#include <map>
#include <random>
#include <string>

#include <gtest/gtest.h>

#include "tests/sim/consensus/small_dags.h"
#include "tests/sim/consensus/small_views.h"

namespace sim {
namespace {

using small::kParties;
using small::kRoundsMax;
using small::Mask;
using small::Round;
using small::SmallDag;

constexpr unsigned kWaves = 3;

bool IsLeaderRound(std::size_t round) {
  return consensus::IsLeaderRound(round);
}

// Which leaders below it a vertex reaches: bit 0 for round 2's, 1 for 4's, 2 for 6's.
unsigned Reached(const SmallDag& dag, std::size_t round, std::size_t i) {
  const std::uint32_t reach = small::Reach(dag, round, static_cast<Mask>(1 << i));
  unsigned leaders = 0;
  for (std::size_t r = 2; r < round && r <= 2 * kWaves; r += 2) {
    leaders |= (reach >> 4 * (r - 1) & 1) << (r / 2 - 1);
  }
  return leaders;
}

// What of a vertex the rule may ever ask, as one character.
char Kind(const SmallDag& dag, std::size_t round, std::size_t i) {
  if (!dag[round - 1][i].present) return '-';
  const unsigned reached = Reached(dag, round, i);
  const bool leads = IsLeaderRound(round) && i == 0 && round <= 2 * kWaves;
  if (round == kRoundsMax) return '0';
  if (round == 7) return static_cast<char>('0' + (reached & 4));  // A vote for round 6's or not.
  return static_cast<char>('0' + (round == 6 && !leads ? 0 : reached));
}

std::string KeyOf(const SmallDag& dag) {
  const std::size_t height = small::Height(dag);
  std::string key;
  for (std::size_t r = 2; r <= height; ++r) {
    std::string kinds;
    for (std::size_t i = 0; i < kParties; ++i) kinds += Kind(dag, r, i);
    std::sort(kinds.begin() + IsLeaderRound(r), kinds.end());
    if (r == height) {
      key += r == kRoundsMax ? "+" : kinds;
    } else if (IsLeaderRound(r)) {
      key += kinds[0];
    } else {
      // Votes for the leader before, and whether one of them may be the last vertex to come.
      Mask named = 0;
      for (const small::Node& node : dag[r]) named |= node.parents;
      int votes = 0;
      bool may_be_last = false;
      for (std::size_t i = 0; i < kParties; ++i) {
        if (!dag[r - 1][i].present || !(dag[r - 1][i].parents & 1) || !dag[r - 2][0].present)
          continue;
        ++votes;
        may_be_last |= !(named >> i & 1);
      }
      key += std::to_string(votes) + (may_be_last ? "l" : "");
    }
    key += '/';
  }
  return key;
}

using Classes = std::map<std::string, SmallDag>;

// All rounds that can be put on `dag`, not empty, up to the order of those who do not lead.
template <class Visit>
void ForEachRoundAbove(SmallDag dag, std::size_t round, Visit visit) {
  std::vector<small::Node> choices = {{}};
  for (const Mask parents : small::ParentSets(dag[round - 2]))
    choices.push_back({true, parents, 0});
  const auto fill = [&](const auto& self, std::size_t i, std::size_t least) -> void {
    if (i == kParties) {
      if (small::Count(dag[round - 1]) > 0) visit(dag);
      return;
    }
    const bool leads = IsLeaderRound(round) && i == 0;
    for (std::size_t k = leads ? 0 : least; k < choices.size(); ++k) {
      dag[round - 1][i] = choices[k];
      self(self, i + 1, leads ? 0 : k);
    }
  };
  fill(fill, 0, 0);
}

const Classes& AllClasses() {
  static const Classes all = [] {
    Classes found;
    Classes below;
    SmallDag roots{};
    for (small::Node& node : roots[0]) node.present = true;
    found.emplace(KeyOf(roots), roots);
    ForEachRoundAbove(roots, 2, [&](const SmallDag& dag) { below.emplace(KeyOf(dag), dag); });
    for (std::size_t round = 3; round <= kRoundsMax; ++round) {
      found.insert(below.begin(), below.end());
      Classes next;
      for (const auto& [key, dag] : below) {
        if (small::Count(dag[round - 2]) < small::kQuorum) continue;
        ForEachRoundAbove(dag, round,
                          [&](const SmallDag& higher) { next.emplace(KeyOf(higher), higher); });
      }
      below = std::move(next);
    }
    found.insert(below.begin(), below.end());
    return found;
  }();
  return all;
}

bool Whole() {
  return std::getenv("WAXSEAL_EXHAUSTIVE") != nullptr;
}

TEST(Exhaustive, DecisionsOfThreeLeaders) {
  std::mt19937_64 random(1);
  Tally tally;
  for (const auto& [key, dag] : AllClasses()) {
    Visit({dag, 64, random}, kWaves, tally);
    ASSERT_EQ(tally.wrong, 0u) << key;
  }
  std::printf("%llu classes, %llu views that commit, %llu deliveries\n",
              static_cast<unsigned long long>(tally.dags),
              static_cast<unsigned long long>(tally.committing),
              static_cast<unsigned long long>(tally.deliveries));
}

// Any DAG's class is among them, and it decides rightly itself.
TEST(Exhaustive, AnyDagOfEightRoundsIsInAClass) {
  for (int i = 0; i < (Whole() ? 1'000'000 : 10'000) && !HasFailure(); ++i) {
    SCOPED_TRACE("seed " + std::to_string(i));
    std::mt19937_64 random(static_cast<std::uint64_t>(i));
    SmallDag dag{};
    for (small::Node& node : dag[0]) node.present = true;
    for (std::size_t r = 2; r <= kRoundsMax; ++r) {
      const std::vector<Mask> sets = small::ParentSets(dag[r - 2]);
      for (small::Node& node : dag[r - 1]) {
        if (!sets.empty() && random() % 8 != 0) node = {true, sets[random() % sets.size()], 0};
      }
      if (small::Count(dag[r - 1]) == 0) break;
    }
    EXPECT_TRUE(AllClasses().count(KeyOf(dag))) << KeyOf(dag);
    Tally tally;
    Visit({dag, 64, random}, kWaves, tally);
    EXPECT_EQ(tally.wrong, 0u);
  }
}

}  // namespace
}  // namespace sim
