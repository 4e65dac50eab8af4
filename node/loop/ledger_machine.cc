#include "node/loop/ledger_machine.h"

#include <algorithm>
#include <utility>

#include "node/ledger/light_client.h"
#include "node/loop/adopt.h"
#include "node/loop/ledger_machine_disk.h"
#include "proto/base/check.h"
#include "proto/base/overloaded.h"
#include "proto/crypto/merkle.h"
#include "proto/wire/evidence.h"

namespace node {

using proto::Bytes;
using proto::ErrorCode;
using proto::Fail;
using proto::Result;

namespace {

constexpr std::size_t kScanPage = 4096;
const Bytes kChainKey = {'g'};

proto::Digest TransactionsRoot(const std::vector<Bytes>& transactions) {
  std::vector<proto::Digest> leaves;
  for (const Bytes& transaction : transactions) leaves.push_back(proto::MerkleLeaf(transaction));
  return proto::MerkleRoot(leaves);
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
  const auto last = store.Get(NewestHeaderKey());
  if (!last) return tl::unexpected(last.error());
  if (!*last) return Ledger::FromGenesis(genesis);
  const auto header = proto::DecodeBlockHeader(**last);
  if (!header) return tl::unexpected(header.error());
  auto state = ReadState(store);
  if (!state) return tl::unexpected(state.error());
  return Ledger::Restore(genesis, std::move(*state), *header);
}

}  // namespace

LedgerMachine::LedgerMachine(const proto::Genesis& genesis, ValidatorKeys keys,
                             KeyValueStore& store, MachineOptions options, Ledger ledger)
    : genesis_(genesis),
      keys_(std::move(keys)),
      store_(store),
      options_(options),
      checker_(std::move(ledger)),
      ledger_(checker_),
      latest_(ledger_.snapshot()),
      epoch_(latest_.epoch()),
      server_(options.retain_rounds) {}

LedgerMachine::~LedgerMachine() = default;

Result<std::unique_ptr<LedgerMachine>> LedgerMachine::Open(const proto::Genesis& genesis,
                                                           ValidatorKeys keys, KeyValueStore& store,
                                                           MachineOptions options) {
  CHECK(!keys.keys.empty());
  auto empty = Ledger::FromGenesis(genesis);
  if (!empty) return tl::unexpected(empty.error());
  if (auto bound = BindChain(genesis, store); !bound) return tl::unexpected(bound.error());
  std::unique_ptr<LedgerMachine> machine(
      new LedgerMachine(genesis, std::move(keys), store, options, std::move(*empty)));
  const auto download = FindDownload(store);
  if (!download) return tl::unexpected(download.error());
  if (*download && (*download)->record.adopting) {
    const auto finished = machine->FinishAdopting((*download)->record, Epoch((*download)->epoch));
    if (!finished) return tl::unexpected(finished.error());
  }
  if (auto opened = machine->OpenState(); !opened) return tl::unexpected(opened.error());
  return machine;
}

Result<> LedgerMachine::OpenState() {
  auto ledger = OpenLedger(genesis_, store_);
  if (!ledger) return tl::unexpected(ledger.error());
  ledger_ = std::move(*ledger);
  latest_ = ledger_.snapshot();
  switch_due_ = false;
  if (auto restored = RestoreProven(); !restored) return restored;
  // An epoch is over when its last block is proved.
  epoch_ = latest_.epoch();
  if (latest_.header().next_committee_hash != proto::Digest{} && !proven_) {
    epoch_ = std::make_shared<const Epoch>(*latest_.epoch(latest_.epoch()->record.number - 1));
  }
  return OpenCore();
}

// The newest block is provable at once after a restart if its signatures were seen before.
Result<> LedgerMachine::RestoreProven() {
  unproven_.clear();
  proven_.reset();
  const proto::BlockHeader& header = latest_.header();
  if (header.height == 0) return {};
  auto signatures = ReadSignatures(store_, header.height);
  if (!signatures) return tl::unexpected(signatures.error());
  if (signatures->empty()) {
    unproven_.push_back(latest_);
    return {};
  }
  proven_ = ProvenBlock{header, std::move(*signatures), latest_};
  server_.Add(*proven_);
  if (header.next_committee_hash == proto::Digest{}) return {};
  // Perhaps it came by snapshot.
  return store_.Apply({LinkWrite({header, proven_->signatures, latest_.epoch()->record})}, false);
}

// ---- calls --------------------------------------------------------------------------------------

void LedgerMachine::Start() {
  if (core_) {
    Run(core_->Start());
    // Blocks that were executed and perhaps signed, but not seen proven, before the restart.
    for (std::uint64_t height = latest_.header().height; height >= epoch_->record.first_height;
         --height) {
      const auto block = ReadBlock(store_, height);
      if (!block || !*block || !(*block)->signatures.empty()) break;
      Run(core_->SignBlock((*block)->header.commit_index, proto::BlockDigest((*block)->header)));
    }
  }
  GuardWords();
  ResumeDownload();
  if (!ended()) TakeOver();
  DealIfDue();
  if (switch_due_) SwitchEpoch();
}

void LedgerMachine::Handle(const proto::PublicKey& from, std::uint64_t epoch,
                           proto::dag::Message message) {
  if (epoch > epoch_->record.number) left_behind_ = true;
  const auto party = epoch_->validators.Find(from);
  if (!core_ || !party || epoch != epoch_->record.number) return;
  Run(core_->Handle(*party, std::move(message)));
  if (switch_due_) SwitchEpoch();
}

void LedgerMachine::Tick() {
  if (core_) Run(core_->Tick());
  if (switch_due_) SwitchEpoch();
  EraseOldEpochs();
}

void LedgerMachine::PeerConnected(const proto::PublicKey& peer) {
  const auto party = epoch_->validators.Find(peer);
  if (!core_ || !party) return;
  Run(core_->PeerConnected(*party));
  if (core_ && guard_ && !core_->observing()) Send(guard_->AskOne(*party));
  if (switch_due_) SwitchEpoch();
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
    if (core_ && core_->observing()) {
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
  if (!core_) {
    std::ranges::move(admitted, std::back_inserter(pending_.forwards));
    return answers;
  }
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

Result<> LedgerMachine::Follow(const BlockRun& page) {
  const auto deny = [](const char* what) { return Fail(ErrorCode::kDenied, what); };
  if (core_) {
    // Its own consensus goes on, unless the epoch is proved to be over.
    if (page.link.empty()) {
      left_behind_ = false;
      return {};
    }
    const auto link = proto::DecodeLink(page.link);
    if (!link) return tl::unexpected(link.error());
    if (link->next.number != epoch_->record.number + 1) return {};
    if (link->header.next_committee_hash != proto::CommitteeHash(link->next)) {
      return deny("the link names another committee");
    }
    if (auto proved =
            VerifyHeader(ledger_.chain().id, epoch_->record, link->header, link->signatures);
        !proved) {
      return proved;
    }
    if (link->header == latest_.header()) {
      Prove(link->header.height, link->signatures);
      if (switch_due_) SwitchEpoch();
      return {};
    }
    if (ended()) return deny("the epoch ended with another block");
    LeaveEpoch();
  }
  const auto begin = std::ranges::find_if(page.blocks, [&](const BlockRun::Entry& block) {
    return block.header.height >= wanted_height();
  });
  proto::BlockHeader last = latest_.header();
  for (auto block = begin; block != page.blocks.end(); ++block) {
    const proto::BlockHeader& header = block->header;
    const bool follows =
        header == last ||
        (header.height == last.height + 1 && header.parent == proto::BlockDigest(last) &&
         header.transactions_root == TransactionsRoot(block->transactions));
    if (!follows) return deny("the blocks do not follow one another");
    last = header;
    if (block->signatures.empty() && block + 1 != page.blocks.end()) continue;
    if (auto proved = VerifyHeader(ledger_.chain().id, epoch_->record, header, block->signatures);
        !proved) {
      return proved;
    }
  }
  for (auto block = begin; block != page.blocks.end() && !pending_.halt; ++block) {
    const auto& [header, transactions, signatures] = *block;
    if (header.height > latest_.header().height) {
      Append({header.commit_index, header.round - epoch_->record.first_round, header.leader},
             transactions);
    }
    if (latest_.header() != header) {
      Halt("this node's execution of block " + std::to_string(header.height) +
           " differs from what n - f validators signed");
    } else if (!signatures.empty()) {
      Prove(header.height, signatures);
    }
  }
  if (switch_due_) SwitchEpoch();
  return {};
}

LedgerMachine::Step LedgerMachine::Flush() {
  HandleOwn();
  if (sync_due_ && !pending_.halt) Write({}, true);
  sync_due_ = false;
  if (!disk_->failure().empty()) Halt(disk_->failure());
  // After a failed write nothing may leave: it would not be remembered.
  if (pending_.halt) {
    pending_.messages.clear();
    pending_.sync_messages.clear();
    pending_.questions.clear();
    pending_.events.clear();
    pending_.forwards.clear();
  }
  return std::exchange(pending_, {});
}

// An epoch that ends meanwhile takes its messages with it.
void LedgerMachine::HandleOwn() {
  while (!own_.empty() && core_ && !pending_.halt) {
    proto::dag::Message message = std::move(own_.front());
    own_.pop_front();
    Run(core_->Handle(*self_, std::move(message)));
    if (switch_due_) SwitchEpoch();
  }
  own_.clear();
}

// ---- what follows -------------------------------------------------------------------------------

void LedgerMachine::Run(consensus::Step step) {
  std::vector<KeyWrite> writes;
  writes.reserve(step.writes.size());
  for (consensus::Write& write : step.writes) {
    writes.push_back({disk_->KeyOf(write.key), std::move(write.value)});
  }
  if (!writes.empty()) Write(writes, false);
  sync_due_ |= step.sync;
  for (auto& [target, message] : step.messages) {
    if (target.Includes(*self_)) own_.push_back(message);
    pending_.messages.push_back({epoch_, target, std::move(message)});
  }
  for (const proto::Fault& fault : step.faults) {
    pending_.faults.push_back({epoch_->validators.keys[Index(fault.party)], fault.kind});
  }
  for (consensus::Output& output : step.outputs) {
    std::visit(proto::Overloaded{
                   [&](consensus::Commit& commit) { Execute(std::move(commit)); },
                   [&](const consensus::Finalized& f) { Prove(f.index, f.signatures); },
                   [&](const consensus::Evidence& evidence) { Report(evidence); },
                   [&](const consensus::NeedSnapshot& need) { Fetch(need.oldest_round); },
                   [&](const consensus::Halt& halt) { Halt(halt.reason); },
               },
               output);
  }
}

void LedgerMachine::Execute(consensus::Commit commit) {
  // Delivered again, or ordered after the epoch's last block.
  if (commit.index <= latest_.header().commit_index || ended()) return;
  Append({commit.index, commit.round, commit.leader}, std::move(commit.transactions));
  CheckOwnWords(commit);
  Run(core_->SignBlock(commit.index, proto::BlockDigest(latest_.header())));
  // Where this node is slower than n - f others their signatures were here before the block.
  const auto early = ReadSignatures(store_, latest_.header().height);
  if (!early) return Halt(early.error().message);
  if (!early->empty() && !pending_.halt) Prove(latest_.header().height, *early);
}

void LedgerMachine::Append(const node::Commit& commit, std::vector<Bytes> transactions) {
  std::vector<proto::CheckedTransaction> checked;
  checked.reserve(transactions.size());
  for (Bytes& bytes : transactions) {
    auto known = checked_.Take(bytes);
    checked.push_back(known ? std::move(*known) : Check(std::move(bytes)));
  }
  executed_transactions_ += checked.size();
  BlockResult result = ledger_.Execute(commit, checked);
  std::vector<KeyWrite> writes;
  for (auto& change : result.changes) {
    writes.push_back({Prefixed('s', change.key), std::move(change.value)});
  }
  StoredBlock block{result.header, {}, {}, std::move(result.receipts)};
  block.transactions.reserve(checked.size());
  for (proto::CheckedTransaction& transaction : checked) {
    block.transactions.push_back(std::move(transaction).TakeBytes());
  }
  auto block_writes = BlockWrites(store_, block);
  if (!block_writes) return Halt(block_writes.error().message);
  for (KeyWrite& write : *block_writes) writes.push_back(std::move(write));
  writes.push_back({NewestHeaderKey(), proto::EncodeBlockHeader(result.header)});
  Write(writes, false);
  sync_due_ = true;
  latest_ = ledger_.snapshot();
  unproven_.push_back(latest_);
  if (unproven_.size() > kUnprovenBlocksMax) unproven_.pop_front();
  for (Event& event : result.events) pending_.events.push_back(std::move(event));
  DealIfDue();
}

void LedgerMachine::Prove(std::uint64_t height, const BlockSignatures& signatures) {
  // Heights are commit indices: one commit makes one block.
  Write({SignaturesWrite(height, signatures)}, false);
  const auto snapshot =
      std::ranges::find(unproven_, height, [](const Snapshot& s) { return s.header().height; });
  if (snapshot == unproven_.end()) return;
  if (!proven_ || proven_->header.height < height) {
    proven_ = ProvenBlock{snapshot->header(), signatures, *snapshot};
    server_.Add(*proven_);
  }
  unproven_.erase(unproven_.begin(), snapshot + 1);
  if (ended() && height == latest_.header().height) {
    Write({LinkWrite({latest_.header(), signatures, latest_.epoch()->record})}, false);
    sync_due_ = true;
    switch_due_ = true;
  }
}

void LedgerMachine::Report(const consensus::Evidence& evidence) {
  pending_.notes.push_back(epoch_->record.validators[Index(evidence.offender)].name +
                           " contradicted itself; the evidence goes onto the ledger");
  const proto::SecretKey& key = *KeyIn(epoch_->validators);
  proto::Transaction transaction;
  transaction.chain = ledger_.chain().id;
  transaction.sender = key.public_key();
  transaction.payload = proto::ReportEvidence{evidence.bytes};
  const auto submitted = Submit(proto::SignTransaction(key, std::move(transaction)));
  if (!submitted) pending_.notes.push_back(submitted.error().message);
}

bool LedgerMachine::IsSet(char mark, std::uint64_t epoch) {
  const auto value = store_.Get(Numbered(mark, epoch));
  if (!value) Halt(value.error().message);
  return value && value->has_value();
}

void LedgerMachine::Write(const std::vector<KeyWrite>& writes, bool sync) {
  const auto applied = store_.Apply(writes, sync);
  if (!applied) Halt(applied.error().message);
}

void LedgerMachine::Halt(const std::string& reason) {
  if (!pending_.halt) pending_.halt = reason;
}

}  // namespace node
