// Answers that come step by step, and end where they may: at the same step for all honest members,
// whatever t others do and whoever starts again.

#include <gtest/gtest.h>

#include "proto/crypto/merkle.h"
#include "tests/sim/mpc/online_world.h"
#include "tests/unit/mpc/counting_plan.h"

namespace mpc {
namespace {

using proto::Opening;
using proto::PartyId;
using sim::OnlineWorld;

constexpr std::uint64_t kRequest = 42;
constexpr std::uint32_t kSteps = 5;
const std::vector<std::int32_t> kEnds{3, 6};

class EarlyEnd : public testing::TestWithParam<std::uint16_t> {
 protected:
  std::uint16_t n() const { return GetParam(); }

  // A committee that is asked to count on from `prompt`.
  void Deal(std::uint32_t prompt, bool until_end = true) {
    prompt_ = prompt;
    until_end_ = until_end;
    dealer_ = std::make_unique<Dealer>(n(), prompt + 1);
    dealt_ = dealer_->Deal(*plan_);
    const std::vector<std::uint32_t> ids{prompt};
    masked_ = *MaskTokens(ids, dealt_.token_masks, plan_->vocabulary_padded());
    expected_ = Counted(prompt, kSteps, until_end ? kEnds : decltype(kEnds){});
  }
  OnlineWorld::Make Maker() const {
    return [this](std::uint16_t i) {
      return std::make_unique<Session>(dealer_->context(i), plan_, dealt_.bundles[i], kRequest,
                                       masked_, until_end_);
    };
  }
  std::vector<std::uint32_t> Tokens(std::span<const Fp> masked) const {
    std::vector<std::uint32_t> tokens;
    const std::span<const Fp> masks = dealt_.output_masks;
    for (const Int128 value : UnmaskOutput(masked, masks.first(masked.size()))) {
      tokens.push_back(static_cast<std::uint32_t>(value));
    }
    return tokens;
  }
  void ExpectDone(const OnlineWorld& world) const {
    RobustDecoder decoder(dealer_->committee(), expected_.size());
    for (std::uint16_t i = 0; i < n(); ++i) {
      if (world.faulty(i)) continue;
      const auto& finished = world.finished(i);
      ASSERT_TRUE(finished.has_value()) << world.rounds();
      EXPECT_EQ(finished->steps, expected_.size());
      ASSERT_EQ(finished->output_shares.size(), expected_.size());
      for (const PartyId accused : finished->accused) EXPECT_TRUE(world.faulty(Index(accused)));
      decoder.Add(PartyId{i}, finished->output_shares);
    }
    ASSERT_TRUE(decoder.decoded());
    EXPECT_TRUE(decoder.wrong().empty());
    EXPECT_EQ(Tokens(decoder.values()), expected_);
  }

