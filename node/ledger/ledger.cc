#include "node/ledger/ledger.h"

#include <algorithm>
#include <variant>

#include "node/ledger/accounts.h"
#include "node/ledger/attempts.h"
#include "node/ledger/epochs.h"
#include "node/ledger/evidence.h"
#include "node/ledger/models.h"
#include "node/ledger/outputs.h"
#include "node/ledger/requests.h"
#include "node/ledger/validators.h"
#include "proto/base/check.h"
#include "proto/crypto/merkle.h"

namespace node {

using proto::CheckedTransaction;
using proto::Digest;
using proto::ErrorCode;
using proto::Fail;
using proto::PartyId;
using proto::ReceiptCode;

namespace {

ReceiptCode CodeOf(CheckedTransaction::Flaw flaw) {
  switch (flaw) {
    case CheckedTransaction::Flaw::kMalformed:
      return ReceiptCode::kMalformed;
    case CheckedTransaction::Flaw::kWrongChain:
      return ReceiptCode::kWrongChain;
    case CheckedTransaction::Flaw::kBadSignature:
      return ReceiptCode::kBadSignature;
  }
  CHECK(false);
  return {};
}

Outcome ExecuteClients(Block& block, const proto::Transaction& transaction) {
  Outcome charged = ChargeFee(block, transaction.sender, transaction.nonce);
  if (charged.code != ReceiptCode::kDone) return charged;
  return std::visit(
      [&](const auto& payload) -> Outcome {
        if constexpr (requires { Execute(block, transaction.sender, payload); }) {
          return Execute(block, transaction.sender, payload);
        } else {
          CHECK(false);  // A validator's.
          return {};
        }
      },
      transaction.payload);
}

// Whom the payload's numbers of parties mean.
template <class P>
void SpeakOf(Block& block, const P& payload) {
  if constexpr (requires { payload.attempt; }) {
    block.SpeakOfAttempt(payload.attempt);
  } else if constexpr (requires { payload.finding.attempt; }) {
    block.SpeakOfAttempt(payload.finding.attempt);
  } else if constexpr (requires { payload.certificate.attempt; }) {
    block.SpeakOfAttempt(payload.certificate.attempt);
  } else if constexpr (requires { payload.request; }) {
    block.SpeakOfRequest(payload.request);
  } else {
    block.members = &block.epoch->validators;
  }
}

Outcome ExecuteValidators(Block& block, const proto::Transaction& transaction) {
  return std::visit(
      [&](const auto& payload) -> Outcome {
        SpeakOf(block, payload);
        if constexpr (requires { Execute(block, transaction.sender, payload); }) {
          return Execute(block, transaction.sender, payload);
        } else if constexpr (requires { Execute(block, PartyId{}, payload); }) {
          const auto sender = block.members->Find(transaction.sender);
          if (sender) return Execute(block, *sender, payload);
          return No(ReceiptCode::kNotValidator,
                    "only validators of its epoch may send this kind of transaction");
        } else {
          CHECK(false);  // A client's.
          return {};
        }
      },
      transaction.payload);
}

proto::Receipt ExecuteOne(Block& block, const CheckedTransaction& checked) {
  Outcome outcome;
  if (checked.opaque()) {
    // Ordered and stored: that is all there is to it.
  } else if (!checked.valid()) {
    outcome = No(CodeOf(checked.refusal().flaw), checked.refusal().message);
  } else if (proto::IsValidatorPayload(checked.transaction().payload)) {
    outcome = ExecuteValidators(block, checked.transaction());
  } else {
    outcome = ExecuteClients(block, checked.transaction());
  }
  return {checked.id(), outcome.code, outcome.created_model, outcome.created_request,
          std::move(outcome.message)};
}

template <class List, class Leaf>
Digest RootOf(const List& list, Leaf leaf) {
  std::vector<Digest> leaves;
  leaves.reserve(list.size());
  for (const auto& item : list) leaves.push_back(leaf(item));
  return proto::MerkleRoot(leaves);
}

proto::BlockHeader GenesisHeader(const Epoch& epoch, const StateTree& tree) {
  proto::BlockHeader header;
  header.transactions_root = proto::MerkleRoot({});
  header.receipts_root = proto::MerkleRoot({});
  header.state_root = tree.root();
  header.committee_hash = epoch.hash;
  return header;
}

}  // namespace

Ledger::Ledger(std::shared_ptr<const Chain> chain, std::shared_ptr<const Epoch> epoch,
               const proto::BlockHeader& header, StateTree tree)
    : chain_(std::move(chain)), epoch_(std::move(epoch)), tree_(std::move(tree)) {
  snapshots_.emplace_back(chain_, epoch_, header, tree_);
}

std::vector<KeyWrite> Ledger::GenesisState(const proto::Genesis& genesis) {
  StateView state{StateTree()};
  for (const proto::FundedAccount& account : genesis.accounts) {
    state.Put(proto::AccountKey(account.key), proto::Account{account.balance, 0});
  }
  proto::Staking staking;
  proto::Totals totals;
  for (const proto::ValidatorSpec& validator : genesis.validators) {
    proto::ValidatorRecord record;
    record.card = validator;
    record.card.coin_key = {};
    record.stake = genesis.spec.stake_min;
    staking.bonded.push_back(validator.key);
    totals.bonded += record.stake;
    state.Put(proto::ValidatorKey(validator.key), record);
  }
  state.Put(proto::EpochKey(proto::kFirstEpoch), proto::FirstEpoch(genesis));
  state.Put(proto::StakingKey(), staking);
  state.Put(proto::TurnKey(), proto::Turn{});
  state.Put(proto::TotalsKey(), totals);
  state.Put(proto::ActiveKey(), proto::Active{});
  state.Put(proto::OpenedKey(), proto::Opened{});
  return std::move(state).Finish().changes;
}

proto::Result<Ledger> Ledger::FromGenesis(const proto::Genesis& genesis) {
  auto parsed = proto::ParseGenesis(proto::FormatGenesis(genesis));
  if (!parsed) return tl::unexpected(parsed.error());
  auto chain = std::make_shared<const Chain>(*std::move(parsed));
  StateTree tree = StateTree().Apply(GenesisState(genesis));
  auto epoch = std::make_shared<const Epoch>(proto::FirstEpoch(chain->genesis));
  const proto::BlockHeader header = GenesisHeader(*epoch, tree);
  return Ledger(std::move(chain), std::move(epoch), header, std::move(tree));
}

proto::Result<Ledger> Ledger::Restore(const proto::Genesis& genesis,
                                      std::vector<std::pair<proto::Bytes, proto::Bytes>> state,
                                      const proto::BlockHeader& last) {
  auto parsed = proto::ParseGenesis(proto::FormatGenesis(genesis));
  if (!parsed) return tl::unexpected(parsed.error());
  auto chain = std::make_shared<const Chain>(*std::move(parsed));
  std::vector<KeyWrite> writes;
  writes.reserve(state.size());
  for (auto& [key, value] : state) writes.push_back({std::move(key), std::move(value)});
  StateTree tree = StateTree().Apply(writes);
  if (tree.root() != last.state_root) {
    return Fail(ErrorCode::kCorrupt, "the stored state of block " + std::to_string(last.height) +
                                         " has root " + tree.root().hex() +
                                         " and the header says " + last.state_root.hex());
  }
  const StateView view(tree);
  const auto totals = view.Find<proto::Totals>(proto::TotalsKey());
  const auto record =
      totals ? view.Find<proto::EpochRecord>(proto::EpochKey(totals->epoch)) : std::nullopt;
  if (!record) return Fail(ErrorCode::kCorrupt, "the stored state has no epoch");
  if (view.Find<proto::EpochRecord>(proto::EpochKey(proto::kFirstEpoch)) !=
      proto::FirstEpoch(chain->genesis)) {
    return Fail(ErrorCode::kCorrupt, "the stored blocks belong to another genesis document");
  }
  auto epoch = std::make_shared<const Epoch>(*record);
  const bool ended = last.next_committee_hash != Digest{};
  if (epoch->hash != (ended ? last.next_committee_hash : last.committee_hash)) {
    return Fail(ErrorCode::kCorrupt, "the stored blocks are signed by another committee");
  }
  return Ledger(std::move(chain), std::move(epoch), last, std::move(tree));
}

CheckedTransaction Ledger::Check(proto::Bytes transaction) const {
  return CheckedTransaction::Check(chain_->id, chain_->genesis.spec.transaction_bytes_max,
                                   std::move(transaction),
                                   chain_->genesis.spec.opaque_transactions);
}

BlockResult Ledger::Execute(const Commit& commit, std::vector<proto::Bytes> transactions) {
  std::vector<CheckedTransaction> checked;
  checked.reserve(transactions.size());
  for (proto::Bytes& bytes : transactions) checked.push_back(Check(std::move(bytes)));
  return Execute(commit, checked);
}

BlockResult Ledger::Execute(const Commit& commit,
                            const std::vector<CheckedTransaction>& transactions) {
  const proto::BlockHeader& last = header();
  CHECK(commit.index == last.commit_index + 1);
  // The rounds of an epoch's DAG go on where the ledger's were.
  const std::uint64_t round = epoch_->record.first_round + commit.round;
  CHECK(round >= last.round);
  Block block{*chain_, StateView(tree_), round, epoch_};
  block.members = &epoch_->validators;
  block.pools_changed = commit.index == epoch_->record.first_height;
  BlockResult result;
  ReleaseStakes(block);
  ExpireRequests(block);
  result.receipts.reserve(transactions.size());
  for (const CheckedTransaction& transaction : transactions) {
    result.receipts.push_back(ExecuteOne(block, transaction));
  }
  StartAttempts(block);
  DivideFees(block);
  auto next = TurnEpoch(block, last.height + 1);
  auto [tree, changes] = std::move(block.state).Finish();
  tree_ = std::move(tree);
  result.changes = std::move(changes);
  result.events = std::move(block.events);

  result.header.height = last.height + 1;
  result.header.parent = proto::BlockDigest(last);
  result.header.round = round;
  result.header.commit_index = commit.index;
  result.header.leader = commit.leader;
  result.header.transactions_root = RootOf(transactions, [](const CheckedTransaction& transaction) {
    return proto::MerkleLeaf(transaction.bytes());
  });
  result.header.receipts_root = RootOf(result.receipts, proto::ReceiptLeaf);
  result.header.state_root = tree_.root();
  result.header.committee_hash = epoch_->hash;
  if (next) {
    epoch_ = std::make_shared<const Epoch>(*std::move(next));
    result.header.next_committee_hash = epoch_->hash;
  }
  snapshots_.emplace_back(chain_, epoch_, result.header, tree_);
  if (snapshots_.size() > kSnapshotsMax) snapshots_.pop_front();
  return result;
}

std::optional<Snapshot> Ledger::snapshot(std::uint64_t height) const {
  const std::uint64_t lowest = snapshots_.front().header().height;
  if (height < lowest || height > header().height) return std::nullopt;
  return snapshots_[height - lowest];
}

proto::Result<> Ledger::Admit(proto::ByteSpan transaction) const {
  return snapshots_.back().Admit(Check({transaction.begin(), transaction.end()}));
}

}  // namespace node
