// Rotary positions (Su et al. 2021) and their scalings, as Hugging Face's `rope_scaling` names
// them: default, linear, dynamic, llama3, yarn (Peng et al. 2023).
#pragma once

#include <nlohmann/json_fwd.hpp>

#include "mpc/model/config.h"

namespace mpc {

// From the fields rope_theta, rope_scaling (or rope_parameters) of a config. `positions`: those
// that a text may have; `dynamic` changes nothing up to there. Another scaling is refused by name.
proto::Result<Rope> ParseRope(const nlohmann::json& config, std::uint32_t head_width,
                              std::uint32_t positions);

}  // namespace mpc
