// Self-contained proof that a validator said two things of which it may say only one: two headers
// for one (round, author), two votes for one (round, author), two blocks for one commit index, two
// message vectors for one place of a preprocessing attempt.
#pragma once

#include <optional>
#include <variant>
#include <vector>

#include "proto/attempt.h"
#include "proto/wire/consensus.h"

namespace proto::dag {

struct HeaderPair {
  Header first, second;
};

struct VotePair {
  Vote first, second;
};

struct BlockVotePair {
  std::uint64_t epoch = 0;
  PartyId voter{};
  BlockVote first, second;
};

// Roots of message vectors of preprocessing, signed for one place (proto/attempt.h). The chain and
// the epoch of the place are those that the evidence is judged in.
struct VectorPair {
  Place place;
  SignedRoot first, second;
};

using Evidence = std::variant<HeaderPair, VotePair, BlockVotePair, VectorPair>;

Bytes EncodeEvidence(const Evidence& evidence);

// Whose numbers the evidence's parties are: the validators' of an epoch, or the members' that make
// an attempt. One of the two.
struct EvidenceScope {
  std::optional<std::uint64_t> epoch;
  std::optional<std::uint64_t> attempt;
};
// kInvalidArgument when it is no evidence.
Result<EvidenceScope> ScopeOf(ByteSpan evidence);

// The offender, when `evidence` proves one in the epoch whose keys (by party) are given; kDenied
// when it proves nothing. Two signature checks.
Result<PartyId> VerifyEvidence(ByteSpan evidence, const Digest& chain, std::uint64_t epoch,
                               const std::vector<PublicKey>& keys);

}  // namespace proto::dag
