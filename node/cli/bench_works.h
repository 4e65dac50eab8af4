// What the benches of the MPC engine compute: plans with inputs from a seed, and what the exact
// functions give on them.
//
// A work's input is a small embedding of tokens, widened by a public linear map and, where the work
// reads wires, opened: that round and its bytes are the input's, not the work's.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "mpc/plan/plan.h"
#include "proto/base/result.h"

namespace node {

struct BenchWork {
  std::string name;
  mpc::Plan plan;
  std::vector<std::uint32_t> ids;  // The tokens.
  std::vector<double> expected;    // Of the exact functions, as the plan's output.
  double tolerance = 0;            // Largest difference that counts as right.
  std::uint32_t input_rounds = 0;  // Online rounds that bring the input onto wires.
};

struct BenchOptions {
  std::uint64_t size = 0;  // Elements or products; 0 stands for the work's usual size.
  std::uint64_t seed = 1;
  unsigned sets = 4;         // C(n, t)
  std::uint32_t layers = 0;  // Of a model; 0: as many as its shape has.
  // Where a large model's weights are kept, in a file that is gone with the process.
  std::string directory = "/tmp";
};

// gelu (100,000 elements on [-14, 8]), softmax (rows of 128 x 128), matmul (128 x 768 by 768 x 768,
// both secret), products (1,000,000).
proto::Result<BenchWork> MakeBenchWork(const std::string& name, const BenchOptions& options);

// A model of the shape's exact sizes, its weights drawn from the seed: BERT that classifies or
// embeds, GPT-2 or LLaMA that writes one token. `shape` is bert-base, bert-tiny, minilm, gpt2,
// llama-7b or a path of a config.json. LLaMA's weights are mapped from a file.
proto::Result<BenchWork> MakeBenchModel(const std::string& shape, std::uint32_t tokens,
                                        const BenchOptions& options);

}  // namespace node
