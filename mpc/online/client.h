// What the client of a request does with its bundle's masks: the token masks r and the output masks
// mu, shares of which the members tell the request's owner alone.
#pragma once

#include <span>
#include <vector>

#include "mpc/field/fp.h"
#include "mpc/plan/plan.h"
#include "mpc/preprocessing/bundle.h"

namespace mpc {

// A member's shares: plan.tokens of r, then one of mu for each element of the output.
std::vector<Fp> ClientMaskShares(const Plan& plan, const Bundle& bundle);

// m = id + r mod V', a one-time pad. `masks` are decoded values of r; kCorrupt when one is not
// below V', kInvalidArgument when an id is not.
proto::Result<std::vector<std::uint32_t>> MaskTokens(std::span<const std::uint32_t> ids,
                                                     std::span<const Fp> masks,
                                                     std::uint64_t vocabulary_padded);

// The integers behind the recorded masked output; `masks` are decoded values of mu, as many.
std::vector<Int128> UnmaskOutput(std::span<const Fp> masked, std::span<const Fp> masks);

}  // namespace mpc
