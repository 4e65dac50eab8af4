// A validator that goes on from a snapshot orders what follows as those that never left, weak links
// to what was ordered before included; and it never contradicts what it said earlier.

#include "consensus/sync/rebase.h"

#include <algorithm>
#include <random>

#include <gtest/gtest.h>

#include "tests/unit/consensus/core/driver.h"

namespace consensus {
namespace {

using proto::PartyId;

constexpr std::uint32_t kGcDepth = 6;

// Certificates by round: each on n - f or more of the round before, with weak links to whatever old
// vertices chance picks, ordered ones too.
std::vector<std::vector<Certificate>> RandomDag(const Validators& validators, std::uint64_t rounds,
                                                std::uint64_t seed) {
  std::mt19937_64 random(seed);
  std::vector<std::vector<Certificate>> dag;
  for (std::uint64_t round = 1; round <= rounds; ++round) {
    std::vector<Certificate> made;
    for (std::uint16_t author = 0; author < 4; ++author) {
      if (made.size() + (4u - author) > 3 && random() % 5 == 0) continue;
      std::vector<Reference> parents =
          round == 1 ? std::vector<Reference>() : ReferencesTo(dag.back());
      if (parents.size() == 4 && random() % 2 == 0) {
        parents.erase(parents.begin() + static_cast<std::ptrdiff_t>(random() % 4));
      }
      HeaderFields fields = validators.Fields(round, author, parents);
      for (std::uint64_t old = round > 8 ? round - 8 : 1; old + 1 < round; ++old) {
        for (const auto& link : ReferencesTo(dag[old - 1])) {
          if (random() % 6 == 0) fields.weak.push_back(link);
        }
      }
      made.push_back(validators.Certify(validators.Sign(std::move(fields))));
    }
    dag.push_back(std::move(made));
  }
  return dag;
}

class RebaseTest : public testing::Test {
 protected:
  Config ConfigOf(std::uint16_t party) const {
    Config config = validators_.ConfigOf(party);
    config.gc_depth = kGcDepth;
    return config;
  }
  // A core on `disk`, made to go on from the commit.
  std::unique_ptr<Core> Join(const Config& config, sim::Disk& disk, const Commit& commit) {
    auto writes = Rebase(config, disk, {commit.index, commit.round, commit.leader});
    CHECK(writes.has_value());
    disk.Apply(*writes, true);
    return Open(config, disk, commit.index);
  }
  std::unique_ptr<Core> Open(const Config& config, const sim::Disk& disk, std::uint64_t executed) {
    const std::uint16_t self = proto::Index(config.self);
    auto core = Core::Open(config, validators_.secret(self).Clone(),
                           validators_.coin_secret(self).Clone(), disk, executed);
    CHECK(core.has_value());
    return std::move(*core);
  }

