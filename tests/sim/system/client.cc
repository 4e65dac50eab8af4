#include "tests/sim/system/client.h"

#include <algorithm>
#include <cmath>

#include "mpc/online/client.h"
#include "mpc/plan/evaluate.h"
#include "mpc/preprocessing/attempt.h"
#include "node/ledger/light_client.h"
#include "node/rpc/block_reader.h"
#include "proto/crypto/hash.h"
#include "tests/sim/system/world.h"
#include "tests/unit/mpc/plan/small_plan.h"

namespace sim {

using proto::Bytes;
using proto::PartyId;
using proto::RequestStatus;

namespace {

constexpr std::uint64_t kPatience = 400;  // Milliseconds until something is tried elsewhere.

// SmallPlan with all its rows in the answer, so that every token counts.
mpc::Plan AllRows() {
  mpc::Plan plan = mpc::SmallPlan();
  mpc::Op& rows = plan.ops[plan.ops.size() - 2];
  rows.begin = 0;
  rows.rows = plan.tokens;
  plan.ops.back().rows = plan.tokens;
  plan.labels.clear();
  CHECK(mpc::Validate(plan).has_value());
  return plan;
}

}  // namespace

Client::Client(World& world, proto::SecretKey key)
    : world_(world), key_(std::move(key)), plan_(AllRows()) {
  MakePackage();
  Enqueue(proto::RegisterModel{proto::EncodeManifest(manifest_)}, std::nullopt);
}

void Client::MakePackage() {
  const proto::Committee committee = world_.genesis_.committee();
  files_ = {mpc::EncodePlan(plan_), Bytes{'a', '\n', 'b', '\n'}};
  manifest_.name = "small";
  manifest_.architecture = plan_.architecture;
  manifest_.owner = key_.public_key();
  manifest_.files = {{"plan.bin", proto::Sha256(files_[0]), files_[0].size()},
                     {"vocab.txt", proto::Sha256(files_[1]), files_[1].size()}};
  manifest_.tokenizer_digest = manifest_.files[1].digest;
  proto::Bucket bucket;
  bucket.tokens = plan_.tokens;
  bucket.vocabulary_padded = static_cast<std::uint32_t>(plan_.vocabulary_padded());
  bucket.plan_digest = manifest_.files[0].digest;
  bucket.outputs = static_cast<std::uint32_t>(plan_.ops.back().size());
  bucket.output_frac = plan_.ops.back().frac;
  bucket.price = 1001;
  bucket.bundle_price = 500;
  bucket.pool_target = world_.options_.pool_target;
  bucket.segment_values = world_.options_.segment_values;
  bucket.layers = mpc::SegmentLayers(plan_, committee, bucket.segment_values);
  manifest_.buckets.push_back(std::move(bucket));
  model_ = proto::ModelId(proto::EncodeManifest(manifest_));
}

void Client::Enqueue(proto::Payload payload, std::optional<std::size_t> question) {
  proto::Transaction transaction;
  transaction.chain = world_.chain_;
  transaction.sender = key_.public_key();
  transaction.nonce = nonce_;
  transaction.payload = std::move(payload);
  Bytes bytes = proto::SignTransaction(key_, std::move(transaction));
  const auto checked = proto::CheckedTransaction::Check(world_.chain_, 1 << 18, bytes);
  CHECK(checked.valid());
  pending_.push_back({std::move(bytes), checked.id(), nonce_++, question, std::nullopt});
}

bool Client::done() const {
  return opened_ && std::ranges::all_of(questions_, [](const Question& question) {
           return question.stage == Stage::kDone;
         });
}

std::vector<std::uint64_t> Client::requests() const {
  std::vector<std::uint64_t> numbers;
  for (const Question& question : questions_) numbers.push_back(question.request);
  return numbers;
}

void Client::Poll() {
  PushTransactions();
  const auto via = static_cast<std::uint16_t>(world_.Between(0, world_.size() - 1u));
  if (!world_.Up(via) || world_.IsLiar(via)) return;  // A liar's view proves nothing.
  const node::Snapshot& ledger = world_.LedgerOf(via);
  const auto model = ledger.model(model_);
  if (!model) return;
  if (model->status != proto::ModelStatus::kActive) return UploadFiles(ledger);
  if (!opened_) {
    opened_ = true;
    for (std::uint32_t k = 0; k < world_.options_.requests; ++k) {
      Question& question = questions_.emplace_back();
      for (std::uint32_t t = 0; t < plan_.tokens; ++t) {
        question.ids.push_back(static_cast<std::uint32_t>(world_.Between(0, plan_.vocabulary - 1)));
      }
      Enqueue(proto::OpenRequest{model_, 0}, k);
    }
  }
  for (std::size_t k = 0; k < questions_.size(); ++k) {
    Question& question = questions_[k];
    const auto record = question.request ? ledger.request(question.request) : std::nullopt;
    if (!record) continue;
    if (question.stage == Stage::kWaiting && record->attempt != 0) {
      question.attempt = record->attempt;
      question.stage = Stage::kMasks;
      question.asked_since = world_.now_;
      question.masks.emplace(world_.genesis_.committee(),
                             plan_.tokens + manifest_.buckets[0].outputs);
    }
    if (question.stage == Stage::kMasks) Gather(k);
    if (question.stage == Stage::kComputing) Finish(question);
    if (record->status == RequestStatus::kExpired) world_.Fail("a request expired");
  }
}

// The account's transactions one after the other, each to another validator until it is executed.
void Client::PushTransactions() {
  if (pending_.empty()) return;
  Pending& next = pending_.front();
  if (!next.sent || world_.now_ >= *next.sent + kPatience) {
    next.sent = world_.now_;
    world_.SubmitFor(static_cast<std::uint16_t>(world_.Between(0, world_.size() - 1u)), next.bytes);
  }
  for (std::uint16_t i = 0; i < world_.size(); ++i) {
    if (!world_.Up(i) || world_.IsLiar(i)) continue;
    if (world_.LedgerOf(i).account(key_.public_key()).nonce <= next.nonce) continue;
    const auto place = node::FindTransaction(world_.StoreOf(i), next.id);
    CHECK(place && *place);
    const auto block = node::ReadBlock(world_.StoreOf(i), (*place)->height);
    CHECK(block && *block);
    const proto::Receipt& receipt = (*block)->receipts[(*place)->index];
    if (receipt.code != proto::ReceiptCode::kDone) {
      return world_.Fail("the client's transaction: " + receipt.message);
    }
    if (next.question) {
      Question& question = questions_[*next.question];
      if (question.stage == Stage::kOpening) {
        question.request = receipt.created_request;
        question.stage = Stage::kWaiting;
      } else {
        CHECK(question.stage == Stage::kSubmitting);
        question.stage = Stage::kComputing;
      }
    }
    pending_.pop_front();
    return;
  }
}

// To f + 1 validators; the others fetch them from there. Again to others if that takes long.
void Client::UploadFiles(const node::Snapshot&) {
  if (uploads_ > 0 && world_.now_ < upload_at_ + 2 * kPatience) return;
  upload_at_ = world_.now_;
  ++uploads_;
  const std::uint16_t first = static_cast<std::uint16_t>(world_.Between(0, world_.size() - 1u));
  for (std::uint16_t k = 0; k < world_.genesis_.committee().validity(); ++k) {
    for (const Bytes& file : files_) {
      world_.UploadTo(static_cast<std::uint16_t>((first + k) % world_.size()), file);
    }
  }
}

void Client::Gather(std::size_t index) {
  Question& question = questions_[index];
  for (std::uint16_t i = 0; i < world_.size(); ++i) {
    if (question.answered.count(PartyId{i})) continue;
    auto shares = world_.MasksFrom(i, question.attempt);
    if (!shares) continue;
    question.answered.insert(PartyId{i});
    question.masks->Add(PartyId{i}, std::move(*shares));
  }
  // All answers show who lies; but nobody waits for the silent for long.
  if (!question.masks->decoded()) return;
  if (question.answered.size() < world_.size() && world_.now_ < question.asked_since + kPatience) {
    return;
  }
  wrong_.insert(question.masks->wrong().begin(), question.masks->wrong().end());
  const auto masks = std::span(question.masks->values()).first(plan_.tokens);
  auto masked = mpc::MaskTokens(question.ids, masks, plan_.vocabulary_padded());
  if (!masked) return world_.Fail("the masks are void: " + masked.error().message);
  question.masked = std::move(*masked);
  question.stage = Stage::kSubmitting;
  Enqueue(proto::SubmitInference{question.request, question.masked}, index);
}

void Client::Finish(Question& question) {
  const auto via = static_cast<std::uint16_t>(world_.Between(0, world_.size() - 1u));
  if (!world_.Up(via) || !world_.ProvenBy(via)) return;
  const node::ProvenBlock& proven = *world_.ProvenBy(via);
  const Bytes key = proto::RequestKey(question.request);
  const auto value = proven.snapshot.Get(key);
  if (!value) return;
  const auto record = proto::DecodeRecord<proto::RequestRecord>(*value);
  CHECK(record.has_value());
  if (record->status != RequestStatus::kCompleted) return;

  const auto header = node::VerifyHeader(world_.genesis_, proven.header, proven.signatures);
  if (!header) return world_.Fail("no proof of the block: " + header.error().message);
  const auto state =
      node::VerifyState(proven.header.state_root, key, value, proven.snapshot.Prove(key));
  if (!state) return world_.Fail("no proof of the request: " + state.error().message);
  if (record->masked_tokens != question.masked) return world_.Fail("another submission is there");

  std::vector<mpc::Fp> output;
  for (const auto& share : record->output) output.push_back(*mpc::Fp::FromBytes(share));
  const auto values =
      mpc::UnmaskOutput(output, std::span(question.masks->values()).subspan(plan_.tokens));
  const auto expected = mpc::EvaluateFixed(plan_, question.ids, question.request).outputs;
  CHECK(values.size() == expected.size());
  for (std::size_t i = 0; i < values.size(); ++i) {
    const double answer = std::ldexp(static_cast<double>(values[i]),
                                     -static_cast<int>(manifest_.buckets[0].output_frac));
    if (!(std::abs(answer - expected[i]) <= World::kTolerance)) {
      world_.Fail("request " + std::to_string(question.request) + " output " + std::to_string(i) +
                  " is " + std::to_string(answer) + ", not " + std::to_string(expected[i]));
    }
  }
  question.stage = Stage::kDone;
}

}  // namespace sim
