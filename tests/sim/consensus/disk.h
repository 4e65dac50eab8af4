// A validator's storage in memory: batches of writes in order, durable up to the last synced one.
#pragma once

#include <map>
#include <optional>
#include <utility>
#include <vector>

#include "consensus/store/store.h"

namespace sim {

class Disk : public consensus::Archive {
 public:
  void Apply(const std::vector<consensus::Write>& writes, bool sync) {
    for (const auto& [key, value] : writes) {
      if (value) {
        now_[key] = *value;
      } else {
        now_.erase(key);
      }
    }
    unsynced_.insert(unsynced_.end(), writes.begin(), writes.end());
    if (!sync) return;
    for (auto& [key, value] : unsynced_) {
      if (value) {
        durable_[key] = std::move(*value);
      } else {
        durable_.erase(key);
      }
    }
    unsynced_.clear();
  }

  // Power fails: what was not synced is gone.
  void Crash() {
    unsynced_.clear();
    now_ = durable_;
  }

  std::optional<proto::Bytes> Get(proto::ByteSpan key) const override {
    const auto it = now_.find(proto::Bytes(key.begin(), key.end()));
    return it == now_.end() ? std::nullopt : std::optional(it->second);
  }

  const std::map<proto::Bytes, proto::Bytes>& contents() const { return now_; }
  void Replace(const proto::Bytes& key, proto::Bytes value) {
    now_[key] = value;
    durable_[key] = std::move(value);
  }

 private:
  std::map<proto::Bytes, proto::Bytes> now_;
  std::map<proto::Bytes, proto::Bytes> durable_;
  std::vector<consensus::Write> unsynced_;
};

}  // namespace sim
