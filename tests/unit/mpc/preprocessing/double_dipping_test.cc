// Trap 1 of the design. At n = 3t + 1 a degree-2t message vector is overdetermined: a king that
// gets one honest member to compute from another c reads the difference, which is that member's
// share of what the c is multiplied with. The rule "nothing that depends on a layer before the
// ledger has fixed it" is what prevents it: here the attack runs against members without the rule,
// whom it costs a secret, and against members with it, who give nothing away.

#include <gtest/gtest.h>

#include "mpc/preprocessing/attempt.h"
#include "proto/crypto/merkle.h"
#include "tests/unit/mpc/every_kind_plan.h"
#include "tests/unit/mpc/preprocessing/openings.h"
#include "tests/unit/mpc/preprocessing/world.h"

namespace mpc {
namespace {

using proto::PartyId;

// Its first king is party 0, the adversary; holders are 0, 1 and 3. Party 2 sends to it once it has
// lost patience, which the adversary sees to: three shares alone are not overdetermined.
constexpr std::uint64_t kAttempt = 4;
constexpr std::uint16_t kVictim = 3;
// The layer whose values are lied about, after one of squares.
constexpr std::uint32_t kLayer = 1;

class DoubleDipping : public testing::Test {
 protected:
  DoubleDipping()
      : dealer_(4, 21),
        plan_(std::make_shared<const Plan>(EveryKindPlan())),
        adversary_(dealer_.context(0), *plan_, kAttempt),
        openings_(dealer_, *plan_, kAttempt),
        opened_(openings_.layers().depth()) {
    for (std::uint16_t i = 1; i < 4; ++i) {
      honest_.push_back(std::make_unique<Attempt>(dealer_.context(i), plan_, proto::Digest{},
                                                  kAttempt, std::vector<proto::Bytes>{}));
      Keep(i, honest_.back()->Start());
    }
    // The first reduction of the first series' tree: the left half L_0 + L_1 of the phase.
    for (TensorId id = 0; id < plan_->ops.size(); ++id) {
      const OpLayers& layers = openings_.layers().of(id);
      if (plan_->ops[id].kind != OpKind::kSeries || layers.nodes.empty()) continue;
      left_ = layers.nodes[4].reduction;
      right_ = layers.nodes[5].reduction;
      root_ = layers.nodes[6].reduction;
    }
  }

  Attempt& honest(std::uint16_t i) { return *honest_[i - 1u]; }
  const Reduction& reduction(ReductionId id) const { return openings_.layers().reduction(id); }

  void Keep(std::uint16_t from, const Attempt::Step& step) {
    for (const auto& [target, message] : step.messages) {
      if (const auto* vector = std::get_if<proto::LayerVector>(&message)) {
        if (target.Includes(PartyId{0})) vectors_[vector->layer][from] = *vector;
      }
      if (const auto* values = std::get_if<proto::LayerValues>(&message)) fetched_ = *values;
    }
  }

  // Until all have sent what they can.
  void LosePatience() {
    for (std::uint16_t i = 1; i < 4; ++i) {
      for (std::uint32_t k = 0; k < 4 * kTicksOfPatience; ++k) Keep(i, honest(i).Tick());
    }
  }

  // Fixes what goes before the layer, and opens the layer as an honest king would.
  proto::KingLayer OpenTheLayer() {
    proto::Digest transcript;
    for (std::uint32_t layer = 0; layer < kLayer; ++layer) {
      opened_[layer] = openings_.Open(openings_.Messages(layer));
      openings_.opened()[layer] = opened_[layer];
      const proto::Bytes values = EncodeElements(opened_[layer]);
      const proto::Digest root = proto::MerkleRootOfBytes(values);
      for (std::uint16_t i = 1; i < 4; ++i) Keep(i, honest(i).OnLayerFixed(layer, root, values));
      transcript = proto::ExtendTranscript(transcript, layer, root);
    }
    LosePatience();
    const Place place{dealer_.context(0).chain, Dealer::kEpoch, kAttempt, kLayer, transcript};
    LayerKing king(dealer_.context(0), place, openings_.layers().size(kLayer));
    for (const auto& [party, vector] : vectors_[kLayer]) {
      EXPECT_FALSE(king.AddVector(PartyId{party}, vector).has_value());
    }
    EXPECT_TRUE(king.Make(std::vector<bool>(4, true)));
    opened_[kLayer] = *DecodeElements(king.layer()->values);
    return *king.layer();
  }

