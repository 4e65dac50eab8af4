#include "node/ledger/snapshot.h"

#include <algorithm>
#include <string>

#include "proto/base/check.h"

namespace node {

using proto::ErrorCode;
using proto::Fail;

template <class T>
std::optional<T> Snapshot::Read(const proto::Bytes& key) const {
  const proto::Bytes* bytes = tree_.Get(key);
  if (bytes == nullptr) return std::nullopt;
  auto record = proto::DecodeRecord<T>(*bytes);
  CHECK(record.has_value());  // Written by the ledger.
  return *std::move(record);
}

std::optional<proto::Bytes> Snapshot::Get(proto::ByteSpan key) const {
  const proto::Bytes* bytes = tree_.Get(key);
  return bytes == nullptr ? std::nullopt : std::optional(*bytes);
}

proto::Account Snapshot::account(const proto::PublicKey& key) const {
  return Read<proto::Account>(proto::AccountKey(key)).value_or(proto::Account{});
}

std::optional<proto::ModelRecord> Snapshot::model(const proto::Digest& id) const {
  return Read<proto::ModelRecord>(proto::ModelKey(id));
}

std::vector<proto::Digest> Snapshot::models(std::uint64_t first, std::size_t count) const {
  std::vector<proto::Digest> ids;
  for (std::uint64_t number = std::max<std::uint64_t>(first, 1); ids.size() < count; ++number) {
    const proto::Bytes* id = tree_.Get(proto::ModelNumberKey(number));
    if (id == nullptr) break;
    ids.push_back(*proto::Digest::From(*id));
  }
  return ids;
}

std::optional<proto::AttemptRecord> Snapshot::attempt(std::uint64_t number) const {
  return Read<proto::AttemptRecord>(proto::AttemptKey(number));
}

std::optional<proto::RequestRecord> Snapshot::request(std::uint64_t number) const {
  return Read<proto::RequestRecord>(proto::RequestKey(number));
}

std::optional<proto::Pool> Snapshot::pool(const proto::Digest& model, std::uint32_t bucket) const {
  return Read<proto::Pool>(proto::PoolKey(model, bucket));
}

std::vector<proto::Active::Entry> Snapshot::active() const {
  return Read<proto::Active>(proto::ActiveKey())->entries;
}

std::optional<proto::EpochRecord> Snapshot::epoch(std::uint64_t number) const {
  return Read<proto::EpochRecord>(proto::EpochKey(number));
}

std::optional<proto::Dealings> Snapshot::dealings(std::uint64_t epoch) const {
  return Read<proto::Dealings>(proto::DealingsKey(epoch));
}

std::optional<proto::EpochKeys> Snapshot::keys(std::uint64_t epoch) const {
  return Read<proto::EpochKeys>(proto::EpochKeysKey(epoch));
}

bool Snapshot::computes() const {
  if (!epoch_->computing) return false;
  if (epoch_->record.number == proto::kFirstEpoch) return true;
  const auto made = keys(epoch_->record.number);
  return made && made->made;
}

proto::Turn Snapshot::turn() const {
  return *Read<proto::Turn>(proto::TurnKey());
}

std::optional<proto::ValidatorRecord> Snapshot::validator(const proto::PublicKey& key) const {
  return Read<proto::ValidatorRecord>(proto::ValidatorKey(key));
}

std::vector<proto::ValidatorRecord> Snapshot::validators() const {
  std::vector<proto::ValidatorRecord> validators;
  for (const proto::PublicKey& key : staking().bonded) validators.push_back(*validator(key));
  return validators;
}

proto::Staking Snapshot::staking() const {
  return *Read<proto::Staking>(proto::StakingKey());
}

proto::Opened Snapshot::opened() const {
  return *Read<proto::Opened>(proto::OpenedKey());
}

proto::Totals Snapshot::totals() const {
  return *Read<proto::Totals>(proto::TotalsKey());
}

proto::Result<> Snapshot::Admit(const proto::CheckedTransaction& checked) const {
  if (checked.opaque()) return {};
  if (!checked.valid()) return Fail(ErrorCode::kInvalidArgument, checked.refusal().message);
  const proto::Transaction& transaction = checked.transaction();
  if (proto::IsValidatorPayload(transaction.payload)) {
    // Who has stake to lose, also after its last epoch: it finishes what it began. And who deals as
    // a member of the next, perhaps under a new key.
    if (epoch_->validators.Find(transaction.sender)) return {};
    const proto::Staking stakes = staking();
    if (std::ranges::binary_search(stakes.bonded, transaction.sender) ||
        std::ranges::count(stakes.unbonding, transaction.sender, &proto::Staking::Unbonding::key) >
            0) {
      return {};
    }
    if (std::holds_alternative<proto::DealCoinKey>(transaction.payload) &&
        std::ranges::count(turn().validators, transaction.sender, &proto::ValidatorSpec::key) > 0) {
      return {};
    }
    return Fail(ErrorCode::kDenied, "only validators may send this kind of transaction");
  }
  const proto::Account state = account(transaction.sender);
  const std::string next = ", the account's next is " + std::to_string(state.nonce);
  if (transaction.nonce < state.nonce) {
    return Fail(ErrorCode::kDenied,
                "the nonce " + std::to_string(transaction.nonce) + " is used" + next);
  }
  if (transaction.nonce - state.nonce > kNonceAheadMax) {
    return Fail(ErrorCode::kDenied,
                "the nonce " + std::to_string(transaction.nonce) + " is too far ahead" + next);
  }
  const std::uint64_t fee = chain_->genesis.spec.transaction_fee;
  if (state.balance < fee) {
    return Fail(ErrorCode::kDenied, "the account has " + std::to_string(state.balance) +
                                        " and the fee is " + std::to_string(fee));
  }
  return {};
}

}  // namespace node
