#include "node/loop/adopt.h"

#include <utility>

#include "proto/base/check.h"

namespace node {

using proto::Bytes;
using proto::Result;

namespace {

constexpr std::size_t kPage = 4096;
const Bytes kStatePrefix = {'s'};

// Visits the entries under a prefix page by page; `write` makes of each what is to be written.
template <class Write>
Result<> Rewrite(KeyValueStore& store, const Bytes& prefix, Write write) {
  Bytes after;
  for (;;) {
    auto page = store.Scan(prefix, after, kPage);
    if (!page) return tl::unexpected(page.error());
    if (page->empty()) return {};
    after = page->back().first;
    std::vector<KeyWrite> writes;
    writes.reserve(page->size());
    for (auto& [key, value] : *page) writes.push_back(write(std::move(key), std::move(value)));
    if (auto applied = store.Apply(writes, false); !applied) return applied;
  }
}

Result<> Erase(KeyValueStore& store, const Bytes& prefix) {
  return Rewrite(store, prefix, [](Bytes key, Bytes) {
    return KeyWrite{std::move(key), std::nullopt};
  });
}

}  // namespace

Result<std::optional<StoredDownload>> FindDownload(const KeyValueStore& store) {
  const auto bytes = store.Get(DownloadKey());
  if (!bytes) return tl::unexpected(bytes.error());
  if (!*bytes) return std::nullopt;
  auto record = DecodeDownloadRecord(**bytes);
  if (!record) return tl::unexpected(record.error());
  const auto epoch_bytes = store.Get(DownloadEpochKey());
  if (!epoch_bytes) return tl::unexpected(epoch_bytes.error());
  if (!*epoch_bytes) {
    return proto::Fail(proto::ErrorCode::kCorrupt, "the epoch of a download is missing");
  }
  auto epoch = proto::DecodeEpoch(**epoch_bytes);
  if (!epoch) return tl::unexpected(epoch.error());
  return std::optional(StoredDownload{std::move(*record), std::move(*epoch)});
}

Result<> DropDownload(KeyValueStore& store) {
  const auto dropped =
      store.Apply({{DownloadKey(), std::nullopt}, {DownloadEpochKey(), std::nullopt}}, false);
  return dropped ? ClearStaged(store) : dropped;
}

Result<> ClearStaged(KeyValueStore& store) {
  return Erase(store, StagedPrefix());
}

Result<> BeginAdoption(KeyValueStore& store, DownloadRecord& record) {
  record.adopting = true;
  return store.Apply({{DownloadKey(), Encode(record)}}, true);
}

Result<> FinishAdoption(KeyValueStore& store, const DownloadRecord& record,
                        std::vector<KeyWrite> last) {
  CHECK(record.adopting);
  if (auto erased = Erase(store, kStatePrefix); !erased) return erased;
  const std::size_t staged = StagedPrefix().size();
  const auto moved = Rewrite(store, StagedPrefix(), [&](Bytes key, Bytes value) {
    Bytes to = kStatePrefix;
    to.insert(to.end(), key.begin() + static_cast<std::ptrdiff_t>(staged), key.end());
    return KeyWrite{std::move(to), std::move(value)};
  });
  if (!moved) return moved;
  last.push_back({DownloadKey(), std::nullopt});
  last.push_back({DownloadEpochKey(), std::nullopt});
  if (auto applied = store.Apply(last, true); !applied) return applied;
  return ClearStaged(store);
}

}  // namespace node
