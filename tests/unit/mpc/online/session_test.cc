// The online phase end to end on dealt bundles, in any order of delivery, with t members lying,
// silent or starting again: right outputs, equal transcripts, liars accused and nobody else.

#include "mpc/online/session.h"

#include <algorithm>
#include <map>
#include <random>

#include <gtest/gtest.h>

#include "tests/unit/mpc/online/fixture.h"

namespace mpc {
namespace {

using proto::AskProgress;
using proto::Committee;
using proto::FaultKind;
using proto::Opening;
using proto::PartyId;
using proto::Progress;
using proto::ResendOpenings;
using proto::SessionMessage;

using namespace online_test;  // NOLINT: what these tests are about.

struct Case {
  std::uint16_t n;
  std::uint64_t seeds;
  std::uint64_t batch_saving_min = kBatchSavingMin;
};
// All to all; and in batches, every round of them.
class Sessions : public testing::TestWithParam<Case> {};
INSTANTIATE_TEST_SUITE_P(Sizes, Sessions,
                         testing::Values(Case{4, 25}, Case{7, 6}, Case{7, 8, 1}, Case{10, 3, 1}));

TEST_P(Sessions, AllHonest) {
  for (std::uint64_t seed = 0; seed < GetParam().seeds; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    Fixture fixture(GetParam().n, seed, GetParam().batch_saving_min);
    Network network(fixture.dealer().committee(), seed);
    for (std::uint16_t i = 0; i < fixture.n(); ++i) {
      network.Add(PartyId{i}, Member(fixture.Maker(i)));
      network.Carry(PartyId{i}, network.party(PartyId{i}).Start());
    }
    network.Run();
    fixture.ExpectDone(network, Range(0, fixture.n()));
    for (std::uint16_t i = 0; i < fixture.n(); ++i) {
      EXPECT_TRUE(network.party(PartyId{i}).session().accused().empty());
    }
  }
}

TEST_P(Sessions, TheFaultySilent) {
  const std::uint64_t seed = 5;
  Fixture fixture(GetParam().n, seed, GetParam().batch_saving_min);
  Network network(fixture.dealer().committee(), seed);
  for (std::uint16_t i = fixture.t(); i < fixture.n(); ++i) {
    network.Add(PartyId{i}, Member(fixture.Maker(i)));
    network.Carry(PartyId{i}, network.party(PartyId{i}).Start());
  }
  network.Run();
  fixture.ExpectDone(network, Range(fixture.t(), fixture.n()));
}

// Double dipping: were a member to compute from another opened value than the rest, its next vector
// would show the difference times its share. The faulty tell each member something else in every
// exchange, before its turn or after: whatever honest members send is what they would have sent.
TEST_P(Sessions, WhatHonestMembersSendDependsOnNoLie) {
  for (std::uint64_t seed = 0; seed < GetParam().seeds; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    Fixture fixture(GetParam().n, seed, GetParam().batch_saving_min);
    std::mt19937_64 random(seed);
    const std::uint16_t n = fixture.n();
    std::vector<std::vector<std::vector<std::vector<Fp>>>> right(n);  // By sender and receiver.
    for (std::uint16_t from = 0; from < n; ++from) {
      for (std::uint16_t to = 0; to < n; ++to) right[from].push_back(fixture.Openings(from, to));
    }
    struct Packet {
      std::uint16_t from, to;
      SessionMessage message;
    };
    std::vector<Packet> packets;
    for (std::uint16_t liar = 0; liar < fixture.t(); ++liar) {
      for (std::uint16_t to = fixture.t(); to < n; ++to) {
        for (std::uint32_t exchange = 0; exchange < fixture.exchanges(); ++exchange) {
          std::vector<Fp> values = right[liar][to][exchange];
          for (Fp& value : values) value += Fp(1 + to);
          packets.push_back({liar, to, fixture.Sign(liar, to, exchange, values)});
        }
      }
    }
    std::size_t compared = 0;
    std::vector<std::unique_ptr<Session>> sessions(n);
    const auto carry = [&](std::uint16_t from, Session::Step step) {
      for (const auto& [target, message] : step.messages) {
        for (std::uint16_t to = 0; to < n; ++to) {
          if (!target.Includes(PartyId{to})) continue;
          if (const auto* opening = std::get_if<Opening>(&message)) {
            EXPECT_TRUE(*DecodeElements(opening->values) == right[from][to][opening->exchange]);
            ++compared;
          }
          if (to >= fixture.t()) packets.push_back({from, to, message});
        }
      }
    };
    for (std::uint16_t i = fixture.t(); i < n; ++i) {
      sessions[i] = fixture.Maker(i)();
      carry(i, sessions[i]->Start());
    }
    while (!packets.empty()) {
      std::swap(packets[random() % packets.size()], packets.back());
      Packet packet = std::move(packets.back());
      packets.pop_back();
      carry(packet.to, sessions[packet.to]->Handle(PartyId{packet.from}, packet.message));
    }
    for (std::uint16_t i = fixture.t(); i < n; ++i) EXPECT_TRUE(sessions[i]->finished());
    EXPECT_GE(compared, std::size_t{fixture.exchanges()} * n * (n - fixture.t()));
  }
}

// The faulty send each member what they like: right or wrong shares, nothing, garbage, replays, two
// different openings of an exchange; all at once, before, while and after it is their turn.
TEST_P(Sessions, TheFaultyLie) {
  for (std::uint64_t seed = 0; seed < GetParam().seeds; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    Fixture fixture(GetParam().n, seed, GetParam().batch_saving_min);
    Network network(fixture.dealer().committee(), seed);
    std::mt19937_64 random(seed);
    std::map<std::uint16_t, std::set<PartyId>> provoked;  // Who signed garbage for whom.
    for (std::uint16_t i = fixture.t(); i < fixture.n(); ++i) {
      network.Add(PartyId{i}, Member(fixture.Maker(i)));
      network.Carry(PartyId{i}, network.party(PartyId{i}).Start());
    }
    for (std::uint16_t liar = 0; liar < fixture.t(); ++liar) {
      for (std::uint16_t to = fixture.t(); to < fixture.n(); ++to) {
        const auto openings = fixture.Openings(liar, to);
        const auto sign = [&](std::uint32_t exchange, const std::vector<Fp>& values) {
          return fixture.Sign(liar, to, exchange, values);
        };
        const auto send = [&](const Opening& opening) {
          network.Inject({PartyId{liar}, PartyId{to}, opening});
        };
        for (std::uint32_t k = 0; k < openings.size(); ++k) {
          std::vector<Fp> values = openings[k];
          switch (random() % 8) {
            case 0:
              send(sign(k, values));
              break;
            case 1:
              values[random() % values.size()] += Fp(1);
              send(sign(k, values));
              break;
            case 2:
              for (Fp& value : values) value = fixture.dealer().RandomElement();
              send(sign(k, values));
              break;
            case 3: {  // The right values under a wrong signature, and another exchange's.
              Opening opening = sign(k, values);
              opening.signature.bytes[5] ^= 1;
              send(opening);
              const std::uint32_t next = (k + 1) % fixture.exchanges();
              opening = sign(next, openings[next]);
              opening.exchange = k;
              send(opening);
              break;
            }
            case 4:
              send(sign(k, values));
              values.back() = Fp(7);
              send(sign(k, values));
              send(sign(k, values));
              break;
            case 5:
              values.pop_back();
              send(sign(k, values.empty() ? openings[0] : values));
              break;
            case 6: {
              Opening opening = sign(k, values);
              opening.latest = static_cast<std::uint32_t>(random() % 65536);
              send(opening);
              network.Inject({PartyId{liar}, PartyId{to},
                              ResendOpenings{kRequest, static_cast<std::uint32_t>(random() % 20)}});
              network.Inject({PartyId{liar}, PartyId{to},
                              Progress{kRequest, static_cast<std::uint32_t>(random() % 20)}});
              break;
            }
            default:
              break;  // Silence.
          }
        }
      }
    }
    network.Run();  // Which checks that no honest member is blamed.
    fixture.ExpectDone(network, Range(fixture.t(), fixture.n()));
    for (std::uint16_t i = fixture.t(); i < fixture.n(); ++i) {
      for (const PartyId accused : network.party(PartyId{i}).session().accused()) {
        EXPECT_LT(Index(accused), fixture.t());
      }
    }
  }
}

// A liar whose shares are there in time, and wrong for all, is accused by all.
TEST_P(Sessions, LiarsAreAccusedByEverybody) {
  const std::uint64_t seed = 9;
  Fixture fixture(GetParam().n, seed, GetParam().batch_saving_min);
  Network network(fixture.dealer().committee(), seed);
  std::set<PartyId> liars;
  for (std::uint16_t i = 0; i < fixture.n(); ++i) {
    if (i < fixture.t()) {
      liars.insert(PartyId{i});
      continue;
    }
    network.Add(PartyId{i}, Member(fixture.Maker(i)));
    network.Carry(PartyId{i}, network.party(PartyId{i}).Start());
  }
  for (std::uint16_t liar = 0; liar < fixture.t(); ++liar) {
    for (std::uint16_t to = fixture.t(); to < fixture.n(); ++to) {
      for (std::uint32_t exchange = 0; exchange < 3; ++exchange) {
        auto values = fixture.Openings(liar, to)[exchange];
        values[0] += Fp(1);
        network.Inject({PartyId{liar}, PartyId{to}, fixture.Sign(liar, to, exchange, values)});
      }
    }
  }
  network.Run();
  fixture.ExpectDone(network, Range(fixture.t(), fixture.n()));
  for (std::uint16_t i = fixture.t(); i < fixture.n(); ++i) {
    EXPECT_EQ(network.party(PartyId{i}).session().accused(), liars);
  }
}

// Members stop in mid-run, miss messages and start again, while a liar lies to all.
TEST_P(Sessions, MembersStartAgain) {
  for (std::uint64_t seed = 0; seed < GetParam().seeds; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    Fixture fixture(GetParam().n, seed, GetParam().batch_saving_min);
    Network network(fixture.dealer().committee(), seed);
    std::mt19937_64 random(seed);
    for (std::uint16_t i = 1; i < fixture.n(); ++i) {
      // Two of them; the second misses all that comes.
      const bool stops = i <= 2;
      Member member(fixture.Maker(i), stops ? static_cast<int>(random() % 40) : -1,
                    i == 1 ? static_cast<int>(random() % 20) : 1'000'000);
      network.Add(PartyId{i}, std::move(member));
      network.Carry(PartyId{i}, network.party(PartyId{i}).Start());
    }
    for (std::uint16_t to = 1; to < fixture.n(); ++to) {
      std::uint32_t exchange = 0;
      for (auto& values : fixture.Openings(0, to)) {
        values[random() % values.size()] += Fp(1);
        network.Inject({PartyId{0}, PartyId{to}, fixture.Sign(0, to, exchange++, values)});
      }
    }
    network.Run();
    for (int k = 0; k < 4; ++k) {  // The first may stop only once the second is back.
      const auto i = static_cast<std::uint16_t>(1 + k % 2);
      Member& member = network.party(PartyId{i});
      if (!member.running()) network.Carry(PartyId{i}, member.Start());
      network.Run();
    }
    fixture.ExpectDone(network, Range(1, fixture.n()));
  }
}

// One honest member's session and openings of others, message by message.
class OneSession : public testing::Test {
 protected:
  Opening From(std::uint16_t party, std::uint32_t round) {
    return Sign(party, round, fixture_.Openings(party, 0)[round]);
  }
  Opening Sign(std::uint16_t party, std::uint32_t round, const std::vector<Fp>& values) {
    return fixture_.Sign(party, 0, round, values);
  }
  std::vector<FaultKind> Faults(PartyId from, SessionMessage message) {
    std::vector<FaultKind> kinds;
    for (const auto& fault : session_->Handle(from, std::move(message)).faults) {
      EXPECT_EQ(fault.party, from);
      kinds.push_back(fault.kind);
    }
    return kinds;
  }
  void Deliver(PartyId from, SessionMessage message) {
    EXPECT_TRUE(session_->Handle(from, std::move(message)).faults.empty());
  }
  // The rounds that the session asks a peer to send again.
  static std::vector<std::pair<PartyId, std::uint32_t>> Asks(const Session::Step& step) {
    std::vector<std::pair<PartyId, std::uint32_t>> asks;
    for (const auto& [target, message] : step.messages) {
      if (const auto* ask = std::get_if<ResendOpenings>(&message)) {
        asks.emplace_back(*target.party, ask->from_exchange);
      }
    }
    return asks;
  }

