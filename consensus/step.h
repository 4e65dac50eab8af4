// What a call of consensus::Core asks of its host.
//
// The host's duty, in this order and before its next call of the core:
//   1. apply `writes` as one atomic batch; with `sync` make it durable (and so all earlier ones);
//   2. send `messages`, a message to everyone also back to the sender through Handle;
//   3. handle `outputs` in order.
// A vote or an own header that left before its write is durable may be contradicted after a crash:
// that is how an honest node becomes an equivocator.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "proto/protocol.h"
#include "proto/wire/consensus.h"

namespace consensus {

using proto::dag::BatchReference;
using proto::dag::BlockVote;
using proto::dag::Certificate;
using proto::dag::Header;
using proto::dag::HeaderFields;
using proto::dag::Message;
using proto::dag::RangeAnswer;
using proto::dag::RangeRequest;
using proto::dag::Reference;
using proto::dag::Request;
using proto::dag::Vote;
using Transactions = proto::dag::Batch;  // A batch of them, with digest and bytes.

// The same sequence of commits, with the same contents, comes out of every honest node. Delivered
// at least once: after a crash again from executed_index + 1. A transaction may occur in several
// commits (two validators proposed it): the ledger executes the first.
struct Commit {
  std::uint64_t index = 0;  // From 1, without gaps.
  std::uint64_t round = 0;  // Of the leader; strictly increasing.
  proto::Digest leader;
  std::vector<Reference> vertices;  // In order; the leader is last of its round's or earlier.
  std::vector<proto::Bytes> transactions;
};

// n - f validators signed proto::CheckpointDigest(chain, epoch, index, block). At least once.
struct Finalized {
  std::uint64_t index = 0;
  proto::Digest block;
  std::vector<std::pair<proto::PartyId, proto::Signature>> signatures;  // n - f, ascending.
};

// Bytes for proto::dag::VerifyEvidence; goes into a transaction. One for each offender and run.
struct Evidence {
  proto::PartyId offender{};
  proto::Bytes bytes;
};

// No peer (of f + 1 asked) still has what this node lacks: a snapshot at `oldest_round` or later is
// needed. The node goes on asking.
struct NeedSnapshot {
  std::uint64_t oldest_round = 0;
};

// Safety is or may be lost: more than f validators are faulty, this node's execution differs, or
// its storage is damaged. The core does nothing more, nor after a restart on the same storage.
struct Halt {
  std::string reason;
};

using Output = std::variant<Commit, Finalized, Evidence, NeedSnapshot, Halt>;

struct Write {
  proto::Bytes key;
  std::optional<proto::Bytes> value;  // None: the key is deleted.
};

struct [[nodiscard]] Step : proto::Step<Message, Output> {
  std::vector<Write> writes;  // Ascending by key, each key once.
  bool sync = false;
};

}  // namespace consensus
