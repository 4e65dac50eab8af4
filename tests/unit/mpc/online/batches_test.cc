// Rounds opened in batches, message by message: who is heard when, what each lie is worth, what is
// sent again; and that the whole sends what the cost counter says, in as many message delays.

#include <algorithm>
#include <random>

#include <gtest/gtest.h>

#include "mpc/plan/cost.h"
#include "tests/unit/mpc/online/fixture.h"

namespace mpc {
namespace {

using proto::FaultKind;
using proto::Opening;
using proto::PartyId;
using proto::Progress;
using proto::ResendOpenings;
using proto::SessionMessage;
using namespace online_test;  // NOLINT: what these tests are about.

// Party 0 of seven; exchanges 0 and 1 are the first round's.
class OneBatchedSession : public testing::Test {
 protected:
  void SetUp() override {
    ASSERT_TRUE(fixture_.IsPersonal(0));
    ASSERT_FALSE(fixture_.IsPersonal(1));
  }
  std::vector<Fp> Values(std::uint16_t party, std::uint32_t exchange, std::uint16_t to = 0) {
    return fixture_.Openings(party, to)[exchange];
  }
  Opening From(std::uint16_t party, std::uint32_t exchange, std::uint16_t to = 0) {
    return fixture_.Sign(party, to, exchange, Values(party, exchange, to));
  }
  Opening Lie(std::uint16_t party, std::uint32_t exchange) {
    auto values = Values(party, exchange);
    values[0] += Fp(1);
    return fixture_.Sign(party, 0, exchange, values);
  }
  std::vector<std::pair<std::uint16_t, FaultKind>> Faults(std::uint16_t from,
                                                          SessionMessage message) {
    std::vector<std::pair<std::uint16_t, FaultKind>> faults;
    for (const auto& fault : session_->Handle(PartyId{from}, std::move(message)).faults) {
      faults.emplace_back(Index(fault.party), fault.kind);
    }
    return faults;
  }
  void Deliver(std::uint16_t from, SessionMessage message) {
    EXPECT_TRUE(Faults(from, std::move(message)).empty());
  }
  static std::vector<std::pair<std::uint16_t, FaultKind>> One(std::uint16_t party, FaultKind kind) {
    return {{party, kind}};
  }

