// An attempt in any order of delivery, with members that lie, stay silent, crash and replay: never
// a wrong bundle, and some attempt succeeds.

#include "mpc/preprocessing/attempt.h"

#include <gtest/gtest.h>

#include "proto/crypto/hash.h"
#include "proto/crypto/merkle.h"
#include "tests/unit/mpc/every_kind_plan.h"
#include "tests/unit/mpc/preprocessing/liars.h"
#include "tests/unit/mpc/preprocessing/openings.h"

namespace mpc {
namespace {

using proto::PartyId;
using Message = proto::AttemptMessage;

constexpr Int128 kPhaseErrorMax = 1024;

std::shared_ptr<const Plan> SharedPlan() {
  static const auto kPlan = std::make_shared<const Plan>(EveryKindPlan());
  return kPlan;
}

void ExpectCertified(Dealer& dealer, const World& world, std::uint64_t attempt) {
  ASSERT_TRUE(world.certified());
  ExpectRightBundles(dealer, *SharedPlan(), world.Bundles(), attempt, kPhaseErrorMax);
}

// Certified only if right; whether it is.
bool RightOrDead(Dealer& dealer, const World& world, std::uint64_t attempt) {
  EXPECT_TRUE(world.certified() || world.dead());
  if (world.certified()) ExpectCertified(dealer, world, attempt);
  return world.certified();
}

std::uint16_t FirstKing(const Dealer& dealer, std::uint64_t attempt) {
  return Index(KingsOf(dealer.sets(), attempt).front());
}

proto::Bytes WithOneChanged(proto::Bytes values) {
  values[values.size() / 32 * 16] ^= 1;
  return values;
}

class Attempts : public testing::TestWithParam<std::uint16_t> {
 protected:
  std::uint64_t seeds() const { return GetParam() == 4 ? 20 : 2; }
};

TEST_P(Attempts, HonestCommitteeGetsItsBundle) {
  Dealer dealer(GetParam(), 1);
  for (std::uint64_t seed = 1; seed <= seeds(); ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    World world(dealer, SharedPlan(), seed, seed);
    world.Run();
    ExpectCertified(dealer, world, seed);
    EXPECT_EQ(world.roots().size(), world.layer_count());
    EXPECT_TRUE(world.blamed().empty());
  }
}

TEST_P(Attempts, ReplayedMessagesChangeNothing) {
  Dealer dealer(GetParam(), 2);
  for (std::uint64_t seed = 1; seed <= seeds(); ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    World world(dealer, SharedPlan(), seed, seed);
    world.Replay();
    world.Run();
    ExpectCertified(dealer, world, seed);
  }
}

TEST_P(Attempts, SilentMembersStopNothing) {
  Dealer dealer(GetParam(), 3);
  for (std::uint64_t seed = 1; seed <= seeds(); ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    World world(dealer, SharedPlan(), seed, seed);
    // Among them, now and then, the kings of the first ranks.
    for (int i = 0; i < dealer.committee().max_faulty(); ++i) {
      world.Silence(static_cast<std::uint16_t>((seed / 2 + static_cast<unsigned>(i)) % world.n()));
    }
    world.Run();
    ExpectCertified(dealer, world, seed);
  }
}

// A wrong vector is taken for c when its sender is among the n - t; then the attempt dies.
TEST_P(Attempts, LiarInAVectorIsCaughtAndSomeAttemptIsFreeOfIt) {
  Dealer dealer(GetParam(), 4);
  const std::uint16_t liar = 1;
  const std::uint32_t layers = LayerCount(*SharedPlan(), dealer.committee());
  const std::uint64_t attempts = GetParam() == 4 ? 40 : 6;
  int right = 0;
  for (std::uint64_t attempt = 1; attempt <= attempts; ++attempt) {
    SCOPED_TRACE("attempt " + std::to_string(attempt));
    World world(dealer, SharedPlan(), attempt, attempt);
    const std::uint32_t layer = static_cast<std::uint32_t>(attempt) % layers;
    world.Corrupt(liar, [&](PartyId from, PartyId, Message& message) {
      auto* vector = std::get_if<proto::LayerVector>(&message);
      if (vector == nullptr || vector->layer != layer) return true;
      vector->values = WithOneChanged(vector->values);
      const PartyContext& context = dealer.context(Index(from));
      proto::Digest transcript;
      for (std::uint32_t l = 0; l < layer; ++l) {
        transcript = proto::ExtendTranscript(transcript, l, world.roots()[l]);
      }
      const Place place{context.chain, context.epoch, attempt, layer, transcript};
      vector->signature =
          context.key->Sign(VectorDigest(place, proto::MerkleRootOfBytes(vector->values)));
      return true;
    });
    world.Run();
    right += RightOrDead(dealer, world, attempt) ? 1 : 0;
  }
  // At n = 4 one in four attempts leaves the liar out, whoever it is: number 0, 7, 10, 13, 16, ..
  EXPECT_EQ(right, GetParam() == 4 ? 9 : 2);
}

TEST_P(Attempts, UnsignedOrMisshapenVectorsAreRefused) {
  Dealer dealer(GetParam(), 5);
  World world(dealer, SharedPlan(), 2, 1);
  world.Corrupt(1, [](PartyId, PartyId, Message& message) {
    if (auto* vector = std::get_if<proto::LayerVector>(&message)) {
      if (vector->layer % 2 == 0) {
        vector->values = WithOneChanged(vector->values);  // The signature is of other values.
      } else {
        vector->values.resize(vector->values.size() - 16);
      }
    }
    return true;
  });
  world.Run();
  ExpectCertified(dealer, world, 2);
  EXPECT_EQ(world.blamed(), std::set<PartyId>{PartyId{1}});
}

TEST_P(Attempts, WrongValuesOfAKingAreCertifiedButNeverABundle) {
  Dealer dealer(GetParam(), 6);
  const std::uint32_t layers = LayerCount(*SharedPlan(), dealer.committee());
  for (std::uint32_t layer = 0; layer < layers; ++layer) {
    SCOPED_TRACE("layer " + std::to_string(layer));
    const std::uint64_t attempt = 1 + layer;
    World world(dealer, SharedPlan(), attempt, attempt);
    const LyingKing king(world, dealer.context(FirstKing(dealer, attempt)), attempt, layer, false);
    world.Run();
    EXPECT_TRUE(world.dead());
  }
}

// No root gets n - t echoes; the next king's does.
TEST_P(Attempts, KingThatTellsEachMemberAnotherIsPassedOver) {
  Dealer dealer(GetParam(), 6);
  for (std::uint64_t attempt = 1; attempt <= seeds(); ++attempt) {
    SCOPED_TRACE("attempt " + std::to_string(attempt));
    World world(dealer, SharedPlan(), attempt, attempt);
    const LyingKing king(world, dealer.context(FirstKing(dealer, attempt)), attempt,
                         static_cast<std::uint32_t>(attempt) % world.layer_count(), true);
    world.Run();
    ExpectCertified(dealer, world, attempt);
  }
}

// Who has seen a king's layer could pass its senders' signatures on beside values of its own. Only
// engaged kings are echoed, so it has to wait for its rank.
TEST_P(Attempts, KingOutOfTurnIsNotEchoed) {
  Dealer dealer(GetParam(), 14);
  for (std::uint64_t attempt = 1; attempt <= seeds(); ++attempt) {
    SCOPED_TRACE("attempt " + std::to_string(attempt));
    World world(dealer, SharedPlan(), attempt, attempt);
    const auto pretender = Index(KingsOf(dealer.sets(), attempt)[1]);
    world.Corrupt(
        pretender, [](PartyId, PartyId, Message&) { return true; },
        [&](PartyId from, PartyId to, Message& message) {
          auto* opened = std::get_if<proto::KingLayer>(&message);
          if (opened == nullptr || from == to) return true;
          proto::KingLayer own = *opened;
          own.values[0] ^= 1;
          for (std::uint16_t i = 0; i < world.n(); ++i) world.Inject(to, PartyId{i}, own);
          return true;
        });
    world.Run();
    ExpectCertified(dealer, world, attempt);
  }
}

TEST_P(Attempts, ManyKingsAtOnceAgree) {
  Dealer dealer(GetParam(), 15);
  for (std::uint64_t seed = 1; seed <= seeds(); ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    World world(dealer, SharedPlan(), seed, seed);
    world.Impatient();
    world.Run();
    ExpectCertified(dealer, world, seed);
  }
}

// Some members get other values than those that are certified: they fetch them.
TEST_P(Attempts, MembersLeftOutByTheKingFetchWhatIsFixed) {
  Dealer dealer(GetParam(), 7);
  for (std::uint64_t seed = 1; seed <= seeds(); ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    World world(dealer, SharedPlan(), seed, seed);
    const std::uint16_t king = FirstKing(dealer, seed);
    const PartyId victim = KingsOf(dealer.sets(), seed)[1];  // A holder, too.
    // The king echoes what it made itself, so n - t echoes come together without the victim.
    world.Corrupt(king, [&, seed](PartyId, PartyId to, Message& message) {
      if (std::holds_alternative<proto::LayerValues>(message)) return false;
      auto* opened = std::get_if<proto::KingLayer>(&message);
      if (opened == nullptr || to != victim) return true;
      if (seed % 2 == 0) return false;
      opened->values[0] ^= 1;
      return true;
    });
    world.Run();
    ExpectCertified(dealer, world, seed);
  }
}

TEST_P(Attempts, WrongEchoesSharesAndOpeningsAreNamed) {
  Dealer dealer(GetParam(), 8);
  World world(dealer, SharedPlan(), 1, 1);
  world.Corrupt(3, [](PartyId, PartyId, Message& message) {
    if (auto* echo = std::get_if<proto::Echo>(&message)) echo->signature.bytes[0] ^= 1;
    if (auto* share = std::get_if<proto::CoinShareMessage>(&message)) share->share.proof[40] ^= 1;
    if (auto* opening = std::get_if<proto::VerifyOpening>(&message)) opening->values[0] ^= 1;
    return true;
  });
  world.Run();
  ExpectCertified(dealer, world, 1);
  EXPECT_EQ(world.blamed(), std::set<PartyId>{PartyId{3}});
}

// A share of the last triple that is wrong but signed: corrected, and its author named.
TEST_P(Attempts, WrongSharesOfTheTripleAreCorrected) {
  Dealer dealer(GetParam(), 9);
  World world(dealer, SharedPlan(), 1, 1);
  world.Corrupt(0, [&](PartyId, PartyId to, Message& message) {
    auto* opening = std::get_if<proto::VerifyOpening>(&message);
    if (opening == nullptr) return true;
    opening->values[0] ^= static_cast<std::uint8_t>(1 + Index(to));
    const PartyContext& context = dealer.context(0);
    proto::Digest transcript;
    for (std::uint32_t l = 0; l < world.layer_count(); ++l) {
      transcript = proto::ExtendTranscript(transcript, l, world.roots()[l]);
    }
    const Place place{context.chain, context.epoch, 1, world.layer_count(), transcript};
    opening->signature = context.key->Sign(OpeningDigest(place, opening->values));
    return true;
  });
  world.Run();
  ExpectCertified(dealer, world, 1);
}

TEST_P(Attempts, MembersRestartAtAnyMoment) {
  Dealer dealer(GetParam(), 10);
  for (std::uint64_t seed = 1; seed <= seeds(); ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    World world(dealer, SharedPlan(), seed, seed);
    std::mt19937_64 random(seed);
    for (std::uint16_t i = 0; i < world.n(); ++i) {
      world.RestartAfter(i, static_cast<int>(random() % 400));
      world.RestartAfter(i, static_cast<int>(random() % 400));
    }
    world.Run();
    ExpectCertified(dealer, world, seed);
  }
}

// Also between the last echo of a layer and the moment in which it is fixed: then only the disks
// have its values.
TEST_P(Attempts, AllRestartAtOnce) {
  Dealer dealer(GetParam(), 11);
  for (std::uint64_t seed = 1; seed <= 6 * seeds(); ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    World world(dealer, SharedPlan(), seed, seed);
    world.KeepDisks();
    const auto moment = static_cast<int>(std::mt19937_64(seed)() % 300);
    for (std::uint16_t i = 0; i < world.n(); ++i) world.RestartAfter(i, moment);
    world.Run();
    ExpectCertified(dealer, world, seed);
  }
}

// Whatever bytes a member sends, while others restart, replay and lose patience.
TEST_P(Attempts, AnyBytesOfOneMember) {
  Dealer dealer(GetParam(), 16);
  for (std::uint64_t seed = 1; seed <= 2 * seeds(); ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    std::mt19937_64 random(seed);
    World world(dealer, SharedPlan(), seed, seed);
    world.Replay();
    if (seed % 2 == 0) world.Impatient();
    const auto liar = static_cast<std::uint16_t>(random() % world.n());
    const std::uint64_t rarity = 1 + random() % 8;
    world.Corrupt(liar, [&](PartyId, PartyId, Message& message) {
      if (random() % rarity != 0) return true;
      proto::Bytes bytes = proto::Encode(message);
      for (int i = 0; i < 3; ++i) {
        bytes[random() % bytes.size()] = static_cast<std::uint8_t>(random());
      }
      auto changed = proto::DecodeAttemptMessage(bytes);
      if (changed) message = std::move(*changed);
      return changed.has_value();
    });
    world.RestartAfter(static_cast<std::uint16_t>((liar + 1) % world.n()),
                       static_cast<int>(random() % 300));
    world.Run();
    RightOrDead(dealer, world, seed);
  }
}

// Trap 2 and the replay of old words: messages of another attempt or place are worth nothing.
TEST_P(Attempts, WordsOfAnotherAttemptAreRefused) {
  Dealer dealer(GetParam(), 11);
  // The liar's signed vectors of attempt 1.
  std::vector<proto::LayerVector> old;
  {
    World world(dealer, SharedPlan(), 1, 1);
    world.Corrupt(2, [&](PartyId, PartyId, Message& message) {
      if (const auto* vector = std::get_if<proto::LayerVector>(&message)) old.push_back(*vector);
      return true;
    });
    world.Run();
    ExpectCertified(dealer, world, 1);
  }
  World world(dealer, SharedPlan(), 2, 2);
  world.Corrupt(2, [&](PartyId, PartyId, Message& message) {
    auto* vector = std::get_if<proto::LayerVector>(&message);
    if (vector == nullptr) return true;
    for (const proto::LayerVector& replayed : old) {
      if (replayed.layer != vector->layer) continue;
      *vector = replayed;
      vector->attempt = 2;
      break;
    }
    return true;
  });
  world.Run();
  ExpectCertified(dealer, world, 2);
}

TEST_P(Attempts, NothingIsLeftOfADeadAttempt) {
  Dealer dealer(GetParam(), 12);
  Attempt attempt(dealer.context(0), SharedPlan(), {}, 1, {});
  (void)attempt.Start();
  EXPECT_TRUE(attempt.OnVerdict(false).outputs.empty());
  EXPECT_TRUE(attempt.PeerConnected(PartyId{1}).messages.empty());
  EXPECT_TRUE(attempt.Handle(PartyId{1}, proto::FetchLayer{1, 0}).messages.empty());
  for (std::uint32_t i = 0; i < 2 * kTicksOfPatience; ++i) {
    EXPECT_TRUE(attempt.Tick().messages.empty());
  }
}

// What is signed, and what names a coin, is of one place: no field of it may differ.
TEST(Places, AreNamedInFull) {
  const auto digest = [](const std::string& text) { return proto::Hash(text, {}); };
  const Place place{digest("chain"), 1, 2, 3, digest("transcript")};
  std::vector<Place> others(5, place);
  others[0].chain = digest("other");
  others[1].epoch = 9;
  others[2].attempt = 9;
  others[3].layer = 9;
  others[4].transcript = digest("other");
  const proto::Bytes values{1, 2, 3};
  for (const Place& other : others) {
    EXPECT_NE(VectorDigest(other, digest("root")), VectorDigest(place, digest("root")));
    EXPECT_NE(OpeningDigest(other, values), OpeningDigest(place, values));
    EXPECT_NE(ChallengeName(other), ChallengeName(place));
  }
}

INSTANTIATE_TEST_SUITE_P(Committees, Attempts, testing::Values(4, 7),
                         [](const auto& n) { return "n" + std::to_string(n.param); });

// How many kings a member writes to in layer 1 after it lost patience in layer 0, which the first
// king then opened from the vectors of three others.
std::size_t KingsAfterImpatience(std::uint64_t attempt) {
  Dealer dealer(4, 17);
  Openings openings(dealer, *SharedPlan(), attempt);
  const std::uint16_t first_king = FirstKing(dealer, attempt);
  const std::uint16_t observer = Index(KingsOf(dealer.sets(), attempt)[1]);
  const Place place{dealer.context(0).chain, Dealer::kEpoch, attempt, 0, {}};
  LayerKing king(dealer.context(first_king), place, openings.layers().size(0));
  for (std::uint16_t i = 1; i < 4; ++i) {
    const proto::Bytes values = EncodeElements(openings.Messages(0)[i]);
    const auto signature =
        dealer.context(i).key->Sign(VectorDigest(place, proto::MerkleRootOfBytes(values)));
    EXPECT_FALSE(king.AddVector(PartyId{i}, {attempt, 0, values, signature}).has_value());
  }
  EXPECT_TRUE(king.Make(std::vector<bool>(4, true)));

  Attempt member(dealer.context(observer), SharedPlan(), {}, attempt, {});
  (void)member.Start();
  for (std::uint32_t i = 0; i < kTicksOfPatience; ++i) (void)member.Tick();
  (void)member.Handle(PartyId{first_king}, *king.layer());
  std::size_t kings = 0;
  for (const auto& [target, message] :
       member.OnLayerFixed(0, proto::MerkleRootOfBytes(king.layer()->values)).messages) {
    kings += std::holds_alternative<proto::LayerVector>(message) ? 1 : 0;
  }
  return kings;
}

TEST(Attempt, ForgivesAFirstKingThatWasOnlySlow) {
  EXPECT_EQ(KingsAfterImpatience(12), 1u);  // Parties 1, 2, 3 are its first senders,
  EXPECT_EQ(KingsAfterImpatience(8), 2u);   // 0, 1, 2 here: party 3 stepped in for a silent one.
}

// Nobody is slow: what is sent is what is counted, and headers and signatures.
TEST(Attempt, SendsWhatIsCounted) {
  Dealer dealer(4, 18);
  const std::uint64_t counted =
      PreprocessingBytes(Layers(*SharedPlan(), dealer.sets().count()), dealer.committee());
  World world(dealer, SharedPlan(), 2, 1);
  world.Run();
  ASSERT_TRUE(world.certified());
  constexpr std::uint64_t kHeadBytes = 800;  // Of a layer, and of a coin's toss with it.
  EXPECT_GT(world.sent_bytes(), counted);
  EXPECT_LT(world.sent_bytes(), counted + world.layer_count() * 4 * kHeadBytes);
}

// Outside the holders nothing but public layers and the verification is needed.
TEST(Attempt, OthersThanHoldersGetNoProducts) {
  Dealer dealer(4, 19);
  const SetIndex holders = HoldersOf(dealer.sets(), 2, {});
  World world(dealer, SharedPlan(), 2, 1);
  const Layers layers(*SharedPlan(), dealer.sets().count());
  std::set<std::uint32_t> got;
  for (std::uint16_t i = 0; i < 4; ++i) {
    if (dealer.sets().Contains(holders, PartyId{i})) continue;
    world.Corrupt(
        i, [](PartyId, PartyId, Message&) { return true; },
        [&](PartyId, PartyId, Message& message) {
          if (const auto* layer = std::get_if<proto::KingLayer>(&message)) got.insert(layer->layer);
          return true;
        });
  }
  world.Run();
  ASSERT_TRUE(world.certified());
  EXPECT_EQ(got.size(), 1 + CompressionSizes(layers.pairs()).size());
  for (const std::uint32_t layer : got) EXPECT_TRUE(layer == 0 || layer >= layers.depth());
}

TEST(Attempt, TakesTheLayersItsPlanSays) {
  Dealer dealer(4, 13);
  EXPECT_EQ(LayerCount(*SharedPlan(), dealer.committee()), 4u + 2u);
  // Phases of 24 bits: 96 claims a harmonic's worth; W is 123 at n = 4.
  EXPECT_TRUE(CheckPreprocessing(*SharedPlan(), dealer.committee()).has_value());
  EXPECT_NEAR(PreprocessingLeakageBits(*SharedPlan(), dealer.committee()),
              123 - 50 - std::log2(4 * 24), 1e-9);
  Plan fine = *SharedPlan();
  for (Op& op : fine.ops) op.series.phase_bits = 40;
  const auto leaks = CheckPreprocessing(fine, dealer.committee());
  ASSERT_FALSE(leaks.has_value());
  EXPECT_EQ(leaks.error().code, proto::ErrorCode::kInvalidArgument);
  // It is the sum that counts, though either part may pass by itself.
  Plan both = *SharedPlan();
  for (Op& op : both.ops) op.series.phase_bits = 37;
  EXPECT_TRUE(CheckPreprocessing(both, dealer.committee()).has_value());
  const auto open = std::ranges::find(both.ops, OpKind::kOpen, &Op::kind);
  const auto online = [&] { return LeakageBits(both, dealer.sets().mask_bits()); };
  while (online() > kLeakageBitsMin + 1.5) ++both.ops[open->inputs[0]].bits;
  EXPECT_GT(online(), kLeakageBitsMin);
  EXPECT_GT(PreprocessingLeakageBits(both, dealer.committee()), kLeakageBitsMin);
  EXPECT_LT(InferenceLeakageBits(both, dealer.committee()), kLeakageBitsMin);
  EXPECT_FALSE(CheckPreprocessing(both, dealer.committee()).has_value());
  Plan huge = *SharedPlan();
  huge.tokens = 60'000;
  huge.digit_bits_high = huge.digit_bits_low = 10;
  const auto refused = CheckPreprocessing(huge, dealer.committee());
  ASSERT_FALSE(refused.has_value());
  EXPECT_EQ(refused.error().code, proto::ErrorCode::kExhausted);
}

}  // namespace
}  // namespace mpc
