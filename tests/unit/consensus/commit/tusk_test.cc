// The commit rule on drawn DAGs (n = 4, f = 1), each of which a mutant of the rule gets wrong; and
// on random ones against a direct transcription of the definition.

#include "consensus/commit/tusk.h"

#include <algorithm>
#include <set>

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include "consensus/commit/sequencer.h"
#include "consensus/wave.h"
#include "tests/unit/consensus/drawn_dag.h"

namespace consensus {
namespace {

const proto::Committee kFour(4);

std::vector<Place> Decide(const Dag& dag, const std::map<std::uint64_t, std::uint16_t>& leaders,
                          std::uint64_t last = 0) {
  std::vector<Place> places;
  for (const auto& leader : Tusk(kFour).Decide(dag, DrawnLeaders(leaders), last)) {
    places.emplace_back(leader->header.round, proto::Index(leader->header.author));
  }
  return places;
}

// Rounds in which everybody names 0, 1, 2 of the round before.
void InsertRounds(Dag& dag, std::uint64_t first, std::uint64_t last) {
  for (std::uint64_t round = first; round <= last; ++round) {
    for (std::uint16_t i = 0; i < 4; ++i) {
      dag.Insert(Draw(round, i, round == 1 ? Authors{} : Authors{0, 1, 2}));
    }
  }
}

TEST(Tusk, LeadersStandInEvenRoundsFromTwo) {
  EXPECT_FALSE(IsLeaderRound(0));
  EXPECT_FALSE(IsLeaderRound(1));
  EXPECT_TRUE(IsLeaderRound(2));
  EXPECT_FALSE(IsLeaderRound(3));
  EXPECT_EQ(RevealedWave(2), std::nullopt);
  EXPECT_EQ(RevealedWave(3), std::nullopt);
  EXPECT_EQ(RevealedWave(4), 2u);
  EXPECT_EQ(RevealedWave(5), std::nullopt);
  EXPECT_EQ(RevealedWave(6), 4u);
}

TEST(Tusk, CommitsOnFPlusOneVotesAndNotOnF) {
  Dag dag(kFour);
  InsertRounds(dag, 1, 2);
  dag.Insert(Draw(3, 0, {0, 1, 2}));
  dag.Insert(Draw(3, 1, {0, 1, 3}));
  dag.Insert(Draw(3, 2, {0, 1, 3}));
  EXPECT_EQ(Decide(dag, {{2, 2}}), (std::vector<Place>{}));        // One vote: f.
  EXPECT_EQ(Decide(dag, {{2, 3}}), (std::vector<Place>{{2, 3}}));  // Two: f + 1, below n - f.
}

TEST(Tusk, WaitsForTheCoin) {
  Dag dag(kFour);
  InsertRounds(dag, 1, 3);
  EXPECT_EQ(Decide(dag, {}), (std::vector<Place>{}));
  EXPECT_EQ(Decide(dag, {{2, 0}}), (std::vector<Place>{{2, 0}}));
}

TEST(Tusk, WeakLinksAreNoVotes) {
  Dag dag(kFour);
  InsertRounds(dag, 1, 2);
  InsertRounds(dag, 3, 3);  // All name 0, 1, 2: 3 of round 2 has no vote ...
  for (std::uint16_t i = 0; i < 4; ++i) dag.Insert(Draw(4, i, {0, 1, 2}, {{2, 3}}));  // ... yet.
  EXPECT_EQ(Decide(dag, {{2, 3}}), (std::vector<Place>{}));
}

TEST(Tusk, WalksBackThroughAnAbsentLeader) {
  Dag dag(kFour);
  InsertRounds(dag, 1, 2);
  // One vote for (2,3): not committed by itself.
  dag.Insert(Draw(3, 0, {0, 1, 3}));
  for (std::uint16_t i = 1; i < 4; ++i) dag.Insert(Draw(3, i, {0, 1, 2}));
  for (std::uint16_t i = 0; i < 3; ++i) dag.Insert(Draw(4, i, {0, 1, 2}));  // 3 is absent.
  for (std::uint16_t i = 0; i < 3; ++i) dag.Insert(Draw(5, i, {0, 1, 2}));
  for (std::uint16_t i = 0; i < 3; ++i) dag.Insert(Draw(6, i, {0, 1, 2}));
  for (std::uint16_t i = 0; i < 3; ++i) dag.Insert(Draw(7, i, {0, 1, 2}));
  EXPECT_EQ(Decide(dag, {{2, 3}, {4, 3}, {6, 0}}), (std::vector<Place>{{2, 3}, {6, 0}}));
  EXPECT_EQ(Decide(dag, {{2, 3}, {4, 3}, {6, 0}}, 2), (std::vector<Place>{{6, 0}}));
}

TEST(Tusk, WalksBackThroughALeaderThatIsNotReached) {
  Dag dag(kFour);
  InsertRounds(dag, 1, 2);
  dag.Insert(Draw(3, 0, {0, 1, 3}));  // The only vote for (2,3).
  for (std::uint16_t i = 1; i < 4; ++i) dag.Insert(Draw(3, i, {0, 1, 2}));
  for (std::uint16_t i = 0; i < 4; ++i) dag.Insert(Draw(4, i, {0, 1, 2}));
  for (std::uint64_t round = 5; round <= 7; ++round) {  // Nobody votes for (4,3).
    for (std::uint16_t i = 0; i < 3; ++i) dag.Insert(Draw(round, i, {0, 1, 2}));
  }
  EXPECT_FALSE(dag.HasStrongPath(*dag.Find(6, proto::PartyId{0}), At(4, 3)));
  EXPECT_EQ(Decide(dag, {{2, 3}, {4, 3}, {6, 0}}), (std::vector<Place>{{2, 3}, {6, 0}}));
}

TEST(Tusk, WalksFromTheLastAcceptedLeader) {
  // (6,0) reaches (4,3) and (2,3); (4,3) does not reach (2,3). Who commits (4,3) first would not
  // order (2,3) as a leader: so nobody may.
  Dag dag{proto::Committee(4)};
  InsertRounds(dag, 1, 2);
  dag.Insert(Draw(3, 0, {0, 1, 3}));  // The only vote for (2,3) ...
  for (std::uint16_t i = 1; i < 4; ++i) dag.Insert(Draw(3, i, {0, 1, 2}));
  for (std::uint16_t i = 0; i < 3; ++i) dag.Insert(Draw(4, i, {0, 1, 2}));
  dag.Insert(Draw(4, 3, {1, 2, 3}));  // ... which (4,3) does not reach.
  dag.Insert(Draw(5, 0, {0, 1, 3}));  // The only vote for (4,3).
  for (std::uint16_t i = 1; i < 4; ++i) dag.Insert(Draw(5, i, {0, 1, 2}));
  for (std::uint64_t round = 6; round <= 7; ++round) {
    for (std::uint16_t i = 0; i < 4; ++i) dag.Insert(Draw(round, i, {0, 1, 2}));
  }
  EXPECT_TRUE(dag.HasStrongPath(*dag.Find(6, proto::PartyId{0}), At(2, 3)));
  EXPECT_EQ(Decide(dag, {{2, 3}, {4, 3}, {6, 0}}), (std::vector<Place>{{4, 3}, {6, 0}}));
}

TEST(Tusk, LateDataCommitAnOlderWaveFirst) {
  Dag dag(kFour);
  InsertRounds(dag, 1, 5);
  // Both leaders are supported: one at a time, the older first.
  EXPECT_EQ(Decide(dag, {{2, 0}, {4, 1}}), (std::vector<Place>{{2, 0}}));
  EXPECT_EQ(Decide(dag, {{2, 0}, {4, 1}}, 2), (std::vector<Place>{{4, 1}}));
}

TEST(Tusk, AnUnsupportedLeaderIsNotSkippedForGood) {
  Dag dag(kFour);
  InsertRounds(dag, 1, 2);
  for (std::uint16_t i = 0; i < 3; ++i) dag.Insert(Draw(3, i, {0, 1, 2}));
  EXPECT_EQ(Decide(dag, {{2, 3}}), (std::vector<Place>{}));
  EXPECT_EQ(Decide(dag, {{2, 0}}), (std::vector<Place>{{2, 0}}));
}

// The definition, on a whole DAG, by recursion over all paths: no increments, no state.
class Naive {
 public:
  Naive(const std::vector<CertificatePtr>& vertices, const Leaders& leaders) : leaders_(leaders) {
    for (const auto& vertex : vertices) {
      vertices_[{vertex->header.round, proto::Index(vertex->header.author)}] = vertex.get();
    }
  }

