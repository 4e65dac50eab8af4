// LLaMA of random weights, made anew whenever they are asked for: no more than a matrix of a large
// model is in memory.
#pragma once

#include <cstdint>

#include "mpc/model/float_model.h"

namespace node {

// Weights are drawn from the seed on a grid of 8-bit integers times a power of two, as an 8-bit
// checkpoint has them, normal but for the grid; norms change nothing. Deviations keep what passes
// through the layers near 1, and make the likeliest token stand out.
mpc::FloatModel RandomLlama(const mpc::ModelConfig& config, std::uint64_t seed);

}  // namespace node
