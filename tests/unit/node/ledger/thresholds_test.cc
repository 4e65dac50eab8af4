// Every threshold at its exact value, for all committees that compute.

#include <gtest/gtest.h>

#include "tests/unit/node/ledger/world.h"

namespace node::test {
namespace {

class Thresholds : public testing::TestWithParam<std::uint16_t> {};

TEST_P(Thresholds, AreExact) {
  const std::uint16_t n = GetParam();
  const std::size_t t = (n - 1u) / 3;
  World world(n);
  const auto snapshot = [&] { return world.ledger.snapshot(); };
  // From validators first, first + 1, ...: all but the last must leave the condition unmet.
  const auto until = [&](std::size_t first, std::size_t count, const auto& payload,
                         const auto& met) {
    for (std::size_t i = first; i < first + count; ++i) {
      EXPECT_FALSE(met()) << "before " << i;
      const auto receipt = world.Validator(i, payload(i));
      EXPECT_EQ(receipt.code, ReceiptCode::kDone) << receipt.message;
    }
    EXPECT_TRUE(met());
  };

  const Digest model = world.Register(world.MakeManifest(0));
  until(
      t, n - t, [&](std::size_t) { return proto::ModelReady{model}; },
      [&] { return snapshot().model(model)->status == proto::ModelStatus::kActive; });

  EXPECT_EQ(world.Validator(0, proto::FixLayer{world.Certify(1, 0, n - t)}).code,
            ReceiptCode::kDone);
  // t + 1 fails kill the first attempt, whatever the passes were.
  until(
      0, t + 1,
      [&](std::size_t) {
        return proto::Verdict{1, {}, false};
      },
      [&] { return snapshot().attempt(1)->status == proto::AttemptStatus::kDead; });
  // t + 1 equal findings convict, and the next attempt begins.
  EXPECT_FALSE(snapshot().attempt(2).has_value());
  until(
      t, t + 1,
      [&](std::size_t) {
        proto::Finding finding{1, 0, world.SendersOf(1, 0), {}, {}};
        for (const auto& sender : finding.senders) finding.expected.push_back(sender.root);
        finding.expected[0] = MakeDigest("expected");  // The first of the liars below.
        return proto::PostFinding{finding};
      },
      [&] { return snapshot().attempt(2).has_value(); });
  for (std::uint32_t layer = 0; layer < 2; ++layer) {
    EXPECT_EQ(world.Validator(0, proto::FixLayer{world.Certify(2, layer, n - t - 1u)}).code,
              ReceiptCode::kInvalid);
    EXPECT_EQ(world.Validator(0, proto::FixLayer{world.Certify(2, layer, n - t)}).code,
              ReceiptCode::kDone);
  }
  // t fails do not stop n - t passes.
  for (std::size_t i = 0; i < t; ++i) world.Validator(i, proto::Verdict{2, {}, false});
  until(
      t, n - t,
      [&](std::size_t) {
        return proto::Verdict{2, world.Transcript(2), true};
      },
      [&] { return snapshot().attempt(2)->status == proto::AttemptStatus::kCertified; });

  const std::uint64_t request = world.Open(model);
  EXPECT_EQ(world.Client(0, proto::SubmitInference{request, {0, 0, 0, 0}}).code,
            ReceiptCode::kDone);
  // t liars attest together first; the n - t others name them.
  for (std::size_t i = 0; i < t; ++i) {
    world.Validator(i, proto::Attest{request, MakeDigest("lie"), {}});
  }
  until(
      t, n - t,
      [&](std::size_t) {
        return proto::Attest{request, MakeDigest("run"), {}};
      },
      [&] { return world.Request(request).status == proto::RequestStatus::kComputed; });
  ASSERT_EQ(world.Request(request).named.size(), t);

  // The liars' shares come first; 2t + 1 right ones complete the output, no fewer do.
  for (std::size_t i = 0; i < t; ++i) {
    auto shares = world.Shares(i);
    shares[0][0] ^= 1;
    world.Validator(i, proto::PostOutput{request, shares, {}});
  }
  until(
      t, 2 * t + 1,
      [&](std::size_t i) {
        return proto::PostOutput{request, world.Shares(i), {}};
      },
      [&] { return world.Request(request).status == proto::RequestStatus::kCompleted; });
  const auto record = world.Request(request);
  EXPECT_EQ(record.output, World::Outputs());
  EXPECT_EQ(record.paid.size(), n - t);
  for (std::uint16_t i = 0; i < t; ++i) {
    const PartyId liar{i};
    EXPECT_EQ(
        std::ranges::count(record.named, proto::NamedParty{liar, proto::Misdeed::kWrongShare}), 1);
    EXPECT_EQ(std::ranges::count(record.paid, liar), 0);
  }
}

TEST_P(Thresholds, TAccusersNameNobody) {
  const std::uint16_t n = GetParam();
  const std::size_t t = (n - 1u) / 3;
  World world(n);
  const std::uint64_t request = world.Submitted();
  const PartyId victim{static_cast<std::uint16_t>(n - 1)};
  for (std::size_t i = 0; i <= t; ++i) {
    EXPECT_TRUE(world.Request(request).named.empty());
    world.Validator(i, proto::Attest{request, MakeDigest("run"), {victim}});
  }
  EXPECT_EQ(world.Request(request).named,
            (std::vector{proto::NamedParty{victim, proto::Misdeed::kAccused}}));
}

INSTANTIATE_TEST_SUITE_P(Committees, Thresholds, testing::Values(4, 7, 10, 13));

}  // namespace
}  // namespace node::test
