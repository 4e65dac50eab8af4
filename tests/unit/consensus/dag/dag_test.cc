#include "consensus/dag/dag.h"

#include <gtest/gtest.h>

#include "tests/unit/consensus/drawn_dag.h"

namespace consensus {
namespace {

std::vector<Place> PlacesOf(const std::vector<CertificatePtr>& vertices) {
  std::vector<Place> places;
  for (const auto& vertex : vertices) {
    places.emplace_back(vertex->header.round, proto::Index(vertex->header.author));
  }
  return places;
}

//   round 1   0   1   2   3
//             |\ /|\ /|   .
//   round 2   0   1   2   .     3 of round 1 has no child in round 2
//              \  |  /    .
//   round 3      0 - - - -      and a weak link from 0 of round 3
Dag Drawn() {
  Dag dag{proto::Committee(4)};
  for (std::uint16_t i = 0; i < 4; ++i) dag.Insert(Draw(1, i, {}));
  for (std::uint16_t i = 0; i < 3; ++i) dag.Insert(Draw(2, i, {0, 1, 2}));
  dag.Insert(Draw(3, 0, {0, 1, 2}, {{1, 3}}));
  return dag;
}

TEST(Dag, ParentsAreVotesAndWeakLinksAreNot) {
  const Dag dag = Drawn();
  EXPECT_EQ(dag.Votes(At(1, 0)), 3);
  EXPECT_EQ(dag.Votes(At(1, 3)), 0);
  EXPECT_EQ(dag.Votes(At(2, 1)), 1);
}

TEST(Dag, ParentsArePathsAndWeakLinksAreNot) {
  const Dag dag = Drawn();
  const CertificatePtr top = dag.Find(3, proto::PartyId{0});
  EXPECT_TRUE(dag.HasStrongPath(*top, At(1, 2)));
  EXPECT_FALSE(dag.HasStrongPath(*top, At(1, 3)));
  EXPECT_TRUE(dag.HasStrongPath(*top, At(3, 0)));
  EXPECT_FALSE(dag.HasStrongPath(*dag.Find(2, proto::PartyId{0}), At(2, 1)));
}

TEST(Dag, HistoryFollowsWeakLinksAndIsTakenOnce) {
  Dag dag = Drawn();
  const auto history = dag.TakeHistory(*dag.Find(3, proto::PartyId{0}));
  EXPECT_EQ(PlacesOf(history),
            (std::vector<Place>{{1, 0}, {1, 1}, {1, 2}, {1, 3}, {2, 0}, {2, 1}, {2, 2}, {3, 0}}));
  dag.Insert(Draw(3, 1, {0, 1, 2}));
  EXPECT_EQ(PlacesOf(dag.TakeHistory(*dag.Find(3, proto::PartyId{1}))),
            (std::vector<Place>{{3, 1}}));
}

TEST(Dag, UnreachedVerticesAreOfferedOnceAndOldestFirst) {
  Dag dag{proto::Committee(4)};
  for (std::uint16_t i = 0; i < 4; ++i) dag.Insert(Draw(1, i, {}));
  dag.Insert(Draw(2, 3, {1, 2, 3}));
  for (std::uint16_t i = 0; i < 3; ++i) dag.Insert(Draw(2, i, {0, 1, 2}));
  for (std::uint16_t i = 0; i < 3; ++i) dag.Insert(Draw(3, i, {0, 1, 2}));
  std::vector<CertificatePtr> parents = dag.Round(3);
  // (2,3) reaches (1,3): one weak link carries both.
  EXPECT_EQ(dag.Unreached(parents, 8), (std::vector<Reference>{At(2, 3)}));
  EXPECT_EQ(dag.Unreached(dag.Round(2), 8), (std::vector<Reference>{}));
  parents = {dag.Find(2, proto::PartyId{0}), dag.Find(2, proto::PartyId{1}),
             dag.Find(2, proto::PartyId{2})};
  EXPECT_EQ(dag.Unreached(parents, 8), (std::vector<Reference>{At(1, 3)}));
  (void)dag.TakeHistory(*dag.Find(2, proto::PartyId{3}));
  EXPECT_EQ(dag.Unreached(parents, 8), (std::vector<Reference>{}));
}

TEST(Dag, UnreachedKeepsTheOldestWithinTheLimit) {
  Dag dag{proto::Committee(7)};
  for (std::uint16_t i = 0; i < 7; ++i) dag.Insert(Draw(1, i, {}));
  for (std::uint16_t i = 0; i < 7; ++i) dag.Insert(Draw(2, i, {0, 1, 2, 3, 4}));
  for (std::uint16_t i = 0; i < 5; ++i) dag.Insert(Draw(3, i, {0, 1, 2, 3, 4}));
  EXPECT_EQ(dag.Unreached(dag.Round(3), 3), (std::vector<Reference>{At(1, 5), At(1, 6), At(2, 5)}));
}

TEST(Dag, CollectedRoundsAreGoneAndNeedNotBePresent) {
  Dag dag = Drawn();
  dag.Collect(1);
  EXPECT_EQ(dag.gc_round(), 1u);
  EXPECT_EQ(dag.Find(1, proto::PartyId{0}), nullptr);
  dag.Insert(Draw(2, 3, {1, 2, 3}));  // Its parents are below gc.
  EXPECT_EQ(PlacesOf(dag.TakeHistory(*dag.Find(3, proto::PartyId{0}))),
            (std::vector<Place>{{2, 0}, {2, 1}, {2, 2}, {3, 0}}));
}

TEST(Dag, RoundsAreCountedByQuorum) {
  Dag dag{proto::Committee(4)};
  EXPECT_EQ(dag.quorum_round(), 0u);
  dag.Insert(Draw(1, 0, {}));
  dag.Insert(Draw(1, 1, {}));
  EXPECT_EQ(dag.quorum_round(), 0u);
  EXPECT_EQ(dag.highest_round(), 1u);
  dag.Insert(Draw(1, 3, {}));
  EXPECT_EQ(dag.quorum_round(), 1u);
  dag.Insert(Draw(2, 3, {0, 1, 3}));
  EXPECT_EQ(dag.quorum_round(), 1u);
}

TEST(DagDeathTest, IncompleteOrSecondVerticesAreOwnErrors) {
  Dag dag{proto::Committee(4)};
  dag.Insert(Draw(1, 0, {}));
  EXPECT_DEATH(dag.Insert(Draw(1, 0, {})), "CHECK");
  EXPECT_DEATH(dag.Insert(Draw(2, 0, {0, 1, 2})), "CHECK");
}

}  // namespace
}  // namespace consensus
