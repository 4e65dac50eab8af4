// Where the ledger machine keeps things in its store, and the part that is one epoch's consensus.
#pragma once

#include <limits>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "consensus/store/store.h"
#include "node/loop/ledger_machine.h"

namespace node {

inline proto::Bytes Prefixed(char prefix, proto::ByteSpan key) {
  proto::Bytes out;
  out.reserve(1 + key.size());
  out.push_back(static_cast<std::uint8_t>(prefix));
  out.insert(out.end(), key.begin(), key.end());
  return out;
}

inline proto::Bytes Numbered(char prefix, std::uint64_t number) {
  proto::Bytes key = {static_cast<std::uint8_t>(prefix)};
  for (int shift = 56; shift >= 0; shift -= 8) {
    key.push_back(static_cast<std::uint8_t>(number >> shift));
  }
  return key;
}

inline proto::Bytes NewestHeaderKey() {
  return {'l'};
}

class LedgerMachine::Disk final : public consensus::Archive {
 public:
  Disk(const KeyValueStore& store, std::uint64_t epoch)
      : store_(store), prefix_(Numbered('c', epoch)) {}

  proto::Bytes KeyOf(proto::ByteSpan key) const {
    proto::Bytes out = prefix_;
    out.insert(out.end(), key.begin(), key.end());
    return out;
  }
  std::optional<proto::Bytes> Get(proto::ByteSpan key) const override {
    auto value = store_.Get(KeyOf(key));
    if (!value) {
      failure_ = value.error().message;
      return std::nullopt;
    }
    return std::move(*value);
  }
  std::vector<std::pair<proto::Bytes, proto::Bytes>> List(proto::ByteSpan prefix) const override {
    auto entries = store_.Scan(KeyOf(prefix), {}, std::numeric_limits<std::size_t>::max());
    if (!entries) {
      failure_ = entries.error().message;
      return {};
    }
    for (auto& [key, value] : *entries) {
      key.erase(key.begin(), key.begin() + static_cast<std::ptrdiff_t>(prefix_.size()));
    }
    return std::move(*entries);
  }
  // A failed read looks like an absent key; nothing may leave after one.
  const std::string& failure() const { return failure_; }

 private:
  const KeyValueStore& store_;
  const proto::Bytes prefix_;
  mutable std::string failure_;
};

}  // namespace node
