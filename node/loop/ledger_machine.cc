#include "node/loop/ledger_machine.h"

#include <algorithm>
#include <utility>

#include "node/loop/adopt.h"
#include "node/rpc/block_reader.h"
#include "proto/base/overloaded.h"
#include "proto/wire/evidence.h"

namespace node {

using proto::Bytes;
using proto::ByteSpan;
using proto::ErrorCode;
using proto::Fail;
using proto::Result;

namespace {

constexpr std::size_t kScanPage = 4096;
const Bytes kLastKey = {'l'};
const Bytes kChainKey = {'g'};

Bytes Prefixed(char prefix, ByteSpan key) {
  Bytes out;
  out.reserve(1 + key.size());
  out.push_back(static_cast<std::uint8_t>(prefix));
  out.insert(out.end(), key.begin(), key.end());
  return out;
}

// All of the ledger's state, in the order of its keys.
Result<std::vector<std::pair<Bytes, Bytes>>> ReadState(const KeyValueStore& store) {
  std::vector<std::pair<Bytes, Bytes>> state;
  Bytes after;
  for (;;) {
    auto page = store.Scan(Bytes{'s'}, after, kScanPage);
    if (!page) return tl::unexpected(page.error());
    if (page->empty()) return state;
    after = page->back().first;
    for (auto& [key, value] : *page) {
      state.emplace_back(Bytes(key.begin() + 1, key.end()), std::move(value));
    }
  }
}

// The store belongs to one chain, from its first opening on.
Result<> BindChain(const proto::Genesis& genesis, KeyValueStore& store) {
  const proto::Digest chain = proto::ChainId(genesis);
  const auto bound = store.Get(kChainKey);
  if (!bound) return tl::unexpected(bound.error());
  if (*bound) {
    if (std::ranges::equal(**bound, chain.bytes)) return {};
    return Fail(ErrorCode::kInvalidArgument,
                "the data directory belongs to another chain than the genesis document");
  }
  std::vector<KeyWrite> writes;
  for (KeyWrite& write : Ledger::GenesisState(genesis)) {
    writes.push_back({Prefixed('s', write.key), std::move(write.value)});
  }
  writes.push_back({kChainKey, Bytes(chain.bytes.begin(), chain.bytes.end())});
  return store.Apply(writes, true);
}

Result<Ledger> OpenLedger(const proto::Genesis& genesis, const KeyValueStore& store) {
  const auto last = store.Get(kLastKey);
  if (!last) return tl::unexpected(last.error());
  if (!*last) return Ledger::FromGenesis(genesis);
  const auto header = proto::DecodeBlockHeader(**last);
  if (!header) return tl::unexpected(header.error());
  auto state = ReadState(store);
  if (!state) return tl::unexpected(state.error());
  return Ledger::Restore(genesis, std::move(*state), *header);
}

}  // namespace

std::optional<Bytes> LedgerMachine::Disk::Get(ByteSpan key) const {
  auto value = store_.Get(Prefixed('c', key));
  if (!value) {
    failure_ = value.error().message;
    return std::nullopt;
  }
  return std::move(*value);
}

LedgerMachine::LedgerMachine(const proto::Genesis& genesis, proto::PartyId self,
                             proto::SecretKey key, proto::CoinSecret coin, KeyValueStore& store,
                             MachineOptions options, Ledger ledger)
    : genesis_(genesis),
      self_(self),
      key_(std::move(key)),
      coin_(std::move(coin)),
      store_(store),
      options_(options),
      disk_(std::make_unique<Disk>(store)),
      checker_(std::move(ledger)),
      ledger_(checker_),
      latest_(ledger_.snapshot()),
      guard_(genesis.committee(), self, key_.public_key(), proto::ChainId(genesis), proto::kEpoch,
             options.nonce),
      server_(options.retain_rounds) {}

LedgerMachine::~LedgerMachine() = default;

Result<std::unique_ptr<LedgerMachine>> LedgerMachine::Open(
    const proto::Genesis& genesis, proto::PartyId self, proto::SecretKey key,
    proto::CoinSecret coin, KeyValueStore& store, MachineOptions options) {
  auto empty = Ledger::FromGenesis(genesis);
  if (!empty) return tl::unexpected(empty.error());
  if (auto bound = BindChain(genesis, store); !bound) return tl::unexpected(bound.error());
  std::unique_ptr<LedgerMachine> machine(new LedgerMachine(
      genesis, self, std::move(key), std::move(coin), store, options, std::move(*empty)));
  const auto download = FindDownload(store);
  if (!download) return tl::unexpected(download.error());
  if (*download && (*download)->adopting) {
    if (auto finished = machine->FinishAdopting(**download); !finished) {
      return tl::unexpected(finished.error());
    }
  }
  if (auto opened = machine->OpenCore(); !opened) return tl::unexpected(opened.error());
  return machine;
}

consensus::Config LedgerMachine::CoreConfig() const {
  return {.committee = genesis_.committee(),
          .keys = genesis_.keys(),
          .chain = proto::ChainId(genesis_),
          .epoch = proto::kEpoch,
          .coin = genesis_.coin_key(),
          .gc_depth = static_cast<std::uint32_t>(genesis_.spec.gc_depth),
          .self = self_,
          .retain_rounds = options_.retain_rounds};
}

// Ledger and consensus as the store has them.
Result<> LedgerMachine::OpenCore() {
  auto ledger = OpenLedger(genesis_, store_);
  if (!ledger) return tl::unexpected(ledger.error());
  ledger_ = std::move(*ledger);
  latest_ = ledger_.snapshot();
  auto core = consensus::Core::Open(CoreConfig(), key_.Clone(), coin_.Clone(), *disk_,
                                    latest_.header().commit_index);
  if (!core) return tl::unexpected(core.error());
  core_ = std::move(*core);
  if (!guard_.certain()) core_->Silence();
  return RestoreProven();
}

// The newest block is provable at once after a restart if its signatures were seen before.
Result<> LedgerMachine::RestoreProven() {
  unproven_.clear();
  if (latest_.header().height == 0) return {};
  auto signatures = ReadSignatures(store_, latest_.header().height);
  if (!signatures) return tl::unexpected(signatures.error());
  if (signatures->empty()) {
    unproven_.push_back(latest_);
  } else {
    proven_ = ProvenBlock{latest_.header(), std::move(*signatures), latest_};
    server_.Add(*proven_);
  }
  return {};
}

void LedgerMachine::Start() {
  Run(core_->Start());
  // Blocks that were executed and perhaps signed, but not seen proven, before the restart.
  for (std::uint64_t height = latest_.header().height; height > 0; --height) {
    const auto block = ReadBlock(store_, height);
    if (!block || !*block || !(*block)->signatures.empty()) break;
    Run(core_->SignBlock((*block)->header.commit_index, proto::BlockDigest((*block)->header)));
  }
  StartSync();
}

void LedgerMachine::Handle(proto::PartyId from, proto::dag::Message message) {
  Run(core_->Handle(from, std::move(message)));
}

void LedgerMachine::Tick() {
  Run(core_->Tick());
}

void LedgerMachine::PeerConnected(proto::PartyId party) {
  Run(core_->PeerConnected(party));
  Ask(party);
}

Result<proto::Digest> LedgerMachine::Submit(Bytes transaction) {
  std::vector<proto::CheckedTransaction> one;
  one.push_back(Check(std::move(transaction)));
  return std::move(SubmitAll(std::move(one)).front());
}

std::vector<Result<proto::Digest>> LedgerMachine::SubmitAll(
    std::vector<proto::CheckedTransaction> transactions) {
  std::vector<Result<proto::Digest>> answers;
  answers.reserve(transactions.size());
  std::vector<Bytes> admitted;
  admitted.reserve(transactions.size());
  for (const proto::CheckedTransaction& transaction : transactions) {
    if (core_->observing()) {
      answers.push_back(Fail(ErrorCode::kUnavailable,
                             "this validator only observes and proposes nothing; use another"));
    } else if (auto admission = latest_.Admit(transaction); !admission) {
      answers.push_back(tl::unexpected(admission.error()));
    } else {
      answers.emplace_back(transaction.id());
      admitted.push_back(transaction.bytes());
    }
  }
  if (admitted.empty()) return answers;
  auto step = core_->Submit(std::move(admitted));
  if (!step) {
    for (auto& answer : answers) {
      if (answer) answer = tl::unexpected(step.error());
    }
    return answers;
  }
  for (std::size_t i = 0; i < answers.size(); ++i) {
    if (answers[i]) Remember(std::move(transactions[i]));
  }
  Run(std::move(*step));
  return answers;
}

void LedgerMachine::AddChecked(std::vector<proto::CheckedTransaction> transactions) {
  for (auto& transaction : transactions) Remember(std::move(transaction));
}

// What costs no more to check than to find is not kept.
void LedgerMachine::Remember(proto::CheckedTransaction transaction) {
  if (!transaction.opaque()) checked_.Add(std::move(transaction));
}

LedgerMachine::Step LedgerMachine::Flush() {
  if (sync_due_ && !pending_.halt) Write({}, true);
  sync_due_ = false;
  if (!disk_->failure().empty()) Halt(disk_->failure());
  // After a failed write nothing may leave: it would not be remembered.
  if (pending_.halt) {
    pending_.messages.clear();
    pending_.sync_messages.clear();
    pending_.events.clear();
  }
  return std::exchange(pending_, {});
}

void LedgerMachine::Run(consensus::Step step) {
  std::vector<KeyWrite> writes;
  writes.reserve(step.writes.size());
  for (consensus::Write& write : step.writes) {
    writes.push_back({Prefixed('c', write.key), std::move(write.value)});
  }
  if (!writes.empty()) Write(writes, false);
  sync_due_ |= step.sync;
  for (auto& message : step.messages) pending_.messages.push_back(std::move(message));
  pending_.faults.insert(pending_.faults.end(), step.faults.begin(), step.faults.end());
  for (consensus::Output& output : step.outputs) {
    std::visit(proto::Overloaded{
                   [&](consensus::Commit& commit) { Execute(std::move(commit)); },
                   [&](const consensus::Finalized& finalized) { Prove(finalized); },
                   [&](const consensus::Evidence& evidence) { Report(evidence); },
                   [&](const consensus::NeedSnapshot& need) { Fetch(need.oldest_round); },
                   [&](const consensus::Halt& halt) { Halt(halt.reason); },
               },
               output);
  }
}

void LedgerMachine::Execute(consensus::Commit commit) {
  if (commit.index <= latest_.header().commit_index) return;  // Delivered again.
  std::vector<proto::CheckedTransaction> transactions;
  transactions.reserve(commit.transactions.size());
  for (Bytes& bytes : commit.transactions) {
    auto checked = checked_.Take(bytes);
    transactions.push_back(checked ? std::move(*checked) : Check(std::move(bytes)));
  }
  executed_transactions_ += transactions.size();
  BlockResult result =
      ledger_.Execute(node::Commit{commit.index, commit.round, commit.leader}, transactions);
  std::vector<KeyWrite> writes;
  for (auto& change : result.changes) {
    writes.push_back({Prefixed('s', change.key), std::move(change.value)});
  }
  StoredBlock block{result.header, {}, {}, std::move(result.receipts)};
  block.transactions.reserve(transactions.size());
  for (proto::CheckedTransaction& transaction : transactions) {
    block.transactions.push_back(std::move(transaction).TakeBytes());
  }
  auto block_writes = BlockWrites(store_, block);
  if (!block_writes) return Halt(block_writes.error().message);
  for (KeyWrite& write : *block_writes) writes.push_back(std::move(write));
  writes.push_back({kLastKey, proto::EncodeBlockHeader(result.header)});
  Write(writes, false);
  sync_due_ = true;
  latest_ = ledger_.snapshot();
  unproven_.push_back(latest_);
  if (unproven_.size() > kUnprovenBlocksMax) unproven_.pop_front();
  for (Event& event : result.events) pending_.events.push_back(std::move(event));
  CheckOwnWords(commit);
  Run(core_->SignBlock(commit.index, proto::BlockDigest(result.header)));
}

void LedgerMachine::Prove(const consensus::Finalized& finalized) {
  // Heights are commit indices: one commit makes one block.
  Write({SignaturesWrite(finalized.index, finalized.signatures)}, false);
  const auto snapshot = std::ranges::find(
      unproven_, finalized.index, [](const Snapshot& s) { return s.header().commit_index; });
  if (snapshot == unproven_.end()) return;
  if (!proven_ || proven_->header.height < snapshot->header().height) {
    proven_ = ProvenBlock{snapshot->header(), finalized.signatures, *snapshot};
    server_.Add(*proven_);
  }
  unproven_.erase(unproven_.begin(), snapshot + 1);
}

void LedgerMachine::Report(const consensus::Evidence& evidence) {
  pending_.notes.push_back(genesis_.validators[Index(evidence.offender)].name +
                           " contradicted itself; the evidence goes onto the ledger");
  proto::Transaction transaction;
  transaction.chain = proto::ChainId(genesis_);
  transaction.sender = key_.public_key();
  transaction.payload = proto::ReportEvidence{evidence.bytes};
  const auto submitted = Submit(proto::SignTransaction(key_, std::move(transaction)));
  if (!submitted) pending_.notes.push_back(submitted.error().message);
}

void LedgerMachine::Write(const std::vector<KeyWrite>& writes, bool sync) {
  const auto applied = store_.Apply(writes, sync);
  if (!applied) Halt(applied.error().message);
}

void LedgerMachine::Halt(const std::string& reason) {
  if (!pending_.halt) pending_.halt = reason;
}

}  // namespace node
