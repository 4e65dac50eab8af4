// Store: the ordered keys of interfaces.h on a disk: a journal (journal.h) and, over it, an index
// in a LevelDB database, which nothing else includes.
//
// A batch is one record of the journal; a synced one costs one sync. Values of kInlineMax bytes and
// more are written there once and for good: the index holds their place and checksum. The index
// learns of batches only when the journal is synced, so it is never ahead of it, and is itself not
// synced with each of them: opening replays the records after the position that it holds. Until
// then unsynced batches are read from memory.
//
// What survives, after a crash of the process or of the machine, is a prefix of the batches
// applied, with at least every batch up to the last synced one; a killed process alone loses
// nothing. (LevelDB closes a full log without syncing it, so that of its own logs a later one might
// outlive the end of an earlier; log_sync.h closes that gap.)
//
// Space. Segments are looked at in turns, kExaminedMax when a new one begins; the values of one
// that is less than three quarters full of values that count are written again bit by bit, with the
// batches that follow, and then it is removed (Rosenblum and Ousterhout's cleaning). So segments
// are at least about three quarters full, after all were looked at, and a value that stays is
// rewritten seldom.
//
// After a failed Apply the fate of its batch is unknown until the store is opened again. So the
// store then refuses every further batch; it still answers reads. One process at a time opens a
// directory; within it any thread may call.
#pragma once

#include <atomic>
#include <deque>
#include <map>
#include <memory>
#include <mutex>
#include <shared_mutex>
#include <string>
#include <utility>
#include <vector>

#include "node/store/directory.h"
#include "node/store/interfaces.h"
#include "node/store/journal.h"

namespace leveldb {
class Cache;
class DB;
class Env;
class FilterPolicy;
class Status;
}  // namespace leveldb

namespace node {

class LogSyncEnv;

inline constexpr std::size_t kInlineMax = 1024;  // Smaller values stand in the index.
inline constexpr std::size_t kSegmentSize = std::size_t{64} << 20;
inline constexpr std::size_t kUnsyncedMax = std::size_t{4} << 20;  // In memory; beyond, a sync.
inline constexpr int kExaminedMax = 2;
// Bytes moved for each byte written: a segment's worth of values in less than the time until the
// next ones are examined.
inline constexpr std::size_t kMovedPerByte = 2;

struct StoreOptions {
  // False: nothing is ever synced, and a crash of the machine may lose or tear anything; for
  // benchmarks.
  bool durable = true;
  std::size_t segment_size = kSegmentSize;
};

class Store : public KeyValueStore {
 public:
  // Created when absent, for its owner's eyes alone. kUnavailable when another process holds it,
  // kCorrupt when it is damaged: a validator that lost its votes must not sign on as if it had
  // none.
  static proto::Result<std::unique_ptr<Store>> Open(const std::string& directory,
                                                    bool durable = true);
  // Over another environment, so that tests can take the power away.
  static proto::Result<std::unique_ptr<Store>> Open(const std::string& directory, leveldb::Env* env,
                                                    StoreOptions options = {});
  ~Store() override;

  // Since it was opened: syncs of journals, logs and tables, and bytes handed to the files.
  std::uint64_t syncs() const;
  std::uint64_t bytes_written() const;

  proto::Result<std::optional<proto::Bytes>> Get(proto::ByteSpan key) const override;
  proto::Result<> Apply(const std::vector<KeyWrite>& writes, bool sync) override;
  proto::Result<std::vector<std::pair<proto::Bytes, proto::Bytes>>> Scan(
      proto::ByteSpan prefix, proto::ByteSpan after, std::size_t limit) const override;

 private:
  // What the index holds for a key: a value, or its place. Empty: the key is erased.
  using Slot = std::string;
  struct Moving {
    proto::Bytes key;
    Place place;
  };

  Store(const std::string& directory, Directory lock, leveldb::Env* env, StoreOptions options);
  proto::Result<> Start();
  proto::Result<> Replay();
  proto::Result<> Commit(bool sync_index);
  proto::Result<> BeginSegment();
  proto::Result<> Examine();
  proto::Result<> Move();
  proto::Result<> Append(const std::vector<KeyWrite>& record);
  proto::Result<> Write(const std::vector<KeyWrite>& writes, bool sync);
  // As of the batches applied.
  proto::Result<Slot> FindSlot(proto::ByteSpan key) const;
  proto::Result<Slot> FindIndexed(proto::ByteSpan key) const;
  proto::Result<std::vector<std::pair<proto::Bytes, Slot>>> FindSlots(proto::ByteSpan prefix,
                                                                      proto::ByteSpan after,
                                                                      std::size_t limit) const;
  proto::Result<proto::Bytes> Load(proto::ByteSpan key, const Slot& slot) const;
  proto::Error Explain(const leveldb::Status& status) const;
  proto::Error Explain(proto::Error error) const;

  const std::string directory_;
  const StoreOptions options_;
  Directory lock_;
  std::unique_ptr<LogSyncEnv> env_;
  std::unique_ptr<const leveldb::FilterPolicy> filter_;
  std::unique_ptr<leveldb::Cache> cache_;
  std::unique_ptr<Journal> journal_;
  std::unique_ptr<leveldb::DB> db_;  // Closed before what it uses.

  std::mutex write_mutex_;  // One batch at a time; of all below.
  std::atomic<bool> failed_ = false;
  std::size_t unsynced_bytes_ = 0;
  std::uint64_t examined_ = 0;          // The last segment that was looked at.
  std::deque<Moving> moving_;           // Values of segments that are to go.
  std::vector<std::uint64_t> leaving_;  // These segments.
  std::size_t move_budget_ = 0;

  mutable std::shared_mutex unsynced_mutex_;
  std::map<proto::Bytes, Slot> unsynced_;  // What the index does not hold yet.
};

}  // namespace node
