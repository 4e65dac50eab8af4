// Every DAG of four validators up to six rounds, seen by every validator in every way: what is
// committed is what the definition says (reference.h), and what one view commits begins what
// another does. small_dags.h has the space and its classes; a representative of each is visited.
//
// Views. A view is a DAG D that is causally closed and the set K of coins known there. A coin is
// known at the latest with n - f vertices of the round that reveals it; it may be at any time
// before, since shares come with headers. For each (D, K) it is checked that the implementation,
// from what it has committed before, commits exactly what the definition commits in (D, K):
//
//   - with everything at once,
//   - with each of D's vertices last that nobody names,
//   - with each coin of K last,
//   - and nothing when it is asked again.
//
// This covers all orders of delivery. The implementation's state is (D, K) and its commits; say it
// is right if these are the definition's. Every order ends with some maximal vertex or coin, and
// the step from the smaller view is checked: by induction every order ends right. Commits are only
// ever appended, so along each such step the definition's sequence grows, too; and any two views
// are parts of their union, which is a view: both sequences begin the union's, and one begins the
// other.
//
// The default tests visit one in kShare of the pasts, WAXSEAL_EXHAUSTIVE=1 (the slow suite) all,
// WAXSEAL_EXHAUSTIVE=K/N the K-th of N slices, so that a long run may be cut.

#include <cstdio>
#include <cstdlib>
#include <optional>
#include <random>
#include <set>
#include <string>

#include <gtest/gtest.h>

#include "tests/sim/consensus/small_dags.h"
#include "tests/sim/consensus/small_views.h"

