#include "node/cli/bench_works.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <functional>
#include <memory>
#include <optional>
#include <utility>

#include <nlohmann/json.hpp>

#include "mpc/model/builder.h"
#include "mpc/model/compile.h"
#include "mpc/plan/schedule.h"
#include "node/cli/bench_llama.h"
#include "node/cli/commands.h"
#include "node/loop/files.h"
#include "node/store/mapped_file.h"
#include "proto/base/check.h"
#include "proto/crypto/hash.h"
#include "proto/crypto/prg.h"

namespace node {
namespace {

using mpc::PlanBuilder;
using mpc::TensorId;
using proto::ErrorCode;
using proto::Fail;
using Reals = std::vector<double>;

constexpr std::uint32_t kWordBits = 6;  // Of the works' vocabulary.
constexpr std::uint64_t kSizeMax = 4'000'000;
constexpr std::uint32_t kMatmulRows = 128;
constexpr std::uint32_t kMatmulSide = 768;
constexpr std::uint32_t kSoftmaxSide = 128;
constexpr std::uint32_t kRowsMax = 1000;
constexpr std::size_t kConfigBytesMax = 1 << 20;
constexpr std::size_t kLargeTexts = 2;  // Calibrating a large model takes long.

// Numbers from a seed.
class Draws {
 public:
  explicit Draws(std::uint64_t seed)
      : prg_(proto::Hasher("waxseal/bench").Add(seed).Finish().span(), proto::AsBytes("draws")) {}

  double Uniform(double low, double high) {
    return low + (high - low) * std::ldexp(static_cast<double>(prg_.U64() >> 11), -53);
  }
  // Box and Muller 1958.
  double Normal(double deviation) {
    const double radius = std::sqrt(-2 * std::log(1 - Uniform(0, 1)));
    return deviation * radius * std::cos(2 * 3.14159265358979323846 * Uniform(0, 1));
  }
  std::uint32_t Below(std::uint32_t bound) {
    return static_cast<std::uint32_t>(prg_.U64() % bound);
  }
  Reals Uniforms(std::size_t count, double size) {
    Reals values(count);
    for (double& value : values) value = Uniform(-size, size);
    return values;
  }
  std::vector<float> Normals(std::size_t count, double deviation) {
    std::vector<float> values(count);
    for (float& value : values) value = static_cast<float>(Normal(deviation));
    return values;
  }

 private:
  proto::Prg prg_;
};

// With so many bits of the preprocessed phases the 2^27 products of BERT-base leak less than 2^-40
// (mpc::PreprocessingLeakageBits).
unsigned PhaseBits(unsigned sets) {
  const unsigned mask_bits = 125 - static_cast<unsigned>(std::bit_width(sets - 1));
  return (mask_bits - 70) / 2;
}

// The builder of a work and its inputs.
class Inputs {
 public:
  Inputs(std::uint32_t rows, const BenchOptions& options)
      : draws_(options.seed), ids_(MakeIds(rows)), builder_(Head(rows), {ids_}, Options(options)) {
    words_ = builder_.Embed(draws_.Uniforms(kColumns << kWordBits, 1), kColumns, kFrac, "words");
  }

  PlanBuilder& builder() { return builder_; }
  // A sharing of [rows x cols] values between middle - size and middle + size.
  TensorId Sharing(std::uint32_t cols, double middle, double size) {
    const auto affine = [&] {
      return mpc::Affine{draws_.Uniforms(std::size_t{kColumns} * cols, size / kColumns),
                         Reals(cols, middle)};
    };
    return builder_.Linear(words_, affine, 2, "input");
  }
  TensorId Wire(std::uint32_t cols, double middle, double size) {
    return builder_.Open(Sharing(cols, middle, size), kFrac, "input");
  }
  // The work's result is what `opening` put on a wire.
  proto::Result<BenchWork> Finish(const std::string& name, TensorId opening, Reals expected,
                                  double tolerance, bool wires) {
    // Outputs are sharings: a wire plus no part of one.
    const TensorId sharing = builder_.op(opening).inputs[0];
    builder_.Output(builder_.Add(opening, 1, sharing, 0, 0, builder_.op(opening).frac, "result"),
                    "result");
    auto plan = builder_.Finish();
    if (!plan) return tl::unexpected(plan.error());
    return BenchWork{name, std::move(*plan), ids_, std::move(expected), tolerance, wires ? 1u : 0u};
  }

