// Pools of bundles: filled to their size in the background, a bundle assigned once, used once, then
// erased; and all of it with a member killed after each write to its disk.

#include "tests/unit/mpc/counting_plan.h"
#include "tests/unit/node/inference/committee.h"
#include "tests/unit/node/inference/leaky_plan.h"

namespace node::test {
namespace {

const std::vector<std::uint32_t> kIds{3, 5, 1};
// Cuts the small plan.
constexpr std::uint64_t kSegmentValues = 30;

// Files about an attempt's masks: its bundle, what it is bound to, its layers.
std::vector<std::string> FilesOf(MortalFiles& files, std::uint64_t attempt) {
  std::vector<std::string> names;
  for (const std::string& prefix : {BundleName(attempt), UseName(attempt), LayerPrefix(attempt)}) {
    for (auto& name : *files.List(prefix)) names.push_back(std::move(name));
  }
  return names;
}

TEST(Pool, IsFilledToItsSizeAndFilledAgain) {
  Committee committee(3);
  committee.Settle();
  const auto model = committee.ledger().ledger.snapshot().models(1, 1).at(0);
  const auto ready = [&] { return committee.ledger().ledger.snapshot().pool(model, 0)->ready; };
  const auto stock = ready();  // In the order in which they were certified.
  EXPECT_EQ(std::set(stock.begin(), stock.end()), (std::set<std::uint64_t>{1, 2, 3}));
  for (std::uint16_t i = 0; i < Committee::kSize; ++i) {
    for (const std::uint64_t attempt : ready()) {
      EXPECT_TRUE(committee.files(i).Has(BundleName(attempt)));
    }
  }
  const std::uint64_t first = committee.Ask(kIds);
  committee.Settle();
  committee.ExpectAnswer(first, kIds);
  EXPECT_EQ(committee.ledger().Request(first).attempt, stock.front());
  EXPECT_EQ(ready().size(), 3u);
  EXPECT_EQ(ready().front(), stock[1]);
}

TEST(Pool, AssignsABundleOnceAndErasesItWhenItIsUsed) {
  Committee committee(1);
  committee.Settle();
  std::set<std::uint64_t> used;
  for (int k = 0; k < 3; ++k) {
    const std::uint64_t request = committee.Ask(kIds);
    committee.Settle();
    committee.ExpectAnswer(request, kIds);
    const std::uint64_t attempt = committee.ledger().Request(request).attempt;
    EXPECT_TRUE(used.insert(attempt).second);
    for (std::uint16_t i = 0; i < Committee::kSize; ++i) {
      EXPECT_TRUE(FilesOf(committee.files(i), attempt).empty());
    }
  }
}

// A plan in segments: an attempt for each makes a part of the bundle, one after the other.
TEST(Pool, TakesABundleInParts) {
  const mpc::Plan plan = mpc::SmallPlan();
  Committee committee(1, plan, kSegmentValues);
  const std::size_t segments = mpc::CutPlan(plan, 4, kSegmentValues, 0).size();
  ASSERT_GT(segments, 2u);
  committee.Settle();
  for (int k = 0; k < 2; ++k) {
    const std::uint64_t request = committee.Ask(kIds);
    const std::uint64_t bundle = committee.ledger().Request(request).attempt;
    const auto record = committee.ledger().ledger.snapshot().attempt(bundle);
    EXPECT_EQ(record->parts.size() + 1, segments);
    committee.Settle();
    committee.ExpectAnswer(request, kIds);
    std::vector<std::uint64_t> parts = record->parts;
    parts.push_back(bundle);
    for (const std::uint64_t part : parts) {
      for (std::uint16_t i = 0; i < Committee::kSize; ++i) {
        EXPECT_TRUE(FilesOf(committee.files(i), part).empty()) << part;
      }
    }
  }
}

// Killed after the k-th write, for every k of a life with two requests: what was written stays,
// what would have been said is not. Nothing half-made is ever used: no second opening under one
// bundle's masks (committee.h), right answers, and the bundles' files gone.
void SurviveDeaths(std::uint64_t segment_values, std::size_t stride) {
  const auto live = [](Committee& committee) {
    committee.Settle();
    for (int k = 0; k < 2; ++k) {
      const std::uint64_t request = committee.Ask(kIds);
      committee.Settle();
      committee.ExpectAnswer(request, kIds);
      const std::uint64_t attempt = committee.ledger().Request(request).attempt;
      for (std::uint16_t i = 0; i < Committee::kSize; ++i) {
        EXPECT_TRUE(FilesOf(committee.files(i), attempt).empty()) << "member " << i;
      }
    }
  };
  std::size_t writes = 0;
  {
    Committee committee(1, mpc::SmallPlan(), segment_values);
    live(committee);
    writes = committee.files(1).writes();
  }
  ASSERT_GT(writes, 20u);
  for (std::size_t k = 0; k < writes && !testing::Test::HasFailure(); k += stride) {
    SCOPED_TRACE("death after write " + std::to_string(k) + " of " + std::to_string(writes));
    Committee committee(1, mpc::SmallPlan(), segment_values);
    committee.files(1).DieAfter(k);
    live(committee);
    EXPECT_LE(committee.deaths(), 1u);
  }
}

TEST(Pool, SurvivesADeathAfterEachWrite) {
  SurviveDeaths(mpc::kKeptValuesMax, 1);
}
TEST(Pool, InPartsSurvivesADeathAfterEveryFifthWrite) {
  SurviveDeaths(kSegmentValues, 5);
}

// A text of at most 4 tokens that ends with the second: with a member killed after each write, as
// above, all tell its steps as they compute them, end it there, and are paid for two steps.
TEST(Answers, AreToldStepByStepAndEndWhereTheyMay) {
  const std::vector<std::int32_t> ends{3, 6};
  const mpc::Plan plan = mpc::CountingPlan(4, ends);
  const std::vector<std::uint32_t> prompt{4};  // 5, 6.
  const auto live = [&](Committee& committee) {
    committee.Settle();
    for (const bool until_end : {true, false}) {
      const std::uint64_t request = committee.Ask(prompt, until_end);
      committee.Settle();
      committee.ExpectAnswer(request, prompt);
      const auto record = committee.ledger().Request(request);
      EXPECT_EQ(record.steps, until_end ? 2u : 4u);
      EXPECT_EQ(record.charged, until_end ? 401u + 301u : 1003u);
      EXPECT_TRUE(record.named.empty());
      for (std::uint32_t step = 0; step < record.steps; ++step) {
        mpc::RobustDecoder decoder(committee.ledger().committee, 1);
        for (std::uint16_t i = 0; i < Committee::kSize; ++i) {
          const auto steps = committee.told_steps(i, request);
          if (step >= steps.size()) continue;  // It died, and the others did not wait for it.
          const AnswerStep& told = steps[step];
          decoder.Add(PartyId{i}, *mpc::DecodeElements(told.shares));
          EXPECT_TRUE(proto::Verify(
              committee.ledger().validators[i].public_key(),
              AnswerStepDigest(committee.ledger().ledger.chain().id, request, step, told.shares),
              told.signature));
        }
        ASSERT_TRUE(decoder.decoded());
        EXPECT_EQ(decoder.values()[0], *mpc::Fp::FromBytes(record.output[step]));
      }
      EXPECT_EQ(committee.told_steps(0, request).size(), record.steps);
    }
  };
  std::size_t writes = 0;
  {
    Committee committee(1, plan);
    live(committee);
    writes = committee.files(1).writes();
  }
  for (std::size_t k = 0; k < writes && !testing::Test::HasFailure(); ++k) {
    SCOPED_TRACE("death after write " + std::to_string(k) + " of " + std::to_string(writes));
    Committee committee(1, plan);
    committee.files(1).DieAfter(k);
    live(committee);
  }
}

// A model whose plan leaks more than 2^-40 is served by no validator, and never active.
TEST(Models, OfLeakingPlansAreRefused) {
  Committee committee(1, LeakyPlan());
  committee.Settle();
  const auto snapshot = committee.ledger().ledger.snapshot();
  const auto record = snapshot.model(snapshot.models(1, 1).at(0));
  ASSERT_TRUE(record.has_value());
  EXPECT_EQ(record->status, proto::ModelStatus::kRegistered);
  EXPECT_TRUE(record->ready.empty());
  EXPECT_EQ(snapshot.totals().attempts, 0u);
  EXPECT_EQ(std::ranges::count_if(committee.notes(),
                                  [](const std::string& note) {
                                    return note.find("would leak 2^-39.0") != std::string::npos;
                                  }),
            Committee::kSize);
}

}  // namespace
}  // namespace node::test
