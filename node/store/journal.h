// Journal: an append-only log in numbered segment files, the one place where batches become
// durable and where large values stay for good.
//
// A record is one batch, all or nothing:
//
//   32 bytes   checksum of the next 28 | index size | index checksum | records before this one that
//              were not synced when it was written | its number (8 bytes) | its size (8 bytes)
//   index      for each write: key size | value size (kErased: none) | checksum of the value | key
//   values     one after another
//   zeros      to a multiple of 32, so that a header lies in one sector: whole or absent
//
// Integers are little-endian, of 4 bytes if not said otherwise. Records are numbered through all
// segments.
//
// After a crash of the machine records that were not synced may be missing or torn, in any order: a
// replay ends before the first such. One that is bad although a later record says that it had been
// synced is damage, and so is a bad header (32 bytes do not tear). What cannot be told apart: a
// damaged record behind which nothing was synced, and a torn one. A torn end is left alone; each
// opening begins a segment of its own.
//
// One thread appends; any may read.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "node/store/directory.h"
#include "node/store/interfaces.h"

namespace leveldb {
class Env;
class WritableFile;
}  // namespace leveldb

namespace node {

inline constexpr std::size_t kOpenSegmentsMax = 32;

// Where a value lies, and its checksum.
struct Place {
  std::uint64_t segment = 0;
  std::uint64_t offset = 0;
  std::uint32_t size = 0;
  std::uint32_t checksum = 0;

  bool operator==(const Place&) const = default;
};

// Where a record lies, or will.
struct Position {
  std::uint64_t segment = 1;
  std::uint64_t offset = 0;
  std::uint64_t number = 0;
};

class Journal {
 public:
  // In `directory`, which outlives it, through `env`; `durable` false: never synced.
  Journal(const Directory& directory, leveldb::Env& env, bool durable);
  ~Journal();

  // One write of a record that is read again.
  struct Entry {
    proto::ByteSpan key;
    std::optional<proto::ByteSpan> value;  // None: erased.
    Place place;                           // Of the value.
  };
  using Visit = std::function<proto::Result<>(const std::vector<Entry>&, const Position& next)>;
  // The records from `from` on, in order, and where the next one would stand. kCorrupt: damage.
  proto::Result<Position> Replay(Position from, const Visit& visit) const;

  // Begins the next segment, empty and durable. First; and whenever one is full, after a Sync.
  proto::Result<> Begin(std::uint64_t segment, std::uint64_t number);
  // The places of the values, in the order of the writes (of erased keys: none). After an error
  // nothing more may be appended.
  proto::Result<std::vector<Place>> Append(const std::vector<KeyWrite>& writes);
  proto::Result<> Sync();
  const Position& end() const { return end_; }

  proto::Result<proto::Bytes> Read(const Place& place) const;

  proto::Result<std::vector<std::uint64_t>> Segments() const;  // Ascending.
  std::uint64_t SizeOf(std::uint64_t segment) const;           // 0: absent or empty.
  // Keys and places of the values of at least `size_min` bytes in a segment that is no more
  // appended to; not the values.
  using VisitPlace = std::function<void(proto::ByteSpan key, const Place& place)>;
  proto::Result<> ForEachPlace(std::uint64_t segment, std::size_t size_min,
                               const VisitPlace& visit) const;
  proto::Result<> Remove(std::uint64_t segment);

 private:
  struct Header;
  std::string PathOf(std::uint64_t segment) const;
  proto::Error Damage(std::uint64_t segment, std::uint64_t offset) const;
  proto::Result<std::shared_ptr<const Descriptor>> Open(std::uint64_t segment) const;
  proto::Result<bool> WasSyncedBy(std::uint64_t segment, const Header& bad,
                                  std::uint64_t offset) const;
  proto::Result<std::optional<Header>> ReadHeader(std::uint64_t segment,
                                                  std::uint64_t offset) const;

  const Directory& directory_;
  leveldb::Env& env_;
  const bool durable_;
  std::unique_ptr<leveldb::WritableFile> file_;
  Position end_;
  std::uint64_t unsynced_ = 0;  // Records.
  mutable std::mutex mutex_;
  mutable std::map<std::uint64_t, std::shared_ptr<const Descriptor>> open_;
};

}  // namespace node
