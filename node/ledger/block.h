// What the functions of the state machine share: the chain they run on, the block they run in, and
// how they answer.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "node/ledger/events.h"
#include "node/ledger/state.h"
#include "proto/spec.h"
#include "proto/wire/block.h"

namespace node {

// The largest committee that computes: C(13, 4) = 715 replicated keys.
inline constexpr std::uint16_t kComputingMembersMax = 13;

// What never changes, derived once from the genesis document.
struct Chain {
  explicit Chain(proto::Genesis document)
      : genesis(std::move(document)),
        id(proto::ChainId(genesis)),
        committee(genesis.committee()),
        keys(genesis.keys()),
        committee_hash(proto::CommitteeHash(genesis)) {}

  // Robust computation needs exactly 3t + 1 members, and few enough replicated keys.
  bool computes() const {
    return committee.size() == 3 * committee.max_faulty() + 1 &&
           committee.size() <= kComputingMembersMax;
  }

  proto::Genesis genesis;
  proto::Digest id;
  proto::Committee committee;
  std::vector<proto::PublicKey> keys;  // By party.
  proto::Digest committee_hash;
};

// A block in the making.
struct Block {
  const Chain& chain;
  StateView state;
  std::uint64_t round = 0;
  std::vector<Event> events;
  std::uint64_t fees = 0;      // Collected, to be divided at the end.
  bool pools_changed = false;  // Attempts may have to be started.

  const proto::ChainSpec& spec() const { return chain.genesis.spec; }
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
