// Models, attempts and requests through all their states, and what is refused on the way.

#include <array>

#include <gtest/gtest.h>

#include "node/ledger/attempts.h"
#include "tests/unit/node/ledger/world.h"

namespace node::test {
namespace {

using proto::AttemptStatus;
using proto::Misdeed;
using proto::ModelStatus;
using proto::RequestStatus;

// --- Models. ---

TEST(Models, AreActiveOnceAQuorumHoldsThem) {
  World world;
  const proto::Manifest manifest = world.MakeManifest(0);
  const Digest model = world.Register(manifest);
  EXPECT_EQ(model, proto::ModelId(proto::EncodeManifest(manifest)));
  EXPECT_EQ(world.Balance(world.clients[0].public_key()), kFunds - 1010);
  EXPECT_EQ(world.ledger.snapshot().models(1, 10), std::vector{model});
  EXPECT_EQ(world.All<ModelRegistered>().size(), 1u);
  EXPECT_EQ(world.Client(1, proto::OpenRequest{model, 0}).code, ReceiptCode::kNoModel);

  world.Validators(2, proto::ModelReady{model});
  EXPECT_EQ(world.Validator(1, proto::ModelReady{model}).code, ReceiptCode::kDuplicate);
  EXPECT_EQ(world.ledger.snapshot().model(model)->status, ModelStatus::kRegistered);
  EXPECT_TRUE(world.All<ModelActive>().empty());
  EXPECT_EQ(world.Validator(3, proto::ModelReady{model}).code, ReceiptCode::kDone);
  EXPECT_EQ(world.ledger.snapshot().model(model)->status, ModelStatus::kActive);
  EXPECT_EQ(world.All<ModelActive>(), std::vector{ModelActive{model}});
  // Its pool wants one bundle.
  EXPECT_EQ(world.All<AttemptStarted>(), (std::vector{AttemptStarted{1, model, 0}}));
  EXPECT_EQ(world.Validator(2, proto::ModelReady{model}).code, ReceiptCode::kDone);
  EXPECT_EQ(world.All<ModelActive>().size(), 1u);
}

TEST(Models, BadOnesAreRefused) {
  World world;
  const auto code = [&](std::size_t client, const proto::Manifest& manifest) {
    return world.Client(client, proto::RegisterModel{proto::EncodeManifest(manifest)}).code;
  };
  EXPECT_EQ(world.Client(0, proto::RegisterModel{{1, 2, 3}}).code, ReceiptCode::kBadManifest);
  EXPECT_EQ(code(1, world.MakeManifest(0)), ReceiptCode::kBadManifest);  // A foreign owner.
  proto::Manifest greedy = world.MakeManifest(0);
  greedy.buckets[0].pool_target = 9;
  EXPECT_EQ(code(0, greedy), ReceiptCode::kBadManifest);
  EXPECT_EQ(code(0, world.MakeManifest(0)), ReceiptCode::kDone);
  EXPECT_EQ(code(0, world.MakeManifest(0)), ReceiptCode::kModelExists);
  const auto rest = world.Balance(world.clients[1].public_key()) - 500;
  EXPECT_EQ(world.Client(1, proto::Transfer{world.clients[0].public_key(), rest}).code,
            ReceiptCode::kDone);
  EXPECT_EQ(code(1, world.MakeManifest(1)), ReceiptCode::kNoFunds);
}

TEST(Models, NeedACommitteeOfTheRightSize) {
  constexpr std::array<std::uint16_t, 4> kGood{4, 7, 10, 13};
  for (const std::uint16_t n : kGood) {
    World world(n);
    EXPECT_EQ(
        world.Client(0, proto::RegisterModel{proto::EncodeManifest(world.MakeManifest(0))}).code,
        ReceiptCode::kDone);
  }
  constexpr std::array<std::uint16_t, 3> kBad{5, 6, 16};
  for (const std::uint16_t n : kBad) {
    World world(n);
    EXPECT_EQ(
        world.Client(0, proto::RegisterModel{proto::EncodeManifest(world.MakeManifest(0))}).code,
        ReceiptCode::kNoCommittee);
  }
}

// --- Attempts. ---

TEST(Attempts, FixLayersInOrderAndForGood) {
  World world;
  world.Activate();
  const auto fix = [&](proto::LayerCertificate certificate) {
    return world.Validator(0, proto::FixLayer{std::move(certificate)}).code;
  };
  EXPECT_EQ(fix(world.Certify(1, 1, 3)), ReceiptCode::kTooEarly);
  EXPECT_EQ(fix(world.Certify(1, 2, 3)), ReceiptCode::kInvalid);  // Has two layers.
  EXPECT_EQ(fix(world.Certify(1, 0, 2)), ReceiptCode::kInvalid);  // Two echoes.
  EXPECT_EQ(fix(world.Certify(1, 0, 3)), ReceiptCode::kDone);
  EXPECT_EQ(fix(world.Certify(1, 0, 4)), ReceiptCode::kDuplicate);
  EXPECT_EQ(fix(world.Certify(1, 0, 3, "others")), ReceiptCode::kTooLate);
  EXPECT_EQ(fix(world.Certify(1, 1, 4)), ReceiptCode::kDone);
  const auto fixed = world.All<LayerFixed>();
  ASSERT_EQ(fixed.size(), 2u);
  EXPECT_EQ(fixed[0], (LayerFixed{1, 0, MakeDigest("values0"), PartyId{1}}));
  const auto record = world.ledger.snapshot().attempt(1);
  EXPECT_EQ(record->layers, (std::vector{MakeDigest("values0"), MakeDigest("values1")}));
  EXPECT_EQ(record->transcript,
            proto::ExtendTranscript(proto::ExtendTranscript({}, 0, MakeDigest("values0")), 1,
                                    MakeDigest("values1")));
}

TEST(Attempts, AnEchoThatIsNotTheMembersSpoilsTheCertificate) {
  World world;
  world.Activate();
  const auto fix = [&](const auto& change) {
    proto::LayerCertificate certificate = world.Certify(1, 0, 3);
    change(certificate);
    return world.Validator(0, proto::FixLayer{std::move(certificate)}).code;
  };
  EXPECT_EQ(fix([](auto& c) { c.echoes[1].second.bytes[5] ^= 1; }), ReceiptCode::kInvalid);
  EXPECT_EQ(fix([](auto& c) { c.echoes[2].first = PartyId{3}; }), ReceiptCode::kInvalid);
  EXPECT_EQ(fix([](auto& c) { c.echoes[2].first = PartyId{4}; }), ReceiptCode::kInvalid);
  EXPECT_EQ(fix([](auto& c) { c.king = PartyId{2}; }), ReceiptCode::kInvalid);
  EXPECT_EQ(fix([](auto& c) { c.king = PartyId{4}; }), ReceiptCode::kInvalid);
  EXPECT_EQ(fix([](auto& c) { c.root = MakeDigest("others"); }), ReceiptCode::kInvalid);
  EXPECT_EQ(fix([](auto& c) { c.senders = MakeDigest("others"); }), ReceiptCode::kInvalid);
  EXPECT_EQ(fix([](auto&) {}), ReceiptCode::kDone);
}

TEST(Attempts, AreCertifiedByAQuorumOnTheRightTranscript) {
  World world;
  world.Activate();
  EXPECT_EQ(world.Validator(0, proto::Verdict{1, {}, true}).code, ReceiptCode::kTooEarly);
  world.FixLayers(1);
  const Digest transcript = world.Transcript(1);
  EXPECT_EQ(world.Validator(0, proto::Verdict{1, MakeDigest("other"), true}).code,
            ReceiptCode::kInvalid);
  world.Validators(2, proto::Verdict{1, transcript, true});
  EXPECT_EQ(world.Validator(1, proto::Verdict{1, transcript, true}).code, ReceiptCode::kDuplicate);
  EXPECT_EQ(world.Validator(1, proto::Verdict{1, transcript, false}).code,
            ReceiptCode::kContradiction);
  EXPECT_EQ(world.Validator(3, proto::Verdict{1, transcript, false}).code, ReceiptCode::kDone);
  EXPECT_EQ(world.ledger.snapshot().attempt(1)->status, AttemptStatus::kStarted);
  EXPECT_EQ(world.Validator(2, proto::Verdict{1, transcript, true}).code, ReceiptCode::kDone);
  EXPECT_EQ(world.ledger.snapshot().attempt(1)->status, AttemptStatus::kCertified);
  EXPECT_EQ(world.All<AttemptCertified>(), std::vector{AttemptCertified{1}});
  EXPECT_EQ(world.ledger.snapshot().totals().in_progress, 0u);
  EXPECT_EQ(world.All<AttemptStarted>().size(), 1u);  // The shelf is full.
}

TEST(Attempts, DieByTPlusOneFails) {
  World world;
  world.Activate();
  EXPECT_EQ(world.Validator(0, proto::Verdict{1, {}, false}).code, ReceiptCode::kDone);
  EXPECT_EQ(world.ledger.snapshot().attempt(1)->status, AttemptStatus::kStarted);
  EXPECT_EQ(world.Validator(3, proto::Verdict{1, {}, false}).code, ReceiptCode::kDone);
  EXPECT_EQ(world.ledger.snapshot().attempt(1)->status, AttemptStatus::kDead);
  EXPECT_EQ(world.All<AttemptDead>(), std::vector{AttemptDead{1}});
  // For good: neither a layer nor a verdict brings it back.
  EXPECT_EQ(world.Validator(1, proto::FixLayer{world.Certify(1, 0, 3)}).code,
            ReceiptCode::kTooLate);
  EXPECT_EQ(world.Validator(1, proto::Verdict{1, {}, true}).code, ReceiptCode::kTooLate);
}

TEST(Attempts, AFailAfterCertificationIsTooLate) {
  World world;
  world.Activate();
  world.Preprocess(1);
  EXPECT_EQ(world.Validator(3, proto::Verdict{1, {}, false}).code, ReceiptCode::kTooLate);
  EXPECT_EQ(world.ledger.snapshot().attempt(1)->status, AttemptStatus::kCertified);
}

TEST(Attempts, AreStartedWithinTheLimitAndShared) {
  World world;  // Two in progress at most.
  proto::Manifest first = world.MakeManifest(0, "first");
  first.buckets[0].pool_target = 3;
  proto::Manifest second = world.MakeManifest(0, "second");
  const Digest a = world.Activate(first);
  const Digest b = world.Activate(second);
  EXPECT_EQ(world.All<AttemptStarted>(),
            (std::vector{AttemptStarted{1, a, 0}, AttemptStarted{2, a, 0}}));
  world.Preprocess(1);
  EXPECT_EQ(world.All<AttemptStarted>().back(), (AttemptStarted{3, b, 0}));
  // A request of the second model comes before the first one's shelf.
  const std::uint64_t request = world.Open(b, 1);
  const std::uint64_t later = world.Open(b, 2);
  world.Preprocess(2);
  EXPECT_EQ(world.All<AttemptStarted>().back(), (AttemptStarted{4, b, 0}));
  world.Preprocess(3);
  EXPECT_EQ(world.All<AttemptStarted>().back(), (AttemptStarted{5, a, 0}));
  EXPECT_EQ(world.Request(request).attempt, 3u);
  EXPECT_EQ(world.Request(later).attempt, 0u);
  world.Preprocess(4);
  EXPECT_EQ(world.Request(later).attempt, 4u);
  const auto pool = world.ledger.snapshot().pool(a, 0);
  EXPECT_EQ(pool->ready, (std::vector<std::uint64_t>{1, 2}));
  EXPECT_EQ(pool->started, (std::vector<std::uint64_t>{5}));
}

TEST(Attempts, OfManyLayersAreAlone) {
  World world;  // Two in progress at most.
  proto::Manifest small = world.MakeManifest(0, "small");
  small.buckets[0].pool_target = 1;
  proto::Manifest large = world.MakeManifest(0, "large");
  large.buckets[0].pool_target = 2;
  large.buckets[0].layers = {kLayersTogether + 1};
  const Digest a = world.Activate(small);
  const Digest b = world.Activate(large);
  EXPECT_EQ(world.All<AttemptStarted>(), (std::vector{AttemptStarted{1, a, 0}}));
  world.Preprocess(1);
  EXPECT_EQ(world.All<AttemptStarted>().back(), (AttemptStarted{2, b, 0}));
  world.Open(a, 1);
  world.Open(a, 2);
  EXPECT_EQ(world.All<AttemptStarted>().size(), 2u);  // Nothing beside it,
  world.Preprocess(2);
  EXPECT_EQ(world.All<AttemptStarted>().back(), (AttemptStarted{3, a, 0}));
  world.Preprocess(3);  // and its next turn is not overtaken by the other's shelf.
  EXPECT_EQ(world.All<AttemptStarted>().back(), (AttemptStarted{4, b, 0}));
  EXPECT_EQ(world.All<AttemptStarted>().size(), 4u);
  world.Preprocess(4);
  EXPECT_EQ(world.All<AttemptStarted>().back(), (AttemptStarted{5, a, 0}));
}

TEST(Attempts, OfSegmentsMakeOneBundleTogether) {
  World world;
  proto::Manifest manifest = world.MakeManifest(0);
  manifest.buckets[0].layers = {2, 1, 3};
  const Digest model = world.Activate(manifest);
  const auto attempt = [&](std::uint64_t number) {
    return world.ledger.snapshot().attempt(number);
  };
  const auto pool = [&] { return *world.ledger.snapshot().pool(model, 0); };
  for (const std::uint64_t number : {1u, 2u, 3u}) {
    EXPECT_TRUE(pool().ready.empty());
    EXPECT_EQ(pool().started, std::vector{number});
    EXPECT_EQ(attempt(number)->bundle, 1u);
    EXPECT_EQ(attempt(number)->segment, number - 1);
    EXPECT_EQ(attempt(number)->layers_needed, manifest.buckets[0].layers[number - 1]);
    EXPECT_EQ(world.ledger.snapshot().totals().in_progress, 1u);
    world.Preprocess(number);
  }
  EXPECT_EQ(attempt(1)->parts, (std::vector<std::uint64_t>{2, 3}));
  EXPECT_EQ(pool().ready, std::vector<std::uint64_t>{1});
  EXPECT_EQ(world.ledger.snapshot().totals().in_progress, 0u);
  const std::uint64_t request = world.Open(model, 1);
  EXPECT_EQ(world.Request(request).attempt, 1u);
  EXPECT_EQ(attempt(1)->status, proto::AttemptStatus::kAssigned);
  EXPECT_EQ(attempt(4)->bundle, 4u);  // For the shelf.
}

TEST(Attempts, OneDeadBurnsAllOfItsBundle) {
  World world;
  proto::Manifest manifest = world.MakeManifest(0);
  manifest.buckets[0].layers = {2, 2, 2};
  const Digest model = world.Activate(manifest);
  world.Preprocess(1);
  world.FixLayers(2);
  world.Validators(world.committee.validity(), proto::Verdict{2, {}, false});
  const auto attempt = [&](std::uint64_t number) {
    return world.ledger.snapshot().attempt(number);
  };
  EXPECT_EQ(attempt(2)->status, proto::AttemptStatus::kDead);
  EXPECT_EQ(attempt(1)->status, proto::AttemptStatus::kBurnt);
  const auto dead = world.All<AttemptDead>();
  EXPECT_EQ(dead, (std::vector{AttemptDead{2}, AttemptDead{1}}));
  EXPECT_TRUE(world.ledger.snapshot().pool(model, 0)->started.empty());
  EXPECT_EQ(world.ledger.snapshot().totals().in_progress, 1u);  // Until its culprit is found.
  EXPECT_FALSE(attempt(3).has_value());
  proto::Finding finding{2, 1, world.SendersOf(2, 1), {}, {}};
  for (const auto& sender : finding.senders) finding.expected.push_back(sender.root);
  finding.expected[2] = MakeDigest("what it had to send");
  world.Validators(world.committee.validity(), proto::PostFinding{finding});
  EXPECT_EQ(attempt(3)->bundle, 3u);
  EXPECT_EQ(attempt(3)->segment, 0u);
  EXPECT_EQ(attempt(3)->excluded, std::vector{PartyId{2}});
}

// --- Opening. ---

TEST(Requests, EscrowThePriceAndTakeTheOldestBundle) {
  World world;
  proto::Manifest manifest = world.MakeManifest(0);
  manifest.buckets[0].pool_target = 2;
  const Digest model = world.Activate(manifest);
  world.Preprocess(2);
  world.Preprocess(1);
  const std::uint64_t before = world.Balance(world.clients[1].public_key());
  const std::uint64_t request = world.Open(model, 1);
  EXPECT_EQ(request, 1u);
  EXPECT_EQ(world.Balance(world.clients[1].public_key()), before - 10 - 1003);
  EXPECT_EQ(world.ledger.snapshot().totals().escrow, 1003u);
  const auto record = world.Request(request);
  EXPECT_EQ(record.attempt, 2u);  // The one that was certified first.
  EXPECT_EQ(record.deadline_round, world.ledger.header().round + 20);
  EXPECT_EQ(world.ledger.snapshot().attempt(2)->status, AttemptStatus::kAssigned);
  EXPECT_EQ(world.ledger.snapshot().attempt(2)->request, request);
  EXPECT_EQ(world.All<RequestAssigned>(),
            (std::vector{RequestAssigned{1, 2, world.clients[1].public_key()}}));
}

TEST(Requests, WaitInOrderAndTheirDeadlineCountsFromTheBundle) {
  World world;
  const Digest model = world.Activate();
  const std::uint64_t first = world.Open(model, 1);
  const std::uint64_t second = world.Open(model, 2);
  EXPECT_EQ(world.Open(model, 0), 3u);
  EXPECT_EQ(world.Client(0, proto::OpenRequest{model, 0}).code, ReceiptCode::kLimit);
  EXPECT_EQ(world.Client(1, proto::SubmitInference{first, {1, 2, 3, 4}}).code,
            ReceiptCode::kWrongState);
  for (int i = 0; i < 5; ++i) world.Run({}, 20);  // Waiting never expires.
  EXPECT_EQ(world.Request(first).status, RequestStatus::kOpened);
  world.Preprocess(1);
  EXPECT_EQ(world.Request(first).attempt, 1u);
  EXPECT_EQ(world.Request(first).deadline_round, world.ledger.header().round + 20);
  EXPECT_EQ(world.Request(second).attempt, 0u);
  world.Preprocess(2);
  EXPECT_EQ(world.Request(second).attempt, 2u);
}

TEST(Requests, OpeningWhatIsNotThereFails) {
  World world;
  const Digest model = world.Activate();
  EXPECT_EQ(world.Client(1, proto::OpenRequest{MakeDigest("?"), 0}).code, ReceiptCode::kNoModel);
  EXPECT_EQ(world.Client(1, proto::OpenRequest{model, 1}).code, ReceiptCode::kNoBucket);
  const std::uint64_t rest = world.Balance(world.clients[1].public_key()) - 1000;
  world.Client(1, proto::Transfer{world.clients[0].public_key(), rest});
  EXPECT_EQ(world.Client(1, proto::OpenRequest{model, 0}).code, ReceiptCode::kNoFunds);
  EXPECT_EQ(world.ledger.snapshot().totals().requests, 0u);
}

// --- Submitting. ---

TEST(Requests, SubmissionIsCheckedAndCountsOnce) {
  World world;
  const Digest model = world.Activate();
  world.Preprocess(1);
  const std::uint64_t request = world.Open(model);
  const auto submit = [&](std::size_t client, std::uint64_t number,
                          std::vector<std::uint32_t> tokens) {
    return world.Client(client, proto::SubmitInference{number, std::move(tokens)}).code;
  };
  EXPECT_EQ(submit(0, 99, {1, 2, 3, 4}), ReceiptCode::kNoRequest);
  EXPECT_EQ(submit(1, request, {1, 2, 3, 4}), ReceiptCode::kNotOwner);
  EXPECT_EQ(submit(0, request, {1, 2, 3}), ReceiptCode::kWrongLength);
  EXPECT_EQ(submit(0, request, {1, 2, 3, 4, 5}), ReceiptCode::kWrongLength);
  EXPECT_EQ(submit(0, request, {1, 2, 3, 64}), ReceiptCode::kTokenRange);
  EXPECT_EQ(world.Request(request).status, RequestStatus::kOpened);
  EXPECT_EQ(submit(0, request, {1, 2, 3, 63}), ReceiptCode::kDone);
  EXPECT_EQ(submit(0, request, {4, 4, 4, 4}), ReceiptCode::kWrongState);
  const auto record = world.Request(request);
  EXPECT_EQ(record.status, RequestStatus::kSubmitted);
  EXPECT_EQ(record.masked_tokens, (std::vector<std::uint32_t>{1, 2, 3, 63}));
  const auto submitted = world.All<RequestSubmitted>();
  ASSERT_EQ(submitted.size(), 1u);
  EXPECT_EQ(submitted[0],
            (RequestSubmitted{
                request, 1, model, 0,
                proto::SubmissionDigest(world.ledger.chain().id, request, 1, record.masked_tokens),
                record.masked_tokens}));
}

// --- Expiry. ---

TEST(Requests, OnlyOpenedOnesExpireAndTheBundleIsPaid) {
  World world;
  const Digest model = world.Activate();
  world.Preprocess(1);
  const std::uint64_t request = world.Open(model);
  const std::uint64_t balance = world.Balance(world.clients[0].public_key());
  const std::uint64_t member = world.Balance(world.validators[0].public_key());
  world.Run({}, 20);  // The deadline's own round.
  EXPECT_EQ(world.Request(request).status, RequestStatus::kOpened);
  // The first block beyond expires it before its transactions are executed.
  const auto result =
      world.Run({world.FromClient(0, proto::SubmitInference{request, {1, 2, 3, 4}})}, 1);
  EXPECT_EQ(result.receipts[0].code, ReceiptCode::kWrongState);
  EXPECT_EQ(world.Request(request).status, RequestStatus::kExpired);
  EXPECT_EQ(world.ledger.snapshot().attempt(1)->status, AttemptStatus::kBurnt);
  EXPECT_EQ(world.All<RequestExpired>(), (std::vector{RequestExpired{request, 1}}));
  EXPECT_EQ(world.Balance(world.clients[0].public_key()), balance - 10 + 1003 - 401);
  // 401 among the three that passed the bundle; 10 + what was left of fees among four.
  EXPECT_GE(world.Balance(world.validators[0].public_key()), member + 135);
  EXPECT_EQ(world.Request(request).paid, (std::vector{PartyId{0}, PartyId{1}, PartyId{2}}));
  EXPECT_EQ(world.ledger.snapshot().totals().escrow, 0u);
  EXPECT_EQ(world.ledger.snapshot().totals().opened, 0u);
  EXPECT_EQ(world.Validator(0, proto::Attest{request, {}, {}}).code, ReceiptCode::kTooLate);
  EXPECT_EQ(world.Validator(0, proto::PostOutput{request, {}, {}}).code, ReceiptCode::kTooLate);
}

TEST(Requests, SubmittedOnesNeverExpire) {
  World world;
  const std::uint64_t request = world.Submitted();
  for (int i = 0; i < 10; ++i) world.Run({}, 100);
  EXPECT_EQ(world.Request(request).status, RequestStatus::kSubmitted);
  EXPECT_EQ(world.ledger.snapshot().totals().escrow, 1003u);
}

}  // namespace
}  // namespace node::test
