#include "node/ledger/models.h"

#include <algorithm>
#include <string>

#include "node/ledger/accounts.h"

namespace node {

using proto::ReceiptCode;

namespace {

Outcome CheckManifest(const Block& block, const proto::PublicKey& sender,
                      const proto::Result<proto::Manifest>& manifest) {
  if (!manifest) return No(ReceiptCode::kBadManifest, manifest.error().message);
  if (manifest->owner != sender) {
    return No(ReceiptCode::kBadManifest, "the manifest's owner is not who registers it");
  }
  for (const proto::Bucket& bucket : manifest->buckets) {
    if (bucket.pool_target > block.spec().pool_target_max) {
      return No(ReceiptCode::kBadManifest, "a bucket's pool target is above the chain's limit of " +
                                               std::to_string(block.spec().pool_target_max));
    }
  }
  return {};
}

void Activate(Block& block, const proto::Digest& model, const proto::Bytes& bytes,
              std::uint16_t members) {
  const auto manifest = proto::DecodeManifest(bytes);
  CHECK(manifest.has_value());  // As when it was registered.
  auto active = block.state.Get<proto::Active>(proto::ActiveKey());
  for (std::uint32_t i = 0; i < manifest->buckets.size(); ++i) {
    const proto::Bucket& bucket = manifest->buckets[i];
    proto::Pool pool;
    pool.terms = {members,        bucket.tokens,       bucket.vocabulary_padded,
                  bucket.outputs, bucket.layers,       bucket.pool_target,
                  bucket.price,   bucket.bundle_price, bucket.steps};
    block.state.Put(proto::PoolKey(model, i), pool);
    active.entries.push_back({model, i});
  }
  block.state.Put(proto::ActiveKey(), active);
  block.events.push_back(ModelActive{model});
  block.pools_changed = true;
}

}  // namespace

Outcome Execute(Block& block, const proto::PublicKey& sender, const proto::RegisterModel& payload) {
  if (!block.epoch->computing) {
    return No(ReceiptCode::kNoCommittee, "no members have keys to compute with in this epoch");
  }
  Outcome checked = CheckManifest(block, sender, proto::DecodeManifest(payload.manifest));
  if (checked.code != ReceiptCode::kDone) return checked;
  const proto::Digest id = proto::ModelId(payload.manifest);
  if (block.state.Has(proto::ModelKey(id))) {
    return No(ReceiptCode::kModelExists, "this model is registered already");
  }
  auto totals = block.state.Get<proto::Totals>(proto::TotalsKey());
  if (totals.models >= proto::kModelsMax) {
    return No(ReceiptCode::kLimit, "the chain has as many models as it can hold");
  }
  if (GetAccount(block.state, sender).balance < block.spec().model_fee) {
    return No(ReceiptCode::kNoFunds, "the account cannot pay the fee of " +
                                         std::to_string(block.spec().model_fee) + " for a model");
  }
  Debit(block.state, sender, block.spec().model_fee);
  block.fees += block.spec().model_fee;
  totals.models += 1;
  proto::ModelRecord record;
  record.number = totals.models;
  record.manifest = payload.manifest;
  block.state.Put(proto::TotalsKey(), totals);
  block.state.Put(proto::ModelKey(id), record);
  block.state.PutBytes(proto::ModelNumberKey(record.number), {id.bytes.begin(), id.bytes.end()});
  block.events.push_back(ModelRegistered{id});
  Outcome done;
  done.created_model = id;
  return done;
}

Outcome Execute(Block& block, const proto::PublicKey& sender, const proto::ModelReady& payload) {
  if (!block.epoch->computing || !block.epoch->computing->Find(sender)) {
    return No(ReceiptCode::kNotValidator, "the sender does not compute in this epoch");
  }
  auto record = block.state.Find<proto::ModelRecord>(proto::ModelKey(payload.model));
  if (!record) return No(ReceiptCode::kNotFound, "no such model is registered");
  if (std::ranges::count(record->ready, sender) > 0) {
    return No(ReceiptCode::kDuplicate, "the validator has said so before");
  }
  if (record->ready.size() >= proto::kModelReadyMax) {
    return No(ReceiptCode::kTooLate, "enough validators have said so");
  }
  record->ready.push_back(sender);
  const Members& members = *block.epoch->computing;
  const auto ready = std::ranges::count_if(
      record->ready, [&](const proto::PublicKey& key) { return members.Find(key).has_value(); });
  if (record->status == proto::ModelStatus::kRegistered && ready >= members.committee.quorum()) {
    record->status = proto::ModelStatus::kActive;
    Activate(block, payload.model, record->manifest, members.committee.size());
  }
  block.state.Put(proto::ModelKey(payload.model), *record);
  return {};
}

}  // namespace node
