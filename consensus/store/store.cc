#include "consensus/store/store.h"

#include <algorithm>
#include <utility>

#include "proto/base/check.h"
#include "proto/wire/fields.h"

namespace consensus {

using proto::Bytes;
using proto::Digest;
using proto::PartyId;
using proto::Result;

namespace {

Bytes Key(char tag) {
  return {static_cast<std::uint8_t>(tag)};
}

Bytes Key(char tag, std::uint64_t number) {
  Bytes key = Key(tag);
  for (int shift = 56; shift >= 0; shift -= 8) {
    key.push_back(static_cast<std::uint8_t>(number >> shift));
  }
  return key;
}

Bytes Key(char tag, std::uint64_t number, PartyId party) {
  Bytes key = Key(tag, number);
  key.push_back(static_cast<std::uint8_t>(proto::Index(party) >> 8));
  key.push_back(static_cast<std::uint8_t>(proto::Index(party)));
  return key;
}

Bytes Key(char tag, const Digest& digest) {
  Bytes key = Key(tag);
  key.insert(key.end(), digest.bytes.begin(), digest.bytes.end());
  return key;
}

}  // namespace

std::optional<Bytes> Store::Get(const Bytes& key) const {
  if (const auto it = writes_.find(key); it != writes_.end()) return it->second;
  return archive_.Get(key);
}

void Store::Set(Bytes key, std::optional<Bytes> value) {
  writes_[std::move(key)] = std::move(value);
}

template <class T>
std::optional<T> Store::Sound(Result<T> record) {
  if (record) return std::move(*record);
  damage_ = record.error().message;
  return std::nullopt;
}

template <class T>
std::optional<T> Store::Find(const Bytes& key) {
  const auto bytes = Get(key);
  if (!bytes) return std::nullopt;
  return Sound(proto::DecodeFields<T>(*bytes, "record of consensus"));
}

std::optional<State> Store::FindState() {
  return Find<State>(Key('s'));
}

void Store::Put(const State& state) {
  Set(Key('s'), proto::EncodeFields(state));
}

std::optional<Own> Store::FindOwn() {
  auto record = Find<OwnRecord>(Key('o'));
  if (!record) return std::nullopt;
  if (!record->header.empty()) {
    record->own.header = Sound(proto::dag::DecodeHeader(record->header));
  }
  return std::move(record->own);
}

void Store::Put(const Own& own) {
  OwnRecord record{{}, own};
  if (own.header) record.header = proto::dag::EncodeHeader(*own.header);
  Set(Key('o'), proto::EncodeFields(record));
}

std::optional<std::string> Store::FindText(char tag) {
  const auto bytes = Get(Key(tag));
  if (!bytes) return std::nullopt;
  return std::string(proto::AsText(*bytes));
}

void Store::PutText(char tag, const std::string& text) {
  const proto::ByteSpan bytes = proto::AsBytes(text);
  Set(Key(tag), Bytes(bytes.begin(), bytes.end()));
}

std::optional<std::string> Store::FindHalt() {
  return FindText('h');
}

void Store::PutHalt(const std::string& reason) {
  PutText('h', reason);
}

std::optional<std::string> Store::FindObserver() {
  return FindText('x');
}

void Store::PutObserver(const std::string& reason) {
  PutText('x', reason);
}

std::optional<Header> Store::FindWord(PartyId party) {
  const auto bytes = Get(Key('w', 0, party));
  return bytes ? Sound(proto::dag::DecodeHeader(*bytes)) : std::nullopt;
}

void Store::PutWord(const Header& header) {
  Set(Key('w', 0, header.author), proto::dag::EncodeHeader(header));
}

std::optional<Certificate> Store::FindCertificate(std::uint64_t round, PartyId author) {
  const auto bytes = Get(Key('c', round, author));
  return bytes ? Sound(proto::dag::DecodeCertificate(*bytes)) : std::nullopt;
}

bool Store::HasCertificate(const Reference& reference) {
  const auto found = FindCertificate(reference.round, reference.author);
  return found && found->header.digest == reference.digest;
}

void Store::Put(const Certificate& certificate) {
  Set(Key('c', certificate.header.round, certificate.header.author),
      proto::dag::EncodeCertificate(certificate));
}

std::optional<VoteRecord> Store::FindVote(std::uint64_t round, PartyId author) {
  return Find<VoteRecord>(Key('v', round, author));
}

void Store::Put(std::uint64_t round, PartyId author, const VoteRecord& vote) {
  Set(Key('v', round, author), proto::EncodeFields(vote));
}

std::optional<Transactions> Store::FindBatch(const Digest& digest) {
  const auto bytes = Get(Key('b', digest));
  return bytes ? Sound(proto::dag::DecodeBatch(*bytes)) : std::nullopt;
}

bool Store::HasBatch(const Digest& digest) {
  return Get(Key('r', digest)).has_value();
}

bool Store::HasBatch(const BatchReference& reference) {
  const auto use = Find<BatchUse>(Key('r', reference.digest));
  return use && use->size == reference.size;
}

void Store::Put(Transactions batch, std::uint64_t round) {
  const BatchReference reference{batch.digest, static_cast<std::uint32_t>(batch.bytes.size())};
  if (!HasBatch(batch.digest)) {
    Set(Key('b', batch.digest), std::move(batch.bytes));
    batch.bytes.clear();
    Keep(std::move(batch), reference.size);
  }
  Refer(reference, round);
}

void Store::Keep(Transactions batch, std::size_t size) {
  const Digest digest = batch.digest;
  const std::uint64_t number = recent_next_++;
  if (!recent_.try_emplace(digest, Recent{std::move(batch), size, number}).second) return;
  recent_order_.emplace(number, digest);
  recent_bytes_ += size;
  while (recent_bytes_ > kRecentBytesMax) Forget(Digest(recent_order_.begin()->second));
}

std::optional<Transactions> Store::Forget(const Digest& digest) {
  const auto recent = recent_.find(digest);
  if (recent == recent_.end()) return std::nullopt;
  std::optional<Transactions> batch(std::move(recent->second.batch));
  recent_order_.erase(recent->second.number);
  recent_bytes_ -= recent->second.size;
  recent_.erase(recent);
  return batch;
}

std::optional<Transactions> Store::TakeBatch(const Digest& digest) {
  auto batch = Forget(digest);
  return batch ? std::move(batch) : FindBatch(digest);
}

void Store::Refer(const BatchReference& reference, std::uint64_t round) {
  const Bytes key = Key('r', reference.digest);
  if (const auto use = Find<BatchUse>(key); use && use->round >= round) return;
  Set(key, proto::EncodeFields(BatchUse{round, reference.size}));
}

std::optional<CommitRecord> Store::FindCommit(std::uint64_t index) {
  return Find<CommitRecord>(Key('k', index));
}

void Store::Put(std::uint64_t index, const CommitRecord& commit) {
  Set(Key('k', index), proto::EncodeFields(commit));
}

void Store::DeleteCommit(std::uint64_t index) {
  Set(Key('k', index), std::nullopt);
}

std::optional<BlockVote> Store::FindBlockVote(std::uint64_t index, PartyId party) {
  const auto record = Find<BlockVoteRecord>(Key('f', index, party));
  if (!record) return std::nullopt;
  return BlockVote{index, record->block, record->signature};
}

std::vector<std::pair<PartyId, BlockVote>> Store::FindBlockVotes() {
  CHECK(writes_.empty());
  std::vector<std::pair<PartyId, BlockVote>> votes;
  for (const auto& [key, value] : archive_.List(Key('f'))) {
    const auto number = [&key = key](std::size_t first, std::size_t last) {
      std::uint64_t made = 0;
      for (std::size_t i = first; i < last; ++i) made = made << 8 | key[i];
      return made;
    };
    const bool whole = key.size() == Key('f', 0, PartyId{}).size();
    const std::uint64_t party = whole ? number(9, 11) : committee_.size();
    if (party >= committee_.size()) {
      damage_ = "there is a block vote of nobody";
      continue;
    }
    const auto record = Sound(proto::DecodeFields<BlockVoteRecord>(value, "record of consensus"));
    if (!record) continue;
    votes.emplace_back(static_cast<PartyId>(party),
                       BlockVote{number(1, 9), record->block, record->signature});
  }
  return votes;
}

void Store::Put(PartyId party, const BlockVote& vote) {
  Set(Key('f', vote.index, party),
      proto::EncodeFields(BlockVoteRecord{vote.block, vote.signature}));
}

void Store::DeleteBlockVote(std::uint64_t index, PartyId party) {
  Set(Key('f', index, party), std::nullopt);
}

std::optional<Transactions> Store::FindPending(std::uint64_t sequence) {
  const auto bytes = Get(Key('p', sequence));
  return bytes ? Sound(proto::dag::DecodeBatch(*bytes)) : std::nullopt;
}

void Store::PutPending(std::uint64_t sequence, const Transactions& transactions) {
  Set(Key('p', sequence), transactions.bytes);
}

void Store::DeletePending(std::uint64_t sequence) {
  Set(Key('p', sequence), std::nullopt);
}

void Store::DeleteBatch(const Digest& digest, std::uint64_t round) {
  const auto use = Find<BatchUse>(Key('r', digest));
  if (!use || use->round > round) return;
  Forget(digest);
  Set(Key('b', digest), std::nullopt);
  Set(Key('r', digest), std::nullopt);
}

void Store::Prune(std::uint64_t round) {
  for (std::uint16_t i = 0; i < committee_.size(); ++i) {
    const auto author = static_cast<PartyId>(i);
    if (const auto certificate = FindCertificate(round, author)) {
      for (const auto& batch : certificate->header.batches) DeleteBatch(batch.digest, round);
      Set(Key('c', round, author), std::nullopt);
    }
    if (const auto vote = FindVote(round, author)) {
      for (const auto& batch : vote->batches) DeleteBatch(batch, round);
      Set(Key('v', round, author), std::nullopt);
    }
  }
}

void Store::Flush(Step& step) {
  step.sync = sync_;
  for (auto& [key, value] : writes_) step.writes.push_back({key, std::move(value)});
  writes_.clear();
  sync_ = false;
}

}  // namespace consensus
