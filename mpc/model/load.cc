#include "mpc/model/load.h"

#include <algorithm>
#include <memory>
#include <set>
#include <string>
#include <utility>

#include "mpc/model/safetensors.h"

namespace mpc {

namespace {

using proto::ErrorCode;
using proto::Fail;
using proto::Result;
using Shape = std::vector<std::uint64_t>;

// Reads tensors until one is missing or wrong, and remembers that error; and which were read.
class Loader {
 public:
  Loader(std::shared_ptr<const std::vector<Safetensors>> files, bool leave)
      : kept_(std::move(files)), files_(*kept_), leave_(leave) {}

  // `prefix` is prepended to all names from here on if some of the files' have it.
  void UsePrefix(const std::string& prefix) {
    const bool used = std::ranges::any_of(files_, [&](const Safetensors& file) {
      return std::ranges::any_of(file.names(),
                                 [&](const std::string& name) { return name.starts_with(prefix); });
    });
    prefix_ = used ? prefix : "";
  }
  void NoPrefix() { prefix_.clear(); }

  std::vector<float> Tensor(const std::string& name, const Shape& shape) {
    if (!result_) return {};
    const std::string full = prefix_ + name;
    const Safetensors* file = Find(full);
    if (file == nullptr) {
      result_ = Fail(ErrorCode::kNotFound, "safetensors: no tensor named " + full);
      return {};
    }
    read_.insert(full);
    auto tensor = file->Read(full, shape);
    if (!tensor) {
      result_ = tl::unexpected(tensor.error());
      return {};
    }
    return std::move(tensor->values);
  }
  // A tensor that was checked and let go: what reads it again.
  FloatSource Source(const std::string& name, const Shape& shape) {
    if (Tensor(name, shape).empty()) return nullptr;
    return [files = kept_, file = Find(prefix_ + name), full = prefix_ + name, shape] {
      return std::move(file->Read(full, shape).value().values);
    };
  }
  bool leave() const { return leave_; }

  // The file holds [out x in], as PyTorch's Linear does.
  DenseWeights Dense(const std::string& name, std::uint32_t in, std::uint32_t out,
                     bool bias = true) {
    DenseWeights dense{in, out, {}, {}};
    if (leave_) {
      dense.source = [stored = Source(name + ".weight", {out, in}), in, out] {
        return Transposed(stored(), out, in);
      };
    } else {
      dense.weight = Transposed(Tensor(name + ".weight", {out, in}), out, in);
    }
    dense.bias = bias ? Tensor(name + ".bias", {out}) : std::vector<float>(out);
    return dense;
  }
  // GPT-2's Conv1D holds [in x out].
  DenseWeights Conv(const std::string& name, std::uint32_t in, std::uint32_t out) {
    DenseWeights dense{in, out, {}, {}};
    if (leave_) {
      dense.source = Source(name + ".weight", {in, out});
    } else {
      dense.weight = Tensor(name + ".weight", {in, out});
    }
    dense.bias = Tensor(name + ".bias", {out});
    return dense;
  }
  // gamma and beta: as TensorFlow's checkpoints named them.
  NormWeights Norm(const std::string& name, std::uint32_t size, bool bias = true) {
    const bool old = !Has(name + ".weight") && Has(name + ".gamma");
    NormWeights norm{Tensor(name + (old ? ".gamma" : ".weight"), {size}), std::vector<float>(size)};
    if (bias) norm.beta = Tensor(name + (old ? ".beta" : ".bias"), {size});
    return norm;
  }
  static std::vector<float> Transposed(const std::vector<float>& from, std::size_t rows,
                                       std::size_t cols) {
    std::vector<float> to(from.size());
    if (from.size() != rows * cols) return to;
    for (std::size_t r = 0; r < rows; ++r) {
      for (std::size_t c = 0; c < cols; ++c) to[c * rows + r] = from[r * cols + c];
    }
    return to;
  }

