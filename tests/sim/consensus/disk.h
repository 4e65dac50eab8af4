// A validator's storage in memory: a log of atomic batches, durable up to the last synced one.
//
// What a power failure leaves is what a checksummed log leaves (LevelDB's): everything up to the
// last sync, then as many of the later batches as reached the platter, in order; the one that was
// being written is torn, and recovery drops it with all after it.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <utility>
#include <vector>

#include "consensus/store/store.h"

namespace sim {

class Disk : public consensus::Archive {
 public:
  struct Loss {
    std::size_t batches = 0;  // Not durable, and gone.
    bool torn = false;        // The first of them was partly written.
  };

  void Apply(const std::vector<consensus::Write>& writes, bool sync) {
    if (!sync) {
      for (const auto& write : writes) before_.try_emplace(write.key, Find(write.key));
      unsynced_.push_back(writes);
    }
    Put(writes);
    if (!sync) return;
    before_.clear();
    unsynced_.clear();
  }

  // Power fails: what was not synced is gone.
  void Crash() { Crash(0, false); }

  // Of the batches that were not synced the first `kept` survive; the next is torn, if there is one
  // and `torn`: that is the same as gone, since its checksum is wrong.
  Loss Crash(std::size_t kept, bool torn) {
    for (auto& [key, value] : before_) Set(key, std::move(value));
    before_.clear();
    const std::vector<std::vector<consensus::Write>> batches = std::exchange(unsynced_, {});
    kept = std::min(kept, batches.size());
    for (std::size_t i = 0; i < kept; ++i) Put(batches[i]);
    return {batches.size() - kept, torn && kept < batches.size()};
  }

  std::size_t unsynced() const { return unsynced_.size(); }

  std::optional<proto::Bytes> Get(proto::ByteSpan key) const override {
    return Find(proto::Bytes(key.begin(), key.end()));
  }

  std::vector<std::pair<proto::Bytes, proto::Bytes>> List(proto::ByteSpan prefix) const override {
    std::vector<std::pair<proto::Bytes, proto::Bytes>> found;
    for (auto it = now_.lower_bound(proto::Bytes(prefix.begin(), prefix.end()));
         it != now_.end() && it->first.size() >= prefix.size() &&
         std::equal(prefix.begin(), prefix.end(), it->first.begin());
         ++it) {
      found.push_back(*it);
    }
    return found;
  }

  // What a power failure now would leave at least.
  class Durable : public consensus::Archive {
   public:
    explicit Durable(const Disk& disk) : disk_(disk) {}
    std::optional<proto::Bytes> Get(proto::ByteSpan key) const override {
      const auto it = disk_.before_.find(proto::Bytes(key.begin(), key.end()));
      return it == disk_.before_.end() ? disk_.Get(key) : it->second;
    }
    std::vector<std::pair<proto::Bytes, proto::Bytes>> List(proto::ByteSpan prefix) const override {
      Disk left;
      left.now_ = disk_.now_;
      for (const auto& [key, value] : disk_.before_) left.Set(key, value);
      return left.List(prefix);
    }

   private:
    const Disk& disk_;
  };

  const std::map<proto::Bytes, proto::Bytes>& contents() const { return now_; }
  void Replace(const proto::Bytes& key, proto::Bytes value) { now_[key] = std::move(value); }

 private:
  std::optional<proto::Bytes> Find(const proto::Bytes& key) const {
    const auto it = now_.find(key);
    return it == now_.end() ? std::nullopt : std::optional(it->second);
  }
  void Set(const proto::Bytes& key, std::optional<proto::Bytes> value) {
    if (value) {
      now_[key] = std::move(*value);
    } else {
      now_.erase(key);
    }
  }
  void Put(const std::vector<consensus::Write>& writes) {
    for (const auto& [key, value] : writes) Set(key, value);
  }

  std::map<proto::Bytes, proto::Bytes> now_;
  std::map<proto::Bytes, std::optional<proto::Bytes>> before_;  // As of the last sync.
  std::vector<std::vector<consensus::Write>> unsynced_;
};

}  // namespace sim
