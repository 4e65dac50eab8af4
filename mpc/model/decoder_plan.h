// Compiles a model that continues text (GPT-2, LLaMA and kin) to a plan for prompts of up to
// `tokens` tokens and `generated` tokens of answer.
//
// The plan is the whole dialogue, unrolled: the prompt at once, then a step a token. Keys and
// values stay on their wires from step to step. The next token is chosen inside, by a tournament of
// comparisons of the logits (mpc/model/select.h), and embedded by a lookup under a uniform mask;
// the result is the tokens' ids, which only the client can read. Each token is a step of the output
// (Plan::steps) and comes with the range flags of what was computed for it. All `generated` steps
// are computed whatever the text, so nobody sees where it ends, and the client stops at the end
// token; unless the request chooses to end early. For that the lookup of a token says whether it is
// an end token (Plan::ends), and no more is opened.
//
// The prompt is padded *before* its first token, with an id beyond the vocabulary, and its length
// stays hidden. t_i = 1 for text. What the plan computes, beside mpc/model/blocks.h:
//   positions   learned ones are chosen by t, a public linear map of it; rotary ones are relative,
//   so
//               the padding shifts nothing
//   attention   token i sees itself, and of those before it the text. Keys of pads are multiplied
//               by 0; w_i = 1 / (number of tokens that i sees) is a public linear map of t
//   softmax     no maximum: x = (score - w_i * sum of scores) / 2^j, pads lowered by a bias, u =
//               exp(x), then j times u <- (u c)^2 with c a coarse 1 / (w_i * sum(u)), which
//               cancels; at the end u w_i / (w_i * sum(u)). By Jensen w_i * sum(u) >= 1 at first
//   last layer  of the prompt only its last row is computed
//
// Calibration: a plan without choices for tokens + generated - 1 tokens of the sample texts, with
// padding of many lengths, decides bounds, fraction bits and functions (PlanBuilder::decisions);
// all steps of the real one repeat them.
#pragma once

#include <vector>

#include "mpc/model/compile.h"
#include "mpc/plan/plan.h"

namespace mpc {

// `calibration`: texts as ids, at least one, best some much longer than the plan.
proto::Result<Plan> CompileDecoder(const FloatModel& model, const Length& length,
                                   const std::vector<std::vector<std::uint32_t>>& calibration,
                                   const CompileOptions& options = {});

}  // namespace mpc
