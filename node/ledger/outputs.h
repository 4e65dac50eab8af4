// Private requests, the members' part.
//
// A member attests the transcript of its run and how many steps it had (fewer than the bucket's
// only if the request may end early); n - t equal attestations make the request computed. Only then
// are output shares accepted: earlier ones would give the client the answer before the fee is
// earned. The masked output is recorded when in every position a polynomial of degree t fits 2t + 1
// posted shares (mpc::RobustDecoder); with at most t liars it is the right one.
//
// A member is named in the request's record when t + 1 members accuse it, when it attested another
// transcript than n - t others, when a share of its lies off the polynomial (also when posted after
// completion) or is no share, and when it signed two different things. At completion what
// is charged goes in equal parts to those who attested and are not named: silence and lies cost the
// reward. Charged is the bundle's price and, of the rest of the price, the part of the steps that
// were computed; what is left goes back to the owner.
#pragma once

#include "node/ledger/block.h"
#include "proto/wire/ledger.h"

namespace node {

Outcome Execute(Block& block, proto::PartyId sender, const proto::Attest& payload);
Outcome Execute(Block& block, proto::PartyId sender, const proto::PostOutput& payload);

}  // namespace node
