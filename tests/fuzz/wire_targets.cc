// Decoders: whatever they accept must come back from its own encoding.

#include <algorithm>

#include "node/inference/message.h"
#include "node/ledger/proof.h"
#include "node/ledger/prove.h"
#include "node/rpc/answers.h"
#include "node/rpc/block_reader.h"
#include "node/rpc/method_table.h"
#include "node/rpc/proof_json.h"
#include "proto/base/check.h"
#include "proto/base/overloaded.h"
#include "proto/spec.h"
#include "proto/wire/attempt_message.h"
#include "proto/wire/block.h"
#include "proto/wire/consensus.h"
#include "proto/wire/evidence.h"
#include "proto/wire/ledger.h"
#include "proto/wire/records.h"
#include "proto/wire/session.h"
#include "tests/fuzz/records.h"
#include "tests/fuzz/targets.h"
#include "tests/unit/consensus/validators.h"
#include "tests/unit/node/ledger/world.h"

namespace fuzz {

namespace {

using proto::Bytes;
using proto::ByteSpan;

const consensus::Validators& Validators() {
  static const consensus::Validators validators;
  return validators;
}

const node::test::World& World() {
  static const node::test::World world;
  return world;
}

// --- Consensus. ---

void RunConsensusMessage(ByteSpan input) {
  const auto message = proto::dag::DecodeMessage(input);
  if (!message) return;
  const Bytes encoded = proto::dag::Encode(*message);
  const auto again = proto::dag::DecodeMessage(encoded);
  CHECK(again.has_value());
  CHECK(again->index() == message->index());
  CHECK(proto::dag::Encode(*again) == encoded);
}

std::vector<Bytes> ConsensusMessageSeeds() {
  const auto& validators = Validators();
  const auto rounds = validators.Rounds(4, {0, 1, 2});
  const auto& certificate = rounds.back().front();
  return {proto::dag::Encode(proto::dag::MakeBatch({{1, 2, 3}, {4}})),
          proto::dag::Encode(certificate.header),
          proto::dag::Encode(validators.MakeVote(certificate.header, 1)),
          proto::dag::Encode(certificate),
          proto::dag::Encode(
              proto::dag::Request{{certificate.header.reference()}, {certificate.header.digest}}),
          proto::dag::Encode(proto::dag::RangeRequest{7}),
          proto::dag::Encode(proto::dag::RangeAnswer{1, 3, 1, 4, {certificate}})};
}

void RunBatch(ByteSpan input) {
  const auto batch = proto::dag::DecodeBatch(input);
  if (!batch) return;
  CHECK(std::ranges::equal(batch->bytes, input));
  const auto again = proto::dag::MakeBatch(batch->transactions);
  const auto decoded = proto::dag::DecodeBatch(again.bytes);
  CHECK(decoded && decoded->transactions == batch->transactions);
}

std::vector<Bytes> BatchSeeds() {
  return {proto::dag::MakeBatch({{1}}).bytes, proto::dag::MakeBatch({Bytes(300, 7), {0, 1}}).bytes};
}

void RunEvidence(ByteSpan input) {
  static const consensus::Config config = Validators().ConfigOf(0);
  const auto offender = proto::dag::VerifyEvidence(input, config.chain, config.epoch, config.keys);
  CHECK(!offender || Index(*offender) < config.committee.size());
}

std::vector<Bytes> EvidenceSeeds() {
  const auto& validators = Validators();
  const auto first = validators.MakeHeader(1, 1, {});
  auto fields = validators.Fields(1, 1, {});
  fields.batches = {{first.digest, 5}};
  const auto second = validators.Sign(std::move(fields));
  return {proto::dag::EncodeEvidence(proto::dag::HeaderPair{first, second}),
          proto::dag::EncodeEvidence(
              proto::dag::VotePair{validators.MakeVote(first, 2), validators.MakeVote(second, 2)}),
          proto::dag::EncodeEvidence(proto::dag::BlockVotePair{
              1, proto::PartyId{1}, validators.SignBlock(1, 9, first.digest),
              validators.SignBlock(1, 9, second.digest)})};
}

// --- Transactions. ---

void RunTransaction(ByteSpan input) {
  const Bytes bytes(input.begin(), input.end());
  for (const bool opaque : {false, true}) {
    const auto checked = proto::CheckedTransaction::Check(
        World().ledger.chain().id, proto::kTransactionBytesMax, bytes, opaque);
    CHECK(checked.bytes() == bytes);
    CHECK(!(checked.valid() && checked.opaque()));
    (void)World().ledger.snapshot().Admit(checked);
  }
}

std::vector<Bytes> TransactionSeeds() {
  const auto& world = World();
  return {
      world.FromClient(0, proto::Transfer{world.clients[1].public_key(), 5}),
      world.FromClient(0, proto::RegisterModel{proto::EncodeManifest(world.MakeManifest(0))}),
      world.FromClient(1, proto::OpenRequest{node::test::MakeDigest("model"), 0}),
      world.FromClient(1, proto::SubmitInference{1, {1, 2, 3}}),
      world.FromClient(1, proto::Opaque{{1, 2, 3}}),
      world.FromValidator(0, proto::ModelReady{node::test::MakeDigest("model")}),
      world.FromValidator(0, proto::FixLayer{world.Certify(1, 0, 3)}),
      world.FromValidator(0, proto::Verdict{1, node::test::MakeDigest("t"), true}),
      world.FromValidator(0, proto::Attest{1, node::test::MakeDigest("t"), {proto::PartyId{1}}}),
      world.FromValidator(0, proto::PostOutput{1, world.Shares(0), {}}),
      world.FromValidator(0, proto::ReportEvidence{{1, 2, 3}}),
      {proto::kOpaqueMark, 1, 2}};
}

void RunManifest(ByteSpan input) {
  const auto manifest = proto::DecodeManifest(input);
  if (!manifest) return;
  CHECK(proto::CheckManifest(*manifest).has_value());
  CHECK(std::ranges::equal(proto::EncodeManifest(*manifest), input));
}

std::vector<Bytes> ManifestSeeds() {
  return {proto::EncodeManifest(World().MakeManifest(0))};
}

// --- What nodes compute, store and hand to light clients. ---

void RunRecords(ByteSpan input) {
  Script script(input);
  const std::uint64_t kind = script.Below(14);
  const ByteSpan bytes = script.Rest();
  switch (kind) {
    case 0:
      return RunRecord<proto::Account>(bytes);
    case 1:
      return RunRecord<proto::ValidatorRecord>(bytes);
    case 2:
      return RunRecord<proto::ModelRecord>(bytes);
    case 3:
      return RunRecord<proto::AttemptRecord>(bytes);
    case 4:
      return RunRecord<proto::Pool>(bytes);
    case 5:
      return RunRecord<proto::RequestRecord>(bytes);
    case 6:
      return RunRecord<proto::Totals>(bytes);
    case 7:
      return RunRecord<proto::Active>(bytes);
    case 8:
      return RunRecord<proto::Opened>(bytes);
    case 9:
      if (const auto header = proto::DecodeBlockHeader(bytes)) {
        CHECK(std::ranges::equal(proto::EncodeBlockHeader(*header), bytes));
      }
      return;
    case 10:
      if (const auto receipt = proto::DecodeReceipt(bytes)) {
        CHECK(std::ranges::equal(proto::EncodeReceipt(*receipt), bytes));
      }
      return;
    case 11:
      if (const auto proof = proto::DecodeStateProof(bytes)) {
        CHECK(std::ranges::equal(proto::EncodeStateProof(*proof), bytes));
        (void)node::VerifyStateProof({}, bytes, std::nullopt, *proof);
      }
      return;
    case 12:
      if (const auto signatures = node::DecodeSignatures(bytes)) {
        CHECK(std::ranges::equal(node::EncodeSignatures(*signatures), bytes));
      }
      return;
    default: {
      const Bytes part(bytes.begin(), bytes.end());
      (void)node::DecodeBlockParts({part, part, part, part});
    }
  }
}

std::vector<Bytes> RecordSeeds() {
  const auto& world = World();
  std::vector<Bytes> seeds;
  const auto add = [&](std::uint8_t kind, const Bytes& bytes) {
    Bytes seed = {kind};
    seed.insert(seed.end(), bytes.begin(), bytes.end());
    seeds.push_back(std::move(seed));
  };
  add(0, proto::Encode(proto::Account{5, 7}));
  add(1, proto::Encode(world.ledger.snapshot().validators().front()));
  add(4, proto::Encode(proto::Pool{}));
  add(5, proto::Encode(proto::RequestRecord{}));
  add(6, proto::Encode(proto::Totals{}));
  add(7, proto::Encode(proto::Active{}));
  add(9, proto::EncodeBlockHeader(world.ledger.header()));
  add(10, proto::EncodeReceipt({{}, proto::ReceiptCode::kDone, {}, 0, ""}));
  add(11, proto::EncodeStateProof(world.ledger.snapshot().Prove(proto::TotalsKey())));
  add(12, node::EncodeSignatures({{proto::PartyId{1}, {}}}));
  return seeds;
}

// --- Proofs. ---

node::ProvenBlock SignedBlock() {
  const auto& world = World();
  const auto& header = world.ledger.header();
  const proto::Digest digest = proto::CheckpointDigest(
      world.ledger.chain().id, proto::kFirstEpoch, header.commit_index, proto::BlockDigest(header));
  node::BlockSignatures signatures;
  for (std::uint16_t i = 0; i < 3; ++i) {
    signatures.emplace_back(proto::PartyId{i}, world.validators[i].Sign(digest));
  }
  return {header, signatures, world.ledger.snapshot()};
}

// What passes is true.
void RunProof(ByteSpan input) {
  if (const auto proof = proto::DecodeProof(input)) {
    CHECK(std::ranges::equal(proto::EncodeProof(*proof).value(), input));
  }
  const auto proven = node::VerifyProof(World().genesis, input);
  if (!proven) return;
  CHECK(proven->header() == World().ledger.header());
  for (const auto& record : proven->proof().records) {
    CHECK(World().ledger.snapshot().Get(record.key) == record.value);
  }
}

std::vector<Bytes> ProofSeeds() {
  const auto& world = World();
  const node::ProvenBlock block = SignedBlock();
  const Bytes transaction = world.FromClient(0, proto::Transfer{world.clients[1].public_key(), 5});
  const proto::Receipt receipt{node::test::MakeDigest("id"), proto::ReceiptCode::kDone, {}, 0, ""};
  proto::Proof placed = node::ProveBlock({block.header, block.header}, block.signatures);
  node::AddTransaction(placed, {transaction, transaction, transaction}, {receipt, receipt, receipt},
                       1);
  proto::Proof receipts = node::ProveBlock({block.header}, block.signatures);
  node::AddReceipts(receipts, {});
  return {proto::EncodeProof(
              node::ProveRecords(block, {proto::TotalsKey(), proto::RequestKey(1),
                                         proto::AccountKey(world.clients[0].public_key())}))
              .value(),
          proto::EncodeProof(placed).value(), proto::EncodeProof(receipts).value()};
}

// What a client is given as a validator's answer.
void RunAnswer(ByteSpan input) {
  const auto given = node::ParseJson(proto::AsText(input));
  if (!given) return;
  if (const auto proof = node::ProofFromJson(*given)) {
    CHECK(node::ProofFromJson(node::ToJson(*proof)).value() == *proof);
  }
  static node::LightClient client(World().genesis);
  const auto checked = node::VerifyAnswer(client, *given);
  if (!checked) return;
  for (const auto& record : checked->proven.proof().records) {
    CHECK(World().ledger.snapshot().Get(record.key) == record.value);
  }
}

std::vector<Bytes> AnswerSeeds() {
  const auto& world = World();
  std::vector<Bytes> seeds;
  const auto add = [&](const nlohmann::json& json) {
    const std::string text = json.dump();
    seeds.emplace_back(text.begin(), text.end());
  };
  const node::ProvenBlock block = SignedBlock();
  for (const auto& [method, params] :
       {std::pair<std::string, nlohmann::json>("request", {{"id", 1}}),
        std::pair<std::string, nlohmann::json>("account",
                                               {{"key", world.clients[0].public_key().hex()}})}) {
    const auto read = node::Params::From(params, node::FindMethod(method)->params).value();
    const node::SnapshotFacts facts(world.ledger.snapshot());
    const auto answer = node::MakeAnswer(world.genesis, method, read, facts).value();
    add(node::WithProof(method, read, answer, node::ProveRecords(block, facts.asked())));
  }
  for (const Bytes& proof : ProofSeeds()) add(node::ToJson(proto::DecodeProof(proof).value()));
  return seeds;
}

// --- Multi-party computation. ---

void RunInferenceMessage(ByteSpan input) {
  const auto message = node::DecodeInferenceMessage(input);
  if (!message) return;
  const Bytes encoded = node::Encode(*message);
  const auto again = node::DecodeInferenceMessage(encoded);
  CHECK(again.has_value());
  CHECK(node::Encode(*again) == encoded);
}

std::vector<Bytes> InferenceMessageSeeds() {
  const auto wrap = [](auto message) { return node::Encode(node::InferenceMessage(message)); };
  using proto::AttemptMessage;
  using proto::SessionMessage;
  proto::CoinShareMessage share{3, 1, Validators().ShareOf(1, 2)};
  const proto::PublicKey key = World().clients[0].public_key();
  return {
      wrap(SessionMessage(proto::Opening{1, 2, 3, Bytes(32, 1), {}, {}})),
      wrap(SessionMessage(proto::Opening{1, 2, 3, Bytes(32, 1), {}, proto::PartyId{6}})),
      wrap(SessionMessage(proto::ResendOpenings{1, 2})),
      wrap(AttemptMessage(proto::LayerVector{})),
      wrap(AttemptMessage(proto::KingLayer{})),
      wrap(AttemptMessage(proto::Echo{})),
      wrap(AttemptMessage(proto::FetchLayer{1, 2})),
      wrap(AttemptMessage(proto::LayerValues{1, 2, Bytes(32, 1)})),
      wrap(AttemptMessage(share)),
      wrap(AttemptMessage(proto::VerifyOpening{})),
      wrap(node::key_ceremony::Message(node::key_ceremony::Announce{key})),
      wrap(node::key_ceremony::Message(node::key_ceremony::Contribute{{{}, {}}, {1, 2}})),
      wrap(node::key_ceremony::Message(node::key_ceremony::Fetch{{proto::PartyId{1}, {}}, key})),
      wrap(node::key_ceremony::Message(
          node::key_ceremony::Forward{proto::PartyId{1}, {{}}, {1, 2}})),
      wrap(node::FetchFile{}),
      wrap(node::FileBytes{{}, {1, 2}})};
}

// --- Documents. ---

void RunGenesis(ByteSpan input) {
  const auto text = proto::AsText(input);
  if (const auto spec = proto::ParseChainSpec(text)) {
    const auto again = proto::ParseChainSpec(proto::FormatChainSpec(*spec));
    CHECK(again && *again == *spec);
  }
  if (const auto genesis = proto::ParseGenesis(text)) {
    const auto again = proto::ParseGenesis(proto::FormatGenesis(*genesis));
    CHECK(again && *again == *genesis);
  }
}

std::vector<Bytes> GenesisSeeds() {
  const auto bytes = [](const std::string& text) {
    const ByteSpan span = proto::AsBytes(text);
    return Bytes(span.begin(), span.end());
  };
  return {bytes(proto::FormatChainSpec(World().genesis.spec)),
          bytes(proto::FormatGenesis(World().genesis))};
}

}  // namespace

std::vector<Target> WireTargets() {
  return {{"consensus_message", RunConsensusMessage, ConsensusMessageSeeds},
          {"batch", RunBatch, BatchSeeds},
          {"evidence", RunEvidence, EvidenceSeeds},
          {"transaction", RunTransaction, TransactionSeeds},
          {"manifest", RunManifest, ManifestSeeds},
          {"records", RunRecords, RecordSeeds},
          {"proof", RunProof, ProofSeeds},
          {"answer", RunAnswer, AnswerSeeds},
          {"inference_message", RunInferenceMessage, InferenceMessageSeeds},
          {"genesis", RunGenesis, GenesisSeeds}};
}

}  // namespace fuzz
