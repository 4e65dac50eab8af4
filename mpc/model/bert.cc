#include "mpc/model/bert.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "mpc/model/safetensors.h"
#include "proto/base/check.h"

namespace mpc {

namespace {

using proto::Result;
using Matrix = std::vector<double>;  // Row-major; the columns are known from the context.

// Reads tensors until one is missing or wrong, and remembers that error.
class Loader {
 public:
  explicit Loader(const Safetensors& file) : file_(file) {}

  std::vector<float> Tensor(const std::string& name, const std::vector<std::uint64_t>& shape) {
    if (!result_) return {};
    auto tensor = file_.Read(name, shape);
    if (!tensor) {
      result_ = tl::unexpected(tensor.error());
      return {};
    }
    return std::move(tensor->values);
  }
  // The file holds [out x in].
  DenseWeights Dense(const std::string& name, std::uint32_t in, std::uint32_t out) {
    const std::vector<float> file = Tensor(name + ".weight", {out, in});
    DenseWeights dense{in, out, std::vector<float>(file.size()), Tensor(name + ".bias", {out})};
    if (!result_) return {};
    for (std::size_t o = 0; o < out; ++o) {
      for (std::size_t i = 0; i < in; ++i) dense.weight[i * out + o] = file[o * in + i];
    }
    return dense;
  }
  NormWeights Norm(const std::string& name, std::uint32_t size) {
    return {Tensor(name + ".weight", {size}), Tensor(name + ".bias", {size})};
  }
  const Result<>& result() const { return result_; }

