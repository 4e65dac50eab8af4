// Transactions and manifests as hostile bytes.

#include "proto/wire/ledger.h"

#include <functional>
#include <random>
#include <string>

#include <gtest/gtest.h>

#include "proto/crypto/hash.h"

namespace proto {
namespace {

const Digest kChain = Hash("waxseal/test", {AsBytes("chain")});

SecretKey Key(std::string_view name = "sender") {
  return *SecretKey::From(Hash("waxseal/test", {AsBytes(name)}).span());
}

Digest Name(std::string_view name) {
  return Hash("waxseal/test", {AsBytes(name)});
}

LayerCertificate MakeCertificate() {
  LayerCertificate certificate{7, 3, PartyId{2}, Name("root"), Name("senders"), {}};
  for (std::uint16_t i = 0; i < 3; ++i) {
    Signature signature;
    signature.bytes.fill(static_cast<std::uint8_t>(i + 1));
    certificate.echoes.emplace_back(PartyId{i}, signature);
  }
  return certificate;
}

std::vector<Payload> AllPayloads() {
  return {Transfer{Key("to").public_key(), 5},
          RegisterModel{{1, 2, 3}},
          OpenRequest{Name("model"), 2},
          SubmitInference{9, {0, 1, 16383}, true},
          ModelReady{Name("model")},
          FixLayer{MakeCertificate()},
          Verdict{4, Name("transcript"), true},
          Attest{5, Name("transcript"), {PartyId{1}, PartyId{3}}, 64},
          PostOutput{6, {ShareBytes{1}, ShareBytes{2, 3}}, {PartyId{0}}},
          ReportEvidence{{9, 8, 7}},
          DealCoinKey{2, {1, 2, 3}},
          AcknowledgeKeys{2, PartyId{3}, Name("root")}};
}

Bytes Sign(Payload payload, std::uint64_t nonce = 0) {
  return SignTransaction(Key(), {kChain, {}, nonce, std::move(payload)});
}

CheckedTransaction Check(Bytes bytes) {
  return CheckedTransaction::Check(kChain, kTransactionBytesMax, std::move(bytes));
}

bool Equal(const Payload& a, const Payload& b) {
  if (a.index() != b.index()) return false;
  if (const auto* fix = std::get_if<FixLayer>(&a)) {
    const LayerCertificate& x = fix->certificate;
    const LayerCertificate& y = std::get<FixLayer>(b).certificate;
    return x.attempt == y.attempt && x.layer == y.layer && x.king == y.king && x.root == y.root &&
           x.senders == y.senders && x.echoes == y.echoes;
  }
  return std::visit(
      [&](const auto& value) {
        using T = std::decay_t<decltype(value)>;
        if constexpr (std::is_same_v<T, FixLayer>) {
          return false;
        } else {
          return value == std::get<T>(b);
        }
      },
      a);
}

TEST(Transactions, ComeBackAsTheyWent) {
  for (const Payload& payload : AllPayloads()) {
    const std::uint64_t nonce = IsValidatorPayload(payload) ? 0 : 41;
    const Bytes bytes = Sign(payload, nonce);
    const CheckedTransaction checked = Check(bytes);
    ASSERT_TRUE(checked.valid()) << payload.index() << ": " << checked.refusal().message;
    EXPECT_EQ(checked.bytes(), bytes);
    EXPECT_EQ(checked.transaction().chain, kChain);
    EXPECT_EQ(checked.transaction().sender, Key().public_key());
    EXPECT_EQ(checked.transaction().nonce, nonce);
    EXPECT_TRUE(Equal(checked.transaction().payload, payload)) << payload.index();
  }
}

TEST(Transactions, OnlyTheFirstFourKindsAreClients) {
  const auto payloads = AllPayloads();
  for (std::size_t i = 0; i < payloads.size(); ++i) {
    EXPECT_EQ(IsValidatorPayload(payloads[i]), i >= 4);
  }
}

TEST(Transactions, TruncatedOnesAreRefused) {
  for (const Payload& payload : AllPayloads()) {
    const Bytes bytes = Sign(payload);
    for (std::size_t size = 0; size < bytes.size(); ++size) {
      const Bytes part(bytes.begin(), bytes.begin() + static_cast<std::ptrdiff_t>(size));
      const CheckedTransaction checked = Check(part);
      ASSERT_FALSE(checked.valid());
      EXPECT_FALSE(checked.refusal().message.empty());
    }
  }
}

// No byte can be changed or added: one signed transaction is one byte string.
TEST(Transactions, ChangedOnesAreRefused) {
  for (const Payload& payload : AllPayloads()) {
    const Bytes bytes = Sign(payload);
    for (std::size_t i = 0; i < bytes.size(); ++i) {
      Bytes changed = bytes;
      changed[i] ^= static_cast<std::uint8_t>(1u << (i % 8));
      ASSERT_FALSE(Check(changed).valid()) << "byte " << i << " of kind " << payload.index();
    }
    // An unknown field, an empty one, a repeated one.
    for (const Bytes& tail : {Bytes{0x1a, 0x00}, Bytes{0x18, 0x01}, Bytes{0x12, 0x00}, Bytes{0}}) {
      Bytes longer = bytes;
      longer.insert(longer.end(), tail.begin(), tail.end());
      ASSERT_FALSE(Check(longer).valid());
    }
  }
}

TEST(Transactions, RandomBytesNeverPass) {
  for (std::uint64_t seed = 1; seed <= 2000; ++seed) {
    std::mt19937_64 random(seed);
    Bytes bytes(random() % 200);
    for (auto& byte : bytes) byte = static_cast<std::uint8_t>(random());
    ASSERT_FALSE(Check(bytes).valid()) << "seed " << seed;
  }
}

TEST(Transactions, SayWhatIsWrong) {
  EXPECT_EQ(Check({}).refusal().flaw, CheckedTransaction::Flaw::kMalformed);
  const CheckedTransaction foreign = CheckedTransaction::Check(
      Name("another chain"), kTransactionBytesMax, Sign(Transfer{Key("to").public_key(), 1}));
  EXPECT_EQ(foreign.refusal().flaw, CheckedTransaction::Flaw::kWrongChain);
  Bytes bytes = Sign(Transfer{Key("to").public_key(), 1});
  bytes.back() ^= 1;
  EXPECT_EQ(Check(bytes).refusal().flaw, CheckedTransaction::Flaw::kBadSignature);
  EXPECT_EQ(Check(bytes).refusal().message, "the transaction's signature is not its sender's");
}

TEST(Transactions, AreLimited) {
  const Bytes bytes = Sign(RegisterModel{Bytes(kManifestBytesMax, 1)});
  EXPECT_TRUE(Check(bytes).valid());
  EXPECT_FALSE(CheckedTransaction::Check(kChain, bytes.size() - 1, bytes).valid());
  EXPECT_TRUE(
      Check(Sign(SubmitInference{1, std::vector<std::uint32_t>(kTokensMax, 1u << 23)})).valid());
  EXPECT_TRUE(Check(Sign(PostOutput{1, std::vector<ShareBytes>(kOutputsMax), {}})).valid());
  EXPECT_TRUE(Check(Sign(ReportEvidence{Bytes(kEvidenceBytesMax, 1)})).valid());
}

using TransactionsDeathTest = testing::Test;

TEST(TransactionsDeathTest, BeyondTheLimitsAreNotSigned) {
  EXPECT_DEATH(Sign(RegisterModel{Bytes(kManifestBytesMax + 1, 1)}), "CHECK");
  EXPECT_DEATH(Sign(SubmitInference{1, std::vector<std::uint32_t>(kTokensMax + 1)}), "CHECK");
  EXPECT_DEATH(Sign(PostOutput{1, std::vector<ShareBytes>(kOutputsMax + 1), {}}), "CHECK");
  EXPECT_DEATH(Sign(Attest{1, {}, {PartyId{3}, PartyId{3}}}), "CHECK");
  EXPECT_DEATH(Sign(Attest{1, {}, {PartyId{kCommitteeMax}}}), "CHECK");
  EXPECT_DEATH(Sign(Attest{1, {}, {}, 0}), "CHECK");
  EXPECT_DEATH(Sign(Attest{1, {}, {}, kOutputsMax + 1}), "CHECK");
  EXPECT_DEATH(Sign(Transfer{Key().public_key(), kAmountMax + 1}), "CHECK");
  LayerCertificate twice = MakeCertificate();
  twice.echoes[2].first = twice.echoes[1].first;
  EXPECT_DEATH(Sign(FixLayer{twice}), "CHECK");
}

Manifest MakeManifest() {
  Manifest manifest;
  manifest.name = "sentiment";
  manifest.architecture = "bert-classifier";
  manifest.owner = Key().public_key();
  manifest.tokenizer_digest = Name("tokenizer");
  manifest.files = {{"config.json", Name("config"), 500}, {"model.safetensors", Name("w"), 4000}};
  for (const std::uint32_t tokens : {16u, 32u}) {
    Bucket bucket;
    bucket.tokens = tokens;
    bucket.vocabulary_padded = 1u << 15;
    bucket.plan_digest = Name("plan");
    bucket.outputs = 2;
    bucket.output_frac = 16;
    bucket.labels = {"neg\u00e4tive", "\u20ac \U0001f600"};
    bucket.price = 100;
    bucket.bundle_price = 60;
    bucket.pool_target = 2;
    bucket.layers = {14, 9};
    bucket.segment_values = 1 << 24;
    bucket.steps = tokens / 16;
    manifest.buckets.push_back(bucket);
  }
  return manifest;
}

TEST(Manifests, ComeBackAsTheyWent) {
  const Manifest manifest = MakeManifest();
  const Bytes bytes = EncodeManifest(manifest);
  const auto decoded = DecodeManifest(bytes);
  ASSERT_TRUE(decoded.has_value()) << decoded.error().message;
  EXPECT_EQ(*decoded, manifest);
  EXPECT_NE(ModelId(bytes), ModelId({}));
  for (std::size_t size = 0; size < bytes.size(); ++size) {
    const auto part = DecodeManifest(ByteSpan(bytes).first(size));
    ASSERT_TRUE(!part || *part != manifest);
  }
}

TEST(Manifests, FlippedBitsGiveAnotherManifestOrNone) {
  const Bytes bytes = EncodeManifest(MakeManifest());
  for (std::size_t i = 0; i < 8 * bytes.size(); ++i) {
    Bytes changed = bytes;
    changed[i / 8] ^= static_cast<std::uint8_t>(1u << (i % 8));
    const auto decoded = DecodeManifest(changed);
    if (decoded) {
      // What passes is canonical, so it is itself again.
      ASSERT_EQ(EncodeManifest(*decoded), changed) << "bit " << i;
    }
  }
}

TEST(Manifests, EveryFieldIsChecked) {
  const auto refuse = [](const std::function<void(Manifest&)>& change) {
    Manifest manifest = MakeManifest();
    change(manifest);
    EXPECT_FALSE(CheckManifest(manifest).has_value());
  };
  ASSERT_TRUE(CheckManifest(MakeManifest()).has_value());
  refuse([](Manifest& m) { m.name = ""; });
  refuse([](Manifest& m) { m.name = "two words"; });
  refuse([](Manifest& m) { m.name = std::string(65, 'a'); });
  refuse([](Manifest& m) { m.architecture = "../bert"; });
  refuse([](Manifest& m) { m.files.clear(); });
  refuse([](Manifest& m) { m.files[0].name = "../../etc/passwd"; });
  refuse([](Manifest& m) { m.files[0].name = ".hidden"; });
  refuse([](Manifest& m) { m.files[1].name = m.files[0].name; });
  refuse([](Manifest& m) { m.files[0].size = 0; });
  refuse([](Manifest& m) { m.files[0].size = kPackageBytesMax; });
  refuse([](Manifest& m) { m.buckets.clear(); });
  refuse([](Manifest& m) { m.buckets[1].tokens = m.buckets[0].tokens; });
  refuse([](Manifest& m) { m.buckets[0].tokens = 0; });
  refuse([](Manifest& m) { m.buckets[0].tokens = kTokensMax + 1; });
  refuse([](Manifest& m) { m.buckets[0].vocabulary_padded = 30'522; });
  refuse([](Manifest& m) { m.buckets[0].vocabulary_padded = 1u << 25; });
  refuse([](Manifest& m) { m.buckets[0].outputs = 0; });
  refuse([](Manifest& m) { m.buckets[0].outputs = 1; });  // Two labels.
  refuse([](Manifest& m) { m.buckets[0].labels[0] = "a\nb"; });
  for (const char* bad : {"", "\x80", "\xc3", "\xc0\xaf", "\xe0\x80\x80", "\xed\xa0\x80", "\xff",
                          "\xf4\x90\x80\x80", "\xe2\x82"}) {
    refuse([&](Manifest& m) { m.buckets[0].labels[0] = bad; });
  }
  refuse([](Manifest& m) { m.buckets[0].output_frac = kOutputFracMax + 1; });
  refuse([](Manifest& m) { m.buckets[0].bundle_price = 101; });
  refuse([](Manifest& m) { m.buckets[0].price = kAmountMax + 1; });
  refuse([](Manifest& m) { m.buckets[0].layers = {}; });
  refuse([](Manifest& m) { m.buckets[0].layers = {3, 0}; });
  refuse([](Manifest& m) { m.buckets[0].layers = {kLayersMax + 1}; });
  refuse([](Manifest& m) { m.buckets[0].layers.assign(kSegmentsMax + 1, 1); });
  refuse([](Manifest& m) { m.buckets[0].segment_values = 0; });
  refuse([](Manifest& m) { m.buckets[0].steps = 0; });
  refuse([](Manifest& m) { m.buckets[0].steps = 3; });  // Of two outputs.
}

TEST(Submissions, AreNamedByAllOfThem) {
  const Digest name = SubmissionDigest(kChain, 1, 2, {3, 4});
  EXPECT_NE(name, SubmissionDigest(Name("other"), 1, 2, {3, 4}));
  EXPECT_NE(name, SubmissionDigest(kChain, 2, 2, {3, 4}));
  EXPECT_NE(name, SubmissionDigest(kChain, 1, 1, {3, 4}));
  EXPECT_NE(name, SubmissionDigest(kChain, 1, 2, {4, 3}));
  EXPECT_NE(name, SubmissionDigest(kChain, 1, 2, {3, 4, 0}));
  EXPECT_NE(name, SubmissionDigest(kChain, 1, 2, {3, 4}, true));
}

TEST(OpaqueTransaction, IsOneOnlyWhereTheChainAdmitsIt) {
  const Bytes opaque = {kOpaqueMark, 1, 2, 3};
  EXPECT_EQ(Check(opaque).refusal().flaw, CheckedTransaction::Flaw::kMalformed);
  EXPECT_FALSE(Check(opaque).opaque());
  const auto admitted = CheckedTransaction::Check(kChain, kTransactionBytesMax, opaque, true);
  EXPECT_TRUE(admitted.opaque());
  EXPECT_FALSE(admitted.valid());
  EXPECT_EQ(admitted.bytes(), opaque);
  // The limit holds, and what is not marked is judged as ever.
  EXPECT_FALSE(CheckedTransaction::Check(kChain, 3, opaque, true).opaque());
  EXPECT_FALSE(CheckedTransaction::Check(kChain, kTransactionBytesMax, {1, 0}, true).opaque());
  EXPECT_FALSE(CheckedTransaction::Check(kChain, kTransactionBytesMax, {}, true).opaque());
}

TEST(OpaqueTransaction, SignedOnesNeedTheChainsConsentToo) {
  const Bytes bytes = Sign(Opaque{{1, 2, 3}}, 5);
  EXPECT_FALSE(Check(bytes).valid());
  const auto admitted = CheckedTransaction::Check(kChain, kTransactionBytesMax, bytes, true);
  ASSERT_TRUE(admitted.valid());
  ASSERT_TRUE(std::holds_alternative<Opaque>(admitted.transaction().payload));
  EXPECT_EQ(std::get<Opaque>(admitted.transaction().payload).data, (Bytes{1, 2, 3}));
  EXPECT_FALSE(IsValidatorPayload(admitted.transaction().payload));
  Bytes forged = bytes;
  forged.back() ^= 1;
  EXPECT_EQ(CheckedTransaction::Check(kChain, kTransactionBytesMax, forged, true).refusal().flaw,
            CheckedTransaction::Flaw::kBadSignature);
}

}  // namespace
}  // namespace proto
