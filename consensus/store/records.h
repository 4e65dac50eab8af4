// The records of consensus on disk: one description of each record's fields for both directions.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "consensus/config.h"
#include "consensus/step.h"
#include "proto/wire/fields.h"

namespace consensus {

// More than 16,000 rounds of the largest committee: no run of waves without a commit is that long.
inline constexpr std::size_t kCommitVerticesMax = 1 << 20;
inline constexpr std::size_t kCommitBatchesMax = kCommitVerticesMax * proto::dag::kHeaderBatchesMax;

struct State {
  std::uint64_t last_leader_round = 0;
  std::uint64_t commit_index = 0;
  std::uint64_t pruned_round = 0;   // Certificates, votes, batches: all up to here are deleted.
  std::uint64_t pruned_commit = 0;  // Records of commits likewise.
  // Where this node went on from a snapshot (sync/rebase.h): what lies at or below is not here, but
  // for what it knew before. 0: it never did.
  std::uint64_t base_round = 0;
  std::uint64_t base_commit = 0;
};

void Fields(auto& io, proto::Of<State> auto& state) {
  io(state.last_leader_round, state.commit_index, state.pruned_round, state.pruned_commit,
     state.base_round, state.base_commit);
}

struct OwnBatch {
  BatchReference reference;
  std::uint64_t round = 0;  // Of the last own header that carried it; 0 before the first.
};

struct Own {
  std::optional<Header> header;  // The newest; there is never another of its round.
  std::uint64_t pending_first = 0;
  std::uint64_t pending_next = 0;
  std::vector<OwnBatch> batches;  // Not yet ordered.
};

// Own, with its header as bytes.
struct OwnRecord {
  proto::Bytes header;
  Own own;
};

void Fields(auto& io, proto::Of<OwnRecord> auto& record) {
  io.Sized(record.header, 2 * proto::dag::kHeaderBytesMax);
  io(record.own.pending_first, record.own.pending_next);
  io.List(record.own.batches, kOwnBatchesMax,
          [&](auto& batch) { io(batch.reference.digest, batch.reference.size, batch.round); });
}

struct VoteRecord {
  proto::Digest header;
  std::vector<proto::Digest> batches;
};

void Fields(auto& io, proto::Of<VoteRecord> auto& vote) {
  io(vote.header);
  io.List(vote.batches, proto::dag::kHeaderBatchesMax);
}

struct CommitRecord {
  std::uint64_t round = 0;
  proto::Digest leader;
  std::vector<Reference> vertices;  // None: of a base whose leader has not come yet.
  std::vector<proto::Digest> batches;
};

void Fields(auto& io, proto::Of<CommitRecord> auto& commit) {
  io(commit.round, commit.leader);
  io.List(commit.vertices, kCommitVerticesMax,
          [&](auto& vertex) { io(vertex.round, vertex.author, vertex.digest); });
  io.List(commit.batches, kCommitBatchesMax);
}

// The last round that names a batch, and its size.
struct BatchUse {
  std::uint64_t round = 0;
  std::uint32_t size = 0;
};

void Fields(auto& io, proto::Of<BatchUse> auto& use) {
  io(use.round, use.size);
}

struct BlockVoteRecord {
  proto::Digest block;
  proto::Signature signature;
};

void Fields(auto& io, proto::Of<BlockVoteRecord> auto& vote) {
  io(vote.block, vote.signature.bytes);
}

}  // namespace consensus
