// Compiles an encoder (BERT, RoBERTa, DistilBERT) that classifies or embeds to a plan for texts of
// up to `tokens` tokens.
//
// The text is padded with [PAD] to `tokens`; its length stays hidden. What the plan computes, and
// where it differs from the model:
//   embedding   one linear map of the one-hot tokens; LayerNorm by rows as below
//   pads        all get one position, and their rows' attention is multiplied by 0: so in every
//               layer a pad's row is one public vector, whatever the text. Taken off the keys and
//               values of pads, it leaves them 0 (up to noise), at no opening
//   attention   1/sqrt(d) is in W_q; x = (score - mean of the text's scores) / 2^j, u = exp(x), then
//               j times u <- (u c)^2 with c a coarse tokens / sum(u), which cancels; sums are of the
//               text's columns alone. j = 0 where scores lie near their mean. Pads are lowered where
//               their weights would exceed the text's by e^3, for their values' noise
//               the mean of the values is divided by sum(u) before it is mixed, or after: whichever
//               opens less (tokens against the heads' width) and leaves the weights to come enough
//               bits
//   LayerNorm   d = x - mean and h^2 variance = h sum(x^2) - sum(x)^2, then d / sqrt of it; not
//               opened, since what reads it is linear; gamma and beta go into the weights of that
//   exp, 1/x, 1/sqrt, GELU, tanh   series on calibrated intervals; where 1/x or 1/sqrt is not good
//               enough over its interval, a Newton step
//   last layer  only the first row, where that is all that is read
//   embedding   the first row, or the sum of the text's rows, which the client divides by its
//   length
// GELU and tanh are not opened: what follows them is linear.
//
// Calibration: intervals and bounds are those that the plan itself takes on the calibration texts
// (also cut and joined to cover short and full lengths), widened by `margin`. A text that leaves an
// interval gets a wrong answer, not an error: calibrate with texts like those to come.
#pragma once

#include <vector>

#include "mpc/model/compile.h"
#include "mpc/plan/plan.h"

namespace mpc {

// `calibration`: texts as ids with [CLS] and [SEP], at least one. kInvalidArgument, in a sentence,
// when `tokens` is not from 2 to the model's positions or some function cannot be fitted.
proto::Result<Plan> CompileEncoder(const FloatModel& model, std::uint32_t tokens,
                                   const std::vector<std::vector<std::uint32_t>>& calibration,
                                   const CompileOptions& options = {});

}  // namespace mpc
