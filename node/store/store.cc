#include "node/store/store.h"

#include <algorithm>
#include <cerrno>
#include <cstring>

#include <leveldb/cache.h>
#include <leveldb/db.h>
#include <leveldb/filter_policy.h>
#include <leveldb/write_batch.h>

#include "node/store/log_sync.h"
#include "proto/base/check.h"

namespace node {

using proto::Bytes;
using proto::ByteSpan;
using proto::ErrorCode;
using proto::Fail;
using proto::Result;

namespace {

constexpr std::size_t kCacheSize = std::size_t{32} << 20;
constexpr std::size_t kWriteBufferSize = std::size_t{8} << 20;
constexpr int kOpenFilesMax = 256;
constexpr int kFilterBitsPerKey = 10;
constexpr std::size_t kBatchSizeMax = std::size_t{1} << 30;

// Keys of the index: the user's behind one byte, and the position of the first record of the
// journal that the index does not hold.
constexpr char kUserTag = 'k';
constexpr char kPositionKey[] = "p";
// First byte of a slot.
constexpr char kInline = 'v';
constexpr char kPlaced = 'j';
constexpr std::size_t kPlacedSize = 1 + 8 + 8 + 4 + 4;

leveldb::Slice AsSlice(ByteSpan bytes) {
  if (bytes.empty()) return {};  // LevelDB hands the pointer to memcmp.
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

leveldb::ReadOptions Checked(bool fill_cache) {
  leveldb::ReadOptions options;
  options.verify_checksums = true;
  options.fill_cache = fill_cache;
  return options;
}

leveldb::Slice IndexKey(ByteSpan key, std::string& space) {
  space.assign(1, kUserTag).append(proto::AsText(key));
  return space;
}

std::size_t SizeOf(const KeyWrite& write) {
  return write.key.size() + (write.value ? write.value->size() : 0);
}

std::string AsSlot(ByteSpan value) {
  return std::string(1, kInline).append(proto::AsText(value));
}

std::string AsSlot(const Place& place) {
  Bytes bytes = {static_cast<std::uint8_t>(kPlaced)};
  proto::PutU64(bytes, place.segment);
  proto::PutU64(bytes, place.offset);
  proto::PutU32(bytes, place.size);
  proto::PutU32(bytes, place.checksum);
  return std::string(proto::AsText(bytes));
}

std::optional<Place> PlaceOf(std::string_view slot) {
  if (slot.size() != kPlacedSize || slot[0] != kPlaced) return std::nullopt;
  const ByteSpan bytes = proto::AsBytes(slot).subspan(1);
  return Place{proto::GetU64(bytes), proto::GetU64(bytes.subspan(8)),
               proto::GetU32(bytes.subspan(16)), proto::GetU32(bytes.subspan(20))};
}

Bytes Encode(const Position& position) {
  Bytes bytes;
  proto::PutU64(bytes, position.segment);
  proto::PutU64(bytes, position.offset);
  proto::PutU64(bytes, position.number);
  return bytes;
}

// LevelDB would take a directory that lost its CURRENT file for a new one and begin from nothing.
bool LostItsRoot(const std::vector<std::string>& entries) {
  const auto data = [](const std::string& name) {
    return name.ends_with(".ldb") || name.ends_with(".log") || name.ends_with(".journal");
  };
  return std::ranges::find(entries, "CURRENT") == entries.end() &&
         std::ranges::any_of(entries, data);
}

}  // namespace

Store::Store(const std::string& directory, Directory lock, leveldb::Env* env, StoreOptions options)
    : directory_(directory),
      options_(options),
      lock_(std::move(lock)),
      env_(std::make_unique<LogSyncEnv>(env, options.durable)),
      filter_(leveldb::NewBloomFilterPolicy(kFilterBitsPerKey)),
      cache_(leveldb::NewLRUCache(kCacheSize)),
      journal_(std::make_unique<Journal>(lock_, *env_, options.durable)) {}

Store::~Store() = default;

std::uint64_t Store::syncs() const {
  return env_->syncs();
}

std::uint64_t Store::bytes_written() const {
  return env_->bytes_written();
}

Result<std::unique_ptr<Store>> Store::Open(const std::string& directory, bool durable) {
  return Open(directory, leveldb::Env::Default(), {.durable = durable});
}

Result<std::unique_ptr<Store>> Store::Open(const std::string& directory, leveldb::Env* env,
                                           StoreOptions options) {
  auto lock = Directory::Hold(directory);
  if (!lock) return tl::unexpected(lock.error());
  std::unique_ptr<Store> store(new Store(directory, std::move(*lock), env, options));
  if (auto started = store->Start(); !started) return tl::unexpected(started.error());
  return store;
}

Result<> Store::Start() {
  const auto entries = lock_.Entries();
  if (!entries) return tl::unexpected(entries.error());
  if (LostItsRoot(*entries)) {
    return tl::unexpected(Explain(leveldb::Status::Corruption("the file CURRENT is missing")));
  }
  leveldb::Options options;
  options.create_if_missing = true;
  options.paranoid_checks = true;
  options.env = env_.get();
  options.filter_policy = filter_.get();
  options.block_cache = cache_.get();
  options.write_buffer_size = kWriteBufferSize;
  options.max_open_files = kOpenFilesMax;
  leveldb::DB* db = nullptr;
  const leveldb::Status status = leveldb::DB::Open(options, directory_, &db);
  if (!status.ok()) return tl::unexpected(Explain(status));
  db_.reset(db);
  if (auto replayed = Replay(); !replayed) {
    return tl::unexpected(Explain(std::move(replayed.error())));
  }
  return {};
}

// The index catches up with the journal; what is appended next begins a segment.
Result<> Store::Replay() {
  std::string value;
  const leveldb::Status found = db_->Get(Checked(false), kPositionKey, &value);
  const auto segments = journal_->Segments();
  if (!segments) return tl::unexpected(segments.error());
  Position position;
  if (found.ok()) {
    const ByteSpan bytes = proto::AsBytes(value);
    if (bytes.size() != 24) return Fail(ErrorCode::kCorrupt, "bad position of the journal");
    position = {proto::GetU64(bytes), proto::GetU64(bytes.subspan(8)),
                proto::GetU64(bytes.subspan(16))};
    if (!std::ranges::binary_search(*segments, position.segment) ||
        journal_->SizeOf(position.segment) < position.offset) {
      return Fail(ErrorCode::kCorrupt, "the end of the journal is missing");
    }
  } else if (!found.IsNotFound()) {
    return tl::unexpected(Explain(found));
  } else {
    const std::unique_ptr<leveldb::Iterator> entry(db_->NewIterator(Checked(false)));
    entry->SeekToFirst();
    if (entry->Valid()) {
      return Fail(ErrorCode::kInvalidArgument,
                  "it was written by a version without a journal, which this one cannot read");
    }
  }
  const auto index = [&](const std::vector<Journal::Entry>& entries, const Position& next) {
    leveldb::WriteBatch batch;
    std::string key;
    for (const Journal::Entry& entry : entries) {
      if (entry.value) {
        batch.Put(IndexKey(entry.key, key),
                  entry.value->size() < kInlineMax ? AsSlot(*entry.value) : AsSlot(entry.place));
      } else {
        batch.Delete(IndexKey(entry.key, key));
      }
    }
    batch.Put(kPositionKey, AsSlice(Encode(next)));
    const leveldb::Status status = db_->Write({}, &batch);
    return status.ok() ? Result<>() : tl::unexpected(Explain(status));
  };
  const auto end = journal_->Replay(position, index);
  if (!end) return tl::unexpected(end.error());
  const std::uint64_t next = segments->empty() ? 1 : segments->back() + 1;
  if (auto begun = journal_->Begin(next, end->number); !begun) return begun;
  if (auto committed = Commit(true); !committed) return committed;
  for (const std::uint64_t segment : *segments) {
    if (journal_->SizeOf(segment) > 0) continue;
    if (auto removed = journal_->Remove(segment); !removed) return removed;
  }
  return {};
}

proto::Error Store::Explain(const leveldb::Status& status) const {
  const std::string text = status.ToString();
  for (const int full : {ENOSPC, EDQUOT, EFBIG}) {
    if (text.ends_with(std::strerror(full))) return Explain({ErrorCode::kExhausted, text});
  }
  return Explain({status.IsCorruption() ? ErrorCode::kCorrupt : ErrorCode::kUnavailable, text});
}

// Once.
proto::Error Store::Explain(proto::Error error) const {
  if (error.message.find(directory_) == 0 || error.message.starts_with("the store in ") ||
      error.message.starts_with("no room left for the store in ")) {
    return error;
  }
  if (error.code == ErrorCode::kCorrupt) {
    return {error.code,
            "the store in " + directory_ + " is damaged (" + error.message +
                "): move it away and rejoin with a new validator key, since a restored copy may "
                "have forgotten votes that were sent"};
  }
  if (error.code == ErrorCode::kExhausted) {
    return {error.code, "no room left for the store in " + directory_ + " (" + error.message +
                            "): free some and start again"};
  }
  return {error.code == ErrorCode::kInvalidArgument ? error.code : ErrorCode::kUnavailable,
          "the store in " + directory_ + " failed: " + error.message};
}

Result<Store::Slot> Store::FindIndexed(ByteSpan key) const {
  std::string space;
  Slot slot;
  const leveldb::Status status = db_->Get(Checked(true), IndexKey(key, space), &slot);
  if (status.IsNotFound()) return Slot();
  if (!status.ok()) return tl::unexpected(Explain(status));
  return slot;
}

Result<Store::Slot> Store::FindSlot(ByteSpan key) const {
  {
    const std::shared_lock lock(unsynced_mutex_);
    const auto it = unsynced_.find(Bytes(key.begin(), key.end()));
    if (it != unsynced_.end()) return it->second;
  }
  return FindIndexed(key);
}

// The value was moved, and its segment removed, if the slot's place is gone: then it has another.
Result<Bytes> Store::Load(ByteSpan key, const Slot& slot) const {
  if (const auto place = PlaceOf(slot)) {
    auto value = journal_->Read(*place);
    if (value) return value;
    const auto again = FindSlot(key);
    if (again && *again != slot && !again->empty()) return Load(key, *again);
    if (value.error().code == ErrorCode::kNotFound) value.error().code = ErrorCode::kCorrupt;
    return tl::unexpected(Explain(std::move(value.error())));
  }
  if (slot.empty() || slot[0] != kInline) {
    return tl::unexpected(Explain({ErrorCode::kCorrupt, "bad entry of the index"}));
  }
  const ByteSpan bytes = proto::AsBytes(slot).subspan(1);
  return Bytes(bytes.begin(), bytes.end());
}

Result<std::optional<Bytes>> Store::Get(ByteSpan key) const {
  const auto slot = FindSlot(key);
  if (!slot) return tl::unexpected(slot.error());
  if (slot->empty()) return std::nullopt;
  auto value = Load(key, *slot);
  if (!value) return tl::unexpected(value.error());
  return std::move(*value);
}

Result<> Store::Apply(const std::vector<KeyWrite>& writes, bool sync) {
  const std::lock_guard lock(write_mutex_);
  if (failed_) {
    return Fail(ErrorCode::kUnavailable,
                "the store in " + directory_ + " takes no more writes, because one failed");
  }
  auto written = Write(writes, sync);
  if (written && env_->failed()) written = Fail(ErrorCode::kUnavailable, "a log was not synced");
  if (written) return {};
  failed_ = true;
  return tl::unexpected(Explain(std::move(written.error())));
}

// What is moved comes first, so that the batch wins.
Result<> Store::Write(const std::vector<KeyWrite>& writes, bool sync) {
  if (!moving_.empty()) {
    for (const KeyWrite& write : writes) move_budget_ += kMovedPerByte * SizeOf(write);
    if (auto moved = Move(); !moved) return moved;
  }
  if (auto appended = Append(writes); !appended) return appended;
  if (journal_->end().offset >= options_.segment_size) return BeginSegment();
  if (sync || unsynced_bytes_ >= kUnsyncedMax) return Commit(false);
  return {};
}

Result<> Store::Move() {
  std::vector<KeyWrite> moved;
  while (!moving_.empty() && moving_.front().place.size <= move_budget_) {
    const Moving next = std::move(moving_.front());
    moving_.pop_front();
    const auto slot = FindSlot(next.key);
    if (!slot) return tl::unexpected(slot.error());
    if (*slot != AsSlot(next.place)) continue;  // Erased or replaced meanwhile.
    auto value = journal_->Read(next.place);
    if (!value) return tl::unexpected(value.error());
    move_budget_ -= next.place.size;
    moved.push_back({next.key, std::move(*value)});
  }
  return Append(moved);
}

Result<> Store::Append(const std::vector<KeyWrite>& record) {
  if (record.empty()) return {};
  std::size_t size = 0;
  for (const KeyWrite& write : record) size += SizeOf(write);
  CHECK(size <= kBatchSizeMax);
  const auto places = journal_->Append(record);
  if (!places) return tl::unexpected(places.error());
  const std::unique_lock lock(unsynced_mutex_);
  for (std::size_t i = 0; i < record.size(); ++i) {
    const auto& [key, value] = record[i];
    Slot slot;
    if (value) slot = value->size() < kInlineMax ? AsSlot(*value) : AsSlot((*places)[i]);
    unsynced_bytes_ += key.size() + slot.size();
    unsynced_[key] = std::move(slot);
  }
  return {};
}

// All records are durable, and indexed.
Result<> Store::Commit(bool sync_index) {
  if (auto synced = journal_->Sync(); !synced) return synced;
  if (unsynced_.empty() && !sync_index) return {};
  leveldb::WriteBatch batch;
  std::string key;
  for (const auto& [user_key, slot] : unsynced_) {
    if (slot.empty()) {
      batch.Delete(IndexKey(user_key, key));
    } else {
      batch.Put(IndexKey(user_key, key), slot);
    }
  }
  batch.Put(kPositionKey, AsSlice(Encode(journal_->end())));
  leveldb::WriteOptions options;
  options.sync = sync_index;
  if (const leveldb::Status status = db_->Write(options, &batch); !status.ok()) {
    return tl::unexpected(Explain(status));
  }
  const std::unique_lock lock(unsynced_mutex_);
  unsynced_.clear();
  unsynced_bytes_ = 0;
  return {};
}

// The synced index also says where all that was moved lies now.
Result<> Store::BeginSegment() {
  if (auto committed = Commit(false); !committed) return committed;
  const auto end = journal_->end();
  if (auto begun = journal_->Begin(end.segment + 1, end.number); !begun) return begun;
  if (auto committed = Commit(true); !committed) return committed;
  if (!moving_.empty()) return {};
  for (const std::uint64_t segment : leaving_) {
    if (auto removed = journal_->Remove(segment); !removed) return removed;
  }
  leaving_.clear();
  move_budget_ = 0;
  return Examine();
}

// Chooses what is to be moved. All batches are indexed.
Result<> Store::Examine() {
  const auto segments = journal_->Segments();
  if (!segments) return tl::unexpected(segments.error());
  const auto full = std::ranges::lower_bound(*segments, journal_->end().segment);
  const auto count = std::min<std::ptrdiff_t>(kExaminedMax, full - segments->begin());
  for (std::ptrdiff_t i = 0; i < count; ++i) {
    auto next = std::upper_bound(segments->begin(), full, examined_);
    if (next == full) next = segments->begin();
    examined_ = *next;
    std::vector<Moving> values;
    std::size_t size = 0;
    Result<> found;
    const auto visit = [&](ByteSpan key, const Place& place) {
      const auto slot = FindIndexed(key);
      if (!slot) found = tl::unexpected(slot.error());
      if (!slot || *slot != AsSlot(place)) return;
      values.push_back({Bytes(key.begin(), key.end()), place});
      size += place.size;
    };
    auto visited = journal_->ForEachPlace(examined_, kInlineMax, visit);
    if (!visited) return visited;
    if (!found) return found;
    if (size > options_.segment_size / 4 * 3) continue;
    leaving_.push_back(examined_);
    std::ranges::move(values, std::back_inserter(moving_));
  }
  return {};
}

Result<std::vector<std::pair<Bytes, Bytes>>> Store::Scan(ByteSpan prefix, ByteSpan after,
                                                         std::size_t limit) const {
  std::vector<std::pair<Bytes, Slot>> slots;
  {
    const std::shared_lock lock(unsynced_mutex_);
    auto found = FindSlots(prefix, after, limit);
    if (!found) return tl::unexpected(found.error());
    slots = std::move(*found);
  }
  std::vector<std::pair<Bytes, Bytes>> entries;
  entries.reserve(slots.size());
  for (auto& [key, slot] : slots) {
    auto value = Load(key, slot);
    if (!value) return tl::unexpected(value.error());
    entries.emplace_back(std::move(key), std::move(*value));
  }
  return entries;
}

// Index and unsynced batches, merged: both ascend, and of equal keys the unsynced one counts.
Result<std::vector<std::pair<Bytes, Store::Slot>>> Store::FindSlots(ByteSpan prefix, ByteSpan after,
                                                                    std::size_t limit) const {
  std::vector<std::pair<Bytes, Slot>> slots;
  const ByteSpan from = std::ranges::lexicographical_compare(prefix, after) ? after : prefix;
  const auto starts = [&](ByteSpan key) {
    return key.size() >= prefix.size() && std::ranges::equal(key.first(prefix.size()), prefix);
  };
  std::string space;
  const std::unique_ptr<leveldb::Iterator> indexed(db_->NewIterator(Checked(false)));
  indexed->Seek(IndexKey(from, space));
  auto unsynced = unsynced_.lower_bound(Bytes(from.begin(), from.end()));
  while (slots.size() < limit) {
    const bool has_indexed = indexed->Valid() && indexed->key()[0] == kUserTag;
    ByteSpan key;
    if (has_indexed) key = proto::AsBytes({indexed->key().data() + 1, indexed->key().size() - 1});
    std::pair<Bytes, Slot> next;
    if (unsynced != unsynced_.end() &&
        !(has_indexed && std::ranges::lexicographical_compare(key, unsynced->first))) {
      if (has_indexed && std::ranges::equal(key, unsynced->first)) indexed->Next();
      next = *unsynced;
      ++unsynced;
    } else if (has_indexed) {
      next = {Bytes(key.begin(), key.end()), indexed->value().ToString()};
      indexed->Next();
    } else {
      break;
    }
    if (!starts(next.first)) break;
    const bool is_after = after.empty() || !std::ranges::equal(next.first, after);
    if (is_after && !next.second.empty()) slots.push_back(std::move(next));
  }
  if (!indexed->status().ok()) return tl::unexpected(Explain(indexed->status()));
  return slots;
}

}  // namespace node