namespace sim {
namespace {

using small::kParties;
using small::kRounds;
using small::Mask;
using small::PastKey;
using small::SmallDag;
using small::Top;

constexpr std::uint64_t kShare = 10;
constexpr unsigned kWaves = 2;  // That six rounds can decide.

// What the steps to each view of `dag` commit, without names: leaders' rounds, and how many
// vertices of each round.
using Outcomes = std::set<std::string>;

void AddOutcomes(const SmallDag& dag, std::mt19937_64& random, Outcomes& outcomes) {
  const Case drawn(dag, 64, random);
  for (unsigned known = 0; known < 1u << kWaves; ++known) {
    const Coins coins{known};
    if (!drawn.Possible(coins)) continue;
    const auto summary = [&](std::optional<std::size_t> last) {
      std::string text = std::to_string(known);
      const Commits commits = drawn.Deliver(last.value_or(drawn.none()), coins, coins);
      for (const auto& commit : commits) {
        std::array<int, kRounds + 1> counts{};
        for (const auto& vertex : commit.vertices) ++counts[vertex.round];
        text += " " + std::to_string(commit.leader.round) + ":";
        for (const int count : counts) text += std::to_string(count);
      }
      return text;
    };
    outcomes.insert(summary(std::nullopt));
    for (const std::size_t last : drawn.maximal()) outcomes.insert("last " + summary(last));
  }
}

const small::Pasts& AllPasts() {
  static const small::Pasts pasts;
  return pasts;
}

// A DAG from the whole space: `parents_min` parents or more, weak links to anything older.
SmallDag DrawDag(std::mt19937_64& random, std::size_t rounds, int parents_min) {
  SmallDag dag{};
  for (std::size_t r = 1; r <= rounds; ++r) {
    std::vector<Mask> sets;
    if (r > 1) {
      for (Mask mask = 1; mask < 16; ++mask) {
        const bool there = (mask & ~small::Present(dag[r - 2])) == 0;
        if (there && std::popcount(mask) >= parents_min) sets.push_back(mask);
      }
      if (sets.empty()) break;
    }
    std::uint16_t older = 0;
    for (std::size_t k = 1; k + 1 < r; ++k) {
      older |= static_cast<std::uint16_t>(small::Present(dag[k - 1]) << 4 * (k - 1));
    }
    for (auto& node : dag[r - 1]) {
      if (random() % 10 == 0) continue;
      node.present = true;
      if (r > 1) node.parents = sets[random() % sets.size()];
      if (random() % 4 == 0) node.weak = static_cast<std::uint16_t>(random() & random() & older);
    }
    if (small::Count(dag[r - 1]) == 0) break;
  }
  return dag;
}

// Whether the class of `dag` is visited, and its members that are do whatever `dag` does.
void ExpectLikeItsClass(const SmallDag& dag, std::mt19937_64& random) {
  const auto [key, top] = small::ClassOf(dag, AllPasts().namings());
  ASSERT_TRUE(AllPasts().all().count(key));
  Outcomes visited;
  bool found = false;
  small::ForEachTop(small::Unpack(key), [&](Top candidate, std::uint64_t) {
    const SmallDag representative = small::WithTop(small::Unpack(key), candidate);
    candidate.unnamed = 0;
    if (candidate != top) return;
    found = true;
    AddOutcomes(representative, random, visited);
  });
  ASSERT_TRUE(found);
  Outcomes outcomes;
  AddOutcomes(dag, random, outcomes);
  for (const auto& outcome : outcomes) EXPECT_TRUE(visited.count(outcome)) << outcome;
}

bool Whole() {
  return std::getenv("WAXSEAL_EXHAUSTIVE") != nullptr;
}

TEST(Exhaustive, FourValidatorsUpToSixRounds) {
  std::uint64_t slice = 0;
  std::uint64_t share = kShare;
  if (const char* const text = std::getenv("WAXSEAL_EXHAUSTIVE")) {
    char* rest = nullptr;
    slice = std::strtoull(text, &rest, 10);
    share = *rest == '/' ? std::strtoull(rest + 1, nullptr, 10) : 1;
    ASSERT_TRUE(slice >= 1 && slice <= share) << "WAXSEAL_EXHAUSTIVE is 1, or K/N: " << text;
  }
  std::mt19937_64 random(1);
  Tally tally;
  std::uint64_t number = 0;
  std::uint64_t visited = 0;
  for (const auto& [key, weight] : AllPasts().all()) {
    if (++number % share != slice % share) continue;
    ++visited;
    const SmallDag past = small::Unpack(key);
    small::ForEachTop(past, [&](const Top& top, std::uint64_t) {
      // Depth 1: what round 2's leader leaves of round 1 is collected before round 4's is
      // committed.
      for (const std::uint32_t gc_depth : {64u, 1u}) {
        const std::uint64_t wrong = tally.wrong;
        Visit({small::WithTop(past, top), gc_depth, random}, kWaves, tally);
        ASSERT_EQ(tally.wrong, wrong)
            << "past " << key << ", top " << top.others << top.unnamed << top.voters << top.silent
            << top.sixth << ", gc depth " << gc_depth;
      }
    });
    if (HasFatalFailure()) return;
  }
  std::printf(
      "%llu of %zu classes of pasts, %llu DAGs visited, %llu views that commit, %llu deliveries\n",
      static_cast<unsigned long long>(visited), AllPasts().all().size(),
      static_cast<unsigned long long>(tally.dags),
      static_cast<unsigned long long>(tally.committing),
      static_cast<unsigned long long>(tally.deliveries));
  EXPECT_GT(tally.committing, 0u);
  if (share == 1) {
    EXPECT_EQ(visited, AllPasts().all().size());
  }
}

TEST(Exhaustive, TheClassesHoldEveryDag) {
  std::uint64_t all = 0;
  std::uint64_t classes = 0;
  for (const auto& [key, weight] : AllPasts().all()) {
    small::ForEachTop(small::Unpack(key), [&, weight = weight](const Top&, std::uint64_t ways) {
      all += weight * ways;
      ++classes;
    });
  }
  std::printf(
      "%llu DAGs without weak links, each with 16 outcomes of the coins, in %zu classes of "
      "pasts, %llu of DAGs\n",
      static_cast<unsigned long long>(all), AllPasts().all().size(),
      static_cast<unsigned long long>(classes));
  EXPECT_EQ(all, small::CountAll(kRounds));
}

TEST(Exhaustive, EveryDagDoesWhatItsClassDoes) {
  for (int i = 0; i < (Whole() ? 1'000'000 : 4'000) && !HasFailure(); ++i) {
    SCOPED_TRACE("seed " + std::to_string(i));
    std::mt19937_64 random(static_cast<std::uint64_t>(i));
    const SmallDag dag = DrawDag(random, kRounds, kFour.quorum());
    ExpectLikeItsClass(dag, random);
    Tally tally;
    Visit({dag, 64, random}, kWaves, tally);
    EXPECT_EQ(tally.wrong, 0u);
  }
}

// Not merged, not drawn: all of up to three rounds.
TEST(Exhaustive, EveryDagOfThreeRounds) {
  const std::uint64_t share = Whole() ? 1 : 400;
  std::mt19937_64 random(1);
  Tally tally;
  std::uint64_t dags = 0;
  SmallDag dag{};
  const auto fill = [&](const auto& self, std::size_t r, std::size_t i) -> void {
    if (HasFailure()) return;
    if (i == kParties) {
      if (small::Count(dag[r - 1]) == 0 || r == 3) {
        if (++dags % share != 0) return;
        ExpectLikeItsClass(dag, random);
        Visit({dag, 64, random}, kWaves, tally);
        EXPECT_EQ(tally.wrong, 0u) << "DAG " << dags;
        return;
      }
      return self(self, r + 1, 0);
    }
    small::Node& node = dag[r - 1][i];
    node = {};
    self(self, r, i + 1);
    for (const Mask parents : r == 1 ? std::vector<Mask>{0} : small::ParentSets(dag[r - 2])) {
      node = {true, parents, 0};
      self(self, r, i + 1);
    }
    node = {};
  };
  fill(fill, 1, 0);
  EXPECT_EQ(dags, small::CountAll(3));
}

// Were n - f - 1 parents enough, two views would not agree; the same check sees it.
TEST(Exhaustive, SafetyIsSeenToBreakWithFewerParents) {
  std::mt19937_64 random(1);
  Tally tally;
  while (tally.wrong == 0 && tally.dags < 100'000) {
    const SmallDag dag = DrawDag(random, kRounds, kFour.quorum() - 1);
    if (small::Count(dag[3]) >= kFour.quorum() || small::Count(dag[4]) == 0) {
      Visit({dag, 64, random}, kWaves, tally);
    }
  }
  EXPECT_GT(tally.wrong, 0u);
}

}  // namespace
}  // namespace sim
