#include "node/store/log_sync.h"

#include <memory>
#include <utility>

namespace node {

class LogSyncEnv::Log : public leveldb::WritableFile {
 public:
  Log(std::unique_ptr<leveldb::WritableFile> file, std::atomic<bool>& failed)
      : file_(std::move(file)), failed_(failed) {}
  ~Log() override {
    if (unsynced_ && !file_->Sync().ok()) failed_ = true;
  }

  leveldb::Status Append(const leveldb::Slice& data) override {
    unsynced_ = true;
    return file_->Append(data);
  }
  leveldb::Status Flush() override { return file_->Flush(); }
  leveldb::Status Sync() override {
    leveldb::Status status = file_->Sync();
    if (status.ok()) unsynced_ = false;
    return status;
  }
  leveldb::Status Close() override {
    leveldb::Status status = unsynced_ ? Sync() : leveldb::Status::OK();
    leveldb::Status closed = file_->Close();
    return status.ok() ? closed : status;
  }

 private:
  std::unique_ptr<leveldb::WritableFile> file_;
  std::atomic<bool>& failed_;
  bool unsynced_ = false;
};

leveldb::Status LogSyncEnv::NewWritableFile(const std::string& name, leveldb::WritableFile** file) {
  leveldb::WritableFile* opened = nullptr;
  leveldb::Status status = target()->NewWritableFile(name, &opened);
  std::unique_ptr<leveldb::WritableFile> owned(opened);
  *file = nullptr;
  if (!status.ok()) return status;
  *file = name.ends_with(".log") ? new Log(std::move(owned), failed_) : owned.release();
  return status;
}

}  // namespace node
