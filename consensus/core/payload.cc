#include "consensus/core/payload.h"

#include <algorithm>
#include <iterator>
#include <utility>

namespace consensus {

using proto::Bytes;
using proto::ErrorCode;
using proto::dag::kBatchBytesMax;
using proto::dag::kBatchTransactionsMax;
using proto::dag::kTransactionOverheadMax;

namespace {

std::size_t EncodedSize(const Bytes& transaction) {
  return transaction.size() + kTransactionOverheadMax;
}

// Cuts transactions into batches within the limits, in order.
std::vector<Transactions> Cut(std::vector<Bytes> transactions) {
  std::vector<Transactions> batches;
  std::vector<Bytes> next;
  std::size_t bytes = 0;
  for (auto& transaction : transactions) {
    const std::size_t size = EncodedSize(transaction);
    if (bytes + size > kBatchBytesMax || next.size() == kBatchTransactionsMax) {
      batches.push_back(proto::dag::MakeBatch(std::exchange(next, {})));
      bytes = 0;
    }
    bytes += size;
    next.push_back(std::move(transaction));
  }
  if (!next.empty()) batches.push_back(proto::dag::MakeBatch(std::move(next)));
  return batches;
}

}  // namespace

void Payload::Restore(Own own) {
  own_ = std::move(own);
  for (std::uint64_t i = own_.pending_first; i < own_.pending_next; ++i) {
    auto transactions = store_.FindPending(i);
    if (!transactions) continue;  // The store notes the damage, if it does not decode.
    pending_bytes_ += transactions->bytes.size();
    pending_.push_back(std::move(*transactions));
  }
}

proto::Result<std::vector<Transactions>> Payload::Submit(std::vector<Bytes> transactions) {
  std::size_t bytes = 0;
  for (const auto& transaction : transactions) {
    if (transaction.empty() || transaction.size() > proto::dag::kTransactionBytesMax) {
      return proto::Fail(ErrorCode::kInvalidArgument,
                         "a transaction must have 1 to " +
                             std::to_string(proto::dag::kTransactionBytesMax) + " bytes");
    }
    bytes += EncodedSize(transaction);
  }
  if (pending_bytes_ + bytes > kPendingBytesMax) {
    return proto::Fail(ErrorCode::kExhausted,
                       "too many transactions wait to be ordered; try again later");
  }
  for (auto& part : Cut(std::move(transactions))) {
    store_.PutPending(own_.pending_next++, part);
    pending_bytes_ += part.bytes.size();
    pending_.push_back(std::move(part));
  }
  std::vector<Transactions> sealed;
  while (pending_bytes_ >= kBatchBytesMax && own_.batches.size() < kOwnBatchesMax) SealOne(sealed);
  store_.Put(own_);
  store_.Sync();
  return sealed;
}

void Payload::SealOne(std::vector<Transactions>& sealed) {
  std::vector<Bytes> transactions;
  std::size_t bytes = 0;
  while (!pending_.empty()) {
    Transactions& part = pending_.front();
    if (bytes + part.bytes.size() > kBatchBytesMax ||
        transactions.size() + part.transactions.size() > kBatchTransactionsMax) {
      break;
    }
    bytes += part.bytes.size();
    std::move(part.transactions.begin(), part.transactions.end(), std::back_inserter(transactions));
    store_.DeletePending(own_.pending_first++);
    pending_.pop_front();
  }
  pending_bytes_ -= bytes;
  Transactions batch = proto::dag::MakeBatch(std::move(transactions));
  const BatchReference reference{batch.digest, static_cast<std::uint32_t>(batch.bytes.size())};
  const auto same = [&](const OwnBatch& own) { return own.reference == reference; };
  store_.Put(batch, own_.header ? own_.header->round : 0);
  if (std::none_of(own_.batches.begin(), own_.batches.end(), same)) {
    own_.batches.push_back({reference, 0});
  }
  sealed.push_back(std::move(batch));
}

std::vector<Transactions> Payload::Seal() {
  std::vector<Transactions> sealed;
  while (!pending_.empty() && own_.batches.size() < kOwnBatchesMax) SealOne(sealed);
  if (!sealed.empty()) {
    store_.Put(own_);
    store_.Sync();
  }
  return sealed;
}

std::vector<BatchReference> Payload::Pick(std::uint64_t round,
                                          const std::function<bool(std::uint64_t)>& is_certified) {
  std::vector<BatchReference> picked;
  std::size_t bytes = 0;
  for (auto& batch : own_.batches) {
    if (batch.round != 0 && is_certified(batch.round)) continue;
    bytes += batch.reference.size;
    if (picked.size() == proto::dag::kHeaderBatchesMax ||
        bytes > proto::dag::kHeaderPayloadBytesMax) {
      break;
    }
    batch.round = round;
    store_.Refer(batch.reference, round);
    picked.push_back(batch.reference);
  }
  return picked;
}

void Payload::Propose(const Header& header) {
  own_.header = header;
  store_.Put(own_);
  store_.Sync();
}

void Payload::Ordered(const proto::Digest& batch) {
  const auto it = std::find_if(own_.batches.begin(), own_.batches.end(),
                               [&](const OwnBatch& own) { return own.reference.digest == batch; });
  if (it == own_.batches.end()) return;
  own_.batches.erase(it);
  store_.Put(own_);
}

}  // namespace consensus