  std::vector<Place> Sequence(std::uint64_t rounds) const {
    std::vector<Place> sequence;
    for (std::uint64_t top = rounds; top >= 2; --top) {
      const Certificate* leader = LeaderOf(top);
      if (!leader || Votes(*leader) < 2) continue;
      // The newest directly committed leader fixes everything before it.
      for (std::uint64_t round = top; round >= 2; --round) {
        const Certificate* const older = LeaderOf(round);
        if (!older || !Reaches(*leader, *older)) continue;
        leader = older;
        sequence.emplace_back(round, proto::Index(older->header.author));
      }
      break;
    }
    std::reverse(sequence.begin(), sequence.end());
    return sequence;
  }

 private:
  const Certificate* Find(std::uint64_t round, std::uint16_t author) const {
    const auto it = vertices_.find({round, author});
    return it == vertices_.end() ? nullptr : it->second;
  }
  const Certificate* LeaderOf(std::uint64_t round) const {
    const auto leader = leaders_.Leader(round);
    return leader ? Find(round, proto::Index(*leader)) : nullptr;
  }
  int Votes(const Certificate& leader) const {
    int votes = 0;
    for (const auto& [place, vertex] : vertices_) {
      if (place.first != leader.header.round + 1) continue;
      for (const auto& parent : vertex->header.parents)
        votes += parent == leader.header.reference();
    }
    return votes;
  }
  bool Reaches(const Certificate& from, const Certificate& to) const {
    if (&from == &to) return true;
    if (from.header.round <= to.header.round) return false;
    return std::any_of(from.header.parents.begin(), from.header.parents.end(), [&](const auto& p) {
      const Certificate* const parent = Find(p.round, proto::Index(p.author));
      return parent && Reaches(*parent, to);
    });
  }

