// The benches run the real protocols: their results are right, and their counts what is sent.

#include <cmath>
#include <memory>

#include <gtest/gtest.h>

#include "mpc/plan/cost.h"
#include "mpc/plan/schedule.h"
#include "node/cli/bench_committee.h"
#include "node/cli/bench_works.h"

namespace node {
namespace {

constexpr std::uint64_t kSize = 512;

void ExpectRight(const BenchWork& work, const CommitteeFigures& figures) {
  ASSERT_EQ(figures.outputs.size(), work.expected.size());
  for (std::size_t i = 0; i < work.expected.size(); ++i) {
    ASSERT_NEAR(figures.outputs[i], work.expected[i], work.tolerance) << work.name << " " << i;
  }
}

CommitteeFigures RunWork(const BenchWork& work, const CommitteeOptions& options) {
  auto figures = RunCommittee(std::make_shared<const mpc::Plan>(work.plan), work.ids, options);
  EXPECT_TRUE(figures.has_value());
  return figures ? std::move(*figures) : CommitteeFigures{};
}

TEST(Bench, WorksGiveTheExactFunctions) {
  for (const char* name : {"gelu", "softmax", "products"}) {
    const auto work = MakeBenchWork(name, {.size = kSize});
    ASSERT_TRUE(work.has_value()) << work.error().message;
    CommitteeOptions options;
    options.input_rounds = work->input_rounds;
    const CommitteeFigures figures = RunWork(*work, options);
    ExpectRight(*work, figures);
    EXPECT_TRUE(figures.accused.empty());
    EXPECT_EQ(figures.attempts, 1u);
  }
}

TEST(Bench, ManySegmentsAndAStoredBundleGiveTheSame) {
  const auto work = MakeBenchWork("softmax", {.size = kSize});
  ASSERT_TRUE(work.has_value());
  CommitteeOptions options;
  options.segment_values = 2'000;
  const CommitteeFigures figures = RunWork(*work, options);
  EXPECT_GT(figures.segments, 2u);
  EXPECT_EQ(figures.attempts, figures.segments);
  ExpectRight(*work, figures);
}

TEST(Bench, ALiarIsFoundAndStopsNothing) {
  const auto work = MakeBenchWork("products", {.size = kSize});
  ASSERT_TRUE(work.has_value());
  CommitteeOptions options;
  options.input_rounds = work->input_rounds;
  options.lie = true;
  const CommitteeFigures figures = RunWork(*work, options);
  ExpectRight(*work, figures);
  EXPECT_EQ(figures.accused, std::vector<std::uint16_t>{3});
  EXPECT_GT(figures.attempts, 1u);
}

// All to all and, with rounds large enough at n = 7, in batches; heads and requests come on top.
TEST(Bench, OnlineBytesAreWhatTheCostCounterSays) {
  struct Case {
    const char* work;
    std::uint64_t size;
    std::uint16_t members;
    std::uint32_t exchanges;
  };
  for (const Case& given : {Case{"gelu", kSize, 4, 1}, Case{"products", 6000, 7, 2}}) {
    SCOPED_TRACE(given.work);
    const auto work = MakeBenchWork(given.work, {.size = given.size});
    ASSERT_TRUE(work.has_value());
    CommitteeOptions options;
    options.members = given.members;
    options.input_rounds = work->input_rounds;
    const CommitteeFigures figures = RunWork(*work, options);
    ExpectRight(*work, figures);
    std::uint64_t online = 0;
    for (const MemberFigures& member : figures.members) online += member.online_bytes;
    const auto rounds = mpc::OpeningRounds(work->plan);
    ASSERT_EQ(rounds.size(), work->input_rounds + 1u);
    const mpc::OpeningCost cost =
        mpc::CostOfRound(work->plan, rounds.back(), proto::Committee(given.members));
    EXPECT_EQ(cost.exchanges, given.exchanges);
    const std::uint64_t links = given.members * (given.members - 1u);
    const std::uint64_t counted = cost.elements * links * mpc::Fp::kBytes;
    EXPECT_GE(online, counted);
    constexpr std::uint64_t kHeadMax = 128;
    EXPECT_LE(online, counted + (cost.exchanges + 1) * links * kHeadMax);
  }
}

TEST(Bench, RefusesWhatItCannotMake) {
  EXPECT_FALSE(MakeBenchWork("sort", {}).has_value());
  EXPECT_FALSE(MakeBenchWork("softmax", {.size = 100}).has_value());
  EXPECT_FALSE(MakeBenchModel("no-such-file.json", 128, {}).has_value());
}

}  // namespace
}  // namespace node
