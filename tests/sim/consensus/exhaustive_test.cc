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

#include "consensus/commit/sequencer.h"
#include "consensus/commit/tusk.h"
#include "proto/crypto/hash.h"
#include "tests/sim/consensus/reference.h"
#include "tests/sim/consensus/small_dags.h"

namespace sim {
namespace {

using consensus::CertificatePtr;
using consensus::Reference;
using proto::PartyId;
using small::kParties;
using small::kRounds;
using small::Mask;
using small::PastKey;
using small::SmallDag;
using small::Top;
using Commits = std::vector<ReferenceCommit>;

constexpr std::uint64_t kShare = 10;
const proto::Committee kFour(kParties);

// Round -> whether its leader is known.
struct Coins {
  bool second = false;
  bool fourth = false;

  bool Known(std::uint64_t round) const { return (round == 2 && second) || (round == 4 && fourth); }
};
constexpr std::array<Coins, 4> kAllCoins = {
    {{false, false}, {true, false}, {false, true}, {true, true}}};

class DrawnLeaders : public consensus::Leaders {
 public:
  explicit DrawnLeaders(const std::array<PartyId, kRounds + 1>& all) : all_(all) {}
  Coins coins;
  std::optional<PartyId> Leader(std::uint64_t round) const override {
    return coins.Known(round) ? std::optional(all_[round]) : std::nullopt;
  }

 private:
  const std::array<PartyId, kRounds + 1>& all_;
};

// A DAG under names: the real structures and the definition's.
class Case {
 public:
  Case(const SmallDag& dag, std::uint32_t gc_depth, std::mt19937_64& random) : gc_depth_(gc_depth) {
    std::array<std::array<std::uint16_t, kParties>, kRounds + 1> names{};
    std::uint32_t named = 0;
    for (const auto& round : dag) counts_.push_back(small::Count(round));
    for (std::size_t r = kRounds; r >= 1; --r) {
      names[r] = {0, 1, 2, 3};
      std::ranges::shuffle(names[r], random);
      leaders_[r] = PartyId{names[r][0]};
    }
    std::vector<std::size_t> bits;
    for (std::size_t r = 1; r <= kRounds; ++r) {
      for (std::size_t i = 0; i < kParties; ++i) {
        const small::Node& node = dag[r - 1][i];
        if (!node.present) continue;
        auto certificate = std::make_shared<consensus::Certificate>();
        consensus::Header& header = certificate->header;
        const Reference self = At(r, names[r][i]);
        header.round = r;
        header.author = self.author;
        header.digest = self.digest;
        const std::uint32_t parents = r > 1 ? std::uint32_t{node.parents} << 4 * (r - 2) : 0;
        named |= parents | node.weak;
        for (std::size_t k = 0; k < kParties * (r - 1); ++k) {
          const Reference link = At(k / kParties + 1, names[k / kParties + 1][k % kParties]);
          if (parents >> k & 1) header.parents.push_back(link);
          if (node.weak >> k & 1) header.weak.push_back(link);
        }
        std::ranges::sort(header.parents);
        std::ranges::sort(header.weak);
        whole_.Add({self, header.parents, header.weak, {}});
        bits.push_back(kParties * (r - 1) + i);
        vertices_.push_back(std::move(certificate));
      }
    }
    for (std::size_t k = 0; k < bits.size(); ++k) {
      if (!(named >> bits[k] & 1)) maximal_.push_back(k);
    }
  }

  const std::vector<std::size_t>& maximal() const { return maximal_; }
  std::size_t none() const { return vertices_.size(); }  // No vertex.
  // Whether some view of this DAG knows just these coins.
  bool Possible(Coins coins) const { return coins.second || counts_[3] < kFour.quorum(); }

  Commits Expected(Coins coins) const {
    return whole_.Order(
        [&](std::uint64_t round) {
          return coins.Known(round) ? std::optional(leaders_[round]) : std::nullopt;
        },
        gc_depth_);
  }

  // All but vertex `last`, with the coins `before`; then `last`; then the other coins; then again.
  Commits Deliver(std::size_t last, std::optional<Coins> before, Coins after) const {
    consensus::Dag dag(kFour);
    consensus::Sequencer sequencer(std::make_unique<consensus::Tusk>(kFour), gc_depth_, 0, 0);
    DrawnLeaders leaders(leaders_);
    Commits commits;
    const auto advance = [&](Coins coins) {
      leaders.coins = coins;
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
    if (before) advance(*before);
    if (last < vertices_.size() && vertices_[last]->header.round > dag.gc_round()) {
      dag.Insert(vertices_[last]);
    }
    advance(after);
    advance(after);
    return commits;
  }

 private:
  static const Reference& At(std::size_t round, std::uint16_t author) {
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

  const std::uint32_t gc_depth_;
  std::vector<int> counts_;
  std::vector<CertificatePtr> vertices_;  // Ascending by round.
  std::vector<std::size_t> maximal_;
  WholeDag whole_{kFour};
  std::array<PartyId, kRounds + 1> leaders_{};
};

bool Equal(const Commits& a, const Commits& b) {
  return std::ranges::equal(a, b, [](const auto& x, const auto& y) {
    return x.leader == y.leader && x.vertices == y.vertices;
  });
}

// Of all views of `dag`: how many deliveries end with other commits than the definition's.
struct Tally {
  std::uint64_t dags = 0;
  std::uint64_t committing = 0;  // Views.
  std::uint64_t deliveries = 0;
  std::uint64_t wrong = 0;
};

void Visit(const Case& drawn, Tally& tally) {
  ++tally.dags;
  for (const Coins coins : kAllCoins) {
    if (!drawn.Possible(coins)) continue;
    const Commits expected = drawn.Expected(coins);
    tally.committing += !expected.empty();
    const auto check = [&](std::size_t last, std::optional<Coins> before) {
      ++tally.deliveries;
      tally.wrong += !Equal(drawn.Deliver(last, before, coins), expected);
    };
    check(drawn.none(), std::nullopt);
    for (const std::size_t last : drawn.maximal()) check(last, coins);
    if (coins.second && drawn.Possible({false, coins.fourth})) {
      check(drawn.none(), Coins{false, coins.fourth});
    }
    if (coins.fourth) check(drawn.none(), Coins{coins.second, false});
  }
}

// What the steps to each view of `dag` commit, without names: leaders' rounds, and how many
// vertices of each round.
using Outcomes = std::set<std::string>;

void AddOutcomes(const SmallDag& dag, std::mt19937_64& random, Outcomes& outcomes) {
  const Case drawn(dag, 64, random);
  for (const Coins coins : kAllCoins) {
    if (!drawn.Possible(coins)) continue;
    const auto summary = [&](std::optional<std::size_t> last) {
      std::string text = coins.second ? "2" : "";
      if (coins.fourth) text += '4';
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
        Visit({small::WithTop(past, top), gc_depth, random}, tally);
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
    Visit({dag, 64, random}, tally);
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
        Visit({dag, 64, random}, tally);
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
      Visit({dag, 64, random}, tally);
    }
  }
  EXPECT_GT(tally.wrong, 0u);
}

}  // namespace
}  // namespace sim
