// How faithful a model's plan is: its answers beside the float model's.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include <nlohmann/json_fwd.hpp>

#include "mpc/plan/evaluate.h"
#include "mpc/plan/plan.h"
#include "node/cli/model_files.h"

namespace node {

// What answers to texts came to. A text of which the float model's two best labels or tokens lie
// within kGap of each other has no right answer, and counts apart.
struct Agreement {
  static constexpr double kGap = 0.02;
  static constexpr double kCosine = 0.999;  // From here on an embedding is the same.

  std::size_t texts = 0;
  // The same label, the same tokens up to the first in doubt, or an embedding of cosine kCosine.
  std::size_t same = 0;
  std::size_t right = 0;        // Of those with a known label, by the plan,
  std::size_t right_float = 0;  // and by the float model.
  std::size_t labelled = 0;
  double worst_difference = 0;  // Of logits, or of an embedding's elements.
  double mean_difference = 0;
  double least_cosine = 1;        // Of embeddings.
  std::size_t tokens = 0;         // Generated and compared,
  std::size_t tokens_same = 0;    // and equal.
  std::size_t flagged = 0;        // Texts whose range flags say that they left the model's range,
  std::size_t flagged_wrong = 0;  // and whose answer is another than the float model's.
};
nlohmann::json ToJson(const Agreement& agreement);

// One text's answer, as `outputs` in real units: logits, a vector (not yet divided by the text's
// length), or tokens; `in_range` as its flags say.
void Compare(const LocalModel& model, const std::vector<std::uint32_t>& ids,
             std::optional<std::uint32_t> label, std::vector<double> outputs, bool in_range,
             Agreement& agreement);

// The plan in the protocol's integers, with its noise, on this machine alone.
mpc::FixedEvaluation EvaluateHere(const LocalModel& model, const mpc::Plan& plan,
                                  const std::vector<std::uint32_t>& ids, std::uint16_t validators,
                                  std::uint64_t seed);

// On some of the model's own calibration texts.
Agreement ExpectedError(const LocalModel& model, const mpc::Plan& plan, std::uint16_t validators);

}  // namespace node