  // What the victim's message for the next layer differs in from what the adversary expects of it,
  // for the product of left and right: it interpolates the expected from its own and two others.
  std::vector<Fp> Differences() {
    LosePatience();
    auto& vectors = vectors_[kLayer + 1];
    const std::vector<Fp> own = adversary_.Message(kLayer + 1, opened_);
    const std::vector<Fp> points{Point(PartyId{0}), Point(PartyId{1}), Point(PartyId{2})};
    const auto at_victim = LagrangeCoefficients(points, Point(PartyId{kVictim}));
    const auto one = *DecodeElements(vectors.at(1).values);
    const auto two = *DecodeElements(vectors.at(2).values);
    const auto victims = *DecodeElements(vectors.at(kVictim).values);
    std::vector<Fp> differences;
    for (std::size_t i = 0; i < reduction(root_).claims; ++i) {
      const std::size_t at = reduction(root_).first + i;
      differences.push_back(
          victims[at] - (at_victim[0] * own[at] + at_victim[1] * one[at] + at_victim[2] * two[at]));
    }
    return differences;
  }

  Dealer dealer_;
  const std::shared_ptr<const Plan> plan_;
  const Preprocessor adversary_;
  Openings openings_;
  OpenedLayers opened_;
  std::vector<std::unique_ptr<Attempt>> honest_;
  std::map<std::uint32_t, std::map<std::uint16_t, proto::LayerVector>> vectors_;
  std::optional<proto::LayerValues> fetched_;
  ReductionId left_ = 0;
  ReductionId right_ = 0;
  ReductionId root_ = 0;
};

// The lie: one unit more in the first element's cosine of the left half, after the truncation.
proto::KingLayer Lie(proto::KingLayer layer, const Reduction& left) {
  const std::size_t at = left.first * Fp::kBytes;
  const auto element = std::span(layer.values).subspan(at).first<Fp::kBytes>();
  const Fp lie = *Fp::FromBytes(element) + Fp(std::int64_t{1} << left.drop);
  lie.ToBytes(element);
  return layer;
}

TEST_F(DoubleDipping, CostsMembersWithoutTheRuleASecret) {
  const proto::KingLayer truth = OpenTheLayer();
  const proto::KingLayer lie = Lie(truth, reduction(left_));
  for (std::uint16_t i = 1; i < 4; ++i) {
    const proto::KingLayer& told = i == kVictim ? lie : truth;
    Keep(i, honest(i).Handle(PartyId{0}, told));
    // Without the rule: what the king says is taken for fixed.
    Keep(i, honest(i).OnLayerFixed(kLayer, proto::MerkleRootOfBytes(told.values)));
  }
  const std::vector<Fp> differences = Differences();
  // The cosine c1 was told one too large: the real part c1 c2 - s1 s2 differs by the victim's share
  // of c2, the imaginary part c1 s2 + s1 c2 by its share of s2.
  const std::size_t size = reduction(root_).claims / 2;
  const std::vector<Fp> own = adversary_.reductions().Result(right_, opened_);
  std::vector<std::vector<Fp>> shares;
  for (std::uint16_t i = 0; i < 4; ++i) {
    shares.push_back(openings_.member(i).reductions().Result(right_, opened_));
  }
  const std::vector<Fp> secrets = dealer_.Open(shares);
  // What the holders are told is a sharing: the victim's share of the lie.
  const SetIndex holders = HoldersOf(dealer_.sets(), kAttempt, {});
  const Fp lied = dealer_.sets().Factor(holders, PartyId{kVictim});
  for (const std::size_t part : {std::size_t{0}, size}) {
    EXPECT_EQ(differences[part], lied * shares[kVictim][part]);
    // With its own share the adversary has t + 1 = 2 of them: cos and sin of the right half.
    const std::vector<Fp> line =
        LagrangeCoefficients(std::vector<Fp>{Point(PartyId{0}), Point(PartyId{kVictim})}, Fp());
    EXPECT_EQ(line[0] * own[part] + line[1] * lied.Inverse() * differences[part], secrets[part]);
  }
}

TEST_F(DoubleDipping, GivesNothingAwayWithTheRule) {
  const proto::KingLayer truth = OpenTheLayer();
  const proto::KingLayer lie = Lie(truth, reduction(left_));
  for (std::uint16_t i = 1; i < 4; ++i) {
    Keep(i, honest(i).Handle(PartyId{0}, i == kVictim ? lie : truth));
    EXPECT_TRUE(vectors_[kLayer + 1].empty());  // Nothing that depends on c before it is fixed.
  }
  // The ledger fixes one of the two for all; who holds the other asks for it.
  const proto::Digest root = proto::MerkleRootOfBytes(truth.values);
  for (std::uint16_t i = 1; i < 4; ++i) Keep(i, honest(i).OnLayerFixed(kLayer, root));
  EXPECT_EQ(vectors_[kLayer + 1].count(kVictim), 0u);
  Keep(1, honest(1).Handle(PartyId{kVictim}, proto::FetchLayer{kAttempt, kLayer}));
  ASSERT_TRUE(fetched_.has_value());
  // Nor does it believe the king's word for it now.
  auto lied = honest(kVictim).Handle(PartyId{0}, proto::LayerValues{kAttempt, kLayer, lie.values});
  EXPECT_EQ(lied.faults.size(), 1u);
  Keep(kVictim, lied);
  EXPECT_EQ(vectors_[kLayer + 1].count(kVictim), 0u);
  Keep(kVictim, honest(kVictim).Handle(PartyId{1}, *fetched_));
  for (const Fp difference : Differences()) EXPECT_EQ(difference, Fp());
}

// The same for challenges: no share of a coin before what it names is fixed.
TEST_F(DoubleDipping, NoShareOfAChallengeBeforeTheClaimsAreFixed) {
  for (std::uint32_t layer = 0; layer < openings_.layers().depth(); ++layer) {
    openings_.opened()[layer] = openings_.Open(openings_.Messages(layer));
    const proto::Bytes values = EncodeElements(openings_.opened()[layer]);
    const bool last = layer + 1 == openings_.layers().depth();
    const auto step = honest(1).OnLayerFixed(layer, proto::MerkleRootOfBytes(values));
    std::size_t shares = 0;
    for (const auto& [target, message] : step.messages) {
      shares += std::holds_alternative<proto::CoinShareMessage>(message) ? 1 : 0;
    }
    EXPECT_EQ(shares, last ? 1u : 0u);
    (void)honest(1).Handle(PartyId{2}, proto::LayerValues{kAttempt, layer, values});
  }
}

// The attack at every layer, products' and verification's, and at the opening of the last triple: a
// king tells each member another c. Nothing that it ever gets differs from what it can compute: all
// vectors of a layer lie on polynomials of degree 2t, all shares of the triple on ones of degree t.
TEST(DoubleDippingEverywhere, ShowsNothingInAnyLayer) {
  const Dealer dealer(4, 22);
  const auto plan = std::make_shared<const Plan>(EveryKindPlan());
  const std::uint32_t layers = LayerCount(*plan, dealer.committee());
  std::size_t shares_of_triples = 0;
  for (std::uint32_t attacked = 0; attacked < layers; ++attacked) {
    SCOPED_TRACE("layer " + std::to_string(attacked));
    World world(dealer, plan, kAttempt, 100 + attacked);
    using Vectors = std::map<std::uint16_t, std::vector<Fp>>;
    std::map<std::uint32_t, Vectors> seen;  // By layer, then by sender.
    Vectors triples;
    const auto see = [&](PartyId from, const World::Message& message) {
      if (const auto* vector = std::get_if<proto::LayerVector>(&message)) {
        seen[vector->layer].try_emplace(Index(from), *DecodeElements(vector->values));
      }
      if (const auto* opening = std::get_if<proto::VerifyOpening>(&message)) {
        triples.try_emplace(Index(from), *DecodeElements(opening->values));
      }
    };
    std::size_t lies = 0;
    world.Corrupt(
        0,
        [&](PartyId from, PartyId to, World::Message& message) {
          see(from, message);
          auto* opened = std::get_if<proto::KingLayer>(&message);
          if (opened == nullptr || opened->layer != attacked || Index(to) == 0) return true;
          for (std::size_t i = 0; i < opened->values.size(); i += Fp::kBytes) {
            opened->values[i] ^= static_cast<std::uint8_t>(Index(to));
          }
          ++lies;
          return true;
        },
        [&](PartyId from, PartyId, World::Message& message) {
          see(from, message);
          return true;
        });
    world.Run();
    EXPECT_TRUE(world.certified());
    EXPECT_GE(lies, 3u);
    // Of those that came before the end.
    const auto expect_polynomial = [](const Vectors& vectors, std::size_t degree) {
      std::vector<Fp> points;
      std::vector<const std::vector<Fp>*> base;
      for (const auto& [party, vector] : vectors) {
        if (base.size() <= degree) {
          points.push_back(Point(PartyId{party}));
          base.push_back(&vector);
          continue;
        }
        const auto at_party = LagrangeCoefficients(points, Point(PartyId{party}));
        for (std::size_t k = 0; k < vector.size(); ++k) {
          Fp difference = vector[k];
          for (std::size_t i = 0; i <= degree; ++i) difference -= at_party[i] * (*base[i])[k];
          ASSERT_EQ(difference, Fp()) << "of party " << party << " at " << k;
        }
      }
    };
    std::size_t complete = 0;
    for (const auto& [layer, vectors] : seen) {
      if (vectors.size() < 4) continue;  // After it was passed over, not all send to it.
      ++complete;
      expect_polynomial(vectors, 2);
    }
    EXPECT_GE(complete, 1u);
    shares_of_triples += triples.size();
    expect_polynomial(triples, 1);
  }
  EXPECT_GT(shares_of_triples, 2 * layers);  // More than determine them.
}

}  // namespace
}  // namespace mpc
