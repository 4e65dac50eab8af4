// A BERT classifier small enough to run in a blink, written in the real file formats. Its weights
// follow a formula, so that its logits could be taken from PyTorch once.
#pragma once

#include <map>
#include <string>

#include "mpc/model/load.h"
#include "tests/unit/mpc/model/files.h"

namespace mpc {

inline std::map<std::string, std::vector<std::uint64_t>> SmallModelShapes() {
  std::map<std::string, std::vector<std::uint64_t>> shapes = {
      {"bert.embeddings.word_embeddings.weight", {11, 8}},
      {"bert.embeddings.position_embeddings.weight", {6, 8}},
      {"bert.embeddings.token_type_embeddings.weight", {2, 8}},
      {"classifier.weight", {3, 8}},
      {"classifier.bias", {3}},
      {"bert.pooler.dense.weight", {8, 8}},
      {"bert.pooler.dense.bias", {8}}};
  const auto norm = [&shapes](const std::string& name) {
    shapes[name + ".LayerNorm.weight"] = {8};
    shapes[name + ".LayerNorm.bias"] = {8};
  };
  norm("bert.embeddings");
  for (const char* layer : {"0", "1"}) {
    const std::string name = std::string("bert.encoder.layer.") + layer + ".";
    for (const char* part : {"self.query", "self.key", "self.value", "output.dense"}) {
      shapes[name + "attention." + part + ".weight"] = {8, 8};
      shapes[name + "attention." + part + ".bias"] = {8};
    }
    shapes[name + "intermediate.dense.weight"] = {12, 8};
    shapes[name + "intermediate.dense.bias"] = {12};
    shapes[name + "output.dense.weight"] = {8, 12};
    shapes[name + "output.dense.bias"] = {8};
    norm(name + "attention.output");
    norm(name + "output");
  }
  return shapes;
}

struct SmallModelFiles {
  std::string config =
      R"({"architectures": ["BertForSequenceClassification"], "vocab_size": 11, "hidden_size": 8,
          "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 12,
          "max_position_embeddings": 6, "type_vocab_size": 2, "hidden_act": "gelu",
          "layer_norm_eps": 1e-5, "num_labels": 3})";
  std::string vocab = "[PAD]\n[UNK]\n[CLS]\n[SEP]\na\nb\nc\nd\ne\nf\ng\n";
  std::string calibration = "a b\nc\nd e f\ng a\nb c d e\n";
  proto::Bytes safetensors;

  // `spread` scales the weights; 1.5 is what the known logits were taken with.
  explicit SmallModelFiles(double spread = 1.5) {
    SafetensorsWriter writer;
    std::size_t t = 0;
    for (const auto& [name, shape] : SmallModelShapes()) {
      const std::size_t size = shape[0] * (shape.size() == 2 ? shape[1] : 1);
      std::vector<float> values(size);
      for (std::size_t i = 0; i < size; ++i) {
        const auto step = static_cast<double>((i * 7919 + t * 104729) % 1000);
        const double offset = name.ends_with("LayerNorm.weight") ? 1.5 : 0;
        values[i] = static_cast<float>((step / 1000 - 0.5) * spread + offset);
      }
      writer.Add(name, shape, values);
      ++t;
    }
    safetensors = writer.Finish();
  }
  ModelFiles files() const {
    return {proto::AsBytes(config), {safetensors}};
  }
};

}  // namespace mpc
