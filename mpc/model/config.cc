#include "mpc/model/config.h"

#include <algorithm>

#include "mpc/model/json.h"
#include "mpc/model/rope.h"

namespace mpc {

namespace {

using nlohmann::json;
using proto::ErrorCode;
using proto::Fail;
using proto::Result;

constexpr std::size_t kConfigBytesMax = 1 << 20;
constexpr std::size_t kNameBytesMax = 64;  // Of a stranger's name repeated in an error, and labels.
constexpr std::uint32_t kVocabularyMax = 1 << 20;
constexpr std::uint32_t kWidthMax = 1 << 13;
constexpr std::uint32_t kLayersMax = 128;
constexpr std::uint32_t kHeadsMax = 128;
constexpr std::uint32_t kInnerMax = 1 << 15;
constexpr std::uint32_t kPositionsMax = 1 << 20;

struct Architecture {
  const char* name;
  Family family;
  Task task;
};

constexpr Architecture kArchitectures[] = {
    {"BertForSequenceClassification", Family::kBert, Task::kClassify},
    {"BertModel", Family::kBert, Task::kEmbed},
    {"RobertaForSequenceClassification", Family::kRoberta, Task::kClassify},
    {"RobertaModel", Family::kRoberta, Task::kEmbed},
    {"XLMRobertaForSequenceClassification", Family::kRoberta, Task::kClassify},
    {"XLMRobertaModel", Family::kRoberta, Task::kEmbed},
    {"DistilBertForSequenceClassification", Family::kDistilbert, Task::kClassify},
    {"DistilBertModel", Family::kDistilbert, Task::kEmbed},
    {"GPT2LMHeadModel", Family::kGpt2, Task::kGenerate},
    {"LlamaForCausalLM", Family::kLlama, Task::kGenerate},
    {"MistralForCausalLM", Family::kLlama, Task::kGenerate},
    {"Qwen2ForCausalLM", Family::kLlama, Task::kGenerate},
};

tl::unexpected<proto::Error> Bad(const std::string& what) {
  return Fail(ErrorCode::kInvalidArgument, "config.json: " + what);
}

std::string Shown(const json& value) {
  return value.is_string() ? value.get<std::string>().substr(0, kNameBytesMax) : "(none)";
}

std::string Joined(const std::vector<std::string>& names) {
  std::string joined;
  for (const std::string& name : names) joined += (joined.empty() ? "" : ", ") + name;
  return joined;
}

// Reads fields until one is wrong, and remembers that.
class Fields {
 public:
  explicit Fields(const json& config) : config_(config) {}

