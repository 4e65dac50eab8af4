// StateView: the state while a block is executed, a tree and the records written on top of it.
#pragma once

#include <map>
#include <optional>
#include <utility>
#include <vector>

#include "node/ledger/state_tree.h"
#include "node/store/interfaces.h"
#include "proto/base/check.h"
#include "proto/wire/records.h"

namespace node {

class StateView {
 public:
  explicit StateView(StateTree base) : base_(std::move(base)) {}

  // The record under the key. The ledger wrote all there is, so that it decodes is CHECKed.
  template <class T>
  std::optional<T> Find(const proto::Bytes& key) const {
    const proto::Bytes* bytes = Bytes(key);
    if (bytes == nullptr) return std::nullopt;
    auto record = proto::DecodeRecord<T>(*bytes);
    CHECK(record.has_value());
    return *std::move(record);
  }
  // A record that is there (CHECKed).
  template <class T>
  T Get(const proto::Bytes& key) const {
    auto record = Find<T>(key);
    CHECK(record.has_value());
    return *std::move(record);
  }
  bool Has(const proto::Bytes& key) const { return Bytes(key) != nullptr; }

  template <class T>
  void Put(const proto::Bytes& key, const T& record) {
    PutBytes(key, proto::Encode(record));
  }
  void PutBytes(const proto::Bytes& key, proto::Bytes value) { written_[key] = std::move(value); }

  const StateTree& base() const { return base_; }
  // What was changed, ascending by key.
  std::vector<KeyWrite> TakeWrites() {
    std::vector<KeyWrite> writes;
    writes.reserve(written_.size());
    for (auto& [key, value] : written_) {
      const proto::Bytes* old = base_.Get(key);
      if (old == nullptr || *old != value) writes.push_back({key, std::move(value)});
    }
    written_.clear();
    return writes;
  }

 private:
  const proto::Bytes* Bytes(const proto::Bytes& key) const {
    const auto found = written_.find(key);
    return found != written_.end() ? &found->second : base_.Get(key);
  }

  StateTree base_;
  std::map<proto::Bytes, proto::Bytes> written_;
};

}  // namespace node
