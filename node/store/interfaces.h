// What the validator asks of storage: ordered keys with atomic, durable batches, and bulk files.
// The host gives LevelDB and a directory (store.h, file_store.h); simulations give memory.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "proto/base/bytes.h"
#include "proto/base/shared_bytes.h"

namespace node {

struct KeyWrite {
  proto::Bytes key;
  std::optional<proto::Bytes> value;  // None: the key is erased.
};

class KeyValueStore {
 public:
  virtual ~KeyValueStore() = default;
  virtual proto::Result<std::optional<proto::Bytes>> Get(proto::ByteSpan key) const = 0;
  // All or nothing. With `sync` durable on return; without, not lost before an earlier-or-equal
  // synced batch is.
  virtual proto::Result<> Apply(const std::vector<KeyWrite>& writes, bool sync) = 0;
  // Entries whose key starts with `prefix` and is above `after` (empty: from the first), ascending,
  // at most `limit`.
  virtual proto::Result<std::vector<std::pair<proto::Bytes, proto::Bytes>>> Scan(
      proto::ByteSpan prefix, proto::ByteSpan after, std::size_t limit) const = 0;
};

class BulkStore {
 public:
  virtual ~BulkStore() = default;
  // Durable and whole, or absent. `name`: 1 to 128 characters of [a-z0-9._-], not starting with a
  // dot.
  virtual proto::Result<> Put(std::string_view name, proto::ByteSpan bytes) = 0;
  virtual proto::Result<proto::Bytes> Get(std::string_view name) const = 0;  // kNotFound if absent.
  // The same without a copy, where the store can.
  virtual proto::Result<proto::SharedBytes> Map(std::string_view name) const {
    auto bytes = Get(name);
    if (!bytes) return tl::unexpected(bytes.error());
    return proto::SharedBytes(std::move(*bytes));
  }
  virtual bool Has(std::string_view name) const = 0;
  // Overwritten before it is unlinked: masks are secrets. Erasing what is absent succeeds.
  virtual proto::Result<> Erase(std::string_view name) = 0;
  // Names that start with `prefix`, ascending.
  virtual proto::Result<std::vector<std::string>> List(std::string_view prefix) const = 0;
};

}  // namespace node
