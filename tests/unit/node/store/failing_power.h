// A disk that keeps, when the power fails, what was synced and a random beginning of the rest.
#pragma once

#include <algorithm>
#include <filesystem>
#include <map>
#include <memory>
#include <mutex>
#include <random>
#include <string>
#include <utility>

#include <leveldb/env.h>

namespace node {

class FailingPower : public leveldb::EnvWrapper {
 public:
  FailingPower() : EnvWrapper(leveldb::Env::Default()) {}

  leveldb::Status NewWritableFile(const std::string& name,
                                  leveldb::WritableFile** result) override {
    const std::lock_guard lock(mutex_);
    if (failed_) return Gone();
    const leveldb::Status status = target()->NewWritableFile(name, result);
    if (!status.ok()) return status;
    files_[name] = {0, 0};
    *result = new File(this, name, std::unique_ptr<leveldb::WritableFile>(*result));
    return status;
  }
  leveldb::Status NewAppendableFile(const std::string& name,
                                    leveldb::WritableFile** result) override {
    const std::lock_guard lock(mutex_);
    if (failed_) return Gone();
    const leveldb::Status status = target()->NewAppendableFile(name, result);
    if (!status.ok()) return status;
    const std::uint64_t size = std::filesystem::file_size(name);
    files_.try_emplace(name, Sizes{size, size});
    *result = new File(this, name, std::unique_ptr<leveldb::WritableFile>(*result));
    return status;
  }
  leveldb::Status RenameFile(const std::string& from, const std::string& to) override {
    const std::lock_guard lock(mutex_);
    if (failed_) return Gone();
    if (files_.contains(from)) files_[to] = files_[from];
    files_.erase(from);
    return target()->RenameFile(from, to);
  }
  leveldb::Status RemoveFile(const std::string& name) override {
    const std::lock_guard lock(mutex_);
    if (failed_) return Gone();
    files_.erase(name);
    return target()->RemoveFile(name);
  }

  // From now on nothing reaches the disk.
  void Fail() {
    const std::lock_guard lock(mutex_);
    failed_ = true;
  }
  // Once the store is closed: takes away what the disk had not kept.
  void Lose(std::mt19937_64& random) {
    const std::lock_guard lock(mutex_);
    for (const auto& [name, sizes] : files_) {
      const auto [synced, written] = sizes;
      std::uniform_int_distribution<std::uint64_t> kept(synced, written);
      if (std::filesystem::exists(name))
        std::filesystem::resize_file(name,
                                     std::min(kept(random), std::filesystem::file_size(name)));
    }
    files_.clear();
    failed_ = false;
  }

 private:
  class File : public leveldb::WritableFile {
   public:
    File(FailingPower* power, std::string name, std::unique_ptr<leveldb::WritableFile> file)
        : power_(power), name_(std::move(name)), file_(std::move(file)) {}

    leveldb::Status Append(const leveldb::Slice& data) override {
      const std::lock_guard lock(power_->mutex_);
      if (power_->failed_) return Gone();
      power_->files_[name_].written += data.size();
      return file_->Append(data);
    }
    leveldb::Status Sync() override {
      const std::lock_guard lock(power_->mutex_);
      if (power_->failed_) return Gone();
      power_->files_[name_].synced = power_->files_[name_].written;
      return file_->Sync();
    }
    leveldb::Status Flush() override { return file_->Flush(); }
    leveldb::Status Close() override { return file_->Close(); }

   private:
    FailingPower* power_;
    std::string name_;
    std::unique_ptr<leveldb::WritableFile> file_;
  };
  struct Sizes {
    std::uint64_t synced = 0;
    std::uint64_t written = 0;
  };

  static leveldb::Status Gone() { return leveldb::Status::IOError("the power is gone"); }

  std::mutex mutex_;
  std::map<std::string, Sizes> files_;
  bool failed_ = false;
};

}  // namespace node
