#include "node/cli/bench_llama.h"

#include <array>
#include <cmath>
#include <utility>

#include "proto/base/check.h"
#include "proto/crypto/hash.h"
#include "proto/crypto/prg.h"

namespace node {
namespace {

// In units of the grid: the largest of 256 quantiles is 92, so 7 bits and a sign hold all.
constexpr double kDeviation = 32;

// The quantile of (index + 1/2) / 256 of the normal distribution, by bisection.
double Quantile(int index) {
  const double share = (index + 0.5) / 256;
  double low = -8, high = 8;
  for (int i = 0; i < 60; ++i) {
    const double middle = (low + high) / 2;
    (std::erfc(-middle / std::sqrt(2.0)) / 2 < share ? low : high) = middle;
  }
  return low;
}

class Drawn {
 public:
  explicit Drawn(std::uint64_t seed) : seed_(seed) {
    for (int i = 0; i < 256; ++i) {
      grid_[static_cast<std::size_t>(i)] = static_cast<float>(std::round(kDeviation * Quantile(i)));
    }
  }

  // About normal, with the power of two as deviation that is next below `deviation`.
  mpc::FloatSource Normal(std::uint32_t rows, std::uint32_t cols, double deviation) {
    const float unit = std::ldexp(1.0f, std::ilogb(deviation / kDeviation));
    return
        [grid = grid_, seed = seed_, number = ++tensors_, unit, size = std::size_t{rows} * cols] {
          proto::Prg prg(proto::Hasher("waxseal/bench/llama").Add(seed).Add(number).Finish().span(),
                         proto::AsBytes("weights"));
          std::vector<float> values(size);
          std::array<std::uint8_t, 1 << 16> bytes;
          for (std::size_t i = 0; i < size; ++i) {
            if (i % bytes.size() == 0) prg.Fill(bytes);
            values[i] = unit * grid[bytes[i % bytes.size()]];
          }
          return values;
        };
  }
  mpc::DenseWeights Dense(std::uint32_t in, std::uint32_t out, double deviation) {
    return {in, out, {}, std::vector<float>(out), Normal(in, out, deviation)};
  }

 private:
  const std::uint64_t seed_;
  std::uint64_t tensors_ = 0;
  std::array<float, 256> grid_{};
};

}  // namespace

mpc::FloatModel RandomLlama(const mpc::ModelConfig& config, std::uint64_t seed) {
  CHECK(config.llama());
  Drawn drawn(seed);
  const std::uint32_t h = config.hidden_size, inner = config.intermediate_size;
  const std::uint32_t queries = config.num_attention_heads * config.head_width;
  const std::uint32_t keys = config.num_key_value_heads * config.head_width;
  const double one = 1 / std::sqrt(static_cast<double>(h));
  const mpc::NormWeights norm{std::vector<float>(h, 1.0f), std::vector<float>(h, 0.0f)};
  mpc::FloatModel model;
  model.config = config;
  model.words_source = drawn.Normal(config.vocab_size, h, 1.0 / 32);
  for (std::uint32_t i = 0; i < config.num_hidden_layers; ++i) {
    mpc::LayerWeights layer;
    layer.query = drawn.Dense(h, queries, one);
    layer.key = drawn.Dense(h, keys, one);
    layer.value = drawn.Dense(h, keys, one / 2);
    layer.attention_output = drawn.Dense(queries, h, 1 / std::sqrt(4.0 * queries));
    layer.gate = drawn.Dense(h, inner, one);
    layer.intermediate = drawn.Dense(h, inner, one);
    layer.output = drawn.Dense(inner, h, 1 / std::sqrt(4.0 * inner));
    layer.attention_norm = layer.output_norm = norm;
    model.layers.push_back(std::move(layer));
  }
  model.final_norm = norm;
  model.classifier = drawn.Dense(h, config.vocab_size, 4 * one);
  return model;
}

}  // namespace node
