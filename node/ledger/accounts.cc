#include "node/ledger/accounts.h"

#include <string>

#include "proto/base/check.h"

namespace node {

using proto::PartyId;
using proto::ReceiptCode;

namespace {

std::vector<PartyId> Earning(const Block& block, const Members& members,
                             const std::vector<PartyId>& parties) {
  std::vector<PartyId> earning;
  for (const PartyId party : parties) {
    const proto::Bytes key = proto::ValidatorKey(members.keys[Index(party)]);
    if (!block.state.Get<proto::ValidatorRecord>(key).evidence) earning.push_back(party);
  }
  return earning;
}

}  // namespace

proto::Account GetAccount(const StateView& state, const proto::PublicKey& key) {
  return state.Find<proto::Account>(proto::AccountKey(key)).value_or(proto::Account{});
}

void Credit(StateView& state, const proto::PublicKey& key, std::uint64_t amount) {
  proto::Account account = GetAccount(state, key);
  CHECK(amount <= proto::kAmountMax - account.balance);
  account.balance += amount;
  state.Put(proto::AccountKey(key), account);
}

void Debit(StateView& state, const proto::PublicKey& key, std::uint64_t amount) {
  proto::Account account = GetAccount(state, key);
  CHECK(amount <= account.balance);
  account.balance -= amount;
  state.Put(proto::AccountKey(key), account);
}

std::vector<PartyId> PayMembers(Block& block, std::uint64_t amount,
                                const std::vector<PartyId>& members) {
  const std::vector<PartyId> earning = Earning(block, *block.members, members);
  if (earning.empty()) {
    block.fees += amount;
    return earning;
  }
  const std::uint64_t part = amount / earning.size();
  for (const PartyId member : earning) {
    const std::uint64_t rest = member == earning.front() ? amount % earning.size() : 0;
    Credit(block.state, block.members->keys[Index(member)], part + rest);
  }
  return earning;
}

Outcome ChargeFee(Block& block, const proto::PublicKey& sender, std::uint64_t nonce) {
  const std::uint64_t fee = block.spec().transaction_fee;
  proto::Account account = GetAccount(block.state, sender);
  if (nonce != account.nonce) {
    return No(ReceiptCode::kBadNonce, "the nonce is " + std::to_string(nonce) +
                                          " where the account's next is " +
                                          std::to_string(account.nonce));
  }
  if (account.balance < fee) {
    return No(ReceiptCode::kNoFee, "the account has " + std::to_string(account.balance) +
                                       " and the fee is " + std::to_string(fee));
  }
  account.nonce += 1;
  account.balance -= fee;
  block.state.Put(proto::AccountKey(sender), account);
  block.fees += fee;
  return {};
}

void DivideFees(Block& block) {
  if (block.fees == 0) return;
  auto totals = block.state.Get<proto::Totals>(proto::TotalsKey());
  totals.fees += block.fees;
  block.fees = 0;
  std::vector<PartyId> all;
  const Members& validators = block.epoch->validators;
  for (std::uint16_t i = 0; i < validators.committee.size(); ++i) all.push_back(PartyId{i});
  const std::vector<PartyId> earning = Earning(block, validators, all);
  if (!earning.empty()) {
    const std::uint64_t part = totals.fees / earning.size();
    totals.fees %= earning.size();
    for (const PartyId member : earning) {
      if (part > 0) Credit(block.state, validators.keys[Index(member)], part);
    }
  }
  block.state.Put(proto::TotalsKey(), totals);
}

Outcome Execute(Block& block, const proto::PublicKey& sender, const proto::Transfer& transfer) {
  const proto::Account account = GetAccount(block.state, sender);
  if (account.balance < transfer.amount) {
    return No(ReceiptCode::kNoFunds, "the account has " + std::to_string(account.balance) +
                                         " after the fee and the transfer is of " +
                                         std::to_string(transfer.amount));
  }
  // What is sent to no key would be lost. An account that is there was checked before.
  if (!block.state.Has(proto::AccountKey(transfer.to)) && !transfer.to.OnCurve()) {
    return No(ReceiptCode::kBadRecipient, "the recipient is no public key");
  }
  Debit(block.state, sender, transfer.amount);
  Credit(block.state, transfer.to, transfer.amount);
  return {};
}

Outcome Execute(Block& block, const proto::PublicKey&, const proto::Opaque&) {
  CHECK(block.spec().opaque_transactions);
  return {};
}

}  // namespace node
