// When a plan's openings happen: online, one round opens all of one group in one message.
#pragma once

#include <vector>

#include "mpc/plan/plan.h"

namespace mpc {

// kOpen operations by depth, the number of openings that must come before them; within a round in
// the order of the operations. A round's message is its operations' values, concatenated.
std::vector<std::vector<TensorId>> OpeningRounds(const Plan& plan);

}  // namespace mpc
