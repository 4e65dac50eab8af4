// Epochs: when the committee changes, who is in the next one, and where its keys come from.
//
//   epoch_commits blocks pass --> the next epoch is decided (Turn)
//   f' + 1 valid dealings of its members are ordered --> this block is the epoch's last
//
// Members are the validators_max candidates with the largest stake (of equal ones those
// that compute now, then the smaller keys), at least 4: while there are fewer candidates the
// committee stays as it is. Who computes: the 3t + 1 <= 13 members with the largest stake.
//
// The coin's key is the sum of the first f' + 1 valid dealings, f' being the next committee's
// fault bound, of its own members: one of them is honest, so f' of them together with all that the
// ledger shows know nothing of the key (Pedersen 1991; that the last dealer can bias the key's
// distribution does no harm to a coin: Gennaro, Jarecki, Krawczyk, Rabin 2007). Every honest next
// member deals, and there are n' - f' >= f' + 1 of those: f' silent or lying ones block nothing. A
// dealing is checked once for each dealer, right or wrong.
//
// The keys for MPC are made by the computing members when their epoch has begun (key_ceremony.h): t
// of them, silent or lying, stop nothing. Until then requests wait. The turn of epochs itself does
// not wait for them: where more than t of the members that compute are faulty, though no more than
// f of all are, the ledger goes on and inference pauses.
//
// With an epoch end its attempts in progress and its bundles that no request has; what is assigned
// is finished by the members that made it.
#pragma once

#include <optional>

#include "node/ledger/block.h"
#include "proto/wire/ledger.h"

namespace node {

Outcome Execute(Block& block, const proto::PublicKey& sender, const proto::DealCoinKey& payload);

Outcome Execute(Block& block, const proto::PublicKey& sender,
                const proto::AcknowledgeKeys& payload);

// At the end of block `height`: decides the next epoch, or ends this one when all that the next one
// needs is there. Returns the next one in the latter case.
std::optional<proto::EpochRecord> TurnEpoch(Block& block, std::uint64_t height);

// A member's share of the epoch's coin key, from the dealings that made it.
proto::Result<proto::CoinSecret> EpochCoinSecret(const proto::Digest& chain, const Epoch& epoch,
                                                 const proto::Dealings& dealings,
                                                 const proto::SecretKey& key);

}  // namespace node
