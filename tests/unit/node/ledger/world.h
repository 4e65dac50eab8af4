// A chain in memory: validators and clients with keys, a ledger, and the entries a node would have
// stored.
#pragma once

#include <algorithm>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include <gtest/gtest.h>

#include "mpc/sharing/shamir.h"
#include "node/ledger/ledger.h"
#include "proto/attempt.h"
#include "proto/checkpoint.h"
#include "proto/crypto/hash.h"
#include "proto/wire/evidence.h"

namespace node::test {

using proto::Bytes;
using proto::Digest;
using proto::PartyId;
using proto::ReceiptCode;

inline proto::SecretKey MakeKey(const std::string& name) {
  return *proto::SecretKey::From(proto::Hash("waxseal/test", {proto::AsBytes(name)}).span());
}

inline Digest MakeDigest(const std::string& name) {
  return proto::Hash("waxseal/test/digest", {proto::AsBytes(name)});
}

inline constexpr std::uint64_t kFunds = 1'000'000;
inline constexpr std::size_t kClients = 3;

inline proto::ChainSpec MakeSpec() {
  proto::ChainSpec spec;
  spec.name = "test";
  spec.gc_depth = 50;
  spec.transaction_bytes_max = 262144;
  spec.transaction_fee = 10;
  spec.model_fee = 1000;
  spec.open_deadline_rounds = 20;
  spec.attempts_in_progress_max = 2;
  spec.pool_target_max = 8;
  spec.waiting_requests_max = 3;
  spec.funded_balance = kFunds;
  return spec;
}

inline std::vector<proto::SecretKey> MakeValidatorKeys(std::size_t n) {
  std::vector<proto::SecretKey> keys;
  for (std::size_t i = 0; i < n; ++i) keys.push_back(MakeKey("validator " + std::to_string(i)));
  std::ranges::sort(keys, {}, &proto::SecretKey::public_key);
  return keys;
}

inline std::vector<proto::SecretKey> MakeClientKeys() {
  std::vector<proto::SecretKey> keys;
  for (std::size_t i = 0; i < kClients; ++i) keys.push_back(MakeKey("client " + std::to_string(i)));
  std::ranges::sort(keys, {}, &proto::SecretKey::public_key);
  return keys;
}

inline proto::Genesis MakeGenesis(std::uint16_t n, const proto::ChainSpec& spec = MakeSpec()) {
  proto::Genesis genesis;
  genesis.spec = spec;
  const proto::Committee committee(n);
  genesis.coin_threshold = committee.validity();
  const proto::CoinKeys coin =
      proto::DealCoin(committee, genesis.coin_threshold, MakeDigest("coin").span());
  const auto keys = MakeValidatorKeys(n);
  for (std::size_t i = 0; i < n; ++i) {
    const std::string name = "validator-" + std::to_string(i);
    const std::string certificate = "certificate of " + name + "\n";
    genesis.validators.push_back({name, keys[i].public_key(), coin.public_key.verification[i],
                                  certificate, keys[i].Sign(proto::CertificateDigest(certificate)),
                                  "127.0.0.1:" + std::to_string(7000 + i),
                                  "127.0.0.1:" + std::to_string(8000 + i)});
  }
  for (const auto& key : MakeClientKeys()) genesis.accounts.push_back({key.public_key(), kFunds});
  return genesis;
}

struct World {
  explicit World(std::uint16_t n = 4, const proto::ChainSpec& spec = MakeSpec())
      : genesis(MakeGenesis(n, spec)),
        committee(n),
        validators(MakeValidatorKeys(n)),
        clients(MakeClientKeys()),
        ledger(*Ledger::FromGenesis(genesis)) {
    Store(Ledger::GenesisState(genesis));
  }

  // --- Transactions. ---

  Bytes Sign(const proto::SecretKey& key, std::uint64_t nonce, proto::Payload payload) const {
    return proto::SignTransaction(key, {ledger.chain().id, {}, nonce, std::move(payload)});
  }
  // With the client's next nonce, `ahead` later.
  Bytes FromClient(std::size_t client, proto::Payload payload, std::uint64_t ahead = 0) const {
    const std::uint64_t nonce = ledger.snapshot().account(clients[client].public_key()).nonce;
    return Sign(clients[client], nonce + ahead, std::move(payload));
  }
  Bytes FromValidator(std::size_t validator, proto::Payload payload) const {
    return Sign(validators[validator], 0, std::move(payload));
  }

  // --- Blocks. ---

