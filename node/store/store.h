// Store: the ordered keys of interfaces.h in a LevelDB database, which nothing else includes.
//
// What survives, after a crash of the process or of the machine, is a prefix of the batches
// applied, with at least every batch up to the last synced one. LevelDB alone promises less: it
// closes a full log without syncing it, so that a synced batch in the next log may outlive an
// unsynced one before it; log_sync.h closes that gap.
//
// After a failed Apply the fate of its batch is unknown until the store is opened again, and what
// LevelDB would append behind a torn record could not be read back. So the store then refuses every
// further batch; it still answers reads. One process at a time opens a directory; within it any
// thread may call.
#pragma once

#include <atomic>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "node/store/directory.h"
#include "node/store/interfaces.h"

namespace leveldb {
class Cache;
class DB;
class Env;
class FilterPolicy;
class Status;
}  // namespace leveldb

namespace node {

class LogSyncEnv;

class Store : public KeyValueStore {
 public:
  // Created when absent, for its owner's eyes alone. kUnavailable when another process holds it,
  // kCorrupt when it is damaged: a validator that lost its votes must not sign on as if it had
  // none.
  // `durable` false: nothing is ever synced, and a crash of the machine may lose or tear anything;
  // for benchmarks.
  static proto::Result<std::unique_ptr<Store>> Open(const std::string& directory,
                                                    bool durable = true);
  // Over another environment, so that tests can take the power away.
  static proto::Result<std::unique_ptr<Store>> Open(const std::string& directory,
                                                    leveldb::Env* env, bool durable = true);
  ~Store() override;

  // Since it was opened: syncs of logs and tables, and bytes handed to the files.
  std::uint64_t syncs() const;
  std::uint64_t bytes_written() const;

  proto::Result<std::optional<proto::Bytes>> Get(proto::ByteSpan key) const override;
  proto::Result<> Apply(const std::vector<KeyWrite>& writes, bool sync) override;
  proto::Result<std::vector<std::pair<proto::Bytes, proto::Bytes>>> Scan(
      proto::ByteSpan prefix, proto::ByteSpan after, std::size_t limit) const override;

 private:
  Store(const std::string& directory, Directory lock, leveldb::Env* env, bool durable);
  proto::Result<> Start();
  proto::Error Explain(const leveldb::Status& status) const;

  const std::string directory_;
  Directory lock_;
  std::unique_ptr<LogSyncEnv> env_;
  std::unique_ptr<const leveldb::FilterPolicy> filter_;
  std::unique_ptr<leveldb::Cache> cache_;
  std::unique_ptr<leveldb::DB> db_;  // Closed before what it uses.
  std::atomic<bool> failed_ = false;
};

}  // namespace node
