#include "node/ledger/requests.h"

#include <algorithm>
#include <string>

#include "node/ledger/accounts.h"
#include "node/ledger/attempts.h"

namespace node {

using proto::ReceiptCode;
using proto::RequestRecord;
using proto::RequestStatus;

namespace {

const char* WhyNotSubmittable(const RequestRecord& record) {
  if (record.status == RequestStatus::kExpired) return "the request has expired";
  if (record.status != RequestStatus::kOpened) return "the request was submitted before";
  return record.attempt == 0 ? "the request has no bundle yet" : nullptr;
}

}  // namespace

Outcome Execute(Block& block, const proto::PublicKey& sender, const proto::OpenRequest& payload) {
  const proto::Bytes pool_key = proto::PoolKey(payload.model, payload.bucket);
  auto pool = block.state.Find<proto::Pool>(pool_key);
  if (!pool) {
    const auto model = block.state.Find<proto::ModelRecord>(proto::ModelKey(payload.model));
    if (!model) return No(ReceiptCode::kNoModel, "no such model is registered");
    if (model->status != proto::ModelStatus::kActive) {
      return No(ReceiptCode::kNoModel, "the model is not active yet");
    }
    return No(ReceiptCode::kNoBucket, "the model has no such bucket");
  }
  const std::uint64_t price = pool->terms.price;
  const std::uint64_t balance = GetAccount(block.state, sender).balance;
  if (balance < price) {
    return No(ReceiptCode::kNoFunds, "the account has " + std::to_string(balance) +
                                         " after the fee and the price is " +
                                         std::to_string(price));
  }
  auto totals = block.state.Get<proto::Totals>(proto::TotalsKey());
  if (totals.opened >= proto::kOpenedMax ||
      (pool->ready.empty() && pool->waiting.size() >= block.spec().waiting_requests_max)) {
    return No(ReceiptCode::kLimit, "too many requests wait for a bundle");
  }
  Debit(block.state, sender, price);
  totals.escrow += price;
  totals.opened += 1;
  totals.requests += 1;
  block.state.Put(proto::TotalsKey(), totals);
  RequestRecord record;
  record.owner = sender;
  record.model = payload.model;
  record.bucket = payload.bucket;
  record.price = price;
  record.opened_round = block.round;
  block.state.Put(proto::RequestKey(totals.requests), record);
  pool->waiting.push_back(totals.requests);
  AssignBundles(block, *pool);
  block.state.Put(pool_key, *pool);
  block.pools_changed = true;
  Outcome done;
  done.created_request = totals.requests;
  return done;
}

Outcome Execute(Block& block, const proto::PublicKey& sender,
                const proto::SubmitInference& payload) {
  const proto::Bytes key = proto::RequestKey(payload.request);
  auto record = block.state.Find<RequestRecord>(key);
  if (!record) return No(ReceiptCode::kNoRequest, "no such request was opened");
  if (record->owner != sender) {
    return No(ReceiptCode::kNotOwner, "the request was opened by another account");
  }
  if (const char* reason = WhyNotSubmittable(*record)) return No(ReceiptCode::kWrongState, reason);
  const auto pool = block.state.Get<proto::Pool>(proto::PoolKey(record->model, record->bucket));
  if (payload.masked_tokens.size() != pool.terms.tokens) {
    return No(ReceiptCode::kWrongLength, "the bucket takes " + std::to_string(pool.terms.tokens) +
                                             " tokens, not " +
                                             std::to_string(payload.masked_tokens.size()));
  }
  for (const std::uint32_t token : payload.masked_tokens) {
    if (token >= pool.terms.vocabulary_padded) {
      return No(ReceiptCode::kTokenRange, "the masked token " + std::to_string(token) +
                                              " is not below " +
                                              std::to_string(pool.terms.vocabulary_padded));
    }
  }
  record->status = RequestStatus::kSubmitted;
  record->submitted_round = block.round;
  record->masked_tokens = payload.masked_tokens;
  record->until_end = payload.until_end;
  record->submission = proto::SubmissionDigest(block.chain.id, payload.request, record->attempt,
                                               payload.masked_tokens, payload.until_end);
  block.state.Put(key, *record);
  auto opened = block.state.Get<proto::Opened>(proto::OpenedKey());
  std::erase_if(opened.entries,
                [&](const auto& entry) { return entry.request == payload.request; });
  block.state.Put(proto::OpenedKey(), opened);
  auto totals = block.state.Get<proto::Totals>(proto::TotalsKey());
  totals.opened -= 1;
  block.state.Put(proto::TotalsKey(), totals);
  block.events.push_back(RequestSubmitted{payload.request, record->attempt, record->model,
                                          record->bucket, record->submission,
                                          record->masked_tokens});
  return {};
}

void ExpireRequests(Block& block) {
  auto opened = block.state.Get<proto::Opened>(proto::OpenedKey());
  const auto due = std::ranges::partition_point(
      opened.entries, [&](const auto& entry) { return entry.deadline_round < block.round; });
  if (due == opened.entries.begin()) return;
  auto totals = block.state.Get<proto::Totals>(proto::TotalsKey());
  for (auto entry = opened.entries.begin(); entry != due; ++entry) {
    const proto::Bytes key = proto::RequestKey(entry->request);
    auto record = block.state.Get<RequestRecord>(key);
    const proto::Bytes attempt_key = proto::AttemptKey(record.attempt);
    auto attempt = block.state.Get<proto::AttemptRecord>(attempt_key);
    const auto pool = block.state.Get<proto::Pool>(proto::PoolKey(record.model, record.bucket));
    record.status = RequestStatus::kExpired;
    block.SpeakOfAttempt(record.attempt);
    record.charged = pool.terms.bundle_price;
    record.paid = PayMembers(block, record.charged, attempt.pass);
    Credit(block.state, record.owner, record.price - record.charged);
    block.state.Put(key, record);
    attempt.status = proto::AttemptStatus::kBurnt;
    block.state.Put(attempt_key, attempt);
    totals.escrow -= record.price;
    totals.opened -= 1;
    block.events.push_back(RequestExpired{entry->request, record.attempt});
  }
  opened.entries.erase(opened.entries.begin(), due);
  block.state.Put(proto::OpenedKey(), opened);
  block.state.Put(proto::TotalsKey(), totals);
}

}  // namespace node