 private:
  static constexpr std::uint32_t kColumns = 2;
  static constexpr unsigned kFrac = 16;

  std::vector<std::uint32_t> MakeIds(std::uint32_t rows) {
    std::vector<std::uint32_t> ids(rows);
    for (std::uint32_t& id : ids) id = draws_.Below(1u << kWordBits);
    return ids;
  }
  static mpc::Plan Head(std::uint32_t rows) {
    mpc::Plan plan;
    plan.architecture = "bench";
    plan.tokens = rows;
    plan.vocabulary = 1u << kWordBits;
    plan.digit_bits_high = kWordBits - kWordBits / 2;
    plan.digit_bits_low = kWordBits / 2;
    return plan;
  }
  static mpc::BuilderOptions Options(const BenchOptions& options) {
    mpc::BuilderOptions builder;
    builder.sets = options.sets;
    builder.phase_bits_max = PhaseBits(options.sets);
    return builder;
  }

  Draws draws_;
  std::vector<std::uint32_t> ids_;
  PlanBuilder builder_;
  TensorId words_ = 0;
};

// The sides of a matrix of at least `size` elements, the rows at most kRowsMax.
std::pair<std::uint32_t, std::uint32_t> Sides(std::uint64_t size) {
  auto rows = static_cast<std::uint32_t>(std::sqrt(static_cast<double>(size)));
  rows = std::min(std::max(rows, 1u), kRowsMax);
  while (rows > 1 && size % rows != 0) --rows;
  return {rows, static_cast<std::uint32_t>(size / rows)};
}

double ExactGelu(double x) {
  return 0.5 * x * (1 + std::erf(x / std::sqrt(2.0)));
}

// 1, x, x^2 and harmonics, opened on a wire.
proto::Result<BenchWork> GeluWork(const BenchOptions& options) {
  const auto [rows, cols] = Sides(options.size);
  Inputs inputs(rows, options);
  PlanBuilder& b = inputs.builder();
  const TensorId x = inputs.Wire(cols, -3, 10.9);
  mpc::SeriesGoal goal;
  goal.function = ExactGelu;
  goal.interval = {-14, 8};
  goal.target = 9e-4;
  goal.error_max = 1e-2;
  goal.phase_bits = 24;
  goal.out_frac = 44;
  goal.harmonics_min = 3;
  goal.bend = 1;
  const TensorId y = b.Open(b.Series(x, goal, "GELU"), 16, "GELU");
  Reals expected = b.Values(x, 0);
  for (double& value : expected) value = ExactGelu(value);
  return inputs.Finish("gelu", y, std::move(expected), 2e-3, true);
}

// Rows of logits between -8 and 8, as attention has them: x = (s - mean) / 2, u = exp(x), levelled
// by a coarse 1 / mean(u), squared and divided by the sum.
proto::Result<BenchWork> SoftmaxWork(const BenchOptions& options) {
  const std::uint32_t rows = static_cast<std::uint32_t>(options.size) / kSoftmaxSide;
  constexpr double kSide = kSoftmaxSide;
  Inputs inputs(rows, options);
  PlanBuilder& b = inputs.builder();
  const TensorId s = inputs.Sharing(kSoftmaxSide, 0, 8);
  const unsigned frac = b.op(s).frac + 8u;
  const TensorId x = b.Open(
      b.Add(s, 0.5, b.RowSum(s, "score sums"), -0.5 / kSide, 0, frac, "centred"), 18, "exponents");
  mpc::SeriesGoal exp;
  exp.function = [](double v) { return std::exp(v); };
  exp.weight = [](double v) { return 1 / std::max(std::exp(v), 1.0); };
  exp.interval = {-5, 5};
  exp.target = 3e-4;
  exp.out_frac = std::min(48u, b.FracThatFits(kSide * std::exp(5.0) / 4));
  const TensorId powers = b.Series(x, exp, "exp");
  const TensorId u = b.Open(powers, 18, "powers");
  const auto inverse = [&](TensorId sums, double scale, double target, int precision,
                           const char* name) {
    const mpc::Range range = b.WidenedPositive(sums);
    const TensorId z = b.Open(sums, PlanBuilder::FracFor(range.low, 20, b.op(sums).frac), name);
    mpc::SeriesGoal goal;
    goal.function = [scale](double v) { return scale / v; };
    goal.weight = [scale](double v) { return v / scale; };
    goal.interval = range;
    goal.target = target;
    goal.error_max = 0.3;
    goal.out_frac = std::min(52u, b.FracThatFits(scale / range.low));
    const unsigned kept = PlanBuilder::FracFor(scale / range.high, precision, goal.out_frac);
    return b.Open(b.Series(z, goal, name), kept, name);
  };
  const TensorId level = inverse(b.RowSum(powers, "level sums"), kSide, 0.1, 12, "coarse 1/sum");
  const TensorId levelled = b.Open(b.Mul(u, level, "levelled"), 18, "levelled");
  const TensorId squares = b.Mul(levelled, levelled, "squares");
  const TensorId v = b.Open(squares, 18, "squares");
  const TensorId root = inverse(b.RowSum(squares, "sums"), 1, 1e-4, 20, "1/sum");
  const TensorId p = b.Open(b.Mul(v, root, "probabilities"), 20, "probabilities");
  Reals expected = b.Values(s, 0);
  for (std::uint32_t row = 0; row < rows; ++row) {
    double sum = 0;
    for (std::uint32_t j = 0; j < kSoftmaxSide; ++j) {
      double& value = expected[std::size_t{row} * kSoftmaxSide + j];
      sum += value = std::exp(value);
    }
    for (std::uint32_t j = 0; j < kSoftmaxSide; ++j) {
      expected[std::size_t{row} * kSoftmaxSide + j] /= sum;
    }
  }
  return inputs.Finish("softmax", p, std::move(expected), 2e-3, false);
}

proto::Result<BenchWork> MatmulWork(const BenchOptions& options) {
  Inputs inputs(kMatmulSide, options);
  PlanBuilder& b = inputs.builder();
  const TensorId x =
      b.Open(b.Rows(inputs.Sharing(kMatmulSide, 0, 1), 0, kMatmulRows, "rows"), 16, "input");
  const TensorId w = inputs.Wire(kMatmulSide, 0, 0.2);
  const TensorId y = b.Open(b.Scores(x, w, 1, "product"), 16, "product");
  return inputs.Finish("matmul", y, b.Values(y, 0), 2e-3, true);
}

proto::Result<BenchWork> ProductsWork(const BenchOptions& options) {
  const auto [rows, cols] = Sides(options.size);
  Inputs inputs(rows, options);
  PlanBuilder& b = inputs.builder();
  const TensorId x = inputs.Wire(cols, 0, 4);
  const TensorId y = inputs.Wire(cols, 0, 4);
  const TensorId z = b.Open(b.Mul(x, y, "product"), 16, "product");
  return inputs.Finish("products", z, b.Values(z, 0), 2e-3, true);
}

struct WorkKind {
  const char* name;
  std::uint64_t size;
  proto::Result<BenchWork> (*make)(const BenchOptions&);
};

constexpr WorkKind kWorks[] = {
    {"gelu", 100'000, GeluWork},
    {"softmax", kSoftmaxSide* kSoftmaxSide, SoftmaxWork},
    {"matmul", kMatmulRows* kMatmulSide, MatmulWork},
    {"products", 1'000'000, ProductsWork},
};

constexpr const char* kBertBase = R"({"architectures": ["BertForSequenceClassification"],
  "model_type": "bert", "hidden_act": "gelu", "hidden_size": 768, "num_hidden_layers": 12,
  "num_attention_heads": 12, "intermediate_size": 3072, "max_position_embeddings": 512,
  "type_vocab_size": 2, "vocab_size": 30522, "pad_token_id": 0, "layer_norm_eps": 1e-12})";
constexpr const char* kBertTiny = R"({"architectures": ["BertForSequenceClassification"],
  "model_type": "bert", "hidden_act": "gelu", "hidden_size": 128, "num_hidden_layers": 2,
  "num_attention_heads": 2, "intermediate_size": 512, "max_position_embeddings": 512,
  "type_vocab_size": 2, "vocab_size": 30522, "pad_token_id": 0, "layer_norm_eps": 1e-12})";