  BlockResult Run(std::vector<Bytes> transactions, std::uint64_t rounds = 2) {
    const std::uint64_t first_round = ledger.snapshot().epoch()->record.first_round;
    const Commit commit{ledger.header().commit_index + 1,
                        ledger.header().round + rounds - first_round,
                        MakeDigest("leader " + std::to_string(ledger.header().height))};
    BlockResult result = ledger.Execute(commit, std::move(transactions));
    Store(result.changes);
    events.insert(events.end(), result.events.begin(), result.events.end());
    EXPECT_EQ(Money(), kFunds * kClients + genesis.validators.size() * genesis.spec.stake_min);
    return result;
  }
  proto::Receipt One(Bytes transaction) { return Run({std::move(transaction)}).receipts.at(0); }
  proto::Receipt Client(std::size_t client, proto::Payload payload) {
    return One(FromClient(client, std::move(payload)));
  }
  proto::Receipt Validator(std::size_t validator, proto::Payload payload) {
    return One(FromValidator(validator, std::move(payload)));
  }
  // The same payload from the first `count` validators; all must be done.
  void Validators(std::size_t count, const proto::Payload& payload) {
    for (std::size_t i = 0; i < count; ++i) {
      const auto receipt = Validator(i, payload);
      EXPECT_EQ(receipt.code, ReceiptCode::kDone) << receipt.message;
    }
  }

  void Store(const std::vector<KeyWrite>& writes) {
    for (const KeyWrite& write : writes) {
      ASSERT_TRUE(write.value.has_value());
      stored[write.key] = *write.value;
    }
  }
  // All balances, the stakes, the escrow and the undivided fees.
  std::uint64_t Money() const {
    const proto::Totals totals = ledger.snapshot().totals();
    std::uint64_t bonded = 0;
    std::uint64_t unbonding = 0;
    for (const auto& record : ledger.snapshot().validators()) bonded += record.stake;
    for (const auto& entry : ledger.snapshot().staking().unbonding) unbonding += entry.amount;
    EXPECT_EQ(totals.bonded, bonded);
    EXPECT_EQ(totals.unbonding, unbonding);
    std::uint64_t sum = totals.escrow + totals.fees + bonded + unbonding;
    for (const auto& [key, value] : stored) {
      if (!proto::AsText(key).starts_with("account/")) continue;
      sum += proto::DecodeRecord<proto::Account>(value)->balance;
    }
    return sum;
  }
  std::uint64_t Balance(const proto::PublicKey& key) const {
    return ledger.snapshot().account(key).balance;
  }
  template <class E>
  std::vector<E> All() const {
    std::vector<E> found;
    for (const Event& event : events) {
      if (const E* e = std::get_if<E>(&event)) found.push_back(*e);
    }
    return found;
  }

  // --- A model with one bucket, and its pool. ---

  static proto::Bucket MakeBucket(std::uint32_t pool_target = 1) {
    proto::Bucket bucket;
    bucket.tokens = 4;
    bucket.vocabulary_padded = 64;
    bucket.plan_digest = MakeDigest("plan");
    bucket.outputs = 2;
    bucket.output_frac = 16;
    bucket.labels = {"bad", "good"};
    bucket.price = 1003;
    bucket.bundle_price = 401;
    bucket.pool_target = pool_target;
    bucket.layers = {2};
    bucket.segment_values = 1000;
    return bucket;
  }
  proto::Manifest MakeManifest(std::size_t client, const std::string& name = "tiny") const {
    proto::Manifest manifest;
    manifest.name = name;
    manifest.architecture = "bert-classifier";
    manifest.owner = clients[client].public_key();
    manifest.tokenizer_digest = MakeDigest("tokenizer");
    manifest.files = {{"config.json", MakeDigest("config"), 100},
                      {"model.safetensors", MakeDigest("weights"), 1000}};
    manifest.buckets = {MakeBucket()};
    return manifest;
  }
  Digest Register(const proto::Manifest& manifest, std::size_t client = 0) {
    const auto receipt = Client(client, proto::RegisterModel{proto::EncodeManifest(manifest)});
    EXPECT_EQ(receipt.code, ReceiptCode::kDone) << receipt.message;
    return receipt.created_model;
  }
  Digest Activate(const proto::Manifest& manifest) {
    const Digest model = Register(manifest);
    Validators(committee.quorum(), proto::ModelReady{model});
    EXPECT_EQ(ledger.snapshot().model(model)->status, proto::ModelStatus::kActive);
    return model;
  }
  Digest Activate() { return Activate(MakeManifest(0)); }

  std::optional<std::uint16_t> forged_sender;  // Whose root another signs.

