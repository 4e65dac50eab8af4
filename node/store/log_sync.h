// LogSyncEnv: LevelDB's window on the file system, with one promise more: a log that is closed has
// been synced. Only then do later logs never outlive the end of an earlier one.
#pragma once

#include <atomic>
#include <string>

#include <leveldb/env.h>

namespace node {

class LogSyncEnv : public leveldb::EnvWrapper {
 public:
  explicit LogSyncEnv(leveldb::Env* target) : EnvWrapper(target) {}

  leveldb::Status NewWritableFile(const std::string& name, leveldb::WritableFile** file) override;
  // LevelDB closes logs without asking how that went: whether one could not be synced.
  bool failed() const { return failed_; }

 private:
  class Log;
  std::atomic<bool> failed_ = false;
};

}  // namespace node
