// The sets of parties that sharings of zero are made of (mpc/sharing/replicated.h), as indicators:
// bit i is party i.
//
// A set S has n - 2t + 1 parties; its polynomial q_S, x times the product of x - j over the points
// outside S, has degree 2t and vanishes at 0. Guarantee: for every set T of t parties the q_S of
// the sets S disjoint from T span all polynomials of degree 2t that vanish at 0 and at T's points.
#pragma once

#include <cstdint>
#include <vector>

#include "proto/committee.h"

namespace mpc {

using PartySet = std::uint32_t;

// Found greedily, once for each size of a committee.
const std::vector<PartySet>& ZeroSets(const proto::Committee& committee);

// q_S(i + 1) for party i.
std::int64_t ZeroFactor(PartySet zero_set, std::size_t committee_size, proto::PartyId party);

}  // namespace mpc
