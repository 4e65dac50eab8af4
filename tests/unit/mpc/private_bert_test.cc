// All of mpc together: a BERT compiled to a plan, a bundle preprocessed and verified by the
// members, texts answered on shares with one member computing wrongly, against the float model.

#include <cmath>
#include <memory>
#include <random>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "mpc/model/encoder_plan.h"
#include "mpc/online/session.h"
#include "tests/unit/mpc/dealer.h"
#include "tests/unit/mpc/model/small_model.h"
#include "tests/unit/mpc/preprocessing/openings.h"

namespace mpc {
namespace {

using proto::PartyId;
using Ids = std::vector<std::uint32_t>;

std::vector<Ids> Texts() {
  std::vector<Ids> texts;
  for (std::uint32_t a = 4; a < 11; ++a) {
    texts.push_back({2, a, 3});
    texts.push_back({2, a, 14 - a, 3});
    texts.push_back({2, a, 4, 14 - a, 5 + a % 6, 3});
  }
  return texts;
}

// The values that 2t + 1 of the members' shares agree on.
std::vector<Fp> Decode(const proto::Committee& committee,
                       const std::vector<std::vector<Fp>>& shares) {
  RobustDecoder decoder(committee, shares[0].size());
  for (std::uint16_t i = 0; i < shares.size(); ++i) decoder.Add(PartyId{i}, shares[i]);
  return decoder.values();
}

class PrivateBert : public testing::TestWithParam<std::uint16_t> {};
INSTANTIATE_TEST_SUITE_P(Sizes, PrivateBert, testing::Values(4, 7));

TEST_P(PrivateBert, AnswersLikeTheFloatModel) {
  const SmallModelFiles files;
  const FloatModel model = LoadFloatModel(files.files()).value();
  const auto plan = std::make_shared<const Plan>(CompileEncoder(model, 6, Texts()).value());
  const proto::Digest digest = PlanDigest(EncodePlan(*plan));
  Dealer dealer(GetParam());  // Of keys alone.
  const auto n = dealer.committee().size();
  const Ids ids{2, 9, 5, 7, 3};
  const std::uint64_t seed = 1;

  Openings preprocessing(dealer, *plan, 1);
  preprocessing.OpenAll();
  EXPECT_TRUE(preprocessing.Verify());
  std::vector<Bundle> bundles = preprocessing.Bundles(digest);

  // The client.
  std::vector<std::vector<Fp>> mask_shares;
  for (const Bundle& bundle : bundles) mask_shares.push_back(ClientMaskShares(*plan, bundle));
  const std::vector<Fp> masks = Decode(dealer.committee(), mask_shares);
  const auto masked = MaskTokens(PadText(ids, plan->tokens, 0).value(),
                                 std::span(masks).first(plan->tokens), plan->vocabulary_padded());

  // The members; the bundles of the first t are spoilt here and there.
  std::mt19937_64 random(seed);
  std::set<PartyId> liars;
  for (std::uint16_t i = 0; i < dealer.committee().max_faulty(); ++i) {
    liars.insert(PartyId{i});
    for (auto& slot : bundles[i].slots) {
      if (!slot.empty()) slot[random() % slot.size()] += Fp(1);
    }
  }
  std::vector<std::unique_ptr<Session>> sessions;
  std::vector<std::vector<Fp>> outputs(n);
  std::set<proto::Digest> transcripts;
  struct Packet {
    PartyId from, to;
    proto::SessionMessage message;
  };
  std::vector<Packet> packets;
  const auto carry = [&](PartyId from, Session::Step step) {
    for (auto& [target, message] : step.messages) {
      for (std::uint16_t to = 0; to < n; ++to) {
        if (target.Includes(PartyId{to})) packets.push_back({from, PartyId{to}, message});
      }
    }
    for (auto& output : step.outputs) {
      transcripts.insert(output.transcript);
      outputs[Index(from)] = std::move(output.output_shares);
    }
  };
  for (std::uint16_t i = 0; i < n; ++i) {
    sessions.push_back(std::make_unique<Session>(dealer.context(i), plan, bundles[i], 1, *masked));
    carry(PartyId{i}, sessions[i]->Start());
  }
  while (!packets.empty()) {
    std::swap(packets[random() % packets.size()], packets.back());
    Packet packet = std::move(packets.back());
    packets.pop_back();
    carry(packet.to, sessions[Index(packet.to)]->Handle(packet.from, std::move(packet.message)));
  }

  EXPECT_EQ(transcripts.size(), 1u);
  for (std::uint16_t i = 0; i < n; ++i) {
    ASSERT_FALSE(outputs[i].empty());
    EXPECT_EQ(sessions[i]->accused(), liars);
  }
  const auto values =
      UnmaskOutput(Decode(dealer.committee(), outputs), std::span(masks).subspan(plan->tokens));
  const std::vector<double> expected = model.Logits(ids);
  ASSERT_EQ(values.size(), expected.size() + plan->flags);
  ASSERT_GT(plan->flags, 0u);
  for (std::size_t i = 0; i < values.size(); ++i) {
    const double value = static_cast<double>(values[i]) / std::exp2(plan->ops.back().frac);
    if (i < expected.size()) {
      EXPECT_NEAR(value, expected[i], 0.02);
    } else {
      EXPECT_LE(value, 1);
    }
  }
}

}  // namespace
}  // namespace mpc
