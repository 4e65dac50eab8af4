#include "node/store/journal.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <utility>

#include <fcntl.h>
#include <leveldb/env.h>
#include <sys/stat.h>
#include <unistd.h>

#include "node/store/checksum.h"
#include "proto/base/check.h"

namespace node {

using proto::Bytes;
using proto::ByteSpan;
using proto::ErrorCode;
using proto::Result;

namespace {

constexpr std::size_t kHeaderSize = 32;
constexpr std::size_t kEntrySize = 12;
constexpr std::size_t kAlignment = 32;
constexpr std::uint32_t kErased = 0xffffffff;
constexpr std::string_view kSuffix = ".journal";

leveldb::Slice AsSlice(ByteSpan bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

// LevelDB's files tell their errors in words alone.
proto::Error FromStatus(const std::string& doing, const leveldb::Status& status) {
  const std::string text = status.ToString();
  for (const int full : {ENOSPC, EDQUOT, EFBIG}) {
    if (text.ends_with(std::strerror(full))) return {ErrorCode::kExhausted, doing + ": " + text};
  }
  return {ErrorCode::kUnavailable, doing + ": " + text};
}

// Exactly `size` bytes, or fewer at the end of the file.
Result<Bytes> ReadAt(const Descriptor& file, std::uint64_t offset, std::size_t size) {
  Bytes bytes(size);
  std::size_t done = 0;
  while (done < size) {
    const ssize_t got =
        pread(file.number(), bytes.data() + done, size - done, static_cast<off_t>(offset + done));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return tl::unexpected(SystemError("cannot read"));
    if (got == 0) break;
    done += static_cast<std::size_t>(got);
  }
  bytes.resize(done);
  return bytes;
}

}  // namespace

struct Journal::Header {
  std::uint32_t index_size = 0;
  std::uint32_t index_checksum = 0;
  std::uint32_t unsynced = 0;
  std::uint64_t number = 0;
  std::uint64_t size = 0;  // With padding.

