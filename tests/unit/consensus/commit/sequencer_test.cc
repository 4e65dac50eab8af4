#include "consensus/commit/sequencer.h"

#include <gtest/gtest.h>

#include "consensus/commit/tusk.h"
#include "tests/unit/consensus/drawn_dag.h"

namespace consensus {
namespace {

const proto::Committee kFour(4);

// Decides the leaders it is told to, once.
class Told : public CommitRule {
 public:
  explicit Told(std::vector<Reference> leaders) : leaders_(std::move(leaders)) {}
  std::vector<CertificatePtr> Decide(const Dag& dag, const Leaders&,
                                     std::uint64_t last) const override {
    std::vector<CertificatePtr> chain;
    for (const auto& leader : leaders_) {
      if (leader.round > last) chain.push_back(dag.Find(leader.round, leader.author));
    }
    return chain;
  }

 private:
  std::vector<Reference> leaders_;
};

CertificatePtr WithBatch(CertificatePtr vertex, std::uint8_t name) {
  auto copy = std::make_shared<Certificate>(*vertex);
  copy->header.batches.push_back({proto::Hash("test/batch", {{&name, 1}}), name});
  return copy;
}

std::vector<std::uint32_t> Names(const Ordered& commit) {
  std::vector<std::uint32_t> names;
  for (const auto& batch : commit.batches) names.push_back(batch.size);
  return names;
}

// The depth is taken from the previous leader: (1,3) is ordered by the leader of round 6 (gc 0 when
// it is ordered) and not by that of round 8 (gc 2 by then), though both reach it.
TEST(Sequencer, ThePreviousLeaderFixesWhatIsTooOld) {
  const auto build = [](std::uint64_t linker) {
    auto dag = std::make_unique<Dag>(kFour);
    for (std::uint64_t round = 1; round <= 8; ++round) {
      for (std::uint16_t i = 0; i < 4; ++i) {
        std::vector<Place> weak;
        if (round == linker) weak = {{1, 3}};
        dag->Insert(Draw(round, i, round == 1 ? Authors{} : Authors{0, 1, 2}, weak));
      }
    }
    return dag;
  };
  const auto orders = [&](std::uint64_t linker) {
    const auto dag = build(linker);
    Sequencer sequencer(std::make_unique<Told>(std::vector<Reference>{At(6, 0), At(8, 0)}), 4, 0,
                        0);
    const auto commits = sequencer.Advance(*dag, DrawnLeaders({}));
    EXPECT_EQ(commits.size(), 2u);
    EXPECT_EQ(sequencer.gc_round(), 4u);
    EXPECT_EQ(dag->gc_round(), 4u);
    for (const auto& commit : commits) {
      for (const auto& vertex : commit.vertices) {
        if (vertex->header.reference() == At(1, 3)) return commit.index;
      }
    }
    return std::uint64_t{0};
  };
  EXPECT_EQ(orders(5), 1u);
  EXPECT_EQ(orders(7), 0u);
}

TEST(Sequencer, ABatchCountsOnceWithinTheDepth) {
  Dag dag(kFour);
  for (std::uint8_t i = 0; i < 4; ++i) {
    dag.Insert(WithBatch(Draw(1, i, {}), i == 1 ? std::uint8_t{7} : i));
  }
  dag.Insert(WithBatch(Draw(2, 0, {0, 1, 2}), 7));  // Again.
  for (std::uint16_t i = 1; i < 4; ++i) dag.Insert(Draw(2, i, {0, 1, 2}));
  for (std::uint64_t round = 3; round <= 8; ++round) {
    for (std::uint16_t i = 0; i < 4; ++i) {
      auto vertex = Draw(round, i, {0, 1, 2});
      if (round == 4 && i == 2) vertex = WithBatch(vertex, 7);
      if (round == 8 && i == 0) vertex = WithBatch(vertex, 7);
      dag.Insert(vertex);
    }
  }
  Sequencer sequencer(std::make_unique<Told>(std::vector<Reference>{At(2, 0), At(6, 0), At(8, 0)}),
                      4, 0, 0);
  const auto commits = sequencer.Advance(dag, DrawnLeaders({}));
  ASSERT_EQ(commits.size(), 3u);
  EXPECT_EQ(Names(commits[0]), (std::vector<std::uint32_t>{0, 7, 2}));
  EXPECT_EQ(Names(commits[1]), (std::vector<std::uint32_t>{}));
  EXPECT_EQ(Names(commits[2]), (std::vector<std::uint32_t>{}));  // (4,2) is above gc = 2 still.
}

TEST(Sequencer, ARestartRemembersOrderedBatches) {
  Dag dag(kFour);
  Sequencer sequencer(std::make_unique<Told>(std::vector<Reference>{At(4, 0)}), 4, 2, 1);
  for (std::uint16_t i = 0; i < 4; ++i) {
    const auto vertex = WithBatch(Draw(1, i, {}), static_cast<std::uint8_t>(i + 1));
    dag.Insert(vertex, true);
    sequencer.Remember(vertex->header);
  }
  for (std::uint16_t i = 0; i < 4; ++i) {
    dag.Insert(WithBatch(Draw(2, i, {0, 1, 2}), static_cast<std::uint8_t>(i + 3)));
  }
  for (std::uint64_t round = 3; round <= 4; ++round) {
    for (std::uint16_t i = 0; i < 4; ++i) dag.Insert(Draw(round, i, {0, 1, 2}));
  }
  const auto commits = sequencer.Advance(dag, DrawnLeaders({}));
  ASSERT_EQ(commits.size(), 1u);
  EXPECT_EQ(commits[0].index, 2u);
  EXPECT_EQ(commits[0].vertices.size(), 7u);  // None of round 1, not (2,3) or (3,3).
  EXPECT_EQ(Names(commits[0]), (std::vector<std::uint32_t>{5}));
}

}  // namespace
}  // namespace consensus
