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
  void PutBytes(const proto::Bytes& key, proto::Bytes value) {
    Touch(key).written = std::move(value);
  }

  struct Result {
    StateTree tree;
    std::vector<KeyWrite> changes;  // What differs from the base, ascending by key.
  };
  // The state with all that was written. Ends the view.
  Result Finish() && {
    Result result;
    std::vector<StateTree::Write> writes;
    result.changes.reserve(touched_.size());
    for (auto& [key, record] : touched_) {
      if (!record.written) continue;
      if (record.base != nullptr && *record.base == *record.written) continue;
      result.changes.push_back({key, std::move(record.written)});
      writes.push_back({record.path, nullptr, nullptr});
    }
    for (std::size_t i = 0; i < writes.size(); ++i) {
      writes[i].key = &result.changes[i].key;
      writes[i].value = &*result.changes[i].value;
    }
    result.tree = base_.Apply(std::move(writes));
    return result;
  }

 private:
  // A key that was asked for: its path is a hash, taken once.
  struct Record {
    proto::Digest path;
    const proto::Bytes* base = nullptr;
    std::optional<proto::Bytes> written;
  };

  Record& Touch(const proto::Bytes& key) const {
    const auto [place, fresh] = touched_.try_emplace(key);
    if (fresh) {
      place->second.path = StateTree::PathOf(key);
      place->second.base = base_.Get(place->second.path);
    }
    return place->second;
  }
  const proto::Bytes* Bytes(const proto::Bytes& key) const {
    const Record& record = Touch(key);
    return record.written ? &*record.written : record.base;
  }

  StateTree base_;
  mutable std::map<proto::Bytes, Record> touched_;
};

}  // namespace node
