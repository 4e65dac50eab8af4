#include "node/store/memory.h"

#include <algorithm>
#include <functional>

#include "node/store/file_store.h"

namespace node {

using proto::Bytes;
using proto::ByteSpan;
using proto::ErrorCode;
using proto::Fail;
using proto::Result;

namespace {

Bytes Owned(ByteSpan bytes) {
  return {bytes.begin(), bytes.end()};
}

bool StartsWith(ByteSpan bytes, ByteSpan prefix) {
  return bytes.size() >= prefix.size() && std::ranges::equal(bytes.first(prefix.size()), prefix);
}

tl::unexpected<proto::Error> NoName() {
  return Fail(ErrorCode::kInvalidArgument, "no file can have this name");
}

}  // namespace

Result<std::optional<Bytes>> MemoryStore::Get(ByteSpan key) const {
  const auto found = entries_.find(Owned(key));
  if (found == entries_.end()) return std::nullopt;
  return found->second;
}

Result<> MemoryStore::Apply(const std::vector<KeyWrite>& writes, bool sync) {
  if (full_) return Fail(ErrorCode::kExhausted, "no room left");
  std::vector<KeyWrite> replaced;
  for (const auto& [key, value] : writes) {
    const auto found = entries_.find(key);
    const bool present = found != entries_.end();
    replaced.push_back({key, present ? std::optional(found->second) : std::nullopt});
    if (value) {
      entries_[key] = *value;
    } else if (present) {
      entries_.erase(found);
    }
  }
  if (sync) {
    undo_.clear();
  } else {
    undo_.push_back(std::move(replaced));
  }
  return {};
}

Result<std::vector<std::pair<Bytes, Bytes>>> MemoryStore::Scan(ByteSpan prefix, ByteSpan after,
                                                               std::size_t limit) const {
  const Bytes first = Owned(prefix);
  const Bytes above = Owned(after);
  auto entry =
      above < first || above.empty() ? entries_.lower_bound(first) : entries_.upper_bound(above);
  std::vector<std::pair<Bytes, Bytes>> found;
  for (; entry != entries_.end() && found.size() < limit; ++entry) {
    if (!StartsWith(entry->first, prefix)) break;
    found.push_back(*entry);
  }
  return found;
}

void MemoryStore::Crash(std::size_t surviving) {
  while (undo_.size() > surviving) {
    std::vector<KeyWrite>& batch = undo_.back();
    for (auto write = batch.rbegin(); write != batch.rend(); ++write) {
      if (write->value) {
        entries_[write->key] = std::move(*write->value);
      } else {
        entries_.erase(write->key);
      }
    }
    undo_.pop_back();
  }
  undo_.clear();  // What survived is on the disk.
}

Result<> MemoryFiles::Put(std::string_view name, ByteSpan bytes) {
  if (!IsFileName(name)) return NoName();
  if (full_) return Fail(ErrorCode::kExhausted, "no room left");
  files_.insert_or_assign(std::string(name), Owned(bytes));
  return {};
}

Result<Bytes> MemoryFiles::Get(std::string_view name) const {
  if (!IsFileName(name)) return NoName();
  const auto found = files_.find(name);
  if (found == files_.end()) {
    return Fail(ErrorCode::kNotFound, "there is no file " + std::string(name));
  }
  return found->second;
}

bool MemoryFiles::Has(std::string_view name) const {
  return files_.contains(name);
}

Result<> MemoryFiles::Erase(std::string_view name) {
  if (!IsFileName(name)) return NoName();
  const auto found = files_.find(name);
  if (found != files_.end()) files_.erase(found);
  return {};
}

Result<std::vector<std::string>> MemoryFiles::List(std::string_view prefix) const {
  std::vector<std::string> names;
  for (auto file = files_.lower_bound(prefix);
       file != files_.end() && file->first.starts_with(prefix); ++file) {
    names.push_back(file->first);
  }
  return names;
}

}  // namespace node
