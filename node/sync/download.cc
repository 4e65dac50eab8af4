#include "node/sync/download.h"

#include <algorithm>
#include <tuple>
#include <utility>

#include "node/ledger/light_client.h"
#include "node/ledger/state_tree.h"
#include "proto/wire/fields.h"

namespace node {

using proto::Bytes;
using proto::FaultKind;
using proto::PartyId;
using proto::sync::ChunkAnswer;
using proto::sync::ChunkOutcome;
using proto::sync::ChunkQuery;
using proto::sync::SnapshotOffer;

namespace {

std::uint32_t ChunksAt(std::uint8_t depth) {
  return std::uint32_t{1} << depth;
}

std::size_t BitmapBytes(std::uint8_t depth) {
  return (ChunksAt(depth) + 7) / 8;
}

}  // namespace

void Fields(auto& io, proto::Of<DownloadRecord> auto& record) {
  auto& header = record.header;
  io(header.height, header.parent, header.round, header.commit_index, header.leader,
     header.transactions_root, header.receipts_root, header.state_root, header.committee_hash,
     header.next_committee_hash);
  io.List(record.signatures, proto::sync::kSignaturesMax,
          [&](auto& entry) { io(entry.first, entry.second.bytes); });
  io(record.depth);
  io.Sized(record.done, BitmapBytes(proto::sync::kChunkDepthMax));
  io(record.adopting);
}

Bytes Encode(const DownloadRecord& record) {
  return proto::EncodeFields(record);
}

proto::Result<DownloadRecord> DecodeDownloadRecord(proto::ByteSpan bytes) {
  auto record = proto::DecodeFields<DownloadRecord>(bytes, "record of a download");
  if (record && (record->depth > proto::sync::kChunkDepthMax ||
                 record->done.size() != BitmapBytes(record->depth))) {
    return proto::Fail(proto::ErrorCode::kCorrupt, "the record of a download is inconsistent");
  }
  return record;
}

const Bytes& DownloadKey() {
  static const Bytes kKey = {'y', 'm'};
  return kKey;
}

const Bytes& DownloadEpochKey() {
  static const Bytes kKey = {'y', 'e'};
  return kKey;
}

const Bytes& StagedPrefix() {
  static const Bytes kPrefix = {'y', 's'};
  return kPrefix;
}

Bytes StagedKey(proto::ByteSpan state_key) {
  Bytes key = StagedPrefix();
  key.insert(key.end(), state_key.begin(), state_key.end());
  return key;
}

Download::Download(const proto::Digest& chain, std::shared_ptr<const Epoch> epoch,
                   std::optional<PartyId> self, std::uint64_t height,
                   std::optional<DownloadRecord> record, std::uint64_t now_ms)
    : chain_(chain),
      epoch_(std::move(epoch)),
      self_(self),
      height_(height),
      now_ms_(now_ms),
      started_ms_(now_ms),
      record_(std::move(record)),
      next_peer_(self ? Index(*self) : 0) {
  if (!record_) return;
  for (std::uint32_t index = 0; index < ChunksAt(record_->depth); ++index) {
    if (!(record_->done[index / 8] >> (index % 8) & 1)) {
      missing_.insert(static_cast<std::uint16_t>(index));
    }
  }
}

std::vector<PartyId> Download::Peers() const {
  std::vector<PartyId> peers;
  for (std::uint16_t i = 0; i < epoch_->validators.committee.size(); ++i) {
    if (PartyId{i} != self_ && !banned_.count(PartyId{i})) peers.push_back(PartyId{i});
  }
  return peers;
}

const std::string& Download::NameOf(PartyId peer) const {
  return epoch_->record.validators[Index(peer)].name;
}

Download::Step Download::Start() {
  Step step;
  if (record_) {
    step.notes.push_back("going on with the snapshot of block " +
                         std::to_string(record_->header.height) + ": " +
                         std::to_string(missing_.size()) + " of " +
                         std::to_string(ChunksAt(record_->depth)) + " chunks are missing");
    AskForChunks(step);
  } else {
    AskForOffers(step);
  }
  return step;
}

void Download::AskForOffers(Step& step) {
  asked_ms_ = now_ms_;
  for (const PartyId peer : Peers()) {
    if (!offers_.count(peer)) step.messages.push_back({{peer}, proto::sync::SnapshotQuery{}});
  }
}

Download::Step Download::On(PartyId from, const SnapshotOffer& offer, std::uint64_t now_ms) {
  now_ms_ = now_ms;
  Step step;
  if (record_ || banned_.count(from) || offers_.count(from)) return step;
  if (offer.header.committee_hash != epoch_->hash) return step;  // Of another epoch: no help.
  if (const auto valid = VerifyHeader(chain_, epoch_->record, offer.header, offer.signatures);
      !valid) {
    Ban(from, FaultKind::kBadSignature,
        "offered a snapshot of a false block (" + valid.error().message + ")", step);
    return step;
  }
  if (offer.header.height <= height_) return step;  // No help; perhaps later.
  if (offers_.empty()) offers_since_ms_ = now_ms;
  offers_.emplace(from, offer);
  if (offers_.size() == Peers().size()) Choose(step);
  return step;
}

// The newest of those that f + 1 peers offer, so one honest; where there is none, the newest of
// all, but for peers whose snapshot was not to be had before.
void Download::Choose(Step& step) {
  using Rank = std::tuple<bool, bool, std::uint64_t>;
  const auto rank = [&](PartyId peer, const SnapshotOffer& offer) {
    const auto backers = std::ranges::count_if(
        offers_, [&](const auto& other) { return other.second.header == offer.header; });
    return Rank(backers >= epoch_->validators.committee.validity(), !disappointed_.count(peer),
                offer.header.height);
  };
  const auto best = std::ranges::max_element(
      offers_, {}, [&](const auto& entry) { return rank(entry.first, entry.second); });
  record_ = DownloadRecord{best->second.header, best->second.signatures, 0, {}, false};
  std::uint8_t depth = best->second.depth;
  holders_.clear();
  for (const auto& [peer, offer] : offers_) {
    if (offer.header != record_->header) continue;
    holders_.insert(peer);
    depth = std::min(depth, offer.depth);
  }
  silent_.clear();
  offers_.clear();
  gave_up_.clear();
  without_.clear();
  Cut(depth, step);
}

void Download::Cut(std::uint8_t depth, Step& step) {
  record_->depth = depth;
  record_->done.assign(BitmapBytes(depth), 0);
  missing_.clear();
  asked_.clear();
  too_large_.clear();
  for (std::uint32_t index = 0; index < ChunksAt(depth); ++index) {
    missing_.insert(static_cast<std::uint16_t>(index));
  }
  noted_ = 0;
  step.clear = true;
  step.writes.push_back({DownloadEpochKey(), proto::EncodeEpoch(epoch_->record)});
  step.writes.push_back({DownloadKey(), Encode(*record_)});
  step.notes.push_back("fetching the state of block " + std::to_string(record_->header.height) +
                       " in " + std::to_string(ChunksAt(depth)) + " chunks");
  AskForChunks(step);
}

std::vector<PartyId> Download::Candidates() const {
  std::vector<PartyId> peers = Peers();
  std::erase_if(peers, [&](PartyId p) {
    return without_.count(p) || too_large_.count(p) || silent_.count(p);
  });
  std::vector<PartyId> holders = peers;
  std::erase_if(holders, [&](PartyId p) { return !holders_.count(p); });
  return holders.empty() ? peers : holders;
}

void Download::AskForChunks(Step& step) {
  std::map<PartyId, std::size_t> load;
  for (const auto& [index, asked] : asked_) ++load[asked.peer];
  const std::vector<PartyId> peers = Candidates();
  if (peers.empty()) return;
  for (const std::uint16_t index : missing_) {
    if (asked_.count(index)) continue;
    std::size_t tries = 0;
    while (tries < peers.size() &&
           load[peers[next_peer_ % peers.size()]] >= kChunksAskedPerPeerMax) {
      ++next_peer_;
      ++tries;
    }
    if (tries == peers.size()) return;
    const PartyId peer = peers[next_peer_++ % peers.size()];
    ++load[peer];
    asked_[index] = {peer, now_ms_};
    step.messages.push_back({{peer}, ChunkQuery{record_->header.height, record_->depth, index}});
  }
}

void Download::GiveUp(const std::string& why, Step& step) {
  gave_up_ = why;
  step.notes.push_back(why + "; looking for another");
  disappointed_.insert(holders_.begin(), holders_.end());
  record_.reset();
  missing_.clear();
  asked_.clear();
  offers_.clear();
  step.clear = true;
  step.writes.push_back({DownloadKey(), std::nullopt});
  AskForOffers(step);
}

void Download::Ban(PartyId peer, FaultKind kind, const std::string& what, Step& step) {
  step.faults.push_back({peer, kind});
  step.notes.push_back(NameOf(peer) + " " + what + "; it is not asked again");
  banned_.insert(peer);
  offers_.erase(peer);
  std::erase_if(asked_, [&](const auto& entry) { return entry.second.peer == peer; });
}

Download::Step Download::On(PartyId from, ChunkAnswer answer, std::uint64_t now_ms) {
  now_ms_ = now_ms;
  Step step;
  const ChunkQuery& query = answer.query;
  if (!record_ || query.height != record_->header.height || query.depth != record_->depth) {
    return step;
  }
  const auto asked = asked_.find(query.index);
  if (asked == asked_.end() || asked->second.peer != from) return step;  // Late, or never asked.
  asked_.erase(asked);
  switch (answer.outcome) {
    case ChunkOutcome::kGone:
      without_.insert(from);
      // More answers than these nobody can wait for.
      if (without_.size() + 1 >= epoch_->validators.committee.quorum()) {
        GiveUp("nobody keeps the snapshot of block " + std::to_string(record_->header.height) +
                   " any more",
               step);
        return step;
      }
      break;
    case ChunkOutcome::kTooLarge:
      too_large_.insert(from);
      if (too_large_.size() >= epoch_->validators.committee.validity()) {
        if (record_->depth == proto::sync::kChunkDepthMax) {
          GiveUp("the snapshot cannot be cut into chunks that fit a message", step);
        } else {
          Cut(static_cast<std::uint8_t>(record_->depth + 1), step);
        }
        return step;
      }
      break;
    case ChunkOutcome::kGiven:
      if (!VerifyStateChunk(record_->header.state_root, query.depth, query.index, answer.chunk)) {
        Ban(from, FaultKind::kInconsistent,
            "sent a chunk that is no part of the state of block " +
                std::to_string(record_->header.height),
            step);
        break;
      }
      missing_.erase(query.index);
      record_->done[query.index / 8] |= static_cast<std::uint8_t>(1u << (query.index % 8));
      for (auto& [key, value] : answer.chunk.entries) {
        bytes_ += key.size() + value.size();
        step.writes.push_back({StagedKey(key), std::move(value)});
      }
      step.writes.push_back({DownloadKey(), Encode(*record_)});
      break;
  }
  const auto total = ChunksAt(record_->depth);
  const auto done = total - static_cast<std::uint32_t>(missing_.size());
  if (const std::uint32_t tenths = done * 10 / total; tenths > noted_) {
    noted_ = tenths;
    const DownloadStatus now = status();
    step.notes.push_back("snapshot of block " + std::to_string(record_->header.height) + ": " +
                         std::to_string(done) + " of " + std::to_string(total) + " chunks, " +
                         std::to_string(now.bytes_per_second / 1024) + " KiB/s");
  }
  AskForChunks(step);
  return step;
}

Download::Step Download::Beat(std::uint64_t now_ms) {
  now_ms_ = now_ms;
  Step step;
  if (Peers().empty()) banned_.clear();  // Whoever lied is asked again before nobody is.
  if (!record_) {
    if (!offers_.empty() && now_ms >= offers_since_ms_ + kOfferPatienceMs) {
      Choose(step);
    } else if (now_ms >= asked_ms_ + kOfferPatienceMs) {
      AskForOffers(step);
    }
    return step;
  }
  std::erase_if(asked_, [&](const auto& entry) {
    const bool late = now_ms >= entry.second.since_ms + kChunkPatienceMs;
    if (late) silent_.insert(entry.second.peer);
    return late;
  });
  if (!missing_.empty() && asked_.empty() && Candidates().empty()) {
    if (without_.size() + too_large_.size() + 1 >= epoch_->validators.committee.quorum()) {
      GiveUp("no validator gives the missing chunks of block " +
                 std::to_string(record_->header.height),
             step);
      return step;
    }
    silent_.clear();  // Slow, perhaps: asked again.
  }
  AskForChunks(step);
  return step;
}

DownloadStatus Download::status() const {
  DownloadStatus status;
  status.bytes = bytes_;
  const std::uint64_t elapsed = std::max<std::uint64_t>(now_ms_ - started_ms_, 1);
  status.bytes_per_second = bytes_ * 1000 / elapsed;
  if (!record_) {
    status.why_not = (gave_up_.empty() ? "" : gave_up_ + "; ") +
                     "waiting for a snapshot's offer; " + std::to_string(offers_.size()) + " of " +
                     std::to_string(Peers().size()) + " validators have made one";
    return status;
  }
  status.height = record_->header.height;
  status.chunks_total = ChunksAt(record_->depth);
  status.chunks_done = status.chunks_total - static_cast<std::uint32_t>(missing_.size());
  if (!missing_.empty() && asked_.empty()) status.why_not = "no validator gives the missing chunks";
  return status;
}

}  // namespace node
