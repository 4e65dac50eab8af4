#include "node/store/log_sync.h"

#include <memory>
#include <utility>

namespace node {

// A log is synced before it is closed; other files when LevelDB asks.
class LogSyncEnv::File : public leveldb::WritableFile {
 public:
  File(std::unique_ptr<leveldb::WritableFile> file, LogSyncEnv& env, bool log)
      : file_(std::move(file)), env_(env), log_(log) {}
  ~File() override {
    if (log_ && unsynced_ && !Sync().ok()) env_.failed_ = true;
  }

  leveldb::Status Append(const leveldb::Slice& data) override {
    unsynced_ = true;
    env_.bytes_written_ += data.size();
    return file_->Append(data);
  }
  leveldb::Status Flush() override { return file_->Flush(); }
  leveldb::Status Sync() override {
    if (!env_.durable_) return file_->Flush();
    env_.syncs_ += 1;
    leveldb::Status status = file_->Sync();
    if (status.ok()) unsynced_ = false;
    return status;
  }
  leveldb::Status Close() override {
    leveldb::Status status = log_ && unsynced_ ? Sync() : leveldb::Status::OK();
    leveldb::Status closed = file_->Close();
    return status.ok() ? closed : status;
  }

 private:
  std::unique_ptr<leveldb::WritableFile> file_;
  LogSyncEnv& env_;
  const bool log_;
  bool unsynced_ = false;
};

leveldb::Status LogSyncEnv::NewWritableFile(const std::string& name, leveldb::WritableFile** file) {
  leveldb::WritableFile* opened = nullptr;
  leveldb::Status status = target()->NewWritableFile(name, &opened);
  std::unique_ptr<leveldb::WritableFile> owned(opened);
  *file = nullptr;
  if (!status.ok()) return status;
  *file = new File(std::move(owned), *this, name.ends_with(".log"));
  return status;
}

}  // namespace node
