#include "mpc/model/config.h"

#include <algorithm>

#include <nlohmann/json.hpp>

namespace mpc {

namespace {

using nlohmann::json;
using proto::ErrorCode;
using proto::Fail;
using proto::Result;

constexpr std::size_t kConfigBytesMax = 1 << 20;
constexpr std::size_t kNameBytesMax = 64;  // Of a stranger's name repeated in an error, and labels.

tl::unexpected<proto::Error> Bad(const std::string& what) {
  return Fail(ErrorCode::kInvalidArgument, "config.json: " + what);
}

std::string Shown(const json& value) {
  return value.is_string() ? value.get<std::string>().substr(0, kNameBytesMax) : "(none)";
}

json Field(const json& config, const char* name) {
  const auto found = config.find(name);
  return found == config.end() ? json() : *found;
}

struct SizeField {
  const char* name;
  std::uint32_t BertConfig::*member;
  std::uint32_t max;
};

constexpr SizeField kSizes[] = {
    {"vocab_size", &BertConfig::vocab_size, 1 << 20},
    {"hidden_size", &BertConfig::hidden_size, 1 << 13},
    {"num_hidden_layers", &BertConfig::num_hidden_layers, 96},
    {"num_attention_heads", &BertConfig::num_attention_heads, 128},
    {"intermediate_size", &BertConfig::intermediate_size, 1 << 15},
    {"max_position_embeddings", &BertConfig::max_position_embeddings, 1 << 13},
    {"type_vocab_size", &BertConfig::type_vocab_size, 16},
};

Result<std::vector<std::string>> Labels(const json& config) {
  constexpr std::size_t kLabelsMax = 1024;
  const json names = Field(config, "id2label");
  const json number = Field(config, "num_labels");
  std::size_t count = names.is_object() ? names.size() : 2;  // Two is the library's default.
  if (number.is_number_unsigned()) count = number.get<std::size_t>();
  if (count == 0 || count > kLabelsMax) return Bad("num_labels must be 1 to 1024");
  if (names.is_object() && names.size() != count) return Bad("id2label and num_labels disagree");
  std::vector<std::string> labels;
  for (std::size_t i = 0; i < count; ++i) {
    labels.push_back("LABEL_" + std::to_string(i));
    if (!names.is_object()) continue;
    const json name = Field(names, std::to_string(i).c_str());
    if (!name.is_string() || name.get_ref<const std::string&>().size() > kNameBytesMax) {
      return Bad("id2label must name 0, 1, ... in at most 64 bytes each");
    }
    labels.back() = name.get<std::string>();
  }
  return labels;
}

}  // namespace

Result<BertConfig> ParseBertConfig(proto::ByteSpan config_json) {
  if (config_json.size() > kConfigBytesMax) return Bad("larger than 1 MiB");
  const std::string_view text = proto::AsText(config_json);
  const json config = json::parse(text.begin(), text.end(), nullptr, /*allow_exceptions=*/false);
  if (!config.is_object()) return Bad("not a JSON object");

  const json architectures = Field(config, "architectures");
  const json architecture =
      architectures.is_array() && !architectures.empty() ? architectures[0] : json();
  if (architecture != "BertForSequenceClassification") {
    return Bad("architecture " + Shown(architecture) +
               " is not supported (supported: BertForSequenceClassification)");
  }
  const json activation = Field(config, "hidden_act");
  if (!activation.is_null() && activation != "gelu") {
    return Bad("hidden_act " + Shown(activation) + " is not supported (supported: gelu)");
  }
  const json positions = Field(config, "position_embedding_type");
  if (!positions.is_null() && positions != "absolute") {
    return Bad("position_embedding_type " + Shown(positions) +
               " is not supported (supported: absolute)");
  }
  BertConfig out;
  for (const SizeField& field : kSizes) {
    const json value = Field(config, field.name);
    if (!value.is_number_unsigned() || value.get<std::uint64_t>() == 0 ||
        value.get<std::uint64_t>() > field.max) {
      return Bad(std::string(field.name) + " must be a whole number from 1 to " +
                 std::to_string(field.max));
    }
    out.*field.member = value.get<std::uint32_t>();
  }
  if (out.hidden_size % out.num_attention_heads != 0) {
    return Bad("hidden_size must be a multiple of num_attention_heads");
  }
  const json pad = Field(config, "pad_token_id");
  if (!pad.is_null()) {
    if (!pad.is_number_unsigned() || pad.get<std::uint64_t>() >= out.vocab_size) {
      return Bad("pad_token_id must be a token of the vocabulary");
    }
    out.pad_token_id = pad.get<std::uint32_t>();
  }
  const json epsilon = Field(config, "layer_norm_eps");
  out.layer_norm_eps = epsilon.is_number() ? epsilon.get<double>() : 1e-12;
  if (!(out.layer_norm_eps > 0 && out.layer_norm_eps < 1))
    return Bad("layer_norm_eps is not small");
  auto labels = Labels(config);
  if (!labels) return tl::unexpected(labels.error());
  out.labels = std::move(*labels);
  return out;
}

}  // namespace mpc