  // n - t signed roots; the transcript is that of the layers that FixLayers fixes.
  std::vector<proto::SignedRoot> SendersOf(std::uint64_t attempt, std::uint32_t layer) const {
    proto::Place place{ledger.chain().id, proto::kFirstEpoch, attempt, layer, {}};
    for (std::uint32_t l = 0; l < layer; ++l) {
      const Digest root = MakeDigest("values" + std::to_string(l));
      place.transcript = proto::ExtendTranscript(place.transcript, l, root);
    }
    std::vector<proto::SignedRoot> senders;
    for (std::uint16_t i = 0; i < committee.quorum(); ++i) {
      const Digest root = MakeDigest("vector" + std::to_string(layer) + std::to_string(i));
      const proto::SecretKey& key = validators[i == forged_sender ? i + 1u : i];
      senders.push_back(
          {static_cast<PartyId>(i), root, key.Sign(proto::VectorDigest(place, root))});
    }
    return senders;
  }
  proto::LayerCertificate Certify(std::uint64_t attempt, std::uint32_t layer, std::size_t signers,
                                  const std::string& values = "values") const {
    proto::LayerCertificate certificate;
    certificate.attempt = attempt;
    certificate.layer = layer;
    certificate.king = PartyId{1};
    certificate.root = MakeDigest(values + std::to_string(layer));
    certificate.senders = proto::SendersDigest(SendersOf(attempt, layer));
    const Digest digest =
        proto::EchoDigest(ledger.chain().id, proto::kFirstEpoch, attempt, layer, certificate.king,
                          certificate.root, certificate.senders);
    for (std::size_t i = 0; i < signers; ++i) {
      certificate.echoes.emplace_back(static_cast<PartyId>(i), validators[i].Sign(digest));
    }
    return certificate;
  }
  void FixLayers(std::uint64_t attempt) {
    const auto record = ledger.snapshot().attempt(attempt);
    for (std::uint32_t layer = 0; layer < record->layers_needed; ++layer) {
      const auto receipt =
          Validator(0, proto::FixLayer{Certify(attempt, layer, committee.quorum())});
      EXPECT_EQ(receipt.code, ReceiptCode::kDone) << receipt.message;
    }
  }
  Digest Transcript(std::uint64_t attempt) const {
    return ledger.snapshot().attempt(attempt)->transcript;
  }
  // From started to a bundle.
  void Preprocess(std::uint64_t attempt) {
    FixLayers(attempt);
    Validators(committee.quorum(), proto::Verdict{attempt, Transcript(attempt), true});
  }

  // --- A request. ---

  std::uint64_t Open(const Digest& model, std::size_t client = 0) {
    const auto receipt = Client(client, proto::OpenRequest{model, 0});
    EXPECT_EQ(receipt.code, ReceiptCode::kDone) << receipt.message;
    return receipt.created_request;
  }
  proto::RequestRecord Request(std::uint64_t request) const {
    return *ledger.snapshot().request(request);
  }
  // A submitted request of client 0.
  std::uint64_t Submitted() {
    const Digest model = Activate();
    Preprocess(1);
    const std::uint64_t request = Open(model);
    EXPECT_EQ(Client(0, proto::SubmitInference{request, {1, 2, 3, 63}}).code, ReceiptCode::kDone);
    return request;
  }
  std::uint64_t Computed() {
    const std::uint64_t request = Submitted();
    Validators(committee.quorum(), proto::Attest{request, MakeDigest("run"), {}});
    EXPECT_EQ(Request(request).status, proto::RequestStatus::kComputed);
    return request;
  }

  // The shares of outputs 1000, 1001, ...: random polynomials of degree t.
  std::vector<proto::ShareBytes> Shares(std::size_t party, std::size_t outputs = 2) const {
    std::vector<proto::ShareBytes> shares;
    for (std::size_t j = 0; j < outputs; ++j) {
      mpc::Fp value;
      for (std::size_t degree = committee.max_faulty(); degree > 0; --degree) {
        const Digest random = MakeDigest("coefficient " + std::to_string(j * 100 + degree));
        mpc::UInt128 bits = proto::GetU64(random.span());
        bits = bits << 64 | proto::GetU64(random.span().subspan(8));
        value = (value + mpc::Fp::FromUniform(bits)) * mpc::Point(static_cast<PartyId>(party));
      }
      value += mpc::Fp(1000 + static_cast<std::int64_t>(j));
      value.ToBytes(shares.emplace_back());
    }
    return shares;
  }
  static std::vector<proto::ShareBytes> Outputs(std::size_t outputs = 2) {
    std::vector<proto::ShareBytes> values;
    for (std::size_t j = 0; j < outputs; ++j) {
      mpc::Fp(1000 + static_cast<std::int64_t>(j)).ToBytes(values.emplace_back());
    }
    return values;
  }

  proto::Genesis genesis;
  proto::Committee committee;
  std::vector<proto::SecretKey> validators;
  std::vector<proto::SecretKey> clients;
  Ledger ledger;
  std::map<Bytes, Bytes> stored;
  std::vector<Event> events;
};

}  // namespace node::test
