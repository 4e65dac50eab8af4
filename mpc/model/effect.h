// What the rounding of a plan's weights does to what the model says, and how much of it is allowed.
#pragma once

#include <optional>

#include "mpc/model/builder.h"
#include "mpc/model/float_model.h"

namespace mpc {

// The root mean square, over some of the calibration texts, of the differences between the float
// model's logits and the plan's, which are the last elements of `result`, evaluated without noise;
// of an embedding relative to its elements' root mean square. So the errors of fitted functions
// count as well.
double ResultDifference(const FloatModel& model, const PlanBuilder& built, TensorId result);

// The byte_error to build with again, where the difference is beyond `most` though weights took
// bytes; none when the plan will do. `tries`: how often that was asked before. Ends.
std::optional<double> NextByteError(const FloatModel& model, const PlanBuilder& built,
                                    double difference, double most, unsigned tries);

}  // namespace mpc
