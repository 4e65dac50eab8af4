// A snapshot of the ledger as the place from which a validator's consensus goes on.
//
// A node that lacks rounds which no peer keeps any more takes the ledger's state from a block that
// n - f validators signed. To order what follows as everybody else does it must also know which
// vertices above the gc round are ordered already, or it would order those that later vertices link
// to weakly a second time. That set needs no words of its own in the block: the block's header
// names the leader it was made from, by digest, and
//
//   what is ordered after a leader's commit, above the gc round = the leader's history above it.
//
// "=": an ordered vertex lies in the history of this or an earlier committed leader, and every
// committed leader has a strong path to the one before (safety of the rule; a chain's leaders by
// its making). Conversely the commit ordered all of its leader's history above the gc round before
// it, which is at or below. Links are digests, so n - f signatures on the header cover the set;
// the certificates that make it up come from any peer and are checked one by one.
//
// What this node said before, votes and headers, is kept: it never contradicts itself.
#pragma once

#include "consensus/config.h"
#include "consensus/step.h"
#include "consensus/store/store.h"

namespace consensus {

struct Base {
  std::uint64_t index = 0;  // Of the commit that made the block,
  std::uint64_t round = 0;  // its leader's round
  proto::Digest leader;     // and digest: all three from the block's header.
};

// The writes after which Core::Open, with executed_index = base.index, goes on from the base. To be
// applied together with the ledger's state, synced. The base is newer than what the archive has
// (CHECKed). kCorrupt when the archive is damaged.
proto::Result<std::vector<Write>> Rebase(const Config& config, const Archive& archive,
                                         const Base& base);

}  // namespace consensus