constexpr const char* kMiniLm = R"({"architectures": ["BertModel"],
  "model_type": "bert", "hidden_act": "gelu", "hidden_size": 384, "num_hidden_layers": 6,
  "num_attention_heads": 12, "intermediate_size": 1536, "max_position_embeddings": 512,
  "type_vocab_size": 2, "vocab_size": 30522, "pad_token_id": 0, "layer_norm_eps": 1e-12})";
constexpr const char* kGpt2 = R"({"architectures": ["GPT2LMHeadModel"], "model_type": "gpt2",
  "activation_function": "gelu_new", "n_embd": 768, "n_layer": 12, "n_head": 12,
  "n_positions": 1024, "vocab_size": 50257, "layer_norm_epsilon": 1e-5})";

constexpr const char* kLlama7b = R"({"architectures": ["LlamaForCausalLM"], "model_type": "llama",
  "hidden_act": "silu", "hidden_size": 4096, "num_hidden_layers": 32, "num_attention_heads": 32,
  "num_key_value_heads": 32, "intermediate_size": 11008, "max_position_embeddings": 2048,
  "vocab_size": 32000, "rms_norm_eps": 1e-6, "rope_theta": 10000.0,
  "tie_word_embeddings": false})";

constexpr std::pair<const char*, const char*> kShapes[] = {{"bert-base", kBertBase},
                                                           {"bert-tiny", kBertTiny},
                                                           {"minilm", kMiniLm},
                                                           {"gpt2", kGpt2},
                                                           {"llama-7b", kLlama7b}};

