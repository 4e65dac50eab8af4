// What the functions of the state machine share: the chain they run on, the block they run in, and
// how they answer.
#pragma once

#include <algorithm>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "node/ledger/events.h"
#include "node/ledger/state.h"
#include "proto/spec.h"
#include "proto/wire/block.h"
#include "proto/wire/epoch.h"

namespace node {

// What never changes, derived once from the genesis document.
struct Chain {
  explicit Chain(proto::Genesis document)
      : genesis(std::move(document)), id(proto::ChainId(genesis)) {}

  proto::Genesis genesis;
  proto::Digest id;
};

// The parties that numbers of parties stand for: an epoch's validators, or its computing members.
struct Members {
  Members(std::uint64_t number, std::vector<proto::PublicKey> by_party)
      : epoch(number),
        committee(static_cast<std::uint16_t>(by_party.size())),
        keys(std::move(by_party)) {}

  std::optional<proto::PartyId> Find(const proto::PublicKey& key) const {
    const auto found = std::ranges::lower_bound(keys, key);
    if (found == keys.end() || *found != key) return std::nullopt;
    return static_cast<proto::PartyId>(found - keys.begin());
  }

  std::uint64_t epoch;
  proto::Committee committee;
  std::vector<proto::PublicKey> keys;  // Ascending.
};

// An epoch and what follows from its record.
struct Epoch {
  explicit Epoch(proto::EpochRecord epoch)
      : record(std::move(epoch)),
        hash(proto::CommitteeHash(record)),
        validators(record.number, record.keys()) {
    if (!record.computing.empty()) computing.emplace(record.number, record.computing_keys());
  }

  proto::EpochRecord record;
  proto::Digest hash;
  Members validators;
  std::optional<Members> computing;  // None: there are no keys to compute with.
};

// A block in the making.
struct Block {
  const Chain& chain;
  StateView state;
  std::uint64_t round = 0;
  std::shared_ptr<const Epoch> epoch;  // The present one.
  // Whom the transaction at hand speaks of: the computing members that its attempt or request
  // belongs to; where there is none, the validators.
  const Members* members = nullptr;
  std::vector<Event> events = {};
  std::uint64_t fees = 0;      // Collected, to be divided at the end.
  bool pools_changed = false;  // Attempts may have to be started.
  // Epochs before the present one that were looked up.
  std::map<std::uint64_t, std::shared_ptr<const Epoch>> earlier = {};

  const proto::ChainSpec& spec() const { return chain.genesis.spec; }

  // Whether the present members have keys to compute with.
  bool Computes() const {
    if (!epoch->computing) return false;
    return epoch->record.number == proto::kFirstEpoch ||
           state.Get<proto::EpochKeys>(proto::EpochKeysKey(epoch->record.number)).made;
  }
  // An epoch up to the present one.
  const Epoch& EpochAt(std::uint64_t number) {
    if (number == epoch->record.number) return *epoch;
    auto& found = earlier[number];
    if (!found) {
      found = std::make_shared<const Epoch>(state.Get<proto::EpochRecord>(proto::EpochKey(number)));
    }
    return *found;
  }
  // The members that make and use the attempt; the validators when there is no such attempt.
  void SpeakOfAttempt(std::uint64_t attempt) {
    const auto record = state.Find<proto::AttemptRecord>(proto::AttemptKey(attempt));
    members = record ? &*EpochAt(record->epoch).computing : &epoch->validators;
  }
  void SpeakOfRequest(std::uint64_t request) {
    const auto record = state.Find<proto::RequestRecord>(proto::RequestKey(request));
    SpeakOfAttempt(record ? record->attempt : 0);
  }
};

// What became of a payload; the receipt without the transaction's id.
struct Outcome {
  proto::ReceiptCode code = proto::ReceiptCode::kDone;
  std::string message;  // Empty when done.
  proto::Digest created_model;
  std::uint64_t created_request = 0;
};

inline Outcome No(proto::ReceiptCode code, std::string message) {
  return {code, std::move(message), {}, 0};
}

}  // namespace node