  // kInvalidArgument when a tensor was neither read nor is one that may be left alone: `unused` are
  // how their names begin or end.
  Result<> Finish(const std::vector<const char*>& unused) const {
    if (!result_) return result_;
    std::set<std::string> seen;
    for (const Safetensors& file : files_) {
      for (const std::string& name : file.names()) {
        if (!seen.insert(name).second) {
          return Fail(ErrorCode::kInvalidArgument,
                      "safetensors: tensor " + name.substr(0, 128) + " is in two files");
        }
        const bool known = read_.contains(name) || std::ranges::any_of(unused, [&](const char* u) {
                             return name.find(u) != std::string::npos;
                           });
        if (!known) {
          return Fail(ErrorCode::kInvalidArgument,
                      "safetensors: tensor " + name.substr(0, 128) +
                          " is none of this architecture's; its result would be another model's");
        }
      }
    }
    return {};
  }
  const Result<>& result() const { return result_; }
  bool Has(const std::string& name) const { return Find(prefix_ + name) != nullptr; }

 private:
  const Safetensors* Find(const std::string& name) const {
    for (const Safetensors& file : files_) {
      if (file.Has(name)) return &file;
    }
    return nullptr;
  }

  const std::shared_ptr<const std::vector<Safetensors>> kept_;
  const std::vector<Safetensors>& files_;
  const bool leave_;
  std::string prefix_;
  std::set<std::string> read_;
  Result<> result_;
};

void LoadBert(Loader& load, FloatModel& model) {
  const ModelConfig& c = model.config;
  const bool roberta = c.family == Family::kRoberta;
  load.UsePrefix(roberta ? "roberta." : "bert.");
  model.words = load.Tensor("embeddings.word_embeddings.weight", {c.vocab_size, c.hidden_size});
  model.positions = load.Tensor("embeddings.position_embeddings.weight",
                                {c.max_position_embeddings + c.position_offset, c.hidden_size});
  const std::vector<float> segments =
      load.Tensor("embeddings.token_type_embeddings.weight", {c.type_vocab_size, c.hidden_size});
  model.embeddings_norm = load.Norm("embeddings.LayerNorm", c.hidden_size);
  for (std::uint32_t i = 0; i < c.num_hidden_layers && load.result(); ++i) {
    const std::string name = "encoder.layer." + std::to_string(i) + ".";
    LayerWeights layer;
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
  if (c.task == Task::kClassify) {
    const auto labels = static_cast<std::uint32_t>(c.labels.size());
    if (roberta) load.NoPrefix();
    model.pooler =
        load.Dense(roberta ? "classifier.dense" : "pooler.dense", c.hidden_size, c.hidden_size);
    load.NoPrefix();
    model.classifier =
        load.Dense(roberta ? "classifier.out_proj" : "classifier", c.hidden_size, labels);
  }
  if (!load.result()) return;
  for (std::size_t i = 0; i < model.positions.size(); ++i) {
    model.positions[i] += segments[i % c.hidden_size];
  }
  model.positions.erase(
      model.positions.begin(),
      model.positions.begin() + static_cast<std::ptrdiff_t>(c.position_offset) * c.hidden_size);
}

void LoadDistilbert(Loader& load, FloatModel& model) {
  const ModelConfig& c = model.config;
  load.UsePrefix("distilbert.");
  model.words = load.Tensor("embeddings.word_embeddings.weight", {c.vocab_size, c.hidden_size});
  model.positions = load.Tensor("embeddings.position_embeddings.weight",
                                {c.max_position_embeddings, c.hidden_size});
  model.embeddings_norm = load.Norm("embeddings.LayerNorm", c.hidden_size);
  for (std::uint32_t i = 0; i < c.num_hidden_layers && load.result(); ++i) {
    const std::string name = "transformer.layer." + std::to_string(i) + ".";
    LayerWeights layer;
    layer.query = load.Dense(name + "attention.q_lin", c.hidden_size, c.hidden_size);
    layer.key = load.Dense(name + "attention.k_lin", c.hidden_size, c.hidden_size);
    layer.value = load.Dense(name + "attention.v_lin", c.hidden_size, c.hidden_size);
    layer.attention_output = load.Dense(name + "attention.out_lin", c.hidden_size, c.hidden_size);
    layer.attention_norm = load.Norm(name + "sa_layer_norm", c.hidden_size);
    layer.intermediate = load.Dense(name + "ffn.lin1", c.hidden_size, c.intermediate_size);
    layer.output = load.Dense(name + "ffn.lin2", c.intermediate_size, c.hidden_size);
    layer.output_norm = load.Norm(name + "output_layer_norm", c.hidden_size);
    model.layers.push_back(std::move(layer));
  }
  if (c.task != Task::kClassify) return;
  load.NoPrefix();
  model.pooler = load.Dense("pre_classifier", c.hidden_size, c.hidden_size);
  model.classifier =
      load.Dense("classifier", c.hidden_size, static_cast<std::uint32_t>(c.labels.size()));
}

// A decoder's embedding table.
void LoadWords(Loader& load, const std::string& name, FloatModel& model) {
  const ModelConfig& c = model.config;
  if (load.leave()) {
    model.words_source = load.Source(name, {c.vocab_size, c.hidden_size});
  } else {
    model.words = load.Tensor(name, {c.vocab_size, c.hidden_size});
  }
}

// Columns [first, first + out) of a dense layer.
DenseWeights Part(const DenseWeights& whole, std::uint32_t first, std::uint32_t out) {
  DenseWeights part{whole.in, out, {}, {}};
  if (whole.bias.empty()) return part;  // It could not be read.
  const auto columns = [first, out, in = whole.in,
                        all = whole.out](const std::vector<float>& from) {
    std::vector<float> to;
    to.reserve(std::size_t{in} * out);
    for (std::uint32_t i = 0; i < in; ++i) {
      const auto row = from.begin() + static_cast<std::ptrdiff_t>(i) * all + first;
      to.insert(to.end(), row, row + out);
    }
    return to;
  };
  if (whole.source) {
    part.source = [columns, source = whole.source] { return columns(source()); };
  } else {
    part.weight = columns(whole.weight);
  }
  part.bias.assign(whole.bias.begin() + first, whole.bias.begin() + first + out);
  return part;
}

// The logits' matrix: the embedding table, or lm_head.
void LoadHead(Loader& load, FloatModel& model) {
  const ModelConfig& c = model.config;
  load.NoPrefix();
  DenseWeights& head = model.classifier;
  head = {c.hidden_size, c.vocab_size, {}, std::vector<float>(c.vocab_size)};
  if (c.tied) {
    if (model.words_source) {
      head.source = [words = model.words_source, rows = c.vocab_size, cols = c.hidden_size] {
        return Loader::Transposed(words(), rows, cols);
      };
    } else {
      head.weight = Loader::Transposed(model.words, c.vocab_size, c.hidden_size);
    }
  } else {
    head = load.Dense("lm_head", c.hidden_size, c.vocab_size, false);
  }
}

void LoadGpt2(Loader& load, FloatModel& model) {
  const ModelConfig& c = model.config;
  load.UsePrefix("transformer.");
  LoadWords(load, "wte.weight", model);
  model.positions = load.Tensor("wpe.weight", {c.max_position_embeddings, c.hidden_size});
  for (std::uint32_t i = 0; i < c.num_hidden_layers && load.result(); ++i) {
    const std::string name = "h." + std::to_string(i) + ".";
    LayerWeights layer;
    layer.attention_norm = load.Norm(name + "ln_1", c.hidden_size);
    const DenseWeights all = load.Conv(name + "attn.c_attn", c.hidden_size, 3 * c.hidden_size);
    layer.query = Part(all, 0, c.hidden_size);
    layer.key = Part(all, c.hidden_size, c.hidden_size);
    layer.value = Part(all, 2 * c.hidden_size, c.hidden_size);
    layer.attention_output = load.Conv(name + "attn.c_proj", c.hidden_size, c.hidden_size);
    layer.output_norm = load.Norm(name + "ln_2", c.hidden_size);
    layer.intermediate = load.Conv(name + "mlp.c_fc", c.hidden_size, c.intermediate_size);
    layer.output = load.Conv(name + "mlp.c_proj", c.intermediate_size, c.hidden_size);
    model.layers.push_back(std::move(layer));
  }
  model.final_norm = load.Norm("ln_f", c.hidden_size);
  LoadHead(load, model);
}

void LoadLlama(Loader& load, FloatModel& model) {
  const ModelConfig& c = model.config;
  const std::uint32_t queries = c.num_attention_heads * c.head_width;
  const std::uint32_t keys = c.num_key_value_heads * c.head_width;
  load.UsePrefix("model.");
  LoadWords(load, "embed_tokens.weight", model);
  for (std::uint32_t i = 0; i < c.num_hidden_layers && load.result(); ++i) {
    const std::string name = "layers." + std::to_string(i) + ".";
    LayerWeights layer;
    layer.attention_norm = load.Norm(name + "input_layernorm", c.hidden_size, false);
    layer.query = load.Dense(name + "self_attn.q_proj", c.hidden_size, queries, c.query_bias);
    layer.key = load.Dense(name + "self_attn.k_proj", c.hidden_size, keys, c.query_bias);
    layer.value = load.Dense(name + "self_attn.v_proj", c.hidden_size, keys, c.query_bias);
    layer.attention_output =
        load.Dense(name + "self_attn.o_proj", queries, c.hidden_size, c.output_bias);
    layer.output_norm = load.Norm(name + "post_attention_layernorm", c.hidden_size, false);
    layer.gate = load.Dense(name + "mlp.gate_proj", c.hidden_size, c.intermediate_size, c.mlp_bias);
    layer.intermediate =
        load.Dense(name + "mlp.up_proj", c.hidden_size, c.intermediate_size, c.mlp_bias);
    layer.output =
        load.Dense(name + "mlp.down_proj", c.intermediate_size, c.hidden_size, c.mlp_bias);
    model.layers.push_back(std::move(layer));
  }
  model.final_norm = load.Norm("norm", c.hidden_size, false);
  LoadHead(load, model);
}

}  // namespace

Result<FloatModel> LoadFloatModel(const ModelFiles& files) {
  auto config = ParseConfig(files.config_json);
  if (!config) return tl::unexpected(config.error());
  const auto parsed = std::make_shared<std::vector<Safetensors>>();
  for (const proto::ByteSpan bytes : files.safetensors) {
    auto file = Safetensors::Parse(bytes);
    if (!file) return tl::unexpected(file.error());
    parsed->push_back(std::move(*file));
  }
  FloatModel model;
  model.config = std::move(*config);
  Loader load(parsed, files.leave && model.config.decoder());
  std::vector<const char*> unused = {"position_ids"};
  switch (model.config.family) {
    case Family::kBert:
    case Family::kRoberta:
      LoadBert(load, model);
      unused.push_back("cls.");
      unused.push_back("lm_head.");
      if (model.config.task == Task::kEmbed) {
        unused.insert(unused.end(), {"pooler.", "bert.pooler."});
      }
      if (model.config.family == Family::kRoberta) unused.push_back("roberta.pooler.");
      break;
    case Family::kDistilbert:
      LoadDistilbert(load, model);
      unused.push_back("vocab_");
      break;
    case Family::kGpt2:
      LoadGpt2(load, model);
      unused.push_back(".attn.bias");
      unused.push_back(".attn.masked_bias");
      if (model.config.tied) unused.push_back("lm_head.weight");
      break;
    case Family::kLlama:
      LoadLlama(load, model);
      unused.push_back("rotary_emb.inv_freq");
      if (model.config.tied) unused.push_back("lm_head.weight");
      break;
  }
  if (auto whole = load.Finish(unused); !whole) return tl::unexpected(whole.error());
  return model;
}

}  // namespace mpc