  const Leaders& leaders_;
  std::map<Place, const Certificate*> vertices_;
};

struct Run {
  std::vector<Place> leaders;
  std::vector<std::vector<Place>> commits;
};

// One node's run: vertices arrive in a random order that respects what they name, the coin of a
// wave when a vertex two rounds above arrives; it sees the first `count` of them.
Run RunNode(std::vector<CertificatePtr> vertices, const std::map<std::uint64_t, std::uint16_t>& all,
            std::size_t count, std::uint32_t gc_depth, std::mt19937_64& random) {
  Dag dag(kFour);
  Sequencer sequencer(std::make_unique<Tusk>(kFour), gc_depth, 0, 0);
  std::map<std::uint64_t, std::uint16_t> known;
  Run run;
  std::shuffle(vertices.begin(), vertices.end(), random);
  while (count-- > 0 && !vertices.empty()) {
    const auto ready = std::find_if(vertices.begin(), vertices.end(), [&](const auto& vertex) {
      const auto here = [&](const Reference& link) {
        return link.round <= dag.gc_round() || dag.Contains(link);
      };
      const Header& header = vertex->header;
      return std::all_of(header.parents.begin(), header.parents.end(), here) &&
             std::all_of(header.weak.begin(), header.weak.end(), here);
    });
    const CertificatePtr next = *ready;
    vertices.erase(ready);
    if (next->header.round <= dag.gc_round()) continue;
    dag.Insert(next);
    if (const auto wave = RevealedWave(next->header.round)) known[*wave] = all.at(*wave);
    for (const auto& commit : sequencer.Advance(dag, DrawnLeaders(known))) {
      const Header& leader = commit.leader->header;
      run.leaders.emplace_back(leader.round, proto::Index(leader.author));
      auto& places = run.commits.emplace_back();
      for (const auto& vertex : commit.vertices) {
        places.emplace_back(vertex->header.round, proto::Index(vertex->header.author));
      }
    }
  }
  return run;
}

template <class T>
bool IsPrefix(const std::vector<T>& shorter, const std::vector<T>& longer) {
  return shorter.size() <= longer.size() &&
         std::equal(shorter.begin(), shorter.end(), longer.begin());
}

RC_GTEST_PROP(Tusk, NodesAgreeWithEachOtherAndWithTheDefinition, (std::uint64_t seed)) {
  std::mt19937_64 random(seed);
  constexpr std::uint64_t kRounds = 14;
  const auto vertices = DrawRandomDag(kFour, kRounds, random);
  std::map<std::uint64_t, std::uint16_t> leaders;
  for (std::uint64_t round = 2; round + 2 <= kRounds; round += 2) {
    leaders[round] = static_cast<std::uint16_t>(random() % 4);
  }
  const std::uint32_t gc_depth = 4 + static_cast<std::uint32_t>(random() % 8);
  const Run whole = RunNode(vertices, leaders, vertices.size(), gc_depth, random);
  RC_ASSERT(whole.leaders == Naive(vertices, DrawnLeaders(leaders)).Sequence(kRounds));
  for (int node = 0; node < 4; ++node) {
    const Run part = RunNode(vertices, leaders, random() % vertices.size(), gc_depth, random);
    RC_ASSERT(IsPrefix(part.leaders, whole.leaders));
    RC_ASSERT(IsPrefix(part.commits, whole.commits));
  }
  std::set<Place> once;
  for (const auto& commit : whole.commits) {
    RC_ASSERT(std::is_sorted(commit.begin(), commit.end()));
    for (const auto& place : commit) RC_ASSERT(once.insert(place).second);
  }
}

}  // namespace
}  // namespace consensus