  Fixture fixture_{7, 3, 1};
  std::unique_ptr<Session> session_ = fixture_.Maker(0)();
  Session::Step start_ = session_->Start();
};

TEST_F(OneBatchedSession, SendsEachMemberItsOwnCombinations) {
  std::set<std::uint16_t> receivers;
  for (const auto& [target, message] : start_.messages) {
    const auto* opening = std::get_if<Opening>(&message);
    if (opening == nullptr) continue;
    ASSERT_TRUE(target.party.has_value());
    EXPECT_TRUE(opening->receiver == target.party);
    EXPECT_TRUE(*opening == From(0, 0, Index(*target.party)));
    EXPECT_TRUE(receivers.insert(Index(*target.party)).second);
  }
  EXPECT_EQ(receivers.size(), 7u);
}

// Both steps wait for five that agree, whatever two say.
TEST_F(OneBatchedSession, WaitsForAgreementInBothSteps) {
  for (const std::uint32_t exchange : {0u, 1u}) {
    Deliver(5, Lie(5, exchange));
    Deliver(6, Lie(6, exchange));
    for (std::uint16_t i = 0; i < 4; ++i) Deliver(i, From(i, exchange));
    EXPECT_EQ(session_->exchange(), exchange);
    const auto step = session_->Handle(PartyId{4}, From(4, exchange));
    EXPECT_EQ(session_->exchange(), exchange + 1);
    ASSERT_EQ(step.faults.size(), exchange == 0 ? 2u : 0u);  // Accused once.
    for (const auto& fault : step.faults) EXPECT_EQ(fault.kind, FaultKind::kWrongShare);
    // In spite of them what this member says next is right.
    const auto said = std::ranges::find_if(step.messages, [](const auto& out) {
      return std::holds_alternative<Opening>(out.message);
    });
    ASSERT_NE(said, step.messages.end());
    EXPECT_TRUE(std::get<Opening>(said->message) == From(0, exchange + 1));
  }
  EXPECT_EQ(session_->accused(), (std::set{PartyId{5}, PartyId{6}}));
  EXPECT_EQ(session_->round(), 1u);
}

// Values that come before this member has its own are kept for their turn.
TEST_F(OneBatchedSession, KeepsValuesThatComeEarly) {
  for (std::uint16_t i = 1; i < 7; ++i) Deliver(i, From(i, 1));
  EXPECT_EQ(session_->exchange(), 0u);
  for (std::uint16_t i = 1; i < 6; ++i) Deliver(i, From(i, 0));
  EXPECT_EQ(session_->exchange(), 2u);
}

// Who lies in the second step alone is accused of that; shares of the first were right.
TEST_F(OneBatchedSession, KnowsTheStepOfALie) {
  for (std::uint16_t i = 0; i < 7; ++i) Deliver(i, From(i, 0));
  EXPECT_TRUE(session_->accused().empty());
  for (std::uint16_t i = 0; i < 5; ++i) Deliver(i, From(i, 1));
  EXPECT_EQ(Faults(5, Lie(5, 1)), One(5, FaultKind::kWrongShare));
  Deliver(6, From(6, 1));
}

TEST_F(OneBatchedSession, AccusesLateLiarsOfBothSteps) {
  for (const std::uint32_t exchange : {0u, 1u}) {
    for (std::uint16_t i = 0; i < 5; ++i) Deliver(i, From(i, exchange));
  }
  EXPECT_EQ(session_->exchange(), 2u);
  EXPECT_EQ(Faults(5, Lie(5, 0)), One(5, FaultKind::kWrongShare));
  EXPECT_EQ(Faults(6, Lie(6, 1)), One(6, FaultKind::kWrongShare));
}

TEST_F(OneBatchedSession, BlamesEachMisdeed) {
  // Vectors for others, for everybody, and for this member where it is for everybody.
  EXPECT_EQ(Faults(2, From(2, 0, 3)), One(2, FaultKind::kMalformed));
  Opening opening = From(2, 0, 3);
  opening.receiver.reset();
  fixture_.Resign(2, opening);
  EXPECT_EQ(Faults(2, opening), One(2, FaultKind::kMalformed));
  opening = From(2, 1);
  opening.receiver = PartyId{0};
  fixture_.Resign(2, opening);
  EXPECT_EQ(Faults(2, opening), One(2, FaultKind::kMalformed));
  // Of another length: the whole round's.
  EXPECT_EQ(Faults(2, fixture_.Sign(2, 0, 0, std::vector<Fp>(12))), One(2, FaultKind::kMalformed));
  // What was signed for another receiver, or for the other step, is not held against its author.
  Deliver(2, From(2, 0));
  Deliver(2, From(2, 0));
  opening = From(2, 0, 3);
  opening.receiver = PartyId{0};
  EXPECT_EQ(Faults(2, opening), One(2, FaultKind::kBadSignature));
  Deliver(2, From(2, 1));
  opening = From(2, 0);
  opening.exchange = 1;
  opening.receiver.reset();
  EXPECT_EQ(Faults(2, opening), One(2, FaultKind::kBadSignature));
  EXPECT_TRUE(session_->accused().empty());
  // Two for this member in one exchange.
  EXPECT_EQ(Faults(2, Lie(2, 0)), One(2, FaultKind::kEquivocation));
  Deliver(3, From(3, 1));
  EXPECT_EQ(Faults(3, Lie(3, 1)), One(3, FaultKind::kEquivocation));
  // No field elements.
  opening = From(4, 0);
  std::fill(opening.values.begin(), opening.values.begin() + 16, 0xff);
  fixture_.Resign(4, opening);
  EXPECT_EQ(Faults(4, opening), One(4, FaultKind::kMalformed));
  EXPECT_EQ(session_->accused(), (std::set{PartyId{2}, PartyId{3}, PartyId{4}}));
}

// A member that lags is sent both steps again, what is for it alone and what is for all, and the
// same bytes; and what is not known yet when it asks comes later.
TEST_F(OneBatchedSession, SendsBothStepsAgain) {
  for (std::uint16_t i = 0; i < 5; ++i) Deliver(i, From(i, 0));
  const auto answer = session_->Handle(PartyId{3}, ResendOpenings{kRequest, 0});
  ASSERT_EQ(answer.messages.size(), 2u);
  for (std::uint32_t exchange = 0; exchange < 2; ++exchange) {
    EXPECT_EQ(answer.messages[exchange].target.party, PartyId{3});
    Opening expected = From(0, exchange, 3);
    expected.latest = 1;
    EXPECT_TRUE(std::get<Opening>(answer.messages[exchange].message) == expected);
  }
  const auto progress = session_->Handle(PartyId{3}, proto::AskProgress{kRequest});
  EXPECT_TRUE(progress.messages.at(0).message == SessionMessage(Progress{kRequest, 2}));
}

// Of a peer in the second step the first was lost, or only the second.
TEST_F(OneBatchedSession, AsksForTheStepThatWasLost) {
  const auto asked = [](const Session::Step& step) {
    std::vector<std::uint32_t> from;
    for (const auto& out : step.messages) {
      if (const auto* ask = std::get_if<ResendOpenings>(&out.message)) {
        from.push_back(ask->from_exchange);
      }
    }
    return from;
  };
  EXPECT_EQ(asked(session_->Handle(PartyId{4}, Progress{kRequest, 2})), std::vector{0u});
  Deliver(5, From(5, 0));
  EXPECT_EQ(asked(session_->Handle(PartyId{5}, Progress{kRequest, 2})), std::vector{1u});
  Deliver(6, From(6, 0));
  Deliver(6, From(6, 1));
  EXPECT_TRUE(asked(session_->Handle(PartyId{6}, Progress{kRequest, 2})).empty());
}

// All honest and in step: every member's bytes and the message delays are the counter's.
struct Counted {
  std::uint16_t n;
  std::uint64_t batch_saving_min;
};
class CountedSessions : public testing::TestWithParam<Counted> {};
INSTANTIATE_TEST_SUITE_P(Sizes, CountedSessions,
                         testing::Values(Counted{4, 1}, Counted{7, kBatchSavingMin}, Counted{7, 1},
                                         Counted{7, 300}, Counted{10, 1}, Counted{13, 1}));

TEST_P(CountedSessions, SendWhatTheCostCounterSays) {
  const auto [n, batch_saving_min] = GetParam();
  Fixture fixture(n, 1, batch_saving_min);
  const Cost cost = CountCost(fixture.plan(), proto::Committee(n), batch_saving_min);
  EXPECT_EQ(cost.exchanges, fixture.exchanges());
  EXPECT_EQ(cost.rounds, kRounds);
  EXPECT_EQ(cost.exchanges > cost.rounds, n > 4 && batch_saving_min < kBatchSavingMin);

  struct Packet {
    std::uint16_t from, to;
    SessionMessage message;
  };
  std::vector<Packet> sent;
  std::vector<std::unique_ptr<Session>> sessions;
  std::vector<Session::Finished> finished;
  std::uint64_t bytes = 0;
  const auto carry = [&](std::uint16_t from, Session::Step step) {
    EXPECT_TRUE(step.faults.empty());
    for (auto& output : step.outputs) finished.push_back(std::move(output));
    for (const auto& [target, message] : step.messages) {
      const auto* opening = std::get_if<Opening>(&message);
      if (opening == nullptr) continue;  // Asked for nothing: what is under way is not lost.
      for (std::uint16_t to = 0; to < n; ++to) {
        if (!target.Includes(PartyId{to})) continue;
        if (to != from) bytes += opening->values.size();
        sent.push_back({from, to, message});
      }
    }
  };
  for (std::uint16_t i = 0; i < n; ++i) {
    sessions.push_back(fixture.Maker(i)());
    carry(i, sessions[i]->Start());
  }
  std::uint32_t delays = 0;
  for (; !sent.empty(); ++delays) {
    for (auto& [from, to, message] : std::exchange(sent, {})) {
      carry(to, sessions[to]->Handle(PartyId{from}, std::move(message)));
    }
  }
  EXPECT_EQ(finished.size(), n);
  EXPECT_EQ(bytes, cost.online_bytes);
  EXPECT_EQ(delays, cost.exchanges);
  std::uint64_t told = 0;
  for (const Session::Finished& one : finished) {
    EXPECT_EQ(one.exchanges, cost.exchanges);
    told += one.bytes_sent;
  }
  constexpr std::uint64_t kHead = 80;
  EXPECT_EQ(told, cost.online_bytes + kHead * cost.exchanges * n * (n - 1u));
}

// In batches or not: the same opened values, so the same transcript.
TEST(BatchedSessions, HaveTheTranscriptOfAllToAll) {
  std::vector<proto::Digest> transcripts;
  for (const std::uint64_t batch_saving_min : {kBatchSavingMin, std::uint64_t{1}}) {
    Fixture fixture(7, 5, batch_saving_min);
    Network network(fixture.dealer().committee(), 5);
    for (std::uint16_t i = 0; i < 7; ++i) {
      network.Add(PartyId{i}, Member(fixture.Maker(i)));
      network.Carry(PartyId{i}, network.party(PartyId{i}).Start());
    }
    network.Run();
    fixture.ExpectDone(network, Range(0, 7));
    transcripts.push_back(network.outputs(PartyId{0}).at(0).transcript);
  }
  EXPECT_TRUE(transcripts[0] == transcripts[1]);
}

}  // namespace
}  // namespace mpc
