// The ledger machine's part in synchronisation: answering peers, being sure of its own words, and
// fetching and adopting snapshots.

#include <algorithm>
#include <utility>

#include "consensus/sync/rebase.h"
#include "node/loop/adopt.h"
#include "node/loop/ledger_machine.h"
#include "node/rpc/block_reader.h"

namespace node {

using proto::PartyId;
using proto::Result;

namespace {

constexpr char kConsensusPrefix = 'c';
const proto::Bytes kLastKey = {'l'};

}  // namespace

void LedgerMachine::StartSync() {
  if (core_->observing()) {
    pending_.notes.push_back("observing: " + *core_->observing());
  } else {
    for (auto& [target, message] : guard_.Ask()) Send(*target.party, std::move(message));
  }
  auto record = FindDownload(store_);
  if (!record) return Halt(record.error().message);
  if (!*record) return;
  download_.emplace(genesis_, self_, latest_.header().height, std::move(*record), now_ms_);
  Carry(download_->Start());
}

void LedgerMachine::Ask(PartyId peer) {
  if (core_->observing()) return;
  for (auto& [target, message] : guard_.AskOne(peer)) Send(*target.party, std::move(message));
}

void LedgerMachine::Send(PartyId to, proto::sync::Message message) {
  pending_.sync_messages.push_back({{to}, std::move(message)});
}

void LedgerMachine::Handle(PartyId from, proto::sync::Message message) {
  if (pending_.halt || from == self_) return;
  std::visit([&](auto& content) { On(from, std::move(content)); }, message);
}

void LedgerMachine::Beat(std::uint64_t now_ms) {
  now_ms_ = std::max(now_ms_, now_ms);
  server_.Beat();
  word_answers_.clear();
  if (!guard_.certain() && !core_->observing() && ++guard_beats_ >= kGuardRepeatBeats) {
    guard_beats_ = 0;
    for (auto& [target, message] : guard_.Ask()) Send(*target.party, std::move(message));
  }
  if (download_) Carry(download_->Beat(now_ms_));
}

// ---- own words ----------------------------------------------------------------------------------

void LedgerMachine::On(PartyId from, const proto::sync::WordQuery& query) {
  if (++word_answers_[from] > kWordAnswersPerBeatMax) return;
  proto::sync::WordAnswer answer{query.epoch, query.nonce, {}};
  if (query.epoch == proto::kEpoch) {
    if (const auto header = core_->NewestHeaderOf(from)) {
      answer.header = proto::dag::EncodeHeader(*header);
    }
  }
  Send(from, std::move(answer));
}

void LedgerMachine::On(PartyId from, const proto::sync::WordAnswer& answer) {
  const bool was_certain = guard_.certain();
  const Guard::Verdict verdict = guard_.On(from, answer, core_->status().own_round);
  if (verdict.fault) pending_.faults.push_back({from, proto::FaultKind::kMalformed});
  if (verdict.forgot) return Observe(*verdict.forgot);
  if (!was_certain && guard_.certain()) Run(core_->Speak());
}

// A vertex of its own that it has no memory of: the same proof, however it came.
void LedgerMachine::CheckOwnWords(const consensus::Commit& commit) {
  const std::uint64_t own_round = core_->status().own_round;
  for (const auto& vertex : commit.vertices) {
    if (vertex.author != self_ || vertex.round <= own_round) continue;
    return Observe("commit " + std::to_string(commit.index) + " holds a vertex of round " +
                   std::to_string(vertex.round) +
                   " by this validator that this storage does not know: the storage was lost or is "
                   "an old copy, or its key is used twice");
  }
}

void LedgerMachine::Observe(const std::string& reason) {
  if (core_->observing()) return;
  const std::string statement =
      reason + "; it will not vote in epoch " + std::to_string(proto::kEpoch);
  pending_.notes.push_back("observing: " + statement);
  Run(core_->Observe(statement));
}

// ---- snapshots ----------------------------------------------------------------------------------

void LedgerMachine::On(PartyId from, const proto::sync::SnapshotQuery&) {
  if (auto offer = server_.Offer(from)) Send(from, std::move(*offer));
}

void LedgerMachine::On(PartyId from, const proto::sync::ChunkQuery& query) {
  if (auto answer = server_.Answer(from, query)) Send(from, std::move(*answer));
}

void LedgerMachine::On(PartyId from, const proto::sync::SnapshotOffer& offer) {
  if (download_) Carry(download_->On(from, offer, now_ms_));
}

void LedgerMachine::On(PartyId from, proto::sync::ChunkAnswer answer) {
  if (!download_) return;
  Carry(download_->On(from, std::move(answer), now_ms_));
  if (download_->complete()) Adopt();
}

void LedgerMachine::Fetch(std::uint64_t oldest_round) {
  if (download_) return;
  pending_.notes.push_back("too far behind: no validator keeps the certificates of rounds before " +
                           std::to_string(oldest_round) + "; fetching a snapshot of the state");
  download_.emplace(genesis_, self_, latest_.header().height, std::nullopt, now_ms_);
  Carry(download_->Start());
}

void LedgerMachine::Carry(Download::Step step) {
  if (step.clear) {
    if (const auto cleared = ClearStaged(store_); !cleared) Halt(cleared.error().message);
  }
  if (!step.writes.empty()) Write(step.writes, false);
  for (auto& [target, message] : step.messages) Send(*target.party, std::move(message));
  pending_.faults.insert(pending_.faults.end(), step.faults.begin(), step.faults.end());
  for (auto& note : step.notes) pending_.notes.push_back(std::move(note));
}

void LedgerMachine::Adopt() {
  DownloadRecord record = *download_->record();
  download_.reset();
  if (record.header.height <= latest_.header().height) {
    // Certificates came after all.
    if (const auto cleared = ClearStaged(store_); !cleared) return Halt(cleared.error().message);
    return Write({{DownloadKey(), std::nullopt}}, false);
  }
  if (auto begun = BeginAdoption(store_, record); !begun) return Halt(begun.error().message);
  if (auto finished = FinishAdopting(record); !finished) return Halt(finished.error().message);
  if (auto opened = OpenCore(); !opened) return Halt(opened.error().message);
  pending_.rebased = true;
  pending_.events.clear();  // Of blocks below.
  pending_.notes.push_back("the state is that of block " + std::to_string(record.header.height) +
                           "; certificates from here on");
  Run(core_->Start());
}

Result<> LedgerMachine::FinishAdopting(const DownloadRecord& record) {
  const proto::BlockHeader& header = record.header;
  auto rebased =
      consensus::Rebase(CoreConfig(), *disk_, {header.commit_index, header.round, header.leader});
  if (!rebased) return tl::unexpected(rebased.error());
  std::vector<KeyWrite> writes;
  for (consensus::Write& write : *rebased) {
    proto::Bytes key = {static_cast<std::uint8_t>(kConsensusPrefix)};
    key.insert(key.end(), write.key.begin(), write.key.end());
    writes.push_back({std::move(key), std::move(write.value)});
  }
  writes.push_back(HeaderWrite(header));
  writes.push_back(SignaturesWrite(header.height, record.signatures));
  writes.push_back({kLastKey, proto::EncodeBlockHeader(header)});
  return FinishAdoption(store_, record, std::move(writes));
}

SyncStatus LedgerMachine::sync_status() const {
  const consensus::Status core = core_->status();
  SyncStatus status;
  status.votes = !core.silent;
  status.observing = core_->observing().has_value();
  if (status.observing) {
    status.why_not = *core_->observing();
  } else if (core.silent) {
    status.why_not =
        "asking the other validators for its newest header: " + std::to_string(guard_.answers()) +
        " of " + std::to_string(guard_.needed()) + " answers that it needs before it votes";
  }
  status.catching_up = core.catching_up;
  status.highest_round = core.highest_round;
  if (download_) status.download = download_->status();
  status.snapshots_kept = server_.kept();
  return status;
}

}  // namespace node
