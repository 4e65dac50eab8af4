// Asked for what an attempt has fixed, or for more than anybody needs: false answers are found and
// asked for elsewhere, and every peer has its limit.

#include <gtest/gtest.h>

#include "tests/unit/mpc/every_kind_plan.h"
#include "tests/unit/mpc/preprocessing/liars.h"
#include "tests/unit/mpc/preprocessing/openings.h"

namespace mpc {
namespace {

using proto::FaultKind;
using proto::PartyId;
using Message = proto::AttemptMessage;

std::shared_ptr<const Plan> SharedPlan() {
  static const auto kPlan = std::make_shared<const Plan>(EveryKindPlan());
  return kPlan;
}

// A king that leaves a holder out, so that it must fetch, and answers it with other values. Who
// fetches asks the next holder first: this is the one before the king.
TEST(FalseAnswers, OfValuesAreRefusedAndFetchedElsewhere) {
  std::size_t lies = 0;
  for (std::uint64_t seed = 1; seed <= 12; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    Dealer dealer(4, 51);
    World world(dealer, SharedPlan(), seed, seed);
    const PartyId king = KingsOf(dealer.sets(), seed).front();
    const SetIndex holders = HoldersOf(dealer.sets(), seed, {});
    PartyId victim = king;
    do {
      victim = static_cast<PartyId>((Index(victim) + 3) % 4);
    } while (!dealer.sets().Contains(holders, victim));
    std::size_t lies_now = 0;
    world.Corrupt(Index(king), [&](PartyId, PartyId to, Message& message) {
      if (std::holds_alternative<proto::KingLayer>(message)) return to != victim;
      if (auto* answer = std::get_if<proto::LayerValues>(&message)) {
        answer->values[0] ^= 1;
        ++lies_now;
      }
      return true;
    });
    world.Run();
    ASSERT_TRUE(world.certified());
    ExpectRightBundles(dealer, *SharedPlan(), world.Bundles(), seed, 1024);
    EXPECT_TRUE(world.blamed().empty() || world.blamed() == std::set{king});
    lies += world.blamed().empty() ? 0 : lies_now;
  }
  EXPECT_GT(lies, 0u);  // Some were told before the truth came.
}

// After `dead` a member lacks all lists of senders: the culprit's own answers name other roots.
TEST(FalseAnswers, OfListsAreRefusedAndFetchedElsewhere) {
  std::size_t lies = 0;
  for (std::uint64_t seed = 1; seed <= 12; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    Dealer dealer(4, 52);
    const std::vector<PartyId> kings = KingsOf(dealer.sets(), seed);
    const PartyId liar = kings[1];  // A sender, no king.
    World world(dealer, SharedPlan(), seed, seed);
    std::size_t lies_now = 0;
    world.Corrupt(Index(liar), [&](PartyId, PartyId, Message& message) {
      auto* vector = std::get_if<proto::LayerVector>(&message);
      if (vector != nullptr && vector->layer == 2) {
        Resign(world, dealer.context(Index(liar)), *vector, 0);
      }
      if (auto* list = std::get_if<proto::LayerSenders>(&message)) {
        list->senders[0].root.bytes[0] ^= 1;
        ++lies_now;
      }
      return true;
    });
    world.ForgetLists(Index(kings[0]));
    world.Run();
    ASSERT_TRUE(world.dead());
    EXPECT_EQ(world.culprits(), std::set{liar});
    lies += lies_now;
  }
  EXPECT_GT(lies, 0u);
}

// One member of four, and layers of a king for it.
class Limits : public testing::Test {
 protected:
  Limits() {
    const auto messages = openings_.Messages(0);
    for (const PartyId sender : {PartyId{0}, PartyId{1}, PartyId{2}}) {
      const std::uint16_t i = Index(sender);
      proto::LayerVector vector{kAttempt, 0, EncodeElements(messages[i]), {}};
      vector.signature = dealer_.context(i).key->Sign(
          VectorDigest(place_, proto::MerkleRootOfBytes(vector.values)));
      EXPECT_FALSE(king_.AddVector(sender, vector).has_value());
    }
    EXPECT_TRUE(king_.Make(std::vector<bool>(4, true)));
    (void)member_.Start();
  }
  std::vector<FaultKind> Faults(PartyId from, Message message) {
    std::vector<FaultKind> kinds;
    for (const auto& fault : member_.Handle(from, std::move(message)).faults) {
      EXPECT_EQ(fault.party, from);
      kinds.push_back(fault.kind);
    }
    return kinds;
  }
  // As the king opened it, with another first value.
  proto::KingLayer Opened(std::uint8_t change = 0) const {
    proto::KingLayer layer = *king_.layer();
    layer.values[0] ^= change;
    return layer;
  }

  static constexpr std::uint64_t kAttempt = 4;
  static constexpr PartyId kKing{0}, kMember{3};
  const Dealer dealer_{4, 53};
  const Openings openings_{dealer_, *SharedPlan(), kAttempt};
  const Place place_{dealer_.context(0).chain, Dealer::kEpoch, kAttempt, 0, {}};
  LayerKing king_{dealer_.context(Index(kKing)), place_, openings_.layers().size(0)};
  Attempt member_{dealer_.context(Index(kMember)), SharedPlan(), {}, kAttempt, {}};
};

TEST_F(Limits, OfAKingsLayers) {
  ASSERT_EQ(KingsOf(dealer_.sets(), kAttempt).front(), kKing);
  for (std::uint32_t i = 0; i < kKingLayersMax; ++i) EXPECT_TRUE(Faults(kKing, Opened()).empty());
  EXPECT_EQ(Faults(kKing, Opened()), std::vector{FaultKind::kLimit});
}

TEST_F(Limits, OfAKingsValues) {
  for (std::uint8_t change = 0; change < kKingValuesMax; ++change) {
    EXPECT_TRUE(Faults(kKing, Opened(change)).empty());
  }
  EXPECT_EQ(Faults(kKing, Opened(kKingValuesMax)), std::vector{FaultKind::kLimit});
  EXPECT_TRUE(Faults(kKing, Opened(0)).empty());  // Those that are known are known.
}

TEST_F(Limits, OfAnswers) {
  EXPECT_TRUE(Faults(kKing, Opened()).empty());
  (void)member_.OnLayerFixed(0, king_.root());
  for (std::uint32_t i = 0; i < 2 * kAnswersMax; ++i) {
    const auto step = member_.Handle(PartyId{1}, proto::FetchLayer{kAttempt, 0});
    EXPECT_EQ(step.messages.size(), i < kAnswersMax ? 1u : 0u);
  }
  EXPECT_EQ(member_.Handle(PartyId{2}, proto::FetchLayer{kAttempt, 0}).messages.size(), 1u);
  (void)member_.PeerConnected(PartyId{1});
  EXPECT_EQ(member_.Handle(PartyId{1}, proto::FetchLayer{kAttempt, 0}).messages.size(), 1u);
}

}  // namespace
}  // namespace mpc
