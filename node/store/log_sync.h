// LogSyncEnv: LevelDB's window on the file system, with one promise more: a log that is closed has
// been synced. Only then do later logs never outlive the end of an earlier one. It counts what
// durability costs, and can do without it for benchmarks.
#pragma once

#include <atomic>
#include <cstdint>
#include <string>

#include <leveldb/env.h>

namespace node {

class LogSyncEnv : public leveldb::EnvWrapper {
 public:
  // `durable` false: no file is ever synced.
  explicit LogSyncEnv(leveldb::Env* target, bool durable = true)
      : EnvWrapper(target), durable_(durable) {}

  leveldb::Status NewWritableFile(const std::string& name, leveldb::WritableFile** file) override;
  // LevelDB closes logs without asking how that went: whether one could not be synced.
  bool failed() const { return failed_; }
  std::uint64_t syncs() const { return syncs_; }
  std::uint64_t bytes_written() const { return bytes_written_; }

 private:
  class File;
  const bool durable_;
  std::atomic<bool> failed_ = false;
  std::atomic<std::uint64_t> syncs_ = 0;
  std::atomic<std::uint64_t> bytes_written_ = 0;
};

}  // namespace node
