// MemoryStore and MemoryFiles: storage without a disk, for simulations. They keep the promises of
// interfaces.h and break whatever those leave open when told to: Crash() takes the unsynced batches
// away, a full disk refuses writes.
#pragma once

#include <map>
#include <string>
#include <utility>
#include <vector>

#include "node/store/interfaces.h"

namespace node {

class MemoryStore : public KeyValueStore {
 public:
  proto::Result<std::optional<proto::Bytes>> Get(proto::ByteSpan key) const override;
  proto::Result<> Apply(const std::vector<KeyWrite>& writes, bool sync) override;
  proto::Result<std::vector<std::pair<proto::Bytes, proto::Bytes>>> Scan(
      proto::ByteSpan prefix, proto::ByteSpan after, std::size_t limit) const override;

  // The power fails: of the batches after the last synced one only the first `surviving` remain.
  void Crash(std::size_t surviving = 0);
  std::size_t unsynced() const { return undo_.size(); }
  // While full, batches are refused with kExhausted and change nothing.
  void SetFull(bool full) { full_ = full; }

 private:
  std::map<proto::Bytes, proto::Bytes> entries_;
  // For each unsynced batch the entries it replaced, in the order of its writes.
  std::vector<std::vector<KeyWrite>> undo_;
  bool full_ = false;
};

class MemoryFiles : public BulkStore {
 public:
  proto::Result<> Put(std::string_view name, proto::ByteSpan bytes) override;
  proto::Result<proto::Bytes> Get(std::string_view name) const override;
  bool Has(std::string_view name) const override;
  proto::Result<> Erase(std::string_view name) override;
  proto::Result<std::vector<std::string>> List(std::string_view prefix) const override;

  void SetFull(bool full) { full_ = full; }

 private:
  std::map<std::string, proto::Bytes, std::less<>> files_;
  bool full_ = false;
};

}  // namespace node