  const Validators validators_;
};

void Note(const Step& step, sim::Disk& disk, std::vector<Commit>& commits) {
  disk.Apply(step.writes, step.sync);
  for (const Output& output : step.outputs) {
    if (const auto* const commit = std::get_if<Commit>(&output)) commits.push_back(*commit);
    EXPECT_FALSE(std::holds_alternative<Halt>(output));
  }
}

TEST_F(RebaseTest, JoinersContinueTheOneSequence) {
  std::size_t joined = 0;
  for (std::uint64_t seed = 1; seed <= 6; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    const auto dag = RandomDag(validators_, 40, seed);
    Driver driver(validators_, ConfigOf(0));
    for (const auto& round : dag) driver.Insert(round);
    const auto commits = driver.Outputs<Commit>();
    ASSERT_GT(commits.size(), 5u);
    for (std::size_t k = 0; k + 1 < commits.size(); k += 2) {
      const std::uint64_t gc = commits[k].round > kGcDepth ? commits[k].round - kGcDepth : 0;
      const Config config = ConfigOf(1);
      sim::Disk disk;
      auto core = Join(config, disk, commits[k]);
      std::vector<Commit> seen;
      Note(core->Start(), disk, seen);
      std::mt19937_64 random(seed * 100 + k);
      std::vector<Certificate> missing;
      for (std::uint64_t round = gc + 1; round <= dag.size(); ++round) {
        missing.insert(missing.end(), dag[round - 1].begin(), dag[round - 1].end());
      }
      std::shuffle(missing.begin(), missing.end(), random);
      for (std::size_t i = 0; i < missing.size(); ++i) {
        Note(core->Handle(PartyId{2}, missing[i]), disk, seen);
        if (i % 17 != 5) continue;
        // The power fails: what had waited for others comes again.
        disk.Crash();
        core = Open(config, disk, seen.empty() ? commits[k].index : seen.back().index);
        Note(core->Start(), disk, seen);
        for (std::size_t j = 0; j <= i; ++j) {
          Note(core->Handle(PartyId{2}, missing[j]), disk, seen);
        }
      }
      ASSERT_EQ(seen.size(), commits.size() - k - 1);
      for (std::size_t i = 0; i < seen.size(); ++i) {
        EXPECT_EQ(seen[i].index, commits[k + 1 + i].index);
        EXPECT_EQ(seen[i].leader, commits[k + 1 + i].leader);
        EXPECT_EQ(seen[i].vertices, commits[k + 1 + i].vertices);
      }
      ++joined;
    }
  }
  EXPECT_GT(joined, 15u);
}

TEST_F(RebaseTest, EarlierVotesAndHeadersAreKept) {
  const auto dag = RandomDag(validators_, 40, 9);
  Driver driver(validators_, ConfigOf(0));
  for (const auto& round : dag) driver.Insert(round);
  const Commit newest = driver.Outputs<Commit>().back();

  sim::Disk disk;
  const Config config = ConfigOf(1);
  auto core = Open(config, disk, 0);
  std::vector<Commit> none;
  Note(core->Start(), disk, none);
  const Header first = validators_.MakeHeader(1, 2, {});
  Note(core->Handle(PartyId{2}, first), disk, none);
  Step proposed = core->Tick();
  Note(proposed, disk, none);
  ASSERT_EQ(core->status().own_round, 1u);

  core = Join(config, disk, newest);
  Note(core->Start(), disk, none);
  EXPECT_EQ(core->status().own_round, 1u);
  EXPECT_EQ(core->NewestHeaderOf(PartyId{2})->digest, first.digest);
  // Nothing is proposed on a base that is not here yet.
  const Step tick = core->Tick();
  for (const auto& [target, message] : tick.messages) {
    EXPECT_FALSE(std::holds_alternative<Header>(message));
  }
  EXPECT_TRUE(none.empty());
  // Whoever asks for rounds that it skipped hears that they are not here.
  const Step answer = core->Handle(PartyId{3}, RangeRequest{1});
  ASSERT_EQ(answer.messages.size(), 1u);
  EXPECT_EQ(std::get<RangeAnswer>(answer.messages[0].message).oldest_round,
            newest.round - kGcDepth + 1);
}

TEST_F(RebaseTest, ASilentCoreVotesOnlyOnceItMaySpeak) {
  sim::Disk disk;
  const Config config = ConfigOf(0);
  auto core = Open(config, disk, 0);
  core->Silence();
  std::vector<Commit> none;
  Note(core->Start(), disk, none);
  const Header header = validators_.MakeHeader(1, 2, {});
  Step step = core->Handle(PartyId{2}, header);
  Note(step, disk, none);
  EXPECT_TRUE(step.messages.empty());
  Step tick = core->Tick();
  for (const auto& [target, message] : tick.messages) {
    EXPECT_FALSE(std::holds_alternative<Header>(message));
  }
  step = core->Speak();
  std::size_t votes = 0;
  std::size_t headers = 0;
  for (const auto& [target, message] : step.messages) {
    votes += std::holds_alternative<Vote>(message);
    headers += std::holds_alternative<Header>(message);
  }
  EXPECT_EQ(votes, 1u);
  EXPECT_EQ(headers, 1u);
}

TEST_F(RebaseTest, AnObserverIsSilentAfterRestartsToo) {
  sim::Disk disk;
  const Config config = ConfigOf(0);
  std::vector<Commit> none;
  {
    auto core = Open(config, disk, 0);
    core->Silence();
    Note(core->Start(), disk, none);
    Note(core->Observe("because"), disk, none);
  }
  disk.Crash();
  auto core = Open(config, disk, 0);
  EXPECT_EQ(core->observing(), "because");
  Note(core->Start(), disk, none);
  std::vector<Step> steps;
  steps.push_back(core->Speak());
  steps.push_back(core->Handle(PartyId{2}, validators_.MakeHeader(1, 2, {})));
  steps.push_back(core->Tick());
  for (const Step& step : steps) {
    for (const auto& [target, message] : step.messages) {
      EXPECT_FALSE(std::holds_alternative<Vote>(message) ||
                   std::holds_alternative<Header>(message));
    }
  }
}

}  // namespace
}  // namespace consensus
