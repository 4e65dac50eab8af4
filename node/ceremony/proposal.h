// What operators exchange before a genesis ceremony.
//
//   card      one validator: its entry of the genesis document, without the coin key
//   proposal  the genesis document to be, without coin keys and their threshold
//
// Both are JSON. A card's certificate is signed by its key, so a card cannot be made in another's
// name; what else it says (name, addresses) its owner finds in the proposal before joining with it.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "proto/base/result.h"
#include "proto/spec.h"

namespace node::genesis {

std::string FormatCard(const proto::ValidatorSpec& card);

// From a chain spec, the cards (any order) and the first accounts (any order); everything is
// checked as in a genesis document (proto/spec.h), and errors name the field.
proto::Result<proto::Genesis> MakeProposal(std::string_view spec,
                                           const std::vector<std::string>& cards,
                                           std::vector<proto::FundedAccount> accounts);
std::string FormatProposal(const proto::Genesis& proposal);
proto::Result<proto::Genesis> ParseProposal(std::string_view json);
proto::Result<proto::ValidatorSpec> ParseCard(std::string_view json);

// How many validators compute: the first so many, by key.
std::uint16_t ComputingMembers(const proto::Genesis& genesis);

}  // namespace node::genesis
