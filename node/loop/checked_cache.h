// Transactions that were checked before the ledger orders them: on admission, or when a peer's
// batch came in. So each is verified once a node, on whichever thread had the time.
//
// A hit is decided by the bytes themselves; the hash only finds the place. Two transactions that
// share a place cost a second check, nothing else.
#pragma once

#include <cstdint>
#include <deque>
#include <optional>
#include <unordered_map>
#include <utility>

#include "proto/wire/ledger.h"

namespace node {

// Beyond it the oldest go.
inline constexpr std::size_t kCheckedBytesMax = std::size_t{64} << 20;
inline constexpr std::size_t kCheckedPlacesMax = 1 << 18;

class CheckedCache {
 public:
  void Add(proto::CheckedTransaction transaction);
  // Takes it out: it is executed once.
  std::optional<proto::CheckedTransaction> Take(proto::ByteSpan bytes);

  std::uint64_t hits() const { return hits_; }
  std::uint64_t misses() const { return misses_; }
  std::size_t bytes() const { return bytes_; }

 private:
  struct Entry {
    std::uint64_t number = 0;
    proto::CheckedTransaction transaction;
  };

  void Erase(std::unordered_map<std::uint64_t, Entry>::iterator entry);

  std::unordered_map<std::uint64_t, Entry> entries_;
  std::deque<std::pair<std::uint64_t, std::uint64_t>> arrived_;  // Place and number.
  std::uint64_t next_number_ = 0;
  std::size_t bytes_ = 0;
  std::uint64_t hits_ = 0;
  std::uint64_t misses_ = 0;
};

}  // namespace node