  // A whole number from 1 to `max`.
  std::uint32_t Size(const char* name, std::uint32_t max) {
    const json& value = JsonField(config_, name);
    if (!value.is_number_unsigned() || value.get<std::uint64_t>() == 0 ||
        value.get<std::uint64_t>() > max) {
      Refuse(std::string(name) + " must be a whole number from 1 to " + std::to_string(max));
      return 1;
    }
    return value.get<std::uint32_t>();
  }
  std::uint32_t SizeOr(const char* name, std::uint32_t max, std::uint32_t otherwise) {
    return JsonField(config_, name).is_null() ? otherwise : Size(name, max);
  }
  double Epsilon(const char* name, double otherwise) {
    const json& value = JsonField(config_, name);
    const double epsilon = value.is_number() ? value.get<double>()
                           : value.is_null() ? otherwise
                                             : 0;
    if (!(epsilon > 0 && epsilon < 1)) Refuse(std::string(name) + " is no small number above 0");
    return epsilon;
  }
  bool Flag(const char* name, bool otherwise) {
    const json& value = JsonField(config_, name);
    if (!value.is_null() && !value.is_boolean()) Refuse(std::string(name) + " is no true or false");
    return value.is_boolean() ? value.get<bool>() : otherwise;
  }
  // A variant of which one value alone is supported.
  void Only(const char* name, const json& supported) {
    const json& value = JsonField(config_, name);
    if (value.is_null() || value == supported) return;
    Refuse(std::string(name) + " " +
           (value.is_string() ? Shown(value) : value.dump().substr(0, 64)) +
           " is not supported (supported: " +
           (supported.is_string() ? Shown(supported) : supported.dump()) + ")");
  }
  std::vector<std::uint32_t> Tokens(const char* name, std::uint32_t vocabulary) {
    json value = JsonField(config_, name);
    if (value.is_null()) return {};
    if (!value.is_array()) value = json::array({value});
    std::vector<std::uint32_t> tokens;
    for (const json& token : value) {
      if (!token.is_number_unsigned() || token.get<std::uint64_t>() >= vocabulary ||
          tokens.size() == kNameBytesMax) {
        Refuse(std::string(name) + " must be a token of the vocabulary");
        return {};
      }
      tokens.push_back(token.get<std::uint32_t>());
    }
    return tokens;
  }
  // The index of the field's value among those supported; 0 where it is absent.
  std::size_t OneOf(const char* name, const std::vector<std::string>& supported) {
    const json& value = JsonField(config_, name);
    if (value.is_null()) return 0;
    for (std::size_t i = 0; i < supported.size(); ++i) {
      if (value == supported[i]) return i;
    }
    Refuse(std::string(name) + " " + (value.is_string() ? Shown(value) : "no text") +
           " is not supported (supported: " + Joined(supported) + ")");
    return 0;
  }
  Activation ActivationOf(const char* name,
                          const std::vector<std::pair<const char*, Activation>>& of,
                          Activation otherwise) {
    const json& value = JsonField(config_, name);
    if (value.is_null()) return otherwise;
    std::vector<std::string> names;
    for (const auto& [known, activation] : of) {
      if (value == known) return activation;
      names.emplace_back(known);
    }
    Refuse(std::string(name) + " " + Shown(value) +
           " is not supported (supported: " + Joined(names) + ")");
    return otherwise;
  }
  void Refuse(const std::string& what) {
    if (result_) result_ = Bad(what);
  }
  const json& config() const { return config_; }
  const Result<>& result() const { return result_; }

