// What the rounding of a plan's weights does to what the model says, and how much of it is allowed.
#pragma once

#include <functional>

#include "mpc/model/builder.h"
#include "mpc/model/float_model.h"

namespace mpc {

// The root mean square, over some of the calibration texts, of the differences between the float
// model's logits and the plan's, which are the last elements of `result`, evaluated without noise;
// of an embedding relative to its elements' root mean square. So the errors of fitted functions
// count as well.
double ResultDifference(const FloatModel& model, const PlanBuilder& built, TensorId result);

// A plan and what was measured as it was built.
struct Compiled {
  Plan plan;
  double byte_error = 0;  // PlanBuilder's.
  double difference = 0;  // ResultDifference; 0 where nothing is to be compared.
};

// The plan with as many weights of 8 bits as `weight_error` allows: with the builder's byte_error
// if the difference is small enough; else that is held against the plan without 8-bit columns,
// whose difference is of functions alone, and what the weights add to it (as a square) decides:
// that plan, one with a smaller byte_error, or the one without. So up to three are compiled; of a
// model that is read from its files two, since each leaves as much behind in its file of constants.
proto::Result<Plan> CompileWithinError(
    const FloatModel& model, const BuilderOptions& options, double weight_error,
    const std::function<proto::Result<Compiled>(const BuilderOptions&)>& compile);

}  // namespace mpc
