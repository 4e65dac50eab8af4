// The ledger machine's part in synchronisation: answering peers, being sure of its own words, and
// fetching and adopting snapshots.

#include <algorithm>
#include <utility>

#include "consensus/sync/rebase.h"
#include "node/ledger/light_client.h"
#include "node/loop/adopt.h"
#include "node/loop/ledger_machine_disk.h"
#include "node/rpc/block_reader.h"

namespace node {

using proto::PublicKey;
using proto::Result;

void LedgerMachine::Send(const PublicKey& to, proto::sync::Message message) {
  pending_.sync_messages.push_back({epoch_->record.number, to, std::move(message)});
}

void LedgerMachine::Send(Guard::Messages messages) {
  for (auto& [target, message] : messages) {
    Send(epoch_->validators.keys[Index(*target.party)], std::move(message));
  }
}

void LedgerMachine::Handle(const PublicKey& from, std::uint64_t epoch,
                           proto::sync::Message message) {
  const bool is_own = std::ranges::any_of(
      keys_.keys, [&](const proto::SecretKey& key) { return key.public_key() == from; });
  if (pending_.halt || is_own) return;
  if (epoch > epoch_->record.number) left_behind_ = true;
  std::visit([&](auto& content) { On(from, std::move(content)); }, message);
  if (switch_due_) SwitchEpoch();
}

void LedgerMachine::Beat(std::uint64_t now_ms) {
  now_ms_ = std::max(now_ms_, now_ms);
  server_.Beat();
  word_answers_.clear();
  if (core_ && !certain_ && !core_->observing() && ++guard_beats_ >= kGuardRepeatBeats) {
    guard_beats_ = 0;
    Send(guard_->Ask());
  }
  if (!download_) return;
  Carry(download_->Beat(now_ms_));
  if (download_->complete()) Adopt();
}

// ---- own words ----------------------------------------------------------------------------------

// Before the first word of a core that just opened.
void LedgerMachine::GuardWords() {
  if (!core_) return;
  if (core_->observing()) {
    pending_.notes.push_back("observing: " + *core_->observing());
  } else if (!certain_) {
    Send(guard_->Ask());
  }
}

void LedgerMachine::On(const PublicKey& from, const proto::sync::WordQuery& query) {
  if (++word_answers_[from] > kWordAnswersPerBeatMax) return;
  const std::uint64_t number = epoch_->record.number;
  const auto party = epoch_->validators.Find(from);
  // What was said in an epoch whose core does not run here any more is forgotten: no answer.
  if (query.epoch < number || (query.epoch == number && (!core_ || !party))) return;
  proto::sync::WordAnswer answer{query.epoch, query.nonce, {}};
  if (query.epoch == number) {
    if (const auto header = core_->NewestHeaderOf(*party)) {
      answer.header = proto::dag::EncodeHeader(*header);
    }
  }
  Send(from, std::move(answer));
}

void LedgerMachine::On(const PublicKey& from, const proto::sync::WordAnswer& answer) {
  const auto party = epoch_->validators.Find(from);
  if (!core_ || !guard_ || !party || guard_->epoch() != epoch_->record.number) return;
  const Guard::Verdict verdict = guard_->On(*party, answer, core_->status().own_round);
  if (verdict.fault) pending_.faults.push_back({from, proto::FaultKind::kMalformed});
  if (verdict.forgot) return Observe(*verdict.forgot);
  if (!certain_ && guard_->certain()) {
    certain_ = true;
    Run(core_->Speak());
  }
}

// A vertex of its own that it has no memory of: the same proof, however it came.
void LedgerMachine::CheckOwnWords(const consensus::Commit& commit) {
  const std::uint64_t own_round = core_->status().own_round;
  for (const auto& vertex : commit.vertices) {
    if (vertex.author != *self_ || vertex.round <= own_round) continue;
    return Observe("commit " + std::to_string(commit.index) + " holds a vertex of round " +
                   std::to_string(vertex.round) +
                   " by this validator that this storage does not know: the storage was lost or is "
                   "an old copy, or its key is used twice");
  }
}

void LedgerMachine::Observe(const std::string& reason) {
  if (core_->observing()) return;
  const std::string statement =
      reason + "; it will not vote in epoch " + std::to_string(epoch_->record.number);
  pending_.notes.push_back("observing: " + statement);
  Run(core_->Observe(statement));
}

// ---- snapshots ----------------------------------------------------------------------------------

void LedgerMachine::On(const PublicKey& from, const proto::sync::SnapshotQuery&) {
  if (auto offer = server_.Offer(from)) Send(from, std::move(*offer));
}

void LedgerMachine::On(const PublicKey& from, const proto::sync::ChunkQuery& query) {
  if (auto answer = server_.Answer(from, query)) Send(from, std::move(*answer));
}

void LedgerMachine::On(const PublicKey& from, const proto::sync::SnapshotOffer& offer) {
  const auto party = download_ ? download_->epoch()->validators.Find(from) : std::nullopt;
  if (party) Carry(download_->On(*party, offer, now_ms_));
}

void LedgerMachine::On(const PublicKey& from, proto::sync::ChunkAnswer answer) {
  const auto party = download_ ? download_->epoch()->validators.Find(from) : std::nullopt;
  if (!party) return;
  Carry(download_->On(*party, std::move(answer), now_ms_));
  if (download_->complete()) Adopt();
}

Result<> LedgerMachine::FollowLinks(const std::vector<proto::EpochLink>& links) {
  const proto::EpochRecord* newest = &epoch_->record;
  for (const proto::EpochLink& link : links) {
    if (link.next.number <= newest->number) continue;
    if (auto valid = VerifyLink(ledger_.chain().id, *newest, link); !valid) return valid;
    newest = &link.next;
  }
  const std::uint64_t known = download_ ? download_->epoch()->record.number : 0;
  if (newest->number < epoch_->record.number + 2 || newest->number <= known || ended()) return {};
  for (const proto::EpochLink& link : links) {
    if (link.next.number > epoch_->record.number) Write({LinkWrite(link)}, false);
  }
  if (core_) LeaveEpoch();
  if (download_) {
    download_.reset();
    if (auto dropped = DropDownload(store_); !dropped) return dropped;
  }
  pending_.notes.push_back("the others are in epoch " + std::to_string(newest->number) +
                           "; fetching a snapshot of its state");
  const auto epoch = std::make_shared<const Epoch>(*newest);
  const proto::SecretKey* key = KeyIn(epoch->validators);
  download_.emplace(ledger_.chain().id, epoch,
                    key ? epoch->validators.Find(key->public_key()) : std::nullopt,
                    latest_.header().height, std::nullopt, now_ms_);
  Carry(download_->Start());
  return {};
}

// All who ask over the interface share one peer's share.
std::optional<proto::sync::Message> LedgerMachine::Answer(const proto::sync::Message& question) {
  if (std::holds_alternative<proto::sync::SnapshotQuery>(question)) {
    if (auto offer = server_.Offer({})) return std::move(*offer);
  } else if (const auto* query = std::get_if<proto::sync::ChunkQuery>(&question)) {
    if (auto answer = server_.Answer({}, *query)) return std::move(*answer);
  }
  return std::nullopt;
}

void LedgerMachine::ResumeDownload() {
  auto found = FindDownload(store_);
  if (!found) return Halt(found.error().message);
  if (!*found) return;
  auto& [record, epoch_record] = **found;
  if (epoch_record.number < epoch_->record.number) {
    if (const auto dropped = DropDownload(store_); !dropped) Halt(dropped.error().message);
    return;
  }
  const auto epoch = std::make_shared<const Epoch>(std::move(epoch_record));
  const proto::SecretKey* key = KeyIn(epoch->validators);
  download_.emplace(ledger_.chain().id, epoch,
                    key ? epoch->validators.Find(key->public_key()) : std::nullopt,
                    latest_.header().height, std::move(record), now_ms_);
  Carry(download_->Start());
}

void LedgerMachine::Fetch(std::uint64_t oldest_round) {
  if (download_ || ended()) return;
  pending_.notes.push_back("too far behind: no validator keeps the certificates of rounds before " +
                           std::to_string(oldest_round) + "; fetching a snapshot of the state");
  download_.emplace(ledger_.chain().id, epoch_, self_, latest_.header().height, std::nullopt,
                    now_ms_);
  Carry(download_->Start());
}

void LedgerMachine::Carry(Download::Step step) {
  const Epoch& epoch = *download_->epoch();
  const std::vector<PublicKey>& keys = epoch.validators.keys;
  const bool has_links = core_ && epoch.record.number == epoch_->record.number;
  if (step.clear) {
    if (const auto cleared = ClearStaged(store_); !cleared) Halt(cleared.error().message);
  }
  if (!step.writes.empty()) Write(step.writes, false);
  for (auto& [target, message] : step.messages) {
    const std::size_t party = Index(*target.party);
    if (has_links) {
      Send(keys[party], std::move(message));
    } else {
      pending_.questions.push_back({epoch.record.validators[party], std::move(message)});
    }
  }
  for (const proto::Fault& fault : step.faults) {
    pending_.faults.push_back({keys[Index(fault.party)], fault.kind});
  }
  for (auto& note : step.notes) pending_.notes.push_back(std::move(note));
}

void LedgerMachine::Adopt() {
  DownloadRecord record = *download_->record();
  const auto epoch = download_->epoch();
  download_.reset();
  if (record.header.height <= latest_.header().height) {
    // Certificates came after all.
    if (const auto dropped = DropDownload(store_); !dropped) Halt(dropped.error().message);
    return;
  }
  const std::uint64_t before = epoch_->record.number;
  if (auto begun = BeginAdoption(store_, record); !begun) return Halt(begun.error().message);
  if (auto finished = FinishAdopting(record, *epoch); !finished) {
    return Halt(finished.error().message);
  }
  if (auto opened = OpenState(); !opened) return Halt(opened.error().message);
  pending_.rebased = true;
  pending_.events.clear();  // Of blocks below.
  pending_.notes.push_back("the state is that of block " + std::to_string(record.header.height) +
                           "; certificates from here on");
  if (epoch_->record.number != before) return BeginEpoch();
  if (core_) Run(core_->Start());
}

Result<> LedgerMachine::FinishAdopting(const DownloadRecord& record, const Epoch& epoch) {
  const proto::BlockHeader& header = record.header;
  const std::uint64_t number = epoch.record.number;
  std::vector<KeyWrite> writes;
  const proto::SecretKey* key = KeyIn(epoch.validators);
  if (key != nullptr && !IsSet('o', number)) {
    const Disk disk(store_, number);
    auto rebased = consensus::Rebase(
        CoreConfig(epoch, *epoch.validators.Find(key->public_key())), disk,
        {header.commit_index, header.round - epoch.record.first_round, header.leader});
    if (!rebased) return tl::unexpected(rebased.error());
    for (consensus::Write& write : *rebased) {
      writes.push_back({disk.KeyOf(write.key), std::move(write.value)});
    }
  }
  writes.push_back(HeaderWrite(header));
  writes.push_back(SignaturesWrite(header.height, record.signatures));
  writes.push_back({NewestHeaderKey(), proto::EncodeBlockHeader(header)});
  return FinishAdoption(store_, record, std::move(writes));
}

SyncStatus LedgerMachine::sync_status() const {
  SyncStatus status;
  if (core_) {
    const consensus::Status core = core_->status();
    status.votes = !core.silent;
    status.observing = core_->observing().has_value();
    if (status.observing) {
      status.why_not = *core_->observing();
    } else if (core.silent) {
      status.why_not = "asking the other validators for its newest header: " +
                       std::to_string(guard_->answers()) + " of " +
                       std::to_string(guard_->needed()) + " answers that it needs before it votes";
    }
    status.catching_up = core.catching_up;
    status.highest_round = core.highest_round;
  } else {
    status.votes = false;
    status.why_not = KeyIn(epoch_->validators) == nullptr
                         ? "it is no member of this epoch and follows"
                         : "the others ended this epoch without it: it follows to the next";
  }
  if (download_) status.download = download_->status();
  status.snapshots_kept = server_.kept();
  return status;
}

}  // namespace node