  Fixture fixture_{4, 3};
  std::unique_ptr<Session> session_ = fixture_.Maker(0)();
  Session::Step start_ = session_->Start();
};

TEST_F(OneSession, WaitsForAThirdOpeningThatAgrees) {
  Opening lie = From(1, 0);
  lie = Sign(1, 0, std::vector<Fp>(lie.values.size() / 16));
  Deliver(PartyId{0}, From(0, 0));
  Deliver(PartyId{1}, lie);
  Deliver(PartyId{2}, From(2, 0));
  EXPECT_EQ(session_->round(), 0u);
  const auto step = session_->Handle(PartyId{3}, From(3, 0));
  EXPECT_EQ(session_->round(), 1u);
  ASSERT_EQ(step.faults.size(), 1u);
  EXPECT_EQ(step.faults[0].party, PartyId{1});
  EXPECT_EQ(step.faults[0].kind, FaultKind::kWrongShare);
}

TEST_F(OneSession, BlamesEachMisdeed) {
  EXPECT_TRUE(Faults(PartyId{1}, From(1, 0)).empty());
  EXPECT_TRUE(Faults(PartyId{1}, From(1, 0)).empty());  // Sent again.
  Opening other = From(1, 0);
  other.values[0] ^= 1;
  EXPECT_EQ(Faults(PartyId{1}, other), std::vector{FaultKind::kBadSignature});
  EXPECT_TRUE(session_->accused().empty());
  const std::vector<Fp> zeros(other.values.size() / 16);
  EXPECT_EQ(Faults(PartyId{1}, Sign(1, 0, zeros)), std::vector{FaultKind::kEquivocation});
  EXPECT_EQ(session_->accused(), std::set{PartyId{1}});

  Opening foreign = From(2, 0);
  foreign.request = kRequest + 1;
  EXPECT_EQ(Faults(PartyId{2}, foreign), std::vector{FaultKind::kMalformed});
  EXPECT_TRUE(Faults(PartyId{2}, From(3, 0)).empty());  // Not signed by it, which shows later.
  Opening far = From(2, 0);
  far.exchange = kRounds;
  EXPECT_EQ(Faults(PartyId{2}, far), std::vector{FaultKind::kMalformed});
  Opening early = From(2, 1);
  early.exchange = 2;  // Of another length.
  EXPECT_EQ(Faults(PartyId{2}, early), std::vector{FaultKind::kMalformed});
  EXPECT_EQ(Faults(PartyId{2}, ResendOpenings{kRequest, kRounds}),
            std::vector{FaultKind::kMalformed});
  EXPECT_EQ(Faults(PartyId{2}, ResendOpenings{1, 0}), std::vector{FaultKind::kMalformed});

  // Signed, but no field elements.
  Opening large = From(3, 0);
  std::fill(large.values.begin(), large.values.begin() + 16, 0xff);
  fixture_.Resign(3, large);
  EXPECT_EQ(Faults(PartyId{3}, large), std::vector{FaultKind::kMalformed});
  EXPECT_EQ(session_->accused(), (std::set{PartyId{1}, PartyId{3}}));
}

// A signature is looked at when its opening is wrong, and only then.
TEST_F(OneSession, ChecksWhoSignedWhatIsWrong) {
  Opening right = From(1, 0);
  right.signature.bytes[5] ^= 1;
  Deliver(PartyId{1}, right);
  Deliver(PartyId{2}, From(2, 0));
  Deliver(PartyId{0}, From(0, 0));
  EXPECT_EQ(session_->round(), 1u);
  // Of what is decoded a second one is not looked at.
  Deliver(PartyId{1}, Sign(1, 0, std::vector<Fp>(right.values.size() / 16)));

  Deliver(PartyId{0}, From(0, 1));
  Deliver(PartyId{1}, From(3, 1));  // Another's, with its signature.
  Deliver(PartyId{2}, From(2, 1));
  const auto step = session_->Handle(PartyId{3}, From(3, 1));
  EXPECT_EQ(session_->round(), 2u);
  ASSERT_EQ(step.faults.size(), 1u);
  EXPECT_EQ(step.faults[0].party, PartyId{1});
  EXPECT_EQ(step.faults[0].kind, FaultKind::kBadSignature);
  EXPECT_TRUE(session_->accused().empty());
}

TEST_F(OneSession, AccusesLateLiars) {
  for (std::uint16_t i = 0; i < 3; ++i) Deliver(PartyId{i}, From(i, 0));
  EXPECT_EQ(session_->round(), 1u);
  auto values = fixture_.Openings(3, 0)[0];
  values[1] += Fp(1);
  EXPECT_EQ(Faults(PartyId{3}, Sign(3, 0, values)), std::vector{FaultKind::kWrongShare});
}

TEST_F(OneSession, AsksForWhatWasLost) {
  const auto questions = [](const Session::Step& step) {
    std::vector<PartyId> asked;
    for (const auto& [target, message] : step.messages) {
      if (std::holds_alternative<AskProgress>(message)) asked.push_back(*target.party);
    }
    return asked;
  };
  EXPECT_EQ(questions(start_), (std::vector{PartyId{1}, PartyId{2}, PartyId{3}}));
  EXPECT_EQ(questions(session_->PeerConnected(PartyId{2})), std::vector{PartyId{2}});
  // Nothing was opened yet, or it is all here: nothing is asked for.
  EXPECT_TRUE(Asks(session_->Handle(PartyId{1}, Progress{kRequest, 0})).empty());
  Deliver(PartyId{1}, From(1, 0));
  Deliver(PartyId{1}, From(1, 1));
  EXPECT_TRUE(Asks(session_->Handle(PartyId{1}, Progress{kRequest, 2})).empty());
  // The opening of round 2 was lost; all of party 2's.
  EXPECT_EQ(Asks(session_->Handle(PartyId{1}, Progress{kRequest, 3})),
            (std::vector<std::pair<PartyId, std::uint32_t>>{{PartyId{1}, 2}}));
  EXPECT_EQ(Asks(session_->Handle(PartyId{2}, Progress{kRequest, 1})),
            (std::vector<std::pair<PartyId, std::uint32_t>>{{PartyId{2}, 0}}));
  const auto answer = session_->Handle(PartyId{3}, AskProgress{kRequest});
  ASSERT_EQ(answer.messages.size(), 1u);
  EXPECT_TRUE(answer.messages[0].message == proto::SessionMessage(Progress{kRequest, 1}));
  EXPECT_EQ(Faults(PartyId{3}, AskProgress{kRequest + 1}), std::vector{FaultKind::kMalformed});
  EXPECT_EQ(Faults(PartyId{3}, Progress{kRequest, kRounds + 1}),
            std::vector{FaultKind::kMalformed});
}

TEST_F(OneSession, AsksForWhatItHadToDrop) {
  // Party 3 is far ahead: its round 6 cannot be kept, and what came before is lost.
  Deliver(PartyId{3}, From(3, 6));
  EXPECT_EQ(Asks(session_->Handle(PartyId{3}, Progress{kRequest, 7})),
            (std::vector<std::pair<PartyId, std::uint32_t>>{{PartyId{3}, 0}}));
  for (std::uint32_t round = 0; round < 6; ++round) {
    std::vector<std::pair<PartyId, std::uint32_t>> asks;
    for (std::uint16_t i = 0; i < 3; ++i) {
      for (const auto& ask : Asks(session_->Handle(PartyId{i}, From(i, round)))) {
        asks.push_back(ask);
      }
    }
    EXPECT_EQ(session_->round(), round + 1);
    // The first request covered rounds 0 to 4.
    EXPECT_EQ(asks.size(), round == 4 ? 1u : 0u);
    EXPECT_TRUE(asks.empty() || asks[0] == std::pair(PartyId{3}, 5u));
  }
}

// What is missing may lie far ahead, so that the end of an answer to it cannot be kept: it is asked
// for again when its round comes. (With party 1 silent nothing goes on without party 3.)
TEST_F(OneSession, AsksAgainForADroppedAnswer) {
  for (std::uint32_t round = 0; round < 4; ++round) Deliver(PartyId{3}, From(3, round));
  EXPECT_EQ(Asks(session_->Handle(PartyId{3}, Progress{kRequest, kRounds})),
            (std::vector<std::pair<PartyId, std::uint32_t>>{{PartyId{3}, 4}}));
  for (std::uint32_t round = 4; round < kRounds; ++round) Deliver(PartyId{3}, From(3, round));
  std::vector<std::pair<PartyId, std::uint32_t>> asks;
  for (std::uint32_t round = 0; round < kRounds; ++round) {
    for (const std::uint16_t party : {std::uint16_t{0}, std::uint16_t{2}}) {
      for (const auto& [peer, from] : Asks(session_->Handle(PartyId{party}, From(party, round)))) {
        asks.emplace_back(peer, from);
        for (std::uint32_t k = from; k < kRounds; ++k) Deliver(peer, From(3, k));
      }
    }
  }
  EXPECT_EQ(asks, (std::vector<std::pair<PartyId, std::uint32_t>>{{PartyId{3}, 5}}));
  EXPECT_TRUE(session_->finished());
}

// A connection takes a request with it, and what it asked for comes into reach only later.
TEST_F(OneSession, AsksAgainWhenARequestWasLost) {
  for (const std::uint32_t round : {0u, 2u, 3u, 4u}) Deliver(PartyId{3}, From(3, round));
  EXPECT_EQ(
      Asks(session_->Handle(PartyId{3}, Progress{kRequest, kRounds})),
      (std::vector<std::pair<PartyId, std::uint32_t>>{{PartyId{3}, 1}}));  // And 2 to 5: lost.
  Deliver(PartyId{3}, From(3, 1));
  EXPECT_EQ(session_->PeerConnected(PartyId{3}).messages.size(), 1u);
  EXPECT_TRUE(Asks(session_->Handle(PartyId{3}, Progress{kRequest, kRounds})).empty());
  std::vector<std::pair<PartyId, std::uint32_t>> asks;
  for (std::uint32_t round = 0; round < 5; ++round) {
    for (const std::uint16_t party : {std::uint16_t{0}, std::uint16_t{2}}) {
      for (const auto& ask : Asks(session_->Handle(PartyId{party}, From(party, round)))) {
        asks.push_back(ask);
      }
    }
  }
  EXPECT_EQ(session_->round(), 5u);
  EXPECT_EQ(asks, (std::vector<std::pair<PartyId, std::uint32_t>>{{PartyId{3}, 5}}));
}

TEST_F(OneSession, SendsAgainWithinTheLimit) {
  for (std::uint32_t round = 0; round < kRounds; ++round) {
    for (std::uint16_t i = 0; i < 3; ++i) Deliver(PartyId{i}, From(i, round));
  }
  EXPECT_TRUE(session_->finished());
  const auto step = session_->Handle(PartyId{3}, ResendOpenings{kRequest, 2});
  ASSERT_EQ(step.messages.size(), Session::kExchangesAhead + 1u);
  for (std::uint32_t i = 0; i < step.messages.size(); ++i) {
    EXPECT_EQ(step.messages[i].target.party, PartyId{3});
    const auto& opening = std::get<Opening>(step.messages[i].message);
    EXPECT_EQ(opening.latest, kRounds - 1);
    Opening live = From(0, 2 + i);
    live.latest = kRounds - 1;
    EXPECT_TRUE(opening == live);
  }
  for (int i = 1; i < Session::kResendsMax; ++i) {
    EXPECT_TRUE(Faults(PartyId{3}, ResendOpenings{kRequest, 2}).empty());
  }
  EXPECT_EQ(Faults(PartyId{3}, ResendOpenings{kRequest, 2}), std::vector{FaultKind::kLimit});
  EXPECT_TRUE(Faults(PartyId{2}, ResendOpenings{kRequest, 2}).empty());
  EXPECT_TRUE(session_->PeerConnected(PartyId{1}).messages.empty());
  EXPECT_EQ(Faults(PartyId{3}, ResendOpenings{kRequest, 2}), std::vector{FaultKind::kLimit});
  // However often it starts again.
  EXPECT_TRUE(session_->PeerConnected(PartyId{3}).messages.empty());
  EXPECT_EQ(session_->Handle(PartyId{3}, ResendOpenings{kRequest, 2}).messages.size(),
            Session::kExchangesAhead + 1u);
}

TEST(Client, MasksAreDecodedAndChecked) {
  Dealer dealer(4);
  const Plan plan = EveryKindPlan();
  const auto dealt = dealer.Deal(plan);
  std::vector<std::vector<Fp>> shares;
  for (const Bundle& bundle : dealt.bundles) shares.push_back(ClientMaskShares(plan, bundle));
  auto expected = dealt.token_masks;
  expected.insert(expected.end(), dealt.output_masks.begin(), dealt.output_masks.end());
  EXPECT_TRUE(dealer.Open(shares) == expected);

  const std::vector<std::uint32_t> ids{5, 7};
  EXPECT_EQ(*MaskTokens(ids, std::vector{Fp(2), Fp(1)}, 8), (std::vector<std::uint32_t>{7, 0}));
  EXPECT_FALSE(MaskTokens(ids, std::vector{Fp(8), Fp(1)}, 8).has_value());
  EXPECT_FALSE(MaskTokens(std::vector<std::uint32_t>{8}, std::vector{Fp(1)}, 8).has_value());
}

}  // namespace
}  // namespace mpc
