// The ledger machine's part in the turn of epochs: whose core runs, with which keys.

#include <algorithm>
#include <utility>

#include "consensus/core/unordered.h"
#include "node/ledger/epochs.h"
#include "node/loop/adopt.h"
#include "node/loop/ledger_machine_disk.h"
#include "proto/crypto/dealing.h"
#include "proto/crypto/hash.h"

namespace node {

using proto::Bytes;
using proto::ErrorCode;
using proto::Fail;
using proto::Result;

namespace {

constexpr std::size_t kErasePage = 512;  // Keys of old epochs erased at a time.

}  // namespace

const proto::SecretKey* LedgerMachine::KeyIn(const Members& members) const {
  const auto key = std::ranges::find_if(keys_.keys, [&](const proto::SecretKey& candidate) {
    return members.Find(candidate.public_key()).has_value();
  });
  return key == keys_.keys.end() ? nullptr : &*key;
}

Result<proto::CoinSecret> LedgerMachine::CoinSecretOf(const Epoch& epoch,
                                                      const proto::SecretKey& key) const {
  if (epoch.record.number == proto::kFirstEpoch) {
    if (keys_.first_coin) return keys_.first_coin->Clone();
    return Fail(ErrorCode::kInvalidArgument,
                "the key file has no share of the first epoch's coin key");
  }
  const auto dealings = latest_.dealings(epoch.record.number);
  if (!dealings) return Fail(ErrorCode::kCorrupt, "the ledger lacks the epoch's dealings");
  return EpochCoinSecret(ledger_.chain().id, epoch, *dealings, key);
}

consensus::Config LedgerMachine::CoreConfig(const Epoch& epoch, proto::PartyId self) const {
  return {.committee = epoch.validators.committee,
          .keys = epoch.validators.keys,
          .chain = ledger_.chain().id,
          .epoch = epoch.record.number,
          .coin = epoch.record.coin_key(),
          .gc_depth = static_cast<std::uint32_t>(genesis_.spec.gc_depth),
          .self = self,
          .retain_rounds = options_.retain_rounds,
          .commits_before = epoch.record.first_height - 1};
}

Result<> LedgerMachine::OpenCore() {
  core_.reset();
  self_.reset();
  own_.clear();
  const std::uint64_t number = epoch_->record.number;
  disk_ = std::make_unique<Disk>(store_, number);
  const proto::SecretKey* key = KeyIn(epoch_->validators);
  if (key == nullptr || IsSet('o', number)) return {};
  // Erased when that epoch was over; here it is read again.
  if (number == proto::kFirstEpoch && !keys_.first_coin) return {};
  auto coin = CoinSecretOf(*epoch_, *key);
  if (!coin) return tl::unexpected(coin.error());
  const proto::PartyId self = *epoch_->validators.Find(key->public_key());
  auto core = consensus::Core::Open(CoreConfig(*epoch_, self), key->Clone(), std::move(*coin),
                                    *disk_, latest_.header().commit_index);
  if (!core) return tl::unexpected(core.error());
  core_ = std::move(*core);
  self_ = self;
  if (!guard_ || guard_->epoch() != number) {
    guard_.emplace(epoch_->validators.committee, *self_, key->public_key(), ledger_.chain().id,
                   number, options_.nonce);
  }
  certain_ = guard_->certain();
  if (!certain_) core_->Silence();
  return {};
}

// It is proved to be over: its core must not run again.
void LedgerMachine::LeaveEpoch() {
  Write({{Numbered('o', epoch_->record.number), Bytes{1}}}, true);
  core_.reset();
}

void LedgerMachine::SwitchEpoch() {
  switch_due_ = false;
  epoch_ = latest_.epoch();
  if (auto opened = OpenCore(); !opened) return Halt(opened.error().message);
  BeginEpoch();
}

void LedgerMachine::BeginEpoch() {
  const std::uint64_t number = epoch_->record.number;
  left_behind_ = false;
  dealt_at_ = 0;
  erase_due_ = true;
  if (download_ && download_->epoch()->record.number < number) {
    download_.reset();
    if (const auto dropped = DropDownload(store_); !dropped) return Halt(dropped.error().message);
  }
  pending_.notes.push_back("epoch " + std::to_string(number) + " begins" +
                           (core_ ? "" : "; this node is no member and follows"));
  if (core_) Run(core_->Start());
  GuardWords();
  TakeOver();
}

// Transactions that waited here when the last epoch that this node knew ended are this one's.
void LedgerMachine::TakeOver() {
  const std::uint64_t number = epoch_->record.number;
  if (number == proto::kFirstEpoch || IsSet('w', number)) return;
  std::uint64_t known = number - 1;
  while (known > proto::kFirstEpoch && !IsSet('w', known)) --known;
  const Epoch before(*latest_.epoch(known));
  if (const proto::SecretKey* key = KeyIn(before.validators)) {
    const Disk disk(store_, known);
    const std::uint64_t last = latest_.epoch(known + 1)->first_height - 1;
    auto waiting = consensus::Unordered(
        CoreConfig(before, *before.validators.Find(key->public_key())), disk, last);
    if (!waiting) return Halt(waiting.error().message);
    for (Bytes& transaction : *waiting) {
      // Most often its nonce is used: somebody else's copy was executed.
      if (auto again = Submit(std::move(transaction)); !again) continue;
    }
  }
  Write({{Numbered('w', number), Bytes{1}}}, false);
  sync_due_ = true;
}

void LedgerMachine::EraseOldEpochs() {
  if (!erase_due_) return;
  const auto page = store_.Scan(Bytes{'c'}, {}, kErasePage);
  if (!page) return Halt(page.error().message);
  const Bytes present = Numbered('c', epoch_->record.number);
  std::vector<KeyWrite> writes;
  for (const auto& [key, value] : *page) {
    if (key < present) writes.push_back({key, std::nullopt});
  }
  erase_due_ = !writes.empty();
  if (erase_due_) Write(writes, false);
}

// A member of the next epoch deals its coin's key: always the same dealing, however often.
void LedgerMachine::DealIfDue() {
  const std::uint64_t height = latest_.header().height;
  if (dealt_at_ != 0 && height < dealt_at_ + kDealAgainBlocks) return;
  const proto::Turn turn = latest_.turn();
  if (turn.epoch == 0) return;
  std::vector<proto::PublicKey> keys;
  for (const proto::ValidatorSpec& card : turn.validators) keys.push_back(card.key);
  const Members members(turn.epoch, keys);
  const proto::SecretKey* key = KeyIn(members);
  dealt_at_ = height;
  if (key == nullptr) return;
  const auto self = *members.Find(key->public_key());
  if (std::ranges::count(turn.dealings, self, &proto::Turn::Dealt::dealer) > 0) return;
  proto::Digest entropy = proto::Hasher("waxseal/coin-dealing-entropy")
                              .Add(key->secret_bytes())
                              .Add(turn.epoch)
                              .Finish();
  const auto context = proto::CoinDealingContext(ledger_.chain().id, turn.epoch, key->public_key());
  const proto::Dealing dealing =
      proto::Deal(context, keys, members.committee.validity(), entropy.span());
  proto::SecureErase(entropy.bytes.data(), entropy.bytes.size());
  proto::Transaction transaction;
  transaction.chain = ledger_.chain().id;
  transaction.sender = key->public_key();
  transaction.payload = proto::DealCoinKey{turn.epoch, proto::EncodeDealing(dealing)};
  const auto submitted = Submit(proto::SignTransaction(*key, std::move(transaction)));
  if (!submitted) pending_.notes.push_back(submitted.error().message);
}

}  // namespace node
