// The masks of a request, from the validators who hold their shares.
//
// The question is signed by the request's owner and names a fresh key that the answers are sealed
// to. Masks are decoded from all validators' shares with up to t of them wrong or silent; who gave
// a wrong share is named.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "mpc/field/fp.h"
#include "node/cli/client.h"
#include "node/ledger/block.h"

namespace node {

// Who computes with a bundle: the members of the epoch in which it was made.
struct Computing {
  Members members;
  std::vector<proto::ValidatorSpec> validators;  // By party.
};
proto::Result<Computing> WhoComputes(const Client& client, std::uint64_t attempt);

struct Masks {
  std::vector<mpc::Fp> values;  // tokens of r, then outputs of mu.
  std::vector<std::string> wrong;
  std::vector<std::string> silent;
};

// `count` masks. kUnavailable when too few validators gave good shares in time.
proto::Result<Masks> GatherMasks(const Client& client, const Computing& computing,
                                 std::uint64_t request, std::size_t count);

}  // namespace node