  const std::shared_ptr<const Plan> plan_ =
      std::make_shared<const Plan>(CountingPlan(kSteps, kEnds));
  std::unique_ptr<Dealer> dealer_;
  Dealer::Dealt dealt_;
  std::vector<std::uint32_t> masked_;
  std::uint32_t prompt_ = 0;
  bool until_end_ = true;
  std::vector<std::uint32_t> expected_;
};

TEST_P(EarlyEnd, IsWhereTheFirstEndTokenIs) {
  std::set<std::size_t> lengths;
  for (std::uint32_t prompt = 0; prompt < kCountingTo; ++prompt) {
    for (const bool until_end : {true, false}) {
      SCOPED_TRACE("prompt " + std::to_string(prompt) + (until_end ? " to its end" : ""));
      Deal(prompt, until_end);
      OnlineWorld world(n(), prompt, Maker());
      world.Run();
      ExpectDone(world);
      lengths.insert(expected_.size());
    }
  }
  EXPECT_EQ(lengths, (std::set<std::size_t>{1, 2, 3, 4, 5}));
}

// Without the choice nothing more is opened than before, and nothing else either way.
TEST_P(EarlyEnd, OpensABitAStep) {
  Deal(0);
  const auto openings = [&](bool until_end) {
    Evaluator evaluator(plan_, dealt_.bundles[0], masked_, dealer_->sets().count(), until_end);
    std::size_t count = 0;
    for (std::size_t round = 0; round < evaluator.rounds(); ++round) {
      count += evaluator.RoundSize(round);
    }
    return std::pair(evaluator.rounds(), count);
  };
  EXPECT_EQ(openings(false), std::pair(std::size_t{11}, std::size_t{11}));
  EXPECT_EQ(openings(true), std::pair(std::size_t{11}, std::size_t{11 + kSteps - 1}));
}

// Steps are there one by one, each before the next one is begun; no step after the end is.
TEST_P(EarlyEnd, ComesStepByStep) {
  Deal(0);  // 1, 2, 3.
  std::vector<std::unique_ptr<Evaluator>> members;
  for (std::uint16_t i = 0; i < n(); ++i) {
    members.push_back(std::make_unique<Evaluator>(plan_, dealt_.bundles[i], masked_,
                                                  dealer_->sets().count(), true));
  }
  std::vector<std::uint32_t> steps;
  for (bool ended = false; !ended;) {
    std::vector<std::vector<Fp>> shares, outputs;
    for (auto& member : members) {
      auto own = member->Advance();
      EXPECT_EQ(member->output().size(), member->steps());
      outputs.push_back(member->output());
      ended = !own;
      if (own) shares.push_back(std::move(*own));
    }
    ASSERT_TRUE(shares.empty() || shares.size() == n());
    if (members[0]->steps() > 0) {
      const auto tokens = Tokens(dealer_->Open(outputs));
      EXPECT_TRUE(std::equal(tokens.begin(), tokens.end(), expected_.begin()));
    }
    steps.push_back(members[0]->steps());
    if (ended) break;
    const std::vector<Fp> opened = dealer_->Open(shares);
    for (auto& member : members) member->Opened(opened);
  }
  EXPECT_EQ(steps, (std::vector<std::uint32_t>{0, 0, 0, 1, 1, 2, 2, 3, 3, 3}));
}

// t members say of every bit that it is another one, and try to go on by themselves.
TEST_P(EarlyEnd, LiarsNeitherStopItNorMakeItGoOn) {
  for (const std::uint32_t prompt : {0u, 2u, 6u}) {
    SCOPED_TRACE("prompt " + std::to_string(prompt));
    Deal(prompt);
    OnlineWorld world(n(), prompt, Maker());
    for (std::uint16_t liar = 0; liar < dealer_->committee().max_faulty(); ++liar) {
      world.Corrupt(liar, [&, liar](std::uint16_t, std::uint16_t, proto::SessionMessage& message) {
        auto* opening = std::get_if<Opening>(&message);
        if (opening == nullptr) return true;
        const std::size_t last = opening->values.size() - Fp::kBytes;
        const auto bytes = std::span(opening->values).subspan(last).first<Fp::kBytes>();
        (*Fp::FromBytes(bytes) + Fp(1)).ToBytes(bytes);
        const PartyContext& context = dealer_->context(liar);
        opening->signature = context.key->Sign(
            OpeningDigest(context.chain, *opening, proto::MerkleRootOfBytes(opening->values)));
        return true;
      });
    }
    world.Run();
    ExpectDone(world);
  }
}

// Every member dies once, at any moment of the run, and comes back while the others go on or have
// ended: it ends where they did. That its transcript is the same, the world checks.
TEST_P(EarlyEnd, IsTheSameForWhoStartsAgain) {
  std::uint64_t restarts = 0;
  for (int moment = 0; moment < (n() == 4 ? 120 : 30); ++moment) {
    SCOPED_TRACE("moment " + std::to_string(moment));
    Deal(1);  // 2, 3.
    OnlineWorld world(n(), static_cast<std::uint64_t>(moment), Maker());
    for (std::uint16_t i = 0; i < n(); ++i) {
      world.Kill(i, moment + 20 * i, 1 + moment % 7 * 10);
    }
    world.Run();
    ExpectDone(world);
    restarts += world.restarts();
  }
  EXPECT_GT(restarts, 50u);
}

// What comes for rounds after the end is not kept, nor answered.
TEST_P(EarlyEnd, IsTheEnd) {
  Deal(2);  // 3.
  std::vector<std::unique_ptr<Session>> members;
  std::vector<std::pair<std::uint16_t, proto::SessionMessage>> queue;
  const auto carry = [&](std::uint16_t from, Session::Step step) {
    EXPECT_TRUE(step.faults.empty());
    for (auto& [target, message] : step.messages) queue.emplace_back(from, message);
  };
  for (std::uint16_t i = 0; i < n(); ++i) {
    members.push_back(Maker()(i));
    carry(i, members[i]->Start());
  }
  for (std::size_t next = 0; next < queue.size(); ++next) {
    const auto [from, message] = queue[next];
    if (!std::holds_alternative<Opening>(message)) continue;
    for (std::uint16_t to = 0; to < n(); ++to) {
      carry(to, members[to]->Handle(PartyId{from}, message));
    }
  }
  const std::uint32_t end = members[0]->round();
  ASSERT_LT(end, 11u);
  for (std::uint32_t round = end; round < 11; ++round) {
    EXPECT_TRUE(members[0]->finished());
    Opening opening{kRequest, round, round, proto::Bytes(2 * Fp::kBytes), {}, {}};
    const PartyContext& context = dealer_->context(1);
    opening.signature = context.key->Sign(
        OpeningDigest(context.chain, opening, proto::MerkleRootOfBytes(opening.values)));
    const auto step = members[0]->Handle(PartyId{1}, opening);
    EXPECT_TRUE(step.messages.empty() && step.outputs.empty());
    const auto asked = members[0]->Handle(PartyId{1}, proto::ResendOpenings{kRequest, round});
    EXPECT_TRUE(asked.messages.empty());
  }
  EXPECT_TRUE(members[0]->accused().empty());
}

INSTANTIATE_TEST_SUITE_P(Sizes, EarlyEnd, testing::Values(4, 7));

// What is opened as it is must be a bit: nothing but whether a number that is looked up is a token.
TEST(Ends, AreBitsOrRefused) {
  const auto refused = [](const std::function<void(Plan&)>& change) {
    Plan plan = CountingPlan(3, {3, 6});
    change(plan);
    return !Validate(plan).has_value();
  };
  EXPECT_FALSE(refused([](Plan&) {}));
  EXPECT_TRUE(refused([](Plan& p) { p.ends.pop_back(); }));
  EXPECT_TRUE(refused([](Plan& p) { p.ends[0] = p.ends[1]; }));
  EXPECT_TRUE(refused([](Plan& p) { std::swap(p.ends[0], p.ends[1]); }));
  EXPECT_TRUE(refused([](Plan& p) { p.ends[1] = 1; }));              // An opened number.
  EXPECT_TRUE(refused([](Plan& p) { p.ends[1] = p.ends[0] - 1; }));  // A looked up one.
  EXPECT_TRUE(refused([](Plan& p) { p.ends[1] = 1000; }));
  EXPECT_TRUE(refused([](Plan& p) { p.steps = 2; }));
  EXPECT_TRUE(refused([](Plan& p) { p.steps = 0; }));
  // The same token twice would make a bit of 2.
  EXPECT_TRUE(refused([](Plan& p) { p.constants[2].values = {3, 3}; }));
  EXPECT_TRUE(refused([](Plan& p) { p.constants[2].values = {-1, 3}; }));
  EXPECT_TRUE(refused([](Plan& p) { p.constants[2].values = {3, 8}; }));
  // Of another number than the one that is looked up.
  EXPECT_TRUE(refused([](Plan& p) { p.ops[p.ends[1]].inputs[0] = 1; }));
  EXPECT_TRUE(refused([](Plan& p) { p.ops[p.ends[1]].inputs[1] = 1; }));
  EXPECT_TRUE(refused([](Plan& p) { p.ops[p.ends[1]].inputs = {1}; }));
  const Plan plan = CountingPlan(3, {3, 6});
  const auto decoded = DecodePlan(EncodePlan(plan));
  ASSERT_TRUE(decoded.has_value());
  EXPECT_EQ(decoded->ends, plan.ends);
  EXPECT_EQ(decoded->steps, 3u);
}

}  // namespace
}  // namespace mpc
