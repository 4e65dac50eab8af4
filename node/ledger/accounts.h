// Money: balances, fees, and what members earn. Nothing here makes or loses any: all balances, the
// stakes, the escrow and the undivided fees always add up to what genesis gave.
#pragma once

#include <cstdint>
#include <vector>

#include "node/ledger/block.h"
#include "proto/wire/ledger.h"

namespace node {

proto::Account GetAccount(const StateView& state, const proto::PublicKey& key);
void Credit(StateView& state, const proto::PublicKey& key, std::uint64_t amount);
// The balance suffices (CHECKed).
void Debit(StateView& state, const proto::PublicKey& key, std::uint64_t amount);

// Equal parts to these of block.members, what is left of the division to the first. A member with
// evidence against it gets nothing; with nobody to pay, the amount joins the fees. Returns who was
// paid.
std::vector<proto::PartyId> PayMembers(Block& block, std::uint64_t amount,
                                       const std::vector<proto::PartyId>& members);

// Takes the nonce and the fee of a client's transaction; refuses (and takes nothing) when the nonce
// is not the next or the balance too small.
Outcome ChargeFee(Block& block, const proto::PublicKey& sender, std::uint64_t nonce);
// Divides the fees among the validators at the end of a block; keeps what does not divide.
void DivideFees(Block& block);

Outcome Execute(Block& block, const proto::PublicKey& sender, const proto::Transfer& transfer);
// Nothing but its fee: Check lets it pass on chains that admit it alone.
Outcome Execute(Block& block, const proto::PublicKey& sender, const proto::Opaque& opaque);

}  // namespace node