 private:
  const Safetensors& file_;
  Result<> result_;
};

Matrix Apply(const DenseWeights& dense, const Matrix& x) {
  const std::size_t rows = x.size() / dense.in;
  Matrix y(rows * dense.out);
  for (std::size_t r = 0; r < rows; ++r) {
    double* row = &y[r * dense.out];
    std::copy(dense.bias.begin(), dense.bias.end(), row);
    for (std::size_t i = 0; i < dense.in; ++i) {
      const double factor = x[r * dense.in + i];
      const float* weights = &dense.weight[i * dense.out];
      for (std::size_t o = 0; o < dense.out; ++o) row[o] += factor * weights[o];
    }
  }
  return y;
}

void Normalize(const NormWeights& norm, double epsilon, Matrix& x) {
  const std::size_t size = norm.gamma.size();
  for (std::size_t begin = 0; begin < x.size(); begin += size) {
    double mean = 0;
    for (std::size_t i = 0; i < size; ++i) mean += x[begin + i];
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

Matrix Attend(const BertConfig& config, const BertLayerWeights& layer, const Matrix& x) {
  const std::size_t width = config.hidden_size;
  const std::size_t head_width = width / config.num_attention_heads;
  const std::size_t tokens = x.size() / width;
  const Matrix query = Apply(layer.query, x);
  const Matrix key = Apply(layer.key, x);
  const Matrix value = Apply(layer.value, x);
  Matrix mixed(x.size(), 0);
  std::vector<double> weights(tokens);
  for (std::size_t offset = 0; offset < width; offset += head_width) {
    for (std::size_t i = 0; i < tokens; ++i) {
      for (std::size_t j = 0; j < tokens; ++j) {
        weights[j] = 0;
        for (std::size_t c = offset; c < offset + head_width; ++c) {
          weights[j] += query[i * width + c] * key[j * width + c];
        }
        weights[j] /= std::sqrt(static_cast<double>(head_width));
      }
      const double most = *std::max_element(weights.begin(), weights.end());
      double sum = 0;
      for (double& weight : weights) sum += weight = std::exp(weight - most);
      for (std::size_t j = 0; j < tokens; ++j) {
        for (std::size_t c = offset; c < offset + head_width; ++c) {
          mixed[i * width + c] += weights[j] / sum * value[j * width + c];
        }
      }
    }
  }
  return mixed;
}

void Add(const Matrix& from, Matrix& to) {
  for (std::size_t i = 0; i < to.size(); ++i) to[i] += from[i];
}

}  // namespace

std::vector<double> FloatModel::Logits(const std::vector<std::uint32_t>& ids) const {
  CHECK(!ids.empty() && ids.size() <= config.max_position_embeddings);
  const std::size_t width = config.hidden_size;
  Matrix x(ids.size() * width);
  for (std::size_t t = 0; t < ids.size(); ++t) {
    CHECK(ids[t] < config.vocab_size);
    for (std::size_t c = 0; c < width; ++c) {
      x[t * width + c] = double{words[ids[t] * width + c]} + positions[t * width + c];
    }
  }
  Normalize(embeddings_norm, config.layer_norm_eps, x);
  for (const BertLayerWeights& layer : layers) {
    Matrix mixed = Apply(layer.attention_output, Attend(config, layer, x));
    Add(mixed, x);
    Normalize(layer.attention_norm, config.layer_norm_eps, x);
    Matrix inner = Apply(layer.intermediate, x);
    for (double& v : inner) v = 0.5 * v * (1 + std::erf(v / std::sqrt(2.0)));
    Add(Apply(layer.output, inner), x);
    Normalize(layer.output_norm, config.layer_norm_eps, x);
  }
  x.resize(width);  // The pooler reads [CLS], the first row.
  Matrix pooled = Apply(pooler, x);
  for (double& v : pooled) v = std::tanh(v);
  return Apply(classifier, pooled);
}

Result<FloatModel> LoadFloatModel(const ModelFiles& files) {
  auto config = ParseBertConfig(files.config_json);
  if (!config) return tl::unexpected(config.error());
  const auto file = Safetensors::Parse(files.safetensors);
  if (!file) return tl::unexpected(file.error());

  FloatModel model;
  model.config = std::move(*config);
  const BertConfig& c = model.config;
  Loader load(*file);
  const std::string embeddings = "bert.embeddings.";
  model.words = load.Tensor(embeddings + "word_embeddings.weight", {c.vocab_size, c.hidden_size});
  model.positions = load.Tensor(embeddings + "position_embeddings.weight",
                                {c.max_position_embeddings, c.hidden_size});
  const std::vector<float> segments =
      load.Tensor(embeddings + "token_type_embeddings.weight", {c.type_vocab_size, c.hidden_size});
  model.embeddings_norm = load.Norm(embeddings + "LayerNorm", c.hidden_size);
  for (std::uint32_t i = 0; i < c.num_hidden_layers && load.result(); ++i) {
    const std::string name = "bert.encoder.layer." + std::to_string(i) + ".";
    BertLayerWeights layer;
    layer.query = load.Dense(name + "attention.self.query", c.hidden_size, c.hidden_size);
    layer.key = load.Dense(name + "attention.self.key", c.hidden_size, c.hidden_size);
    layer.value = load.Dense(name + "attention.self.value", c.hidden_size, c.hidden_size);
    layer.attention_output =
        load.Dense(name + "attention.output.dense", c.hidden_size, c.hidden_size);
    layer.attention_norm = load.Norm(name + "attention.output.LayerNorm", c.hidden_size);
    layer.intermediate =
        load.Dense(name + "intermediate.dense", c.hidden_size, c.intermediate_size);
    layer.output = load.Dense(name + "output.dense", c.intermediate_size, c.hidden_size);
    layer.output_norm = load.Norm(name + "output.LayerNorm", c.hidden_size);
    model.layers.push_back(std::move(layer));
  }
  model.pooler = load.Dense("bert.pooler.dense", c.hidden_size, c.hidden_size);
  model.classifier =
      load.Dense("classifier", c.hidden_size, static_cast<std::uint32_t>(c.labels.size()));
  if (!load.result()) return tl::unexpected(load.result().error());
  for (std::size_t i = 0; i < model.positions.size(); ++i) {
    model.positions[i] += segments[i % c.hidden_size];
  }
  return model;
}

}  // namespace mpc
