// Own headers, votes for them, commits, finality, restarts and catch-up of one validator.

#include "consensus/core/core.h"

#include <algorithm>

#include <gtest/gtest.h>

#include "tests/unit/consensus/core/driver.h"

namespace consensus {
namespace {

using proto::ErrorCode;
using proto::FaultKind;
using proto::PartyId;

class CoreTest : public testing::Test {
 protected:
  void Insert(const std::vector<std::vector<Certificate>>& rounds) {
    for (const auto& round : rounds) driver_.Insert(round);
  }
  Header OwnHeader() {
    const auto headers = driver_.Sent<Header>();
    CHECK(!headers.empty());
    return headers.back();
  }

  const Validators validators_;
  Driver driver_{validators_};
};

TEST_F(CoreTest, ConfigurationsThatCannotBeAreRefused) {
  const auto error = [&](const std::function<void(Config&)>& change) {
    Config config = validators_.ConfigOf(0);
    change(config);
    const sim::Disk disk;
    const auto core = Core::Open(config, validators_.secret(0).Clone(),
                                 validators_.coin_secret(0).Clone(), disk, 0);
    return core ? std::nullopt : std::optional(core.error().code);
  };
  const auto kRefused = std::optional(ErrorCode::kInvalidArgument);
  EXPECT_EQ(error([](Config&) {}), std::nullopt);
  EXPECT_EQ(error([](Config& c) { c.committee = proto::Committee(3); }), kRefused);
  EXPECT_EQ(error([](Config& c) { c.keys.pop_back(); }), kRefused);
  EXPECT_EQ(error([](Config& c) { c.self = PartyId{1}; }), kRefused);  // Not its key.
  EXPECT_EQ(error([](Config& c) { c.self = PartyId{4}; }), kRefused);
  EXPECT_EQ(error([](Config& c) { c.coin.threshold = 1; }), kRefused);
  EXPECT_EQ(error([](Config& c) { c.coin.threshold = 4; }), kRefused);
  EXPECT_EQ(error([](Config& c) { c.gc_depth = 3; }), kRefused);
}

TEST_F(CoreTest, AHeaderNeedsATickAndAQuorum) {
  EXPECT_TRUE(driver_.Sent<Header>().empty());
  driver_.Tick();
  ASSERT_EQ(driver_.Sent<Header>().size(), 1u);
  EXPECT_EQ(OwnHeader().round, 1u);
  driver_.Clear();

  const auto rounds = validators_.Rounds(2, {1, 2, 3});
  driver_.Insert({rounds[0][0], rounds[0][1]});
  driver_.Tick();
  EXPECT_TRUE(driver_.Sent<Header>().empty());  // The tick waits for the quorum.
  driver_.Insert({rounds[0][2]});
  ASSERT_EQ(driver_.Sent<Header>().size(), 1u);
  EXPECT_EQ(OwnHeader().round, 2u);
  EXPECT_EQ(OwnHeader().parents, ReferencesTo(rounds[0]));
  driver_.Clear();

  driver_.Insert(rounds[1]);
  EXPECT_TRUE(driver_.Sent<Header>().empty());  // The quorum waits for the tick.
  driver_.Tick();
  EXPECT_EQ(OwnHeader().round, 3u);
}

// Whoever was in time the last time is waited for, but not for long, and not again.
TEST_F(CoreTest, AHeaderWaitsForThoseWhoWereInTime) {
  const auto rounds = validators_.Rounds(5, {1, 2, 3});
  const auto insert_own = [&] { driver_.Handle(0, validators_.Certify(OwnHeader())); };
  driver_.Tick();
  insert_own();
  driver_.Insert(rounds[0]);
  driver_.Tick();
  ASSERT_EQ(OwnHeader().parents.size(), 4u);

  insert_own();
  driver_.Insert({rounds[1][0], rounds[1][1]});
  driver_.Clear();
  driver_.Tick();
  EXPECT_TRUE(driver_.Sent<Header>().empty());
  driver_.Insert({rounds[1][2]});  // The last one ends it.
  ASSERT_EQ(OwnHeader().round, 3u);
  EXPECT_EQ(OwnHeader().parents.size(), 4u);

  insert_own();
  driver_.Insert({rounds[2][0], rounds[2][1]});
  driver_.Clear();
  driver_.Tick(static_cast<int>(kPatienceTicks));
  EXPECT_TRUE(driver_.Sent<Header>().empty());
  driver_.Tick();  // Or its patience.
  ASSERT_EQ(OwnHeader().round, 4u);
  EXPECT_EQ(OwnHeader().parents.size(), 3u);

  insert_own();
  driver_.Insert({rounds[2][2], rounds[3][0], rounds[3][1]});
  driver_.Tick();  // Who was late is not waited for.
  EXPECT_EQ(OwnHeader().round, 5u);
  insert_own();
  driver_.Insert({rounds[3][2], rounds[4][0], rounds[4][1], rounds[4][2]});
  driver_.Tick();
  EXPECT_EQ(OwnHeader().round, 6u);
  EXPECT_EQ(OwnHeader().parents.size(), 4u);
}

TEST_F(CoreTest, AnOwnHeaderLeavesWithItsOwnSync) {
  const Step step = driver_.core().Tick();
  ASSERT_EQ(step.messages.size(), 1u);
  EXPECT_TRUE(std::holds_alternative<Header>(step.messages[0].message));
  EXPECT_TRUE(step.sync);
}

TEST_F(CoreTest, AnOwnHeaderIsDurableAndTheSameAfterARestart) {
  driver_.Submit({{1, 2, 3}});
  driver_.Tick();
  const Header header = OwnHeader();
  driver_.Clear();
  driver_.Restart();
  driver_.Submit({{4}});
  driver_.Tick(3);
  const auto headers = driver_.Sent<Header>();
  ASSERT_EQ(headers.size(), 1u);
  EXPECT_EQ(headers[0].digest, header.digest);
  EXPECT_EQ(headers[0].signature, header.signature);
}

TEST_F(CoreTest, EvenHeadersCarryTheShareOfTheWaveTwoBefore) {
  Insert(validators_.Rounds(3, {1, 2, 3}));
  driver_.Tick();
  const Header header = OwnHeader();
  EXPECT_EQ(header.round, 4u);
  ASSERT_TRUE(header.coin_share.has_value());
  EXPECT_EQ(*header.coin_share, validators_.ShareOf(0, 2));
}

TEST_F(CoreTest, AQuorumOfVotesMakesTheCertificate) {
  driver_.Tick();
  const Header header = OwnHeader();
  driver_.Clear();
  driver_.Handle(1, validators_.MakeVote(header, 1));
  driver_.Handle(1, validators_.MakeVote(header, 1));  // Counted once.
  EXPECT_TRUE(driver_.Sent<Certificate>().empty());
  Vote forged = validators_.MakeVote(header, 2);
  forged.signature = validators_.MakeVote(header, 1).signature;
  driver_.Handle(2, forged);
  EXPECT_EQ(driver_.TakeFaults().at(0).kind, FaultKind::kBadSignature);
  driver_.Handle(3, validators_.MakeVote(header, 2));
  EXPECT_EQ(driver_.TakeFaults().at(0).kind, FaultKind::kUnexpectedSender);
  EXPECT_TRUE(driver_.Sent<Certificate>().empty());
  driver_.Handle(3, validators_.MakeVote(header, 3));
  const auto certificates = driver_.Sent<Certificate>(2);
  ASSERT_EQ(certificates.size(), 1u);
  EXPECT_EQ(certificates[0].votes.size(), 3u);
  EXPECT_EQ(Verifier(driver_.config()).Check(certificates[0]), std::nullopt);
}

TEST_F(CoreTest, VotesForAnotherHeaderOrWithoutASignatureDoNotCount) {
  driver_.Tick();
  const Header header = OwnHeader();
  HeaderFields fields = header;
  fields.block_votes = {validators_.SignBlock(0, 1, {})};
  const Header another = validators_.Sign(std::move(fields));
  for (std::uint16_t i = 1; i < 4; ++i) {
    driver_.Handle(i, validators_.MakeVote(another, i));
    Vote unsigned_vote = validators_.MakeVote(header, i);
    unsigned_vote.signature.bytes[5] ^= 1;
    driver_.Handle(i, unsigned_vote);
  }
  EXPECT_TRUE(driver_.Sent<Certificate>().empty());
  EXPECT_EQ(driver_.TakeFaults().size(), 3u);
}

TEST_F(CoreTest, AnUncertifiedHeaderIsSentAgainToThoseWhoHaveNotVoted) {
  driver_.Tick();
  driver_.Handle(1, validators_.MakeVote(OwnHeader(), 1));
  driver_.Clear();
  driver_.Tick(static_cast<int>(kResendTicks));
  EXPECT_TRUE(driver_.Sent<Header>(1).empty());
  EXPECT_EQ(driver_.Sent<Header>(2).size(), 1u);
  EXPECT_EQ(driver_.Sent<Header>(3).size(), 1u);
}

TEST_F(CoreTest, ANewLinkGetsTheNewestHeaderAndCertificate) {
  driver_.Tick();
  const Header first = OwnHeader();
  driver_.Clear();
  driver_.Connect(2);
  ASSERT_EQ(driver_.Sent<Header>(2).size(), 1u);
  EXPECT_TRUE(driver_.Sent<Header>(1).empty());
  for (std::uint16_t i = 1; i < 3; ++i) driver_.Handle(i, validators_.MakeVote(first, i));
  driver_.Clear();
  driver_.Connect(3);
  EXPECT_TRUE(driver_.Sent<Header>(3).empty());
  ASSERT_EQ(driver_.Sent<Certificate>(3).size(), 1u);
  EXPECT_EQ(driver_.Sent<Certificate>(3)[0].header.digest, first.digest);
}

TEST_F(CoreTest, SubmittedTransactionsSurviveEveryRestart) {
  EXPECT_TRUE(driver_.Submit({{1}, {2}}));
  EXPECT_TRUE(driver_.last_step().sync);
  EXPECT_TRUE(driver_.Submit({{3}}));
  driver_.Restart();
  EXPECT_TRUE(driver_.core().has_pending());
  driver_.Tick();
  const auto batches = driver_.Sent<Transactions>();
  ASSERT_EQ(batches.size(), 1u);
  EXPECT_EQ(batches[0].transactions, (std::vector<proto::Bytes>{{1}, {2}, {3}}));
  const Header header = OwnHeader();
  ASSERT_EQ(header.batches.size(), 1u);
  EXPECT_EQ(header.batches[0].digest, batches[0].digest);

  // The header gets no certificate: the batch goes into the next one, also after a restart.
  driver_.Restart();
  Insert(validators_.Rounds(1, {1, 2, 3}));
  driver_.Clear();
  driver_.Tick();
  EXPECT_EQ(OwnHeader().round, 2u);
  EXPECT_EQ(OwnHeader().batches, header.batches);
}

TEST_F(CoreTest, TooLargeOrTooManyTransactionsAreRefused) {
  const auto code = [&](std::vector<proto::Bytes> transactions) {
    const auto step = driver_.core().Submit(std::move(transactions));
    return step ? std::nullopt : std::optional(step.error().code);
  };
  EXPECT_EQ(code({{}}), ErrorCode::kInvalidArgument);
  EXPECT_EQ(code({proto::Bytes(proto::dag::kTransactionBytesMax + 1)}),
            ErrorCode::kInvalidArgument);
  const std::vector<proto::Bytes> many(257, proto::Bytes(proto::dag::kTransactionBytesMax));
  EXPECT_EQ(code(many), ErrorCode::kExhausted);
  EXPECT_EQ(code({proto::Bytes(proto::dag::kTransactionBytesMax)}), std::nullopt);
}

TEST_F(CoreTest, LargeSubmissionsLeaveInSeveralBatches) {
  const std::vector<proto::Bytes> many(5, proto::Bytes(proto::dag::kTransactionBytesMax, 7));
  EXPECT_TRUE(driver_.Submit(many));
  driver_.Tick();
  std::size_t transactions = 0;
  for (const auto& batch : driver_.Sent<Transactions>()) {
    EXPECT_LE(batch.bytes.size(), proto::dag::kBatchBytesMax);
    transactions += batch.transactions.size();
  }
  EXPECT_EQ(transactions, 5u);
}

TEST_F(CoreTest, CommitsComeInOrderAndAgainAfterARestart) {
  const auto rounds = validators_.Rounds(12, {1, 2, 3});
  Insert(rounds);
  const auto commits = driver_.Outputs<Commit>();
  ASSERT_GE(commits.size(), 2u);
  for (std::size_t i = 0; i < commits.size(); ++i) EXPECT_EQ(commits[i].index, i + 1);

  driver_.Clear();
  driver_.Restart(1);
  const auto again = driver_.Outputs<Commit>();
  ASSERT_EQ(again.size(), commits.size() - 1);
  for (std::size_t i = 0; i < again.size(); ++i) {
    EXPECT_EQ(again[i].index, commits[i + 1].index);
    EXPECT_EQ(again[i].leader, commits[i + 1].leader);
    EXPECT_EQ(again[i].vertices, commits[i + 1].vertices);
  }
}

TEST_F(CoreTest, ARestartedNodeContinuesAsIfItHadNotStopped) {
  const auto rounds = validators_.Rounds(40, {1, 2, 3});
  Driver other(validators_);
  for (std::size_t i = 0; i < rounds.size(); ++i) {
    driver_.Insert(rounds[i]);
    other.Insert(rounds[i]);
    if (i % 7 != 6) continue;
    // What was not synced is lost, and comes again.
    other.Restart(other.core().status().commit_index);
    for (std::size_t again = 0; again <= i; ++again) other.Insert(rounds[again]);
  }
  const auto straight = driver_.Outputs<Commit>();
  const auto stopped = other.Outputs<Commit>();
  std::map<std::uint64_t, std::vector<Reference>> vertices;
  for (const auto& commit : stopped) vertices[commit.index] = commit.vertices;
  ASSERT_GE(straight.size(), 10u);
  for (const auto& commit : straight) EXPECT_EQ(vertices[commit.index], commit.vertices);
}

// Another validator names the batch again once the first to name it is ordered.
TEST_F(CoreTest, ABatchOrderedBeforeARestartIsNotOrderedAgain) {
  const auto batch = proto::dag::MakeBatch({{1}});
  driver_.Handle(1, batch);
  std::vector<std::vector<Certificate>> rounds(1);
  for (std::uint64_t round = 1; round <= 20; ++round) {
    std::vector<Certificate> next;
    for (std::uint16_t i = 1; i < 4; ++i) {
      HeaderFields fields = validators_.Fields(round, i, ReferencesTo(rounds.back()));
      if ((round == 2 && i == 1) || (round == 10 && i == 2)) {
        fields.batches.push_back({batch.digest, static_cast<std::uint32_t>(batch.bytes.size())});
      }
      next.push_back(validators_.Certify(validators_.Sign(std::move(fields))));
    }
    rounds.push_back(std::move(next));
    if (round == 9) {
      ASSERT_GE(driver_.core().status().last_leader_round, 3u);
      // What was not synced is lost, and comes again.
      driver_.Restart(driver_.core().status().commit_index);
      Insert(rounds);
    }
    driver_.Insert(rounds.back());
  }
  ASSERT_GT(driver_.core().status().last_leader_round, 10u);
  ASSERT_LT(driver_.core().status().gc_round, 2u);  // The first naming still counts.
  std::size_t times = 0;
  for (const auto& commit : driver_.Outputs<Commit>()) times += commit.transactions.size();
  EXPECT_EQ(times, 1u);
}

TEST_F(CoreTest, StorageOlderThanTheLedgerIsRefused) {
  Insert(validators_.Rounds(12, {1, 2, 3}));
  const std::uint64_t index = driver_.core().status().commit_index;
  EXPECT_TRUE(driver_.Open(index));
  const auto core = driver_.Open(index + 1);
  ASSERT_FALSE(core);
  EXPECT_EQ(core.error().code, ErrorCode::kCorrupt);
}

TEST_F(CoreTest, DamagedStorageIsRefused) {
  Insert(validators_.Rounds(12, {1, 2, 3}));
  driver_.Submit({{1}});
  driver_.Tick();
  const auto contents = driver_.disk().contents();
  std::map<std::uint8_t, int> refused;
  for (const auto& [key, value] : contents) {
    if (key[0] != 's' && key[0] != 'o' && key[0] != 'c' && key[0] != 'k') continue;
    driver_.disk().Replace(key, proto::Bytes(value.begin(), value.begin() + 3));
    refused[key[0]] += !driver_.Open(0);
    driver_.disk().Replace(key, value);
  }
  for (const char tag : {'s', 'o', 'c', 'k'}) EXPECT_GE(refused[tag], 1) << tag;
  EXPECT_TRUE(driver_.Open(0));
}

TEST_F(CoreTest, ACertificateIsFreedWhenWhatItLacksFallsBelowGc) {
  const auto rounds = validators_.Rounds(30, {0, 1, 2});
  Insert({rounds.begin(), rounds.begin() + 15});
  ASSERT_EQ(driver_.core().status().gc_round, 0u);
  HeaderFields fields = validators_.Fields(16, 3, ReferencesTo(rounds[14]));
  fields.weak = {{1, PartyId{3}, proto::Hash("never seen", {})}};
  const Certificate certificate = validators_.Certify(validators_.Sign(fields));
  const auto is_stored = [&] {
    driver_.Clear();
    driver_.Handle(1, Request{ReferencesTo({certificate}), {}});
    return !driver_.Sent<Certificate>(1).empty();
  };
  driver_.Handle(3, certificate);
  EXPECT_FALSE(is_stored());
  Insert({rounds.begin() + 15, rounds.end()});
  ASSERT_GT(driver_.core().status().gc_round, 0u);
  ASSERT_LT(driver_.core().status().gc_round, 16u);
  EXPECT_TRUE(is_stored());
}

// Validator 3's vertices come late: after the commits of their rounds, before these are collected.
TEST_F(CoreTest, ALateVertexOfACommittedRoundIsLinkedWeaklyAndOrdered) {
  const auto rounds = validators_.Rounds(12, {0, 1, 2});
  Insert({rounds.begin(), rounds.begin() + 11});
  const std::uint64_t last = driver_.core().status().last_leader_round;
  ASSERT_GE(last, 4u);
  ASSERT_EQ(driver_.core().status().gc_round, 0u);
  const Certificate late =
      validators_.Certify(validators_.MakeHeader(3, 3, ReferencesTo(rounds[1])));
  driver_.Handle(3, late);
  driver_.Clear();
  driver_.Tick();
  ASSERT_EQ(driver_.Sent<Header>().size(), 1u);
  EXPECT_EQ(OwnHeader().round, 12u);
  EXPECT_EQ(OwnHeader().weak, ReferencesTo({late}));
  // Whoever names it gets it into the sequence.
  std::vector<Certificate> before = rounds[10];
  for (std::uint64_t round = 12; round <= 24; ++round) {
    std::vector<Certificate> next;
    for (std::uint16_t i = 1; i < 4; ++i) {
      HeaderFields fields = validators_.Fields(round, i, ReferencesTo(before));
      if (round == 12) fields.weak = ReferencesTo({late});
      next.push_back(validators_.Certify(validators_.Sign(std::move(fields))));
    }
    driver_.Insert(next);
    before = std::move(next);
  }
  std::size_t times = 0;
  for (const auto& commit : driver_.Outputs<Commit>()) {
    times += static_cast<std::size_t>(
        std::count(commit.vertices.begin(), commit.vertices.end(), late.header.reference()));
  }
  EXPECT_EQ(times, 1u);
}

// Finality.

TEST_F(CoreTest, AQuorumOfEqualBlockVotesIsFinal) {
  Insert(validators_.Rounds(8, {1, 2, 3}));
  ASSERT_GE(driver_.core().status().commit_index, 1u);
  const proto::Digest block = proto::Hash("block", {});
  driver_.SignBlock(1, block);
  driver_.Tick();
  const Header own = OwnHeader();
  ASSERT_EQ(own.block_votes.size(), 1u);
  EXPECT_EQ(own.block_votes[0].block, block);
  for (std::uint16_t i = 1; i < 3; ++i) {
    EXPECT_TRUE(driver_.Outputs<Finalized>().empty());
    HeaderFields fields = validators_.Fields(9, i, own.parents);
    fields.block_votes = {validators_.SignBlock(i, 1, block)};
    driver_.Handle(i, validators_.Sign(fields));
  }
  const auto finalized = driver_.Outputs<Finalized>();
  ASSERT_EQ(finalized.size(), 1u);
  EXPECT_EQ(finalized[0].index, 1u);
  EXPECT_EQ(finalized[0].block, block);
  ASSERT_EQ(finalized[0].signatures.size(), 3u);
  const proto::Digest digest = proto::CheckpointDigest(driver_.config().chain, 1, 1, block);
  for (const auto& [party, signature] : finalized[0].signatures) {
    EXPECT_TRUE(proto::Verify(driver_.config().keys[proto::Index(party)], digest, signature));
  }
  // Lost with the power? Then again.
  driver_.Clear();
  driver_.Restart(1);
  EXPECT_EQ(driver_.Outputs<Finalized>().size(), 1u);
}

TEST_F(CoreTest, BlockVotesTravelUntilAnOwnHeaderIsCertified) {
  const auto rounds = validators_.Rounds(10, {1, 2, 3});
  Insert({rounds.begin(), rounds.begin() + 8});
  driver_.SignBlock(1, proto::Hash("block", {}));
  driver_.Tick();
  EXPECT_EQ(OwnHeader().block_votes.size(), 1u);
  Insert({rounds[8]});
  driver_.Tick();
  const Header second = OwnHeader();
  EXPECT_EQ(second.round, 10u);
  EXPECT_EQ(second.block_votes.size(), 1u);  // The first has no certificate.
  for (std::uint16_t i = 1; i < 3; ++i) driver_.Handle(i, validators_.MakeVote(second, i));
  Insert({rounds[9]});
  driver_.Tick();
  EXPECT_EQ(OwnHeader().round, 11u);
  EXPECT_TRUE(OwnHeader().block_votes.empty());
}

TEST_F(CoreTest, TwoBlockVotesForOneCommitAreEvidence) {
  Insert(validators_.Rounds(8, {1, 2, 3}));
  const auto parents = ReferencesTo(validators_.Rounds(8, {1, 2, 3})[7]);
  HeaderFields fields = validators_.Fields(9, 1, parents);
  fields.block_votes = {validators_.SignBlock(1, 1, proto::Hash("a", {}))};
  driver_.Handle(1, validators_.Sign(fields));
  fields = validators_.Fields(7, 1, ReferencesTo(validators_.Rounds(6, {1, 2, 3})[5]));
  driver_.Insert({validators_.Certify(validators_.Sign(validators_.Fields(9, 3, parents)))});
  HeaderFields next = validators_.Fields(10, 1, parents);
  for (auto& parent : next.parents) parent.round = 9;
  next.coin_share = validators_.ShareOf(1, 8);
  next.block_votes = {validators_.SignBlock(1, 1, proto::Hash("b", {}))};
  driver_.Handle(1, validators_.Sign(next));
  const auto evidence = driver_.Outputs<Evidence>();
  ASSERT_EQ(evidence.size(), 1u);
  EXPECT_EQ(evidence[0].offender, PartyId{1});
}

TEST_F(CoreTest, MoreThanFContradictionsHaltTheNode) {
  const auto rounds = validators_.Rounds(8, {1, 2, 3});
  Insert(rounds);
  driver_.SignBlock(1, proto::Hash("own", {}));
  for (std::uint16_t i = 1; i < 3; ++i) {
    EXPECT_TRUE(driver_.Outputs<Halt>().empty());
    HeaderFields fields = validators_.Fields(9, i, ReferencesTo(rounds[7]));
    fields.block_votes = {validators_.SignBlock(i, 1, proto::Hash("other", {}))};
    driver_.Handle(i, validators_.Sign(fields));
  }
  EXPECT_EQ(driver_.Outputs<Halt>().size(), 1u);
}

TEST_F(CoreTest, ANodeThatContradictsItselfHalts) {
  Insert(validators_.Rounds(8, {1, 2, 3}));
  driver_.SignBlock(1, proto::Hash("a", {}));
  driver_.SignBlock(1, proto::Hash("a", {}));
  driver_.Restart(1);
  EXPECT_TRUE(driver_.Outputs<Halt>().empty());
  driver_.SignBlock(1, proto::Hash("b", {}));
  EXPECT_EQ(driver_.Outputs<Halt>().size(), 1u);
}

// Catch-up.

TEST_F(CoreTest, ANodeThatIsBehindFetchesRanges) {
  Driver ahead(validators_, validators_.ConfigOf(1));
  const auto rounds = validators_.Rounds(300, {1, 2, 3});
  for (const auto& round : rounds) ahead.Insert(round);
  ahead.Clear();

  driver_.EndCatchUp();
  driver_.Clear();
  driver_.Handle(1, rounds[299][0]);
  for (int page = 0; page < 20; ++page) {
    for (std::uint16_t peer = 1; peer < 4; ++peer) {
      const auto requests = driver_.Sent<RangeRequest>(peer);
      if (requests.empty()) continue;
      driver_.Clear();
      ahead.Clear();
      for (const auto& request : requests) ahead.Handle(0, request);
      for (const auto& answer : ahead.Sent<RangeAnswer>(0)) driver_.Handle(peer, answer);
    }
    ahead.Tick();
  }
  EXPECT_EQ(driver_.core().status().highest_round, 300u);
  EXPECT_EQ(driver_.core().status().commit_index, ahead.core().status().commit_index);
  EXPECT_FALSE(driver_.core().status().catching_up);
  EXPECT_TRUE(driver_.TakeFaults().empty());
}

TEST_F(CoreTest, ForgedRangesAreBlamedOnTheirSender) {
  driver_.Tick();
  auto rounds = validators_.Rounds(2, {1, 2, 3});
  rounds[0][1].votes[0].second = {};
  driver_.Handle(2, RangeAnswer{1, 3, 1, 2, {rounds[0][0], rounds[0][1], rounds[0][2]}});
  const auto faults = driver_.TakeFaults();
  ASSERT_EQ(faults.size(), 1u);
  EXPECT_EQ(faults[0].party, PartyId{2});
  EXPECT_EQ(driver_.core().status().highest_round, 1u);
}

TEST_F(CoreTest, WhatNobodyKeepsNeedsASnapshot) {
  driver_.Clear();
  Driver node(validators_);  // Asks validator 1 first.
  ASSERT_EQ(node.Sent<RangeRequest>(1).size(), 1u);
  node.Handle(1, RangeAnswer{1, 1, 900, 1'000, {}});
  EXPECT_TRUE(node.Outputs<NeedSnapshot>().empty());
  ASSERT_EQ(node.Sent<RangeRequest>(2).size(), 1u);
  node.Handle(2, RangeAnswer{1, 1, 800, 1'000, {}});
  ASSERT_EQ(node.Outputs<NeedSnapshot>().size(), 1u);
  EXPECT_EQ(node.Outputs<NeedSnapshot>()[0].oldest_round, 800u);
  EXPECT_EQ(node.Sent<RangeRequest>(3).size(), 1u);  // And goes on.
}

TEST_F(CoreTest, OldRoundsArePrunedWithTheirBatches) {
  Config config = validators_.ConfigOf(0);
  config.retain_rounds = 4;
  Driver node(validators_, config);
  const auto batch = proto::dag::MakeBatch({{9}});
  HeaderFields fields = validators_.Fields(1, 1, {});
  fields.batches = {{batch.digest, static_cast<std::uint32_t>(batch.bytes.size())}};
  std::vector<Certificate> certificates = {validators_.Certify(validators_.Sign(fields)),
                                           validators_.Certify(validators_.MakeHeader(1, 2, {})),
                                           validators_.Certify(validators_.MakeHeader(1, 3, {}))};
  node.Handle(1, batch);
  node.Insert(certificates);
  for (std::uint64_t round = 2; round <= 60; ++round) {
    std::vector<Certificate> next;
    for (std::uint16_t i = 1; i < 4; ++i) {
      next.push_back(
          validators_.Certify(validators_.MakeHeader(round, i, ReferencesTo(certificates))));
    }
    certificates = std::move(next);
    node.Insert(certificates);
  }
  const std::uint64_t gc = node.core().status().gc_round;
  ASSERT_GT(gc, 10u);
  std::set<std::uint8_t> tags;
  for (const auto& [key, value] : node.disk().contents()) {
    tags.insert(key[0]);
    if (key[0] != 'c') continue;
    std::uint64_t round = 0;
    for (int i = 1; i <= 8; ++i) round = round << 8 | key[static_cast<std::size_t>(i)];
    EXPECT_GT(round + config.retain_rounds, gc);
  }
  EXPECT_EQ(tags.count('b'), 0u);
  EXPECT_EQ(tags.count('r'), 0u);
  node.Clear();
  node.Handle(2, RangeRequest{1});
  const auto answers = node.Sent<RangeAnswer>(2);
  ASSERT_EQ(answers.size(), 1u);
  EXPECT_TRUE(answers[0].certificates.empty());
  EXPECT_GT(answers[0].oldest_round, 1u);
  EXPECT_EQ(node.Outputs<Halt>().size(), 0u);
  node.Restart(node.core().status().commit_index);
  EXPECT_EQ(node.core().status().gc_round, gc);
}

}  // namespace
}  // namespace consensus
