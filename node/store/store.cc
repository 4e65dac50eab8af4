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

leveldb::Slice AsSlice(ByteSpan bytes) {
  if (bytes.empty()) return {};  // LevelDB hands the pointer to memcmp.
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

Bytes AsOwned(const leveldb::Slice& slice) {
  const ByteSpan bytes = proto::AsBytes({slice.data(), slice.size()});
  return {bytes.begin(), bytes.end()};
}

leveldb::ReadOptions Checked(bool fill_cache) {
  leveldb::ReadOptions options;
  options.verify_checksums = true;
  options.fill_cache = fill_cache;
  return options;
}

// LevelDB would take a directory that lost its CURRENT file for a new one and begin from nothing.
bool LostItsRoot(const std::vector<std::string>& entries) {
  const auto data = [](const std::string& name) {
    return name.ends_with(".ldb") || name.ends_with(".log");
  };
  return std::ranges::find(entries, "CURRENT") == entries.end() &&
         std::ranges::any_of(entries, data);
}

}  // namespace

Store::Store(const std::string& directory, Directory lock, leveldb::Env* env, bool durable)
    : directory_(directory),
      lock_(std::move(lock)),
      env_(std::make_unique<LogSyncEnv>(env, durable)),
      filter_(leveldb::NewBloomFilterPolicy(kFilterBitsPerKey)),
      cache_(leveldb::NewLRUCache(kCacheSize)) {}

Store::~Store() = default;

std::uint64_t Store::syncs() const {
  return env_->syncs();
}

std::uint64_t Store::bytes_written() const {
  return env_->bytes_written();
}

Result<std::unique_ptr<Store>> Store::Open(const std::string& directory, bool durable) {
  return Open(directory, leveldb::Env::Default(), durable);
}

Result<std::unique_ptr<Store>> Store::Open(const std::string& directory, leveldb::Env* env,
                                           bool durable) {
  auto lock = Directory::Hold(directory);
  if (!lock) return tl::unexpected(lock.error());
  std::unique_ptr<Store> store(new Store(directory, std::move(*lock), env, durable));
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
  return {};
}

proto::Error Store::Explain(const leveldb::Status& status) const {
  const std::string text = status.ToString();
  if (status.IsCorruption()) {
    return {ErrorCode::kCorrupt,
            "the store in " + directory_ + " is damaged (" + text +
                "): move it away and rejoin with a new validator key, since a restored copy may "
                "have forgotten votes that were sent"};
  }
  for (const int full : {ENOSPC, EDQUOT, EFBIG}) {
    if (text.ends_with(std::strerror(full))) {
      return {ErrorCode::kExhausted, "no room left for the store in " + directory_ + " (" + text +
                                         "): free some and start again"};
    }
  }
  return {ErrorCode::kUnavailable, "the store in " + directory_ + " failed: " + text};
}

Result<std::optional<Bytes>> Store::Get(ByteSpan key) const {
  std::string value;
  const leveldb::Status status = db_->Get(Checked(true), AsSlice(key), &value);
  if (status.IsNotFound()) return std::nullopt;
  if (!status.ok()) return tl::unexpected(Explain(status));
  return AsOwned(value);
}

Result<> Store::Apply(const std::vector<KeyWrite>& writes, bool sync) {
  leveldb::WriteBatch batch;
  for (const KeyWrite& write : writes) {
    if (write.value) {
      batch.Put(AsSlice(write.key), AsSlice(*write.value));
    } else {
      batch.Delete(AsSlice(write.key));
    }
  }
  CHECK(batch.ApproximateSize() <= kBatchSizeMax);
  if (failed_) {
    return Fail(ErrorCode::kUnavailable,
                "the store in " + directory_ + " takes no more writes, because one failed");
  }
  leveldb::WriteOptions options;
  options.sync = sync;
  leveldb::Status status = db_->Write(options, &batch);
  if (status.ok() && env_->failed()) status = leveldb::Status::IOError("a log was not synced");
  if (status.ok()) return {};
  failed_ = true;
  return tl::unexpected(Explain(status));
}

Result<std::vector<std::pair<Bytes, Bytes>>> Store::Scan(ByteSpan prefix, ByteSpan after,
                                                         std::size_t limit) const {
  std::vector<std::pair<Bytes, Bytes>> entries;
  const leveldb::Slice above = AsSlice(after);
  const std::unique_ptr<leveldb::Iterator> entry(db_->NewIterator(Checked(false)));
  entry->Seek(above.compare(AsSlice(prefix)) > 0 ? above : AsSlice(prefix));
  if (!after.empty() && entry->Valid() && entry->key() == above) entry->Next();
  for (; entries.size() < limit && entry->Valid(); entry->Next()) {
    if (!entry->key().starts_with(AsSlice(prefix))) break;
    entries.emplace_back(AsOwned(entry->key()), AsOwned(entry->value()));
  }
  if (!entry->status().ok()) return tl::unexpected(Explain(entry->status()));
  return entries;
}

}  // namespace node
