// When a plan's openings happen: online, one round opens all of one group in one message.
#pragma once

#include <vector>

#include "mpc/plan/plan.h"

namespace mpc {

// Operations that open, by depth, the number of openings that must come before them; within a round
// in the order of the operations. A round's message is its operations' opened values, as many as
// their inputs have, concatenated.
std::vector<std::vector<TensorId>> OpeningRounds(const Plan& plan);

// Element k: the other operations that need the values of k rounds, and no more. One element more
// than there are rounds.
std::vector<std::vector<TensorId>> OperationsBetween(const Plan& plan);

}  // namespace mpc