  Bytes Encode() const {
    Bytes rest;
    proto::PutU32(rest, index_size);
    proto::PutU32(rest, index_checksum);
    proto::PutU32(rest, unsynced);
    proto::PutU64(rest, number);
    proto::PutU64(rest, size);
    Bytes out;
    proto::PutU32(out, Checksum(rest));
    out.insert(out.end(), rest.begin(), rest.end());
    return out;
  }
  static std::optional<Header> Decode(ByteSpan bytes) {
    if (proto::GetU32(bytes) != Checksum(bytes.subspan(4))) return std::nullopt;
    const Header header{proto::GetU32(bytes.subspan(4)), proto::GetU32(bytes.subspan(8)),
                        proto::GetU32(bytes.subspan(12)), proto::GetU64(bytes.subspan(16)),
                        proto::GetU64(bytes.subspan(24))};
    if (header.size % kAlignment != 0 || header.size < kHeaderSize + header.index_size) {
      return std::nullopt;
    }
    return header;
  }
};

namespace {

// The index of a record whose values begin at `offset`: keys and places. None: not sound.
struct IndexEntry {
  ByteSpan key;
  bool erased = false;
  Place place;
};
std::optional<std::vector<IndexEntry>> DecodeIndex(ByteSpan index, std::uint64_t segment,
                                                   std::uint64_t offset, std::uint64_t end) {
  std::vector<IndexEntry> entries;
  while (!index.empty()) {
    if (index.size() < kEntrySize) return std::nullopt;
    const std::uint32_t key_size = proto::GetU32(index);
    const std::uint32_t size = proto::GetU32(index.subspan(4));
    const std::uint32_t checksum = proto::GetU32(index.subspan(8));
    index = index.subspan(kEntrySize);
    if (index.size() < key_size) return std::nullopt;
    IndexEntry entry{index.first(key_size), size == kErased, {}};
    index = index.subspan(key_size);
    if (!entry.erased) {
      if (size > end - offset) return std::nullopt;
      entry.place = {segment, offset, size, checksum};
      offset += size;
    }
    entries.push_back(entry);
  }
  return entries;
}

}  // namespace

Journal::Journal(const Directory& directory, leveldb::Env& env, bool durable)
    : directory_(directory), env_(env), durable_(durable) {}

Journal::~Journal() = default;

std::string Journal::PathOf(std::uint64_t segment) const {
  const std::string number = std::to_string(segment);
  return directory_.path() + "/" + std::string(number.size() < 8 ? 8 - number.size() : 0, '0') +
         number + std::string(kSuffix);
}

proto::Error Journal::Damage(std::uint64_t segment, std::uint64_t offset) const {
  return {ErrorCode::kCorrupt,
          "bad record at " + std::to_string(offset) + " of " + PathOf(segment)};
}

Result<std::vector<std::uint64_t>> Journal::Segments() const {
  const auto entries = directory_.Entries();
  if (!entries) return tl::unexpected(entries.error());
  std::vector<std::uint64_t> segments;
  for (const std::string& name : *entries) {
    if (!name.ends_with(kSuffix)) continue;
    std::uint64_t segment = 0;
    const char* const end = name.data() + name.size() - kSuffix.size();
    if (std::from_chars(name.data(), end, segment).ptr == end) segments.push_back(segment);
  }
  std::ranges::sort(segments);
  return segments;
}

std::uint64_t Journal::SizeOf(std::uint64_t segment) const {
  struct stat status {};
  return stat(PathOf(segment).c_str(), &status) == 0 ? static_cast<std::uint64_t>(status.st_size)
                                                     : 0;
}

Result<> Journal::Begin(std::uint64_t segment, std::uint64_t number) {
  leveldb::WritableFile* file = nullptr;
  const leveldb::Status status = env_.NewWritableFile(PathOf(segment), &file);
  if (!status.ok()) return tl::unexpected(FromStatus("cannot begin a journal", status));
  file_.reset(file);
  end_ = {segment, 0, number};
  return durable_ ? directory_.Sync() : Result<>();
}

Result<std::vector<Place>> Journal::Append(const std::vector<KeyWrite>& writes) {
  std::size_t index_size = 0;
  for (const KeyWrite& write : writes) index_size += kEntrySize + write.key.size();
  Bytes index;
  index.reserve(index_size);
  std::vector<Place> places;
  places.reserve(writes.size());
  std::uint64_t offset = end_.offset + kHeaderSize + index_size;
  for (const KeyWrite& write : writes) {
    Place place;
    if (write.value) {
      CHECK(write.value->size() < kErased);
      place = {end_.segment, offset, static_cast<std::uint32_t>(write.value->size()),
               Checksum(*write.value)};
      offset += place.size;
    }
    proto::PutU32(index, static_cast<std::uint32_t>(write.key.size()));
    proto::PutU32(index, write.value ? place.size : kErased);
    proto::PutU32(index, place.checksum);
    index.insert(index.end(), write.key.begin(), write.key.end());
    places.push_back(place);
  }
  static constexpr std::array<std::uint8_t, kAlignment> kPadding{};
  const std::size_t padding = (kAlignment - offset % kAlignment) % kAlignment;
  CHECK(index.size() < kErased);
  const Header header{static_cast<std::uint32_t>(index.size()), Checksum(index),
                      static_cast<std::uint32_t>(unsynced_), end_.number,
                      offset + padding - end_.offset};
  leveldb::Status status = file_->Append(AsSlice(header.Encode()));
  if (status.ok()) status = file_->Append(AsSlice(index));
  for (const KeyWrite& write : writes) {
    if (status.ok() && write.value && !write.value->empty()) {
      status = file_->Append(AsSlice(*write.value));
    }
  }
  if (status.ok() && padding > 0)
    status = file_->Append(AsSlice(ByteSpan(kPadding).first(padding)));
  if (status.ok()) status = file_->Flush();
  if (!status.ok()) return tl::unexpected(FromStatus("cannot write", status));
  end_.offset += header.size;
  ++end_.number;
  ++unsynced_;
  return places;
}

Result<> Journal::Sync() {
  if (unsynced_ == 0) return {};
  const leveldb::Status status = file_->Sync();
  if (!status.ok()) return tl::unexpected(FromStatus("cannot sync", status));
  unsynced_ = 0;
  return {};
}

Result<std::shared_ptr<const Descriptor>> Journal::Open(std::uint64_t segment) const {
  const std::lock_guard lock(mutex_);
  if (const auto it = open_.find(segment); it != open_.end()) return it->second;
  Descriptor file(open(PathOf(segment).c_str(), O_RDONLY | O_CLOEXEC));
  if (!file.valid()) return tl::unexpected(SystemError("cannot open " + PathOf(segment)));
  if (open_.size() >= kOpenSegmentsMax) open_.erase(open_.begin());
  auto shared = std::make_shared<const Descriptor>(std::move(file));
  open_.emplace(segment, shared);
  return shared;
}

Result<Bytes> Journal::Read(const Place& place) const {
  const auto file = Open(place.segment);
  if (!file) return tl::unexpected(file.error());
  auto bytes = ReadAt(**file, place.offset, place.size);
  if (!bytes) return bytes;
  if (bytes->size() != place.size || Checksum(*bytes) != place.checksum) {
    return tl::unexpected(Damage(place.segment, place.offset));
  }
  return bytes;
}

// None: nothing was written there. kCorrupt: no header, but not nothing.
Result<std::optional<Journal::Header>> Journal::ReadHeader(std::uint64_t segment,
                                                           std::uint64_t offset) const {
  const auto file = Open(segment);
  if (!file) return tl::unexpected(file.error());
  const auto bytes = ReadAt(**file, offset, kHeaderSize);
  if (!bytes) return tl::unexpected(bytes.error());
  if (bytes->size() < kHeaderSize) return std::nullopt;
  const auto header = Header::Decode(*bytes);
  const auto written = [](std::uint8_t byte) { return byte != 0; };
  if (!header && std::ranges::any_of(*bytes, written)) {
    return tl::unexpected(Damage(segment, offset));
  }
  return header;
}

// Whether a later record of the segment says that the bad one had been synced.
Result<bool> Journal::WasSyncedBy(std::uint64_t segment, const Header& bad,
                                  std::uint64_t offset) const {
  for (offset += bad.size;;) {
    const auto next = ReadHeader(segment, offset);
    if (!next) return tl::unexpected(next.error());
    if (!*next) return false;
    if (bad.number + (*next)->unsynced < (*next)->number) return true;
    offset += (*next)->size;
  }
}

Result<Position> Journal::Replay(Position from, const Visit& visit) const {
  const auto segments = Segments();
  if (!segments) return tl::unexpected(segments.error());
  // A killed process leaves what the disk does not have yet, and whoever is visited will rely on
  // it.
  const auto sync = [&](const std::string& path) {
    leveldb::WritableFile* opened = nullptr;
    leveldb::Status status = env_.NewAppendableFile(path, &opened);
    const std::unique_ptr<leveldb::WritableFile> file(opened);
    return status.ok() ? file->Sync() : status;
  };
  for (auto segment = std::ranges::lower_bound(*segments, from.segment); segment != segments->end();
       ++segment) {
    if (*segment != from.segment) from = {*segment, 0, from.number};
    const std::uint64_t size = SizeOf(*segment);
    if (const auto status = durable_ && size > 0 ? sync(PathOf(*segment)) : leveldb::Status();
        !status.ok()) {
      return tl::unexpected(FromStatus("cannot sync", status));
    }
    for (;;) {
      const auto header = ReadHeader(*segment, from.offset);
      if (!header) return tl::unexpected(header.error());
      if (!*header || (*header)->size > size - from.offset) break;
      const auto file = Open(*segment);
      if (!file) return tl::unexpected(file.error());
      const auto record = ReadAt(**file, from.offset, (*header)->size);
      if (!record) return tl::unexpected(record.error());
      if ((*header)->number != from.number || record->size() != (*header)->size) {
        return tl::unexpected(Damage(*segment, from.offset));
      }
      const ByteSpan index = ByteSpan(*record).subspan(kHeaderSize, (*header)->index_size);
      std::optional<std::vector<IndexEntry>> decoded;
      if (Checksum(index) == (*header)->index_checksum) {
        decoded = DecodeIndex(index, *segment, from.offset + kHeaderSize + index.size(),
                              from.offset + (*header)->size);
      }
      std::vector<Entry> entries;
      bool sound = decoded.has_value();
      for (std::size_t i = 0; sound && i < decoded->size(); ++i) {
        const IndexEntry& entry = (*decoded)[i];
        std::optional<ByteSpan> value;
        if (!entry.erased) {
          value = ByteSpan(*record).subspan(entry.place.offset - from.offset, entry.place.size);
          sound = Checksum(*value) == entry.place.checksum;
        }
        entries.push_back({entry.key, value, entry.place});
      }
      if (!sound) {
        const auto synced = WasSyncedBy(*segment, **header, from.offset);
        if (!synced) return tl::unexpected(synced.error());
        if (*synced) return tl::unexpected(Damage(*segment, from.offset));
        break;
      }
      from.offset += (*header)->size;
      ++from.number;
      if (auto visited = visit(entries, from); !visited) return tl::unexpected(visited.error());
    }
    // A full segment is synced before the next begins.
    const auto holds_more = [&](std::uint64_t later) { return SizeOf(later) > 0; };
    if (from.offset < size && std::any_of(segment + 1, segments->end(), holds_more)) {
      return tl::unexpected(Damage(*segment, from.offset));
    }
  }
  return from;
}

Result<> Journal::ForEachPlace(std::uint64_t segment, std::size_t size_min,
                               const VisitPlace& visit) const {
  const auto file = Open(segment);
  if (!file) return tl::unexpected(file.error());
  for (std::uint64_t offset = 0;;) {
    const auto header = ReadHeader(segment, offset);
    if (!header) return tl::unexpected(header.error());
    if (!*header) return {};
    const auto index = ReadAt(**file, offset + kHeaderSize, (*header)->index_size);
    if (!index) return tl::unexpected(index.error());
    // A torn end was never replayed: nothing refers to it.
    if (Checksum(*index) != (*header)->index_checksum) return {};
    const auto entries = DecodeIndex(*index, segment, offset + kHeaderSize + index->size(),
                                     offset + (*header)->size);
    if (!entries) return tl::unexpected(Damage(segment, offset));
    for (const IndexEntry& entry : *entries) {
      if (!entry.erased && entry.place.size >= size_min) visit(entry.key, entry.place);
    }
    offset += (*header)->size;
  }
}

Result<> Journal::Remove(std::uint64_t segment) {
  {
    const std::lock_guard lock(mutex_);
    open_.erase(segment);
  }
  const leveldb::Status status = env_.RemoveFile(PathOf(segment));
  if (!status.ok()) return tl::unexpected(FromStatus("cannot remove a journal", status));
  return {};
}

}  // namespace node
