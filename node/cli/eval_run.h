// Many questions at once, each answer kept: what `eval` asks of a network or of this machine.
//
// Questions are taken in order by a few threads; one that fails is asked again, and one that fails
// for good is counted and named, not the end of the run. Answers go to a file as they come, a line
// of JSON each, and a run that finds its file continues where that ends.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "node/cli/client.h"

namespace node {

struct Example {
  std::string text;
  std::optional<std::uint32_t> label;
};

struct Reply {
  std::vector<double> outputs;  // In real units: logits, a vector, or tokens.
  double seconds = 0;           // From the submission to the proved result.
  double wait_seconds = 0;      // For a bundle.
  bool in_range = true;         // As the answer's flags say.
};

struct EvalRun {
  std::size_t parallel = 1;
  std::string file;  // Of the answers; none if empty.
  std::function<proto::Result<Reply>(std::size_t index, const Example&)> ask;
  // Called for each answer, in the order of the examples.
  std::function<void(std::size_t index, const Reply&)> answered;
  // How often a question is asked that finds no validator, or expires.
  static constexpr int kTriesMax = 3;
};

struct Unanswered {
  std::size_t index = 0;
  std::string reason;
};

// kInvalidArgument when the file holds answers to something else.
proto::Result<std::vector<Unanswered>> Run(const std::vector<Example>& examples, const EvalRun& run,
                                           const Progress& progress);

}  // namespace node
