// From a float model and sample texts to a plan for one length.
#pragma once

#include <string>
#include <vector>

#include "mpc/model/builder.h"
#include "mpc/model/float_model.h"
#include "mpc/plan/plan.h"

namespace mpc {

// What stands for GELU and softmax: series fitted to the model's own functions, or published ones
// (mpc/model/approximations.h), for encoders.
enum class Approximation : std::uint8_t { kExact, kPuma, kMpcformer };
std::string Name(Approximation approximation);
proto::Result<Approximation> ParseApproximation(const std::string& name);

struct CompileOptions {
  Approximation approximation = Approximation::kExact;
  BuilderOptions builder;
  std::size_t texts_max = 200;  // Calibration texts used.
  double gelu_error = 1e-3;     // Largest absolute error of GELU and SiLU.
  double exp_error = 3e-4;      // Of exp, relative to the greater of it and 1.
  double inverse_error = 1e-4;  // Relative, of 1/x and 1/sqrt, Newton steps included.
  double temperature = 0;       // Of sampled tokens; 0: always the likeliest.
  // What weights of 8 bits may change of a logit, as ResultDifference says (mpc/model/effect.h);
  // for kExact. Beyond it, fewer of them have 8 bits.
  double weight_error = 1.0 / 512;
  double exponent_max = 7;  // Of exp; larger exponents are halved before and squared after.
};

// What a plan is compiled for.
struct Length {
  std::uint32_t tokens = 32;    // Of the text.
  std::uint32_t generated = 0;  // kGenerate: tokens of the answer.
};

// mpc/model/encoder_plan.h or mpc/model/decoder_plan.h, as the model's task says. `calibration`:
// texts as ids. kInvalidArgument, in a sentence, when it cannot be done.
proto::Result<Plan> Compile(const FloatModel& model, const Length& length,
                            const std::vector<std::vector<std::uint32_t>>& calibration,
                            const CompileOptions& options = {});

// The id that pads a text to the plan's length: the model's own, or for text to be continued V' -
// 1, which lies beyond the vocabulary.
std::uint32_t PadToken(const ModelConfig& config);

// The text padded to the plan's length, after it or (`before`) ahead of it; kInvalidArgument when
// it is too long.
proto::Result<std::vector<std::uint32_t>> PadText(const std::vector<std::uint32_t>& ids,
                                                  std::uint32_t tokens, std::uint32_t pad,
                                                  bool before = false);

}  // namespace mpc
