// Preprocessing attempts and the pools of bundles that they fill.
//
//   started --(n - t pass verdicts on the transcript of all layers)--> certified
//   started --(t + 1 fail verdicts)----------------------------------> dead
//
// whichever is ordered first, for good: at most t members lie, so n - t passes hold t + 1 honest
// ones and t + 1 fails one. A layer is fixed by the first ordered certificate of n - t distinct
// echoes of one root; two such certificates would share an honest member, which echoes one root a
// layer and king. Nothing may depend on a layer's values before it is fixed (double dipping).
//
// A large plan is cut into segments (the manifest says how), and a bundle takes an attempt for
// each, one after the other, all with the wire masks of the first, whose number is the bundle's.
// The bundle is ready when the last is certified. One that dies takes the whole bundle with it: the
// bundle is burnt in the same instant, before any key is revealed.
//
// A dead attempt is examined by the members (mpc/preprocessing/blame.h), and t + 1 equal findings,
// one of them an honest member's, convict: the culprits have evidence against them from then on,
// which takes their stake and ends their income, and are neither senders nor kings of attempts that
// start later. What a finding says of signatures is checked here; that the roots it expects are
// right is what t + 1 members vouch for, and anybody can compute who has the attempt's keys. A dead
// attempt keeps its place among those in progress until then: so members that lie spoil at most
// attempts_in_progress_max attempts each, in all the life of the chain.
//
// For each bucket there should be pool_target bundles, and one more for each request that waits;
// attempts are started at the end of a block until that many exist or are under way, at most
// attempts_in_progress_max at a time on the whole chain, requests that wait before stock, one
// bucket after the other. Several small ones overlap, since each waits for the ledger after every
// layer; one of more than kLayersTogether layers or of several segments keeps the members'
// processors busy and their memory full by itself, and is alone.
#pragma once

#include "node/ledger/block.h"
#include "proto/wire/ledger.h"

namespace node {

inline constexpr std::uint32_t kLayersTogether = 16;

Outcome Execute(Block& block, proto::PartyId sender, const proto::FixLayer& payload);
Outcome Execute(Block& block, proto::PartyId sender, const proto::Verdict& payload);
Outcome Execute(Block& block, proto::PartyId sender, const proto::PostFinding& payload);

// Gives certified bundles to waiting requests, oldest to oldest. `pool` is the bucket's and is
// changed; the caller writes it.
void AssignBundles(Block& block, proto::Pool& pool);
// At the end of a block.
void StartAttempts(Block& block);
// A bundle whose parts are good is not to be used any more.
void Burn(Block& block, std::uint64_t bundle);

}  // namespace node