// As BERT and GPT-2 are initialised: normal weights of deviation 0.02, LayerNorms that change
// nothing; the attention's queries and keys larger, so that its scores are not all equal.
mpc::FloatModel RandomModel(const mpc::ModelConfig& config, Draws& draws) {
  constexpr double kDeviation = 0.02;
  const std::uint32_t h = config.hidden_size;
  const auto dense = [&](std::uint32_t in, std::uint32_t out, double deviation) {
    return mpc::DenseWeights{in, out, draws.Normals(std::size_t{in} * out, deviation),
                             draws.Normals(out, kDeviation)};
  };
  const mpc::NormWeights norm{std::vector<float>(h, 1.0f), std::vector<float>(h, 0.0f)};
  mpc::FloatModel model;
  model.config = config;
  model.words = draws.Normals(std::size_t{config.vocab_size} * h, kDeviation);
  model.positions = draws.Normals(std::size_t{config.max_position_embeddings} * h, kDeviation);
  model.embeddings_norm = model.final_norm = norm;
  const double square = kDeviation * std::sqrt(768.0 / h);
  for (std::uint32_t i = 0; i < config.num_hidden_layers; ++i) {
    mpc::LayerWeights layer;
    layer.query = dense(h, h, 2 * square);
    layer.key = dense(h, h, 2 * square);
    layer.value = dense(h, h, square);
    layer.attention_output = dense(h, h, square);
    layer.intermediate = dense(h, config.intermediate_size, 2 * square);
    layer.output = dense(config.intermediate_size, h, square);
    layer.attention_norm = layer.output_norm = norm;
    model.layers.push_back(std::move(layer));
  }
  if (config.task == mpc::Task::kClassify) {
    model.pooler = dense(h, h, square);
    model.classifier = dense(h, static_cast<std::uint32_t>(config.labels.size()), 10 * square);
  } else if (config.decoder()) {
    // Larger than GPT-2's, so that the likeliest token stands out.
    model.classifier = dense(h, config.vocab_size, 5 * kDeviation);
    std::ranges::fill(model.classifier.bias, 0.0f);
  }
  return model;
}

struct BenchText {
  std::vector<std::uint32_t> ids;
  Reals
      expected;  // What the plan gives: logits, the sum of the tokens' vectors, or the next token.
};

// A text whose next token is not in doubt; token 0 pads.
BenchText MakeText(const mpc::FloatModel& model, std::uint32_t tokens, Draws& draws) {
  constexpr double kGapMin = 0.1;
  BenchText text{std::vector<std::uint32_t>(tokens), {}};
  for (;;) {
    for (std::uint32_t& id : text.ids) id = 1 + draws.Below(model.config.vocab_size - 1);
    if (!model.config.decoder()) break;
    const mpc::Continuation next = mpc::ContinueGreedily(model, text.ids, 1);
    if (next.gaps[0] < kGapMin) continue;
    text.expected = {static_cast<double>(next.ids[0])};
    return text;
  }
  text.expected = model.Logits(text.ids);
  if (model.config.task == mpc::Task::kEmbed) {
    for (double& value : text.expected) value *= tokens;
  }
  return text;
}

