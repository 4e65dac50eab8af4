#include "node/loop/checked_cache.h"

#include <algorithm>
#include <functional>
#include <string_view>

namespace node {

namespace {

// An entry's memory beside its transaction's bytes; their decoded form is about as large again.
constexpr std::size_t kEntryOverhead = 512;

std::uint64_t PlaceOf(proto::ByteSpan bytes) {
  return std::hash<std::string_view>()(proto::AsText(bytes));
}

std::size_t WeightOf(const proto::CheckedTransaction& transaction) {
  return 2 * transaction.bytes().size() + kEntryOverhead;
}

}  // namespace

void CheckedCache::Add(proto::CheckedTransaction transaction) {
  const std::uint64_t place = PlaceOf(transaction.bytes());
  const std::size_t weight = WeightOf(transaction);
  const std::uint64_t number = next_number_;
  if (!entries_.try_emplace(place, Entry{number, std::move(transaction)}).second) return;
  ++next_number_;
  arrived_.emplace_back(place, number);
  bytes_ += weight;
  // What was taken leaves its place behind in `arrived_`; it goes when its turn comes.
  while (!arrived_.empty()) {
    const auto [oldest, its_number] = arrived_.front();
    const auto entry = entries_.find(oldest);
    const bool held = entry != entries_.end() && entry->second.number == its_number;
    if (held && bytes_ <= kCheckedBytesMax && arrived_.size() <= kCheckedPlacesMax) break;
    if (held) Erase(entry);
    arrived_.pop_front();
  }
}

std::optional<proto::CheckedTransaction> CheckedCache::Take(proto::ByteSpan bytes) {
  const auto entry = entries_.find(PlaceOf(bytes));
  if (entry == entries_.end() || !std::ranges::equal(entry->second.transaction.bytes(), bytes)) {
    ++misses_;
    return std::nullopt;
  }
  ++hits_;
  std::optional<proto::CheckedTransaction> taken(std::move(entry->second.transaction));
  bytes_ -= WeightOf(*taken);
  entries_.erase(entry);
  return taken;
}

void CheckedCache::Erase(std::unordered_map<std::uint64_t, Entry>::iterator entry) {
  bytes_ -= WeightOf(entry->second.transaction);
  entries_.erase(entry);
}

}  // namespace node
