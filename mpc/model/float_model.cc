#include "mpc/model/float_model.h"

#include <algorithm>
#include <cmath>
#include <numbers>
#include <utility>

#include "mpc/plan/add_scaled.h"
#include "proto/base/check.h"

namespace mpc {

namespace {

using Matrix = std::vector<double>;  // Row-major; the columns are known from the context.

Floats Given(const std::vector<float>& held, const FloatSource& source) {
  if (held.empty() && source) return std::make_shared<const std::vector<float>>(source());
  return {Floats(), &held};
}

Matrix Apply(const DenseWeights& dense, const Matrix& x) {
  const std::size_t rows = x.size() / dense.in;
  const Floats weight = dense.Weight();
  Matrix y(rows * dense.out);
  for (std::size_t r = 0; r < rows; ++r) {
    std::copy(dense.bias.begin(), dense.bias.end(), &y[r * dense.out]);
  }
  for (std::size_t i = 0; i < dense.in; ++i) {
    const float* weights = weight->data() + i * dense.out;
    for (std::size_t r = 0; r < rows; ++r) {
      AddScaled(x[r * dense.in + i], weights, dense.out, &y[r * dense.out]);
    }
  }
  return y;
}

// LayerNorm, or RMSNorm, which takes no mean off.
void Normalize(const NormWeights& norm, double epsilon, bool rms, Matrix& x) {
  const std::size_t size = norm.gamma.size();
  for (std::size_t begin = 0; begin < x.size(); begin += size) {
    double mean = 0;
    for (std::size_t i = 0; i < size && !rms; ++i) mean += x[begin + i];
    mean /= static_cast<double>(size);
    double variance = 0;
    for (std::size_t i = 0; i < size; ++i)
      variance += (x[begin + i] - mean) * (x[begin + i] - mean);
    variance /= static_cast<double>(size);
    const double scale = 1 / std::sqrt(variance + epsilon);
    for (std::size_t i = 0; i < size; ++i) {
      x[begin + i] = (x[begin + i] - mean) * scale * norm.gamma[i] + norm.beta[i];
    }
  }
}

// Row t of heads of `width` at position t: pairs (j, j + width / 2) turned by t * frequency[j].
void Rotate(const Rope& rope, std::size_t cols, Matrix& x) {
  const std::size_t pairs = rope.frequencies.size();
  for (std::size_t t = 0; t < x.size() / cols && pairs > 0; ++t) {
    for (std::size_t head = t * cols; head < (t + 1) * cols; head += 2 * pairs) {
      for (std::size_t j = 0; j < pairs; ++j) {
        const double angle = static_cast<double>(t) * rope.frequencies[j];
        const double cos = std::cos(angle) * rope.scale, sin = std::sin(angle) * rope.scale;
        const double a = x[head + j], b = x[head + pairs + j];
        x[head + j] = a * cos - b * sin;
        x[head + pairs + j] = b * cos + a * sin;
      }
    }
  }
}

Matrix Attend(const ModelConfig& config, const LayerWeights& layer, const Matrix& x) {
  const std::size_t head_width = config.head_width;
  const std::size_t width = config.num_attention_heads * head_width;
  const std::size_t key_width = config.num_key_value_heads * head_width;
  const std::size_t tokens = x.size() / config.hidden_size;
  Matrix query = Apply(layer.query, x);
  Matrix key = Apply(layer.key, x);
  const Matrix value = Apply(layer.value, x);
  Rotate(config.rope, width, query);
  Rotate(config.rope, key_width, key);
  Matrix mixed(tokens * width, 0);
  std::vector<double> weights(tokens);
  for (std::size_t head = 0; head < config.num_attention_heads; ++head) {
    const std::size_t offset = head * head_width;
    const std::size_t shared = head * config.num_key_value_heads / config.num_attention_heads;
    for (std::size_t i = 0; i < tokens; ++i) {
      const std::size_t seen = config.decoder() ? i + 1 : tokens;
      for (std::size_t j = 0; j < seen; ++j) {
        weights[j] = 0;
        for (std::size_t c = 0; c < head_width; ++c) {
          weights[j] +=
              query[i * width + offset + c] * key[j * key_width + shared * head_width + c];
        }
        weights[j] /= std::sqrt(static_cast<double>(head_width));
      }
      const double most = *std::max_element(weights.data(), weights.data() + seen);
      double sum = 0;
      for (std::size_t j = 0; j < seen; ++j) {
        weights[j] =
            config.quad_softmax ? (weights[j] + 5) * (weights[j] + 5) : std::exp(weights[j] - most);
        sum += weights[j];
      }
      for (std::size_t j = 0; j < seen; ++j) {
        for (std::size_t c = 0; c < head_width; ++c) {
          mixed[i * width + offset + c] +=
              weights[j] / sum * value[j * key_width + shared * head_width + c];
        }
      }
    }
  }
  return Apply(layer.attention_output, mixed);
}

double Activated(Activation activation, double v) {
  switch (activation) {
    case Activation::kGelu:
      return 0.5 * v * (1 + std::erf(v / std::numbers::sqrt2));
    case Activation::kGeluTanh:
      return 0.5 * v *
             (1 + std::tanh(std::sqrt(2 / std::numbers::pi) * (v + 0.044715 * v * v * v)));
    case Activation::kSilu:
      return v / (1 + std::exp(-v));
    case Activation::kQuad:
      return 0.125 * v * v + 0.25 * v + 0.5;
  }
  return v;
}

Matrix FeedForward(const ModelConfig& config, const LayerWeights& layer, const Matrix& x) {
  Matrix inner = Apply(layer.intermediate, x);
  if (layer.gate.in == 0) {
    for (double& v : inner) v = Activated(config.activation, v);
  } else {
    const Matrix gate = Apply(layer.gate, x);
    for (std::size_t i = 0; i < inner.size(); ++i) {
      inner[i] *= Activated(config.activation, gate[i]);
    }
  }
  return Apply(layer.output, inner);
}

void Add(const Matrix& from, Matrix& to) {
  for (std::size_t i = 0; i < to.size(); ++i) to[i] += from[i];
}

// The hidden states after the last layer, a row a token.
Matrix HiddenStates(const FloatModel& model, const std::vector<std::uint32_t>& ids) {
  const ModelConfig& config = model.config;
  CHECK(!ids.empty() && ids.size() <= config.max_position_embeddings);
  const std::size_t width = config.hidden_size;
  const double epsilon = config.layer_norm_eps;
  Matrix x(ids.size() * width);
  const Floats words = model.Words();
  for (std::size_t t = 0; t < ids.size(); ++t) {
    CHECK(ids[t] < config.vocab_size);
    for (std::size_t c = 0; c < width; ++c) {
      x[t * width + c] = (*words)[ids[t] * width + c];
      if (!model.positions.empty()) x[t * width + c] += model.positions[t * width + c];
    }
  }
  if (!config.decoder()) Normalize(model.embeddings_norm, epsilon, false, x);
  for (const LayerWeights& layer : model.layers) {
    if (config.decoder()) {
      Matrix normal = x;
      Normalize(layer.attention_norm, epsilon, config.llama(), normal);
      Add(Attend(config, layer, normal), x);
      normal = x;
      Normalize(layer.output_norm, epsilon, config.llama(), normal);
      Add(FeedForward(config, layer, normal), x);
    } else {
      Add(Attend(config, layer, x), x);
      Normalize(layer.attention_norm, epsilon, false, x);
      Add(FeedForward(config, layer, x), x);
      Normalize(layer.output_norm, epsilon, false, x);
    }
  }
  if (config.decoder()) Normalize(model.final_norm, epsilon, config.llama(), x);
  return x;
}

}  // namespace

Floats DenseWeights::Weight() const {
  return Given(weight, source);
}

Floats FloatModel::Words() const {
  return Given(words, words_source);
}

std::vector<double> FloatModel::Logits(const std::vector<std::uint32_t>& ids) const {
  Matrix x = HiddenStates(*this, ids);
  const std::size_t width = config.hidden_size;
  if (config.task == Task::kGenerate) {
    return Apply(classifier, Matrix(x.end() - static_cast<std::ptrdiff_t>(width), x.end()));
  }
  if (config.task == Task::kEmbed && config.pooling == Pooling::kMean) {
    Matrix mean(width, 0);
    for (std::size_t i = 0; i < x.size(); ++i) {
      mean[i % width] += x[i] / static_cast<double>(ids.size());
    }
    return mean;
  }
  x.resize(width);  // The rest reads the first token.
  if (config.task == Task::kEmbed) return x;
  Matrix pooled = Apply(pooler, x);
  for (double& v : pooled) {
    v = config.family == Family::kDistilbert ? std::max(v, 0.0) : std::tanh(v);
  }
  return Apply(classifier, pooled);
}

Continuation ContinueGreedily(const FloatModel& model, std::vector<std::uint32_t> ids,
                              std::size_t count) {
  Continuation result;
  for (std::size_t i = 0; i < count; ++i) {
    const std::vector<double> logits = model.Logits(ids);
    const auto best = std::max_element(logits.begin(), logits.end());
    double second = -INFINITY;
    for (auto logit = logits.begin(); logit != logits.end(); ++logit) {
      if (logit != best) second = std::max(second, *logit);
    }
    ids.push_back(static_cast<std::uint32_t>(best - logits.begin()));
    result.ids.push_back(ids.back());
    result.gaps.push_back(*best - second);
  }
  return result;
}

}  // namespace mpc