// The shape's config, with another number of layers.
proto::Result<proto::Bytes> ConfigOf(const std::string& shape, std::uint32_t layers) {
  proto::Bytes text;
  for (const auto& [name, config] : kShapes) {
    if (shape == name) text.assign(proto::AsBytes(config).begin(), proto::AsBytes(config).end());
  }
  if (text.empty()) {
    auto file = ReadFile(shape, kConfigBytesMax);
    if (!file) return tl::unexpected(file.error());
    text = std::move(*file);
  }
  if (layers == 0) return text;
  nlohmann::json config = nlohmann::json::parse(proto::AsText(text), nullptr, false);
  if (!config.is_object()) return Fail(ErrorCode::kInvalidArgument, shape + " is no config");
  config[config.contains("n_layer") ? "n_layer" : "num_hidden_layers"] = layers;
  const std::string changed = config.dump();
  return proto::Bytes(changed.begin(), changed.end());
}

// Puts constants into one file, and says how far it is.
std::function<proto::Result<proto::SharedBytes>(proto::ByteSpan)> KeepIn(
    const std::shared_ptr<ScratchFile>& file) {
  constexpr std::size_t kSayBytes = std::size_t{512} << 20;
  return [file](proto::ByteSpan bytes) {
    const std::size_t before = file->size();
    auto kept = file->Keep(bytes);
    if (file->size() / kSayBytes > before / kSayBytes) {
      SayProgress("weights: " + std::to_string(file->size() >> 20) + " MiB");
    }
    return kept;
  };
}

}  // namespace

proto::Result<BenchWork> MakeBenchWork(const std::string& name, const BenchOptions& options) {
  for (const WorkKind& kind : kWorks) {
    if (name != kind.name) continue;
    BenchOptions sized = options;
    if (sized.size == 0) sized.size = kind.size;
    if (sized.size > kSizeMax) {
      return Fail(ErrorCode::kInvalidArgument,
                  "a bench of at most " + std::to_string(kSizeMax) + " elements");
    }
    if (kind.make == MatmulWork && sized.size != kind.size) {
      return Fail(ErrorCode::kInvalidArgument, "the matrix product has one size");
    }
    if (kind.make == SoftmaxWork && (sized.size % kSoftmaxSide != 0)) {
      return Fail(ErrorCode::kInvalidArgument, "softmax takes whole rows of 128");
    }
    return kind.make(sized);
  }
  return Fail(ErrorCode::kInvalidArgument,
              "unknown work '" + name + "': gelu, softmax, matmul or products");
}

proto::Result<BenchWork> MakeBenchModel(const std::string& shape, std::uint32_t tokens,
                                        const BenchOptions& options) {
  const auto text = ConfigOf(shape, options.layers);
  if (!text) return tl::unexpected(text.error());
  auto config = mpc::ParseConfig(*text);
  if (!config) return tl::unexpected(config.error());
  if (config->family != mpc::Family::kBert && config->family != mpc::Family::kGpt2 &&
      !config->llama()) {
    return Fail(ErrorCode::kInvalidArgument,
                "the bench takes shapes of BERT, GPT-2 and LLaMA only");
  }
  if (tokens < 2 || tokens > config->max_position_embeddings) {
    return Fail(ErrorCode::kInvalidArgument,
                "the model has no length of " + std::to_string(tokens) + " tokens");
  }
  Draws draws(options.seed);
  const mpc::FloatModel model =
      config->llama() ? RandomLlama(*config, options.seed) : RandomModel(*config, draws);
  mpc::CompileOptions compile;
  compile.builder.sets = options.sets;
  compile.builder.phase_bits_max = PhaseBits(options.sets);
  if (config->llama()) {
    auto file = ScratchFile::Make(options.directory);
    if (!file) return tl::unexpected(file.error());
    compile.builder.keep = KeepIn(std::make_shared<ScratchFile>(std::move(*file)));
    compile.texts_max = kLargeTexts;
  }
  const BenchText given = MakeText(model, tokens, draws);
  auto plan = mpc::Compile(model, {tokens, 1}, {given.ids}, compile);
  if (!plan) return tl::unexpected(plan.error());
  // The sum over the text counts for as many tokens.
  const double tolerance = config->task == mpc::Task::kEmbed ? 0.02 * tokens : 0.02;
  return BenchWork{shape, std::move(*plan), given.ids, given.expected, tolerance, 0};
}

}  // namespace node
