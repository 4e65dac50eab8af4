// The whole of it on one machine, with every claim checked: see RunDemo.
#pragma once

#include <string>

#include "proto/base/result.h"

namespace node {

struct DemoOptions {
  std::string text;   // Empty: the demo's own sentence.
  std::string model;  // A Hugging Face directory; the shipped model by default.
  std::string spec;
  std::string directory;  // Empty: a temporary one, removed at the end.
  bool as_json = false;
};

// Creates a network of four validators, registers the model, waits for bundles, asks a private
// question, checks the answer against the float model, the ledger and the proof; kills a validator,
// asks again, restarts it and waits until it has caught up; stops what it started. An error when
// something failed or any claim did not hold.
proto::Result<> RunDemo(const DemoOptions& options);

}  // namespace node
