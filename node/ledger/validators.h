// Stake: who may be a validator, and what it stands to lose.
//
//   joins --(bonded)--> leaves --(leaving)--> its last epoch ends --(left)--> stake paid out
//                                                                 unbonding_rounds later
//
// Anybody with stake_min may join and is a candidate from then on; epochs.h says who becomes a
// member and when. Stake can be slashed from the first bonded round until it is paid out, so it
// answers for every signature that its owner gave as a member and anybody reports in that time.
// Evidence of equivocation (evidence.h) takes all of it; it joins the fees that the others share.
//
// Totals.bonded and Totals.unbonding are exactly the sums of the records: with all balances, the
// escrow and the fees they add up to what genesis gave.
#pragma once

#include <cstdint>
#include <vector>

#include "node/ledger/block.h"
#include "proto/wire/ledger.h"

namespace node {

Outcome Execute(Block& block, const proto::PublicKey& sender, const proto::JoinValidators& payload);
Outcome Execute(Block& block, const proto::PublicKey& sender,
                const proto::LeaveValidators& payload);
Outcome Execute(Block& block, const proto::PublicKey& sender,
                const proto::RotateValidator& payload);

// Takes all stake of the validator that has, or had, this key. It is no candidate any more.
void Slash(Block& block, const proto::PublicKey& key, const proto::Digest& evidence);

// At the beginning of a block: stakes whose time is over go back to their owners.
void ReleaseStakes(Block& block);

struct Candidate {
  proto::ValidatorSpec card;  // That of the next epoch.
  std::uint64_t stake = 0;
};
// By stake, the largest first; of equal ones the smaller key.
std::vector<Candidate> Candidates(const StateView& state);

// With the end of an epoch: cards change, leavers outside the next epoch's committee are released.
void SettleStakes(Block& block, const std::vector<proto::ValidatorSpec>& next);

}  // namespace node