 private:
  const json& config_;
  Result<> result_;
};

const std::vector<std::pair<const char*, Activation>> kEncoderActivations = {
    {"gelu", Activation::kGelu},
    {"gelu_new", Activation::kGeluTanh},
    {"gelu_pytorch_tanh", Activation::kGeluTanh},
    {"silu", Activation::kSilu}};
// Encoders distilled with MPCFormer's scripts say "softmax_act": "2quad", too.
const std::vector<std::pair<const char*, Activation>> kBertActivations = {
    {"gelu", Activation::kGelu},
    {"gelu_new", Activation::kGeluTanh},
    {"gelu_pytorch_tanh", Activation::kGeluTanh},
    {"silu", Activation::kSilu},
    {"quad", Activation::kQuad}};

Result<std::vector<std::string>> Labels(const json& config) {
  constexpr std::size_t kLabelsMax = 1024;
  const json& names = JsonField(config, "id2label");
  const json& number = JsonField(config, "num_labels");
  std::size_t count = names.is_object() ? names.size() : 2;  // Two is the library's default.
  if (number.is_number_unsigned()) count = number.get<std::size_t>();
  if (count == 0 || count > kLabelsMax) return Bad("num_labels must be 1 to 1024");
  if (names.is_object() && names.size() != count) return Bad("id2label and num_labels disagree");
  std::vector<std::string> labels;
  for (std::size_t i = 0; i < count; ++i) {
    labels.push_back("LABEL_" + std::to_string(i));
    if (!names.is_object()) continue;
    const json& name = JsonField(names, std::to_string(i).c_str());
    if (!name.is_string() || name.get_ref<const std::string&>().size() > kNameBytesMax) {
      return Bad("id2label must name 0, 1, ... in at most 64 bytes each");
    }
    labels.back() = name.get<std::string>();
  }
  return labels;
}

void ReadBert(Fields& in, ModelConfig& out) {
  out.hidden_size = in.Size("hidden_size", kWidthMax);
  out.num_hidden_layers = in.Size("num_hidden_layers", kLayersMax);
  out.num_attention_heads = in.Size("num_attention_heads", kHeadsMax);
  out.intermediate_size = in.Size("intermediate_size", kInnerMax);
  out.max_position_embeddings = in.Size("max_position_embeddings", kPositionsMax);
  out.type_vocab_size = in.Size("type_vocab_size", 16);
  out.layer_norm_eps = in.Epsilon("layer_norm_eps", 1e-12);
  out.activation = in.ActivationOf("hidden_act", kBertActivations, Activation::kGelu);
  out.quad_softmax = in.OneOf("softmax_act", {"softmax", "2quad"}) == 1;
  in.Only("position_embedding_type", "absolute");
  in.Only("is_decoder", false);
}

// Positions begin after the pad's: with pad_token_id 1, at 2.
void ReadRoberta(Fields& in, ModelConfig& out) {
  ReadBert(in, out);
  const auto pads = in.Tokens("pad_token_id", out.vocab_size);
  out.pad_token_id = pads.empty() ? 1 : pads.front();
  out.position_offset = out.pad_token_id + 1;
  if (out.max_position_embeddings <= out.position_offset) {
    in.Refuse("max_position_embeddings leaves no position for a token");
  } else {
    out.max_position_embeddings -= out.position_offset;
  }
}

void ReadDistilbert(Fields& in, ModelConfig& out) {
  out.hidden_size = in.Size("dim", kWidthMax);
  out.num_hidden_layers = in.Size("n_layers", kLayersMax);
  out.num_attention_heads = in.Size("n_heads", kHeadsMax);
  out.intermediate_size = in.Size("hidden_dim", kInnerMax);
  out.max_position_embeddings = in.Size("max_position_embeddings", kPositionsMax);
  out.layer_norm_eps = 1e-12;  // Fixed in the architecture.
  out.activation = in.ActivationOf("activation", kEncoderActivations, Activation::kGelu);
}

void ReadGpt2(Fields& in, ModelConfig& out) {
  out.hidden_size = in.Size("n_embd", kWidthMax);
  out.num_hidden_layers = in.Size("n_layer", kLayersMax);
  out.num_attention_heads = in.Size("n_head", kHeadsMax);
  out.intermediate_size = in.SizeOr("n_inner", kInnerMax, 4 * out.hidden_size);
  out.max_position_embeddings = in.Size("n_positions", kPositionsMax);
  out.layer_norm_eps = in.Epsilon("layer_norm_epsilon", 1e-5);
  out.activation =
      in.ActivationOf("activation_function", kEncoderActivations, Activation::kGeluTanh);
  in.Only("scale_attn_weights", true);
  in.Only("scale_attn_by_inverse_layer_idx", false);
  in.Only("add_cross_attention", false);
  out.tied = in.Flag("tie_word_embeddings", true);
}

void ReadLlama(Fields& in, ModelConfig& out) {
  out.hidden_size = in.Size("hidden_size", kWidthMax);
  out.num_hidden_layers = in.Size("num_hidden_layers", kLayersMax);
  out.num_attention_heads = in.Size("num_attention_heads", kHeadsMax);
  out.num_key_value_heads = in.SizeOr("num_key_value_heads", kHeadsMax, out.num_attention_heads);
  out.head_width =
      in.SizeOr("head_dim", kWidthMax, out.hidden_size / std::max(1u, out.num_attention_heads));
  out.intermediate_size = in.Size("intermediate_size", kInnerMax);
  out.max_position_embeddings = in.Size("max_position_embeddings", kPositionsMax);
  out.layer_norm_eps = in.Epsilon("rms_norm_eps", 1e-6);
  out.activation = in.ActivationOf(
      "hidden_act", {{"silu", Activation::kSilu}, {"swish", Activation::kSilu}}, Activation::kSilu);
  const bool qwen = out.architecture == "Qwen2ForCausalLM";
  out.query_bias = in.Flag("attention_bias", qwen);
  out.output_bias = qwen ? false : out.query_bias;
  out.mlp_bias = in.Flag("mlp_bias", false);
  out.tied = in.Flag("tie_word_embeddings", false);
  if (qwen) in.Only("use_sliding_window", false);
  if (!in.result()) return;
  auto rope = ParseRope(in.config(), out.head_width, out.max_position_embeddings);
  if (!rope) return in.Refuse(rope.error().message);
  out.rope = std::move(*rope);
  // Within the window a sliding window is none.
  if (!qwen && !JsonField(in.config(), "sliding_window").is_null()) {
    out.max_position_embeddings =
        std::min(out.max_position_embeddings, in.Size("sliding_window", kPositionsMax));
  }
}

}  // namespace

std::vector<std::string> SupportedArchitectures() {
  std::vector<std::string> names;
  for (const Architecture& known : kArchitectures) names.emplace_back(known.name);
  return names;
}

Result<ModelConfig> ParseConfig(proto::ByteSpan config_json) {
  if (config_json.size() > kConfigBytesMax) return Bad("larger than 1 MiB");
  const json config = ParseJson(config_json);
  if (!config.is_object()) return Bad("not a JSON object, nested too deeply or too large");

  const json& architectures = JsonField(config, "architectures");
  const json architecture =
      architectures.is_array() && !architectures.empty() ? architectures[0] : json();
  const auto known =
      std::ranges::find_if(kArchitectures, [&](const auto& a) { return architecture == a.name; });
  if (known == std::end(kArchitectures)) {
    return Bad("architecture " + Shown(architecture) +
               " is not supported (supported: " + Joined(SupportedArchitectures()) + ")");
  }
  ModelConfig out;
  out.architecture = known->name;
  out.family = known->family;
  out.task = known->task;
  Fields in(config);
  out.vocab_size = in.Size("vocab_size", kVocabularyMax);
  // Of text to be continued no pad is looked up: some say -1, or a token added later.
  if (out.task != Task::kGenerate) {
    const auto pads = in.Tokens("pad_token_id", out.vocab_size);
    if (!pads.empty()) out.pad_token_id = pads.front();
  }
  switch (known->family) {
    case Family::kBert:
      ReadBert(in, out);
      break;
    case Family::kRoberta:
      ReadRoberta(in, out);
      break;
    case Family::kDistilbert:
      ReadDistilbert(in, out);
      break;
    case Family::kGpt2:
      ReadGpt2(in, out);
      break;
    case Family::kLlama:
      ReadLlama(in, out);
      break;
  }
  if (out.task == Task::kGenerate) out.eos_token_ids = in.Tokens("eos_token_id", out.vocab_size);
  if (!in.result()) return tl::unexpected(in.result().error());
  if (!out.llama()) {
    if (out.hidden_size % out.num_attention_heads != 0) {
      return Bad("hidden_size must be a multiple of num_attention_heads");
    }
    out.num_key_value_heads = out.num_attention_heads;
    out.head_width = out.hidden_size / out.num_attention_heads;
  } else if (out.num_attention_heads % out.num_key_value_heads != 0 || out.head_width % 2 != 0) {
    return Bad("num_attention_heads must be a multiple of num_key_value_heads, and head_dim even");
  }
  if (out.task == Task::kClassify) {
    auto labels = Labels(config);
    if (!labels) return tl::unexpected(labels.error());
    out.labels = std::move(*labels);
  }
  return out;
}

}  // namespace mpc
