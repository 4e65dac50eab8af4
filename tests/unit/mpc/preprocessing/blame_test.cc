// Wherever a member lies in preprocessing, all honest members find it and nobody else, and it never
// spoils an attempt again.

#include "mpc/preprocessing/blame.h"

#include <gtest/gtest.h>

#include "tests/unit/mpc/every_kind_plan.h"
#include "tests/unit/mpc/preprocessing/liars.h"
#include "tests/unit/mpc/preprocessing/openings.h"

namespace mpc {
namespace {

using proto::PartyId;
using Message = proto::AttemptMessage;

std::shared_ptr<const Plan> SharedPlan() {
  static const auto kPlan = std::make_shared<const Plan>(EveryKindPlan());
  return kPlan;
}

// Honest members alone are never convicted: the world checks it.
void ExpectConvicted(const World& world, std::set<PartyId> liars) {
  EXPECT_TRUE(world.dead());
  EXPECT_EQ(world.culprits(), liars);
  EXPECT_EQ(world.keys_revealed_early(), 0);
  EXPECT_GT(world.keys_revealed(), 0);
}

// The first attempt from `first` on to whose first king `liar` sends at first, as its ledger says
// before anybody is excluded.
std::uint64_t AttemptWithSender(const Dealer& dealer, std::uint16_t liar, std::uint64_t first) {
  for (std::uint64_t attempt = first;; ++attempt) {
    const SetIndex set = HoldersOf(dealer.sets(), attempt, {});
    const PartyId king = KingsOf(dealer.sets(), attempt).front();
    if (dealer.sets().Contains(set, PartyId{liar}) && Index(king) != liar) return attempt;
  }
}

class Blames : public testing::TestWithParam<std::uint16_t> {};

// Every kind of product, the squares of random bits, the trees of phases and of one-hot vectors:
// one value of each reduction; and each value's kind of each step of the verification.
TEST_P(Blames, SenderThatLiesAnywhere) {
  Dealer dealer(GetParam(), 31);
  const Layers layers(*SharedPlan(), dealer.sets().count());
  struct Lie {
    std::uint32_t layer;
    std::size_t position;
  };
  std::vector<Lie> lies;
  // At n = 7 one of each layer.
  for (ReductionId id = 0; id < layers.reductions(); ++id) {
    const Reduction& reduction = layers.reduction(id);
    if (GetParam() > 4 && !lies.empty() && lies.back().layer >= reduction.layer) continue;
    lies.push_back({reduction.layer, reduction.first + reduction.claims - 1});
  }
  const std::vector<std::size_t> sizes = LayerSizes(*SharedPlan(), dealer.committee());
  for (std::uint32_t layer = layers.depth(); layer < sizes.size(); ++layer) {
    lies.push_back({layer, 0});
    lies.push_back({layer, sizes[layer] - 1});
  }
  std::uint64_t attempt = 1;
  for (const Lie& lie : lies) {
    SCOPED_TRACE("layer " + std::to_string(lie.layer) + " value " + std::to_string(lie.position));
    const auto liar = static_cast<std::uint16_t>(lie.position % GetParam());
    attempt = AttemptWithSender(dealer, liar, attempt + 1);
    World world(dealer, SharedPlan(), attempt, attempt);
    LieAsSender(world, dealer.context(liar), lie.layer, lie.position);
    world.Run();
    ExpectConvicted(world, {PartyId{liar}});
    EXPECT_EQ(world.false_layer(), lie.layer);
  }
}

TEST_P(Blames, KingThatOpensSomethingElse) {
  Dealer dealer(GetParam(), 32);
  const std::uint32_t layers = LayerCount(*SharedPlan(), dealer.committee());
  for (std::uint32_t layer = 0; layer < layers; ++layer) {
    SCOPED_TRACE("layer " + std::to_string(layer));
    const std::uint64_t attempt = 1 + layer;
    World world(dealer, SharedPlan(), attempt, attempt);
    const std::uint16_t king = Index(KingsOf(dealer.sets(), attempt).front());
    const LyingKing liar(world, dealer.context(king), attempt, layer, false);
    world.Run();
    ExpectConvicted(world, {PartyId{king}});
    EXPECT_EQ(world.false_layer(), layer);
  }
}

// It sends every king another vector: evidence as soon as two kings show what it signed. It waits
// until the others have lost patience with the first king, so that there are two.
TEST_P(Blames, SenderThatEquivocates) {
  Dealer dealer(GetParam(), 33);
  std::size_t convicted = 0;
  for (std::uint64_t seed = 1; seed <= (GetParam() == 4 ? 12u : 4u); ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    const std::uint64_t attempt = AttemptWithSender(dealer, 1, 3 * seed);
    const PartyId first_king = KingsOf(dealer.sets(), attempt).front();
    World world(dealer, SharedPlan(), attempt, seed);
    std::optional<proto::LayerVector> withheld;
    world.Corrupt(1, [&](PartyId from, PartyId to, Message& message) {
      auto* vector = std::get_if<proto::LayerVector>(&message);
      if (vector == nullptr || vector->layer != 1) return true;
      Resign(world, dealer.context(1), *vector, 0, static_cast<std::uint8_t>(1 + Index(to)));
      if (to == first_king) {
        withheld = *vector;
        return false;
      }
      if (withheld) world.Inject(from, first_king, *withheld);
      return true;
    });
    world.Run();
    if (world.dead()) ExpectConvicted(world, {PartyId{1}});
    convicted += world.equivocators().count(PartyId{1});
  }
  EXPECT_GT(convicted, 0u);
}

// To one king too: by its repetitions.
TEST_P(Blames, SenderThatChangesItsWord) {
  Dealer dealer(GetParam(), 34);
  const std::uint64_t attempt = AttemptWithSender(dealer, 2, 1);
  World world(dealer, SharedPlan(), attempt, 1);
  world.Corrupt(2, [&](PartyId from, PartyId to, Message& message) {
    const auto* vector = std::get_if<proto::LayerVector>(&message);
    if (vector == nullptr || vector->layer != 0) return true;
    proto::LayerVector other = *vector;
    Resign(world, dealer.context(2), other, 0);
    world.Inject(from, to, other);
    return true;
  });
  world.Run();
  EXPECT_EQ(world.equivocators(), std::set<PartyId>{PartyId{2}});
}

// Keys that are not, from as many liars as there may be; and silence.
TEST_P(Blames, WrongKeysDoNotCount) {
  Dealer dealer(GetParam(), 35);
  for (std::uint64_t seed = 1; seed <= 6; ++seed) {  // In some, the lies come first.
    SCOPED_TRACE("seed " + std::to_string(seed));
    const bool silent = seed == 6;
    const std::uint64_t attempt = AttemptWithSender(dealer, 1, 1);
    World world(dealer, SharedPlan(), attempt, seed);
    const std::uint16_t t = dealer.committee().max_faulty();
    for (std::uint16_t i = 0; i < t; ++i) {
      const auto liar = static_cast<std::uint16_t>((1 + i) % world.n());
      world.Corrupt(liar, [&, liar](PartyId, PartyId, Message& message) {
        if (auto* vector = std::get_if<proto::LayerVector>(&message);
            vector != nullptr && vector->layer == 0 && liar == 1) {
          Resign(world, dealer.context(1), *vector, 0);
        }
        auto* reveal = std::get_if<proto::KeyReveal>(&message);
        if (reveal == nullptr) return true;
        for (auto& byte : reveal->keys) byte ^= 1;
        return !silent;
      });
    }
    world.Run();
    ExpectConvicted(world, {PartyId{1}});
  }
}

TEST_P(Blames, MembersRestartAtAnyMoment) {
  Dealer dealer(GetParam(), 36);
  const std::uint64_t seeds = GetParam() == 4 ? 12 : 3;
  for (std::uint64_t seed = 1; seed <= seeds; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    const std::uint64_t attempt = AttemptWithSender(dealer, 3, 2 * seed);
    World world(dealer, SharedPlan(), attempt, seed);
    world.KeepDisks();
    if (seed % 2 == 0) world.Replay();
    LieAsSender(world, dealer.context(3), static_cast<std::uint32_t>(seed) % world.layer_count(),
                0);
    std::mt19937_64 random(seed);
    for (std::uint16_t i = 0; i < world.n(); ++i) {
      world.RestartAfter(i, static_cast<int>(random() % 900));
      world.RestartAfter(i, static_cast<int>(random() % 900));
    }
    world.Run();
    ExpectConvicted(world, {PartyId{3}});
  }
}

// A layer's list of senders that a laggard has not seen, and values that it lost, come from others.
TEST_P(Blames, WhatIsMissingIsFetched) {
  Dealer dealer(GetParam(), 37);
  const std::uint64_t attempt = AttemptWithSender(dealer, 1, 4);
  World world(dealer, SharedPlan(), attempt, 1);
  const bool king = KingsOf(dealer.sets(), attempt).front() == PartyId{0};
  const PartyId victim{static_cast<std::uint16_t>(king ? 2 : 0)};
  world.Corrupt(1, [&](PartyId, PartyId, Message& message) {
    auto* vector = std::get_if<proto::LayerVector>(&message);
    if (vector != nullptr && vector->layer == 2) Resign(world, dealer.context(1), *vector, 0);
    return true;
  });
  world.ForgetLists(Index(victim));
  world.Run();
  ExpectConvicted(world, {PartyId{1}});
}

// Each attempt leaves out who was convicted in the ones before, as the ledger has it: t liars, who
// lie whenever they can, spoil at most t attempts, ever.
TEST_P(Blames, LiarsSpoilAtMostTAttempts) {
  Dealer dealer(GetParam(), 38);
  const std::uint16_t n = GetParam();
  const std::uint16_t t = dealer.committee().max_faulty();
  for (std::uint64_t seed = 1; seed <= (n == 4 ? 4u : 1u); ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    std::mt19937_64 random(seed);
    std::set<PartyId> liars;
    while (liars.size() < t) liars.insert(static_cast<PartyId>(random() % n));
    std::set<PartyId> excluded;
    std::size_t spoilt = 0;
    for (std::uint64_t attempt = 1; attempt <= 3u * n; ++attempt) {
      World world(dealer, SharedPlan(), attempt, 100 * seed + attempt,
                  {excluded.begin(), excluded.end()});
      for (const PartyId liar : liars) {
        world.Corrupt(Index(liar), [&, liar](PartyId, PartyId, Message& message) {
          const PartyContext& context = dealer.context(Index(liar));
          if (auto* vector = std::get_if<proto::LayerVector>(&message)) {
            Resign(world, context, *vector, 0);
          }
          return true;
        });
      }
      world.Run();
      if (world.dead()) {
        ++spoilt;
        for (const PartyId liar : world.culprits()) EXPECT_TRUE(excluded.insert(liar).second);
      } else {
        ASSERT_TRUE(world.certified()) << "attempt " << attempt;
      }
    }
    EXPECT_LE(spoilt, t);
    EXPECT_GT(spoilt, 0u);
  }
}

TEST(Exclusion, LeavesOutHoldersAndKings) {
  Dealer dealer(7, 40);
  for (std::uint64_t attempt = 1; attempt <= 70; ++attempt) {
    const std::vector<PartyId> excluded = {static_cast<PartyId>(attempt % 7)};
    const SetIndex holders = HoldersOf(dealer.sets(), attempt, excluded);
    EXPECT_FALSE(dealer.sets().Contains(holders, excluded[0])) << attempt;
    EXPECT_EQ(std::ranges::count(KingsOf(dealer.sets(), attempt, excluded), excluded[0]), 0);
  }
}

// A king that opens a layer with the vector of one who is excluded is not echoed.
TEST(Exclusion, OfSendersInAKingsLayer) {
  constexpr std::uint64_t kAttempt = 5;
  const PartyId out{2}, honest{3};
  Dealer dealer(4, 41);
  const PartyId liar = KingsOf(dealer.sets(), kAttempt, {out}).front();
  ASSERT_NE(liar, honest);
  const Openings openings(dealer, *SharedPlan(), kAttempt);
  const auto messages = openings.Messages(0);
  const Place place{dealer.context(0).chain, Dealer::kEpoch, kAttempt, 0, {}};
  for (const PartyId third : {out, honest}) {
    Attempt attempt(dealer.context(Index(honest)), SharedPlan(), {}, kAttempt, {}, {}, {out});
    (void)attempt.Start();
    LayerKing king(dealer.context(Index(liar)), place, openings.layers().size(0));
    for (const PartyId sender : {PartyId{0}, PartyId{1}, third}) {
      const std::uint16_t i = Index(sender);
      proto::LayerVector vector{kAttempt, 0, EncodeElements(messages[i]), {}};
      vector.signature =
          dealer.context(i).key->Sign(VectorDigest(place, proto::MerkleRootOfBytes(vector.values)));
      ASSERT_FALSE(king.AddVector(sender, vector).has_value());
    }
    ASSERT_TRUE(king.Make(std::vector<bool>(4, true)));
    const auto step = attempt.Handle(liar, *king.layer());
    const bool echoed = std::ranges::any_of(step.messages, [](const auto& outgoing) {
      return std::holds_alternative<proto::Echo>(outgoing.message);
    });
    EXPECT_EQ(echoed, third != out);
    EXPECT_EQ(step.faults.size(), third == out ? 1u : 0u);
  }
}

// An excluded member's vectors do not count, whoever is king.
TEST(Exclusion, HoldsWhenTheFirstKingIsSilent) {
  Dealer dealer(7, 40);
  for (std::uint64_t seed = 1; seed <= 4; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    const std::vector<PartyId> excluded = {static_cast<PartyId>(seed)};
    const PartyId king = KingsOf(dealer.sets(), seed, excluded).front();
    World world(dealer, SharedPlan(), seed, seed, excluded);
    world.Corrupt(Index(king), [](PartyId, PartyId, Message&) { return false; });
    world.Corrupt(Index(excluded[0]), [&](PartyId, PartyId, Message& message) {
      if (auto* vector = std::get_if<proto::LayerVector>(&message)) {
        Resign(world, dealer.context(Index(excluded[0])), *vector, 0);
      }
      return true;
    });
    world.Run();
    EXPECT_FALSE(world.dead());
    EXPECT_TRUE(world.certified());
  }
}

INSTANTIATE_TEST_SUITE_P(Committees, Blames, testing::Values(4, 7),
                         [](const auto& n) { return "n" + std::to_string(n.param); });

// What a dead attempt's keys open: it alone.
TEST(AttemptKeys, OpenTheirAttemptAlone) {
  Dealer dealer(4, 39);
  const ReplicatedKeys& epoch = *dealer.context(0).replicated;
  const ReplicatedKeys one = epoch.ForAttempt(1, 1);
  EXPECT_EQ(one.keys(), epoch.ForAttempt(1, 1).keys());
  const ReplicatedKeys others[] = {epoch.ForAttempt(1, 2), epoch.ForAttempt(2, 1),
                                   one.ForAttempt(1, 1)};
  for (std::size_t set = 0; set < one.keys().size(); ++set) {
    ASSERT_EQ(one.keys()[set].has_value(), epoch.keys()[set].has_value());
    if (!one.keys()[set]) continue;
    EXPECT_NE(one.keys()[set], epoch.keys()[set]);
    for (const ReplicatedKeys& other : others) EXPECT_NE(one.keys()[set], other.keys()[set]);
  }
  // The streams of an attempt come from its keys: the epoch's give others.
  const Label label{1, 1, 0, Purpose::kProduct};
  const Preprocessor member(dealer.context(0), *SharedPlan(), 1);
  EXPECT_EQ(member.reductions().prss().Random(label, 4), Prss(dealer.sets(), one).Random(label, 4));
  EXPECT_NE(member.reductions().prss().Random(label, 4),
            Prss(dealer.sets(), epoch).Random(label, 4));
}

}  // namespace
}  // namespace mpc
