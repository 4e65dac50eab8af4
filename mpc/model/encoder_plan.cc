#include "mpc/model/encoder_plan.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>
#include <numeric>
#include <utility>

#include "mpc/model/approximations.h"
#include "mpc/model/blocks.h"
#include "mpc/model/effect.h"
#include "mpc/model/select.h"
#include "proto/base/check.h"

namespace mpc {

namespace {

using proto::ErrorCode;
using proto::Fail;
using proto::Result;
using Text = std::vector<std::uint32_t>;
using Reals = std::vector<double>;

// The embedding tables, scaled so that the sums have variance about 1 (LayerNorm divides the scale
// out again), and the exact range of that variance over all tokens and positions.
struct Embeddings {
  Reals words, positions;
  double epsilon = 0;
  Range variance;
};

double Variance(const float* a, const float* b, std::size_t size) {
  double sum = 0, squares = 0;
  for (std::size_t i = 0; i < size; ++i) {
    const double x = double{a[i]} + b[i];
    sum += x;
    squares += x * x;
  }
  const double mean = sum / static_cast<double>(size);
  return std::max(0.0, squares / static_cast<double>(size) - mean * mean);
}

Embeddings ScaledEmbeddings(const FloatModel& model, std::uint32_t tokens) {
  const std::size_t width = model.config.hidden_size;
  Range range{std::numeric_limits<double>::infinity(), 0};
  for (std::size_t word = 0; word < model.config.vocab_size; ++word) {
    for (std::size_t position = 0; position < tokens; ++position) {
      const double variance =
          Variance(&model.words[word * width], &model.positions[position * width], width);
      range.low = std::min(range.low, variance);
      range.high = std::max(range.high, variance);
    }
  }
  Embeddings out;
  const double scale = 1 / std::sqrt(std::max(range.high, 1e-30));
  for (const float x : model.words) out.words.push_back(x * scale);
  for (std::size_t i = 0; i < tokens * width; ++i)
    out.positions.push_back(model.positions[i] * scale);
  out.epsilon = model.config.layer_norm_eps * scale * scale;
  out.variance = {range.low * scale * scale * 0.98, range.high * scale * scale * 1.02};
  return out;
}

// Calibration texts of exactly `tokens` ids: every one cut and padded, some joined with those that
// follow to fill the length, some cut to their first word.
std::vector<Text> CalibrationTexts(const std::vector<Text>& from, std::uint32_t tokens,
                                   std::uint32_t pad, std::size_t at_most) {
  std::vector<Text> texts;
  const auto add = [&](Text text) {
    if (text.size() > tokens) {
      text[tokens - 1] = text.back();
      text.resize(tokens);
    }
    text.resize(tokens, pad);
    texts.push_back(std::move(text));
  };
  for (std::size_t i = 0; i < from.size() && texts.size() < at_most; ++i) {
    add(from[i]);
    if (i % 4 == 1) {
      Text joined = from[i];
      for (std::size_t j = 1; j < from.size() && joined.size() < tokens; ++j) {
        const Text& next = from[(i + j) % from.size()];
        const Text last(joined.end() - 1, joined.end());
        joined.pop_back();
        if (next.size() > 2) joined.insert(joined.end(), next.begin() + 1, next.end() - 1);
        joined.insert(joined.end(), last.begin(), last.end());
        if (next.size() <= 2) break;
      }
      add(std::move(joined));
    }
    if (i % 8 == 2 && from[i].size() > 3) add({from[i][0], from[i][1], from[i].back()});
  }
  return texts;
}

class Compiler {
 public:
  Compiler(const FloatModel& model, std::uint32_t tokens, std::vector<Text> texts,
           const CompileOptions& options, Plan head)
      : model_(model),
        config_(model.config),
        tokens_(tokens),
        options_(options),
        b_(std::move(head), std::move(texts), options.builder),
        blocks_(b_, options) {}

  Result<Plan> Run() {
    Hidden hidden = Embed();
    for (std::size_t i = 0; i < model_.layers.size() && b_.ok(); ++i) {
      blocks_.set_prefix("layer " + std::to_string(i) + " ");
      hidden = Layer(hidden, model_.layers[i], i + 1 == model_.layers.size());
    }
    if (b_.ok()) Finish(hidden);
    if (b_.ok() && options_.approximation == Approximation::kExact) {
      difference_ = ResultDifference(model_, b_, result_);
    }
    return b_.Finish();
  }

  const PlanBuilder& built() const { return b_; }
  // Of the result from the float model's, where both compute the same functions.
  double difference() const { return difference_; }

 private:
  unsigned wire_frac() const { return options_.builder.wire_frac; }
  std::string Name(const char* what) const { return blocks_.Name(what); }
  bool first_alone() const {
    return config_.task == Task::kClassify || config_.pooling == Pooling::kFirst;
  }

  Hidden Embed() {
    const Embeddings tables = ScaledEmbeddings(model_, tokens_);
    blocks_.set_prefix("embedding ");
    const TensorId words = b_.Embed(tables.words, config_.hidden_size, wire_frac(), Name("words"));
    const TensorId sum = b_.AddConstant(words, tables.positions, Name("positions"));
    const TensorId pads = b_.TokenIs(config_.pad_token_id, Name("pads"));
    const TensorId text = b_.Add(pads, -1, std::nullopt, 0, 1, 0, Name("no pads"));
    text_ = b_.Open(text, 0, Name("text"));
    return blocks_.LayerNorm(sum, &model_.embeddings_norm, tables.epsilon, tables.variance);
  }

  // A linear map's sharing plus the hidden state itself.
  TensorId Residual(TensorId sharing, const Hidden& hidden) {
    const Reals gamma(hidden.norm->gamma.begin(), hidden.norm->gamma.end());
    const Reals beta(hidden.norm->beta.begin(), hidden.norm->beta.end());
    const unsigned frac = b_.op(sharing).frac;
    const unsigned weight_frac = std::min(16u, frac - b_.op(hidden.normal).frac);
    const TensorId scaled =
        b_.ScaleColumns(hidden.normal, gamma, beta, weight_frac, Name("gamma, beta"));
    return b_.Add(sharing, 1, scaled, 1, 0, frac, Name("residual sum"));
  }

  // A norm whose operations' names say which.
  Hidden Normalise(TensorId sharing, const NormWeights* norm, const char* which) {
    const std::string prefix = blocks_.prefix();
    blocks_.set_prefix(prefix + which);
    const Hidden hidden = blocks_.LayerNorm(sharing, norm, config_.layer_norm_eps, {});
    blocks_.set_prefix(prefix);
    return hidden;
  }

  Hidden Layer(const Hidden& in, const LayerWeights& weights, bool last) {
    const double root = 1 / std::sqrt(config_.head_width);
    Hidden queries = in;
    if (last && first_alone()) queries.normal = b_.Rows(in.normal, 0, 1, Name("first token"));
    const TensorId q = blocks_.OpenLinear(queries, weights.query, root, "query");
    const TensorId all_keys = blocks_.OpenLinear(in, weights.key, 1, "key");
    const TensorId v = blocks_.OpenLinear(in, weights.value, 1, "value");
    const TensorId k =
        b_.Open(b_.Mul(all_keys, text_, Name("keys")), wire_frac(), Name("text keys"));
    const TensorId s = b_.Scores(q, k, config_.num_attention_heads, Name("scores"));
    b_.KeepOnly({text_, queries.normal, s, v});
    const TensorId p = Softmax(s);
    const TensorId mixed = b_.Mix(p, v, config_.num_attention_heads, Name("mix"));
    const TensorId attended =
        blocks_.Plain(mixed, weights.attention_output, true, "attention output");
    const TensorId sum = Residual(attended, queries);
    b_.KeepOnly({text_, sum});
    const Hidden middle = Normalise(sum, &weights.attention_norm, "attention norm ");
    b_.KeepOnly({text_, middle.normal});
    const TensorId inner =
        options_.approximation == Approximation::kExact
            ? blocks_.OpenActivated(middle, weights.intermediate, "intermediate")
            : blocks_.OpenLinear(middle, weights.intermediate, 1, "intermediate");
    const TensorId activated = Activated(inner);
    const TensorId out = blocks_.Plain(activated, weights.output, true, "output");
    const TensorId end = Residual(out, middle);
    b_.KeepOnly({text_, end});
    const Hidden hidden = Normalise(end, &weights.output_norm, "output norm ");
    b_.KeepOnly({text_, hidden.normal});
    return hidden;
  }

  struct Masking {
    double bias = 0;   // By how much the scores of pads are lowered.
    int halvings = 0;  // Of the exponents.
    Range text;        // Exponents after halving, before pads are lowered,
    Range exponent;    // and after.
  };

  Masking MaskingFor(TensorId s) {
    double pads = 0;  // The most by which a pad's score exceeds the log of the text's weight.
    Range deviation{0, 0};
    for (std::size_t text = 0; text < b_.texts().size(); ++text) {
      const Text& ids = b_.texts()[text];
      const Reals values = b_.Values(s, text);
      for (std::size_t row = 0; row < values.size(); row += tokens_) {
        double mean = 0, weight = 0;
        double pad = -std::numeric_limits<double>::infinity();
        for (std::size_t j = 0; j < tokens_; ++j) {
          mean += values[row + j] / tokens_;
          if (ids[j] != config_.pad_token_id) {
            weight += std::exp(values[row + j]);
          } else {
            pad = std::max(pad, values[row + j]);
          }
        }
        pads = std::max(pads, pad - std::log(weight));
        for (std::size_t j = 0; j < tokens_; ++j) {
          deviation.low = std::min(deviation.low, values[row + j] - mean);
          deviation.high = std::max(deviation.high, values[row + j] - mean);
        }
      }
    }
    const double margin = options_.builder.margin;
    Masking m;
    m.bias = std::ceil(std::log(1e6) + pads * margin);
    m.halvings = 1;
    while (m.halvings < kHalvingsMax &&
           std::ldexp(deviation.high * margin, -m.halvings) > options_.exponent_max) {
      ++m.halvings;
    }
    if (m.halvings == kHalvingsMax) b_.Refuse(Name("scores: too large for a softmax"));
    m.text = {std::ldexp(deviation.low * margin, -m.halvings),
              std::ldexp(deviation.high * margin, -m.halvings)};
    m.exponent = {m.text.low - std::ldexp(m.bias, -m.halvings), m.text.high};
    return m;
  }

  TensorId Activated(TensorId x) {
    const bool gelu =
        config_.activation == Activation::kGelu || config_.activation == Activation::kGeluTanh;
    const bool quad = config_.activation == Activation::kQuad;
    if (options_.approximation == Approximation::kPuma && gelu) {
      return PumaGelu(b_, blocks_, x, Name("GELU"));
    }
    if (options_.approximation == Approximation::kMpcformer && !gelu && !quad) {
      b_.Refuse("mpcformer has no form of this activation, but of GELU alone");
    }
    if (options_.approximation == Approximation::kMpcformer || quad) {
      return QuadGelu(b_, x, Name("Quad"));
    }
    return blocks_.Activate(config_.activation, x);
  }

  TensorId Softmax(TensorId s) {
    if (options_.approximation == Approximation::kMpcformer || config_.quad_softmax) {
      return QuadSoftmax(b_, blocks_, s, text_, Name("2Quad"));
    }
    const Masking m = MaskingFor(s);
    if (options_.approximation == Approximation::kPuma) {
      return PumaSoftmax(b_, blocks_, s, text_, m.bias, Name("softmax"));
    }
    const double scale = std::exp2(-m.halvings);
    // x = (s - mean - bias * pad) / 2^halvings; a mean that is off by a little moves all of a row
    // alike, and cancels.
    constexpr double kMeanUnit = 0x1p12;
    const TensorId sum = b_.RowSum(s, Name("score sums"));
    const double per_column = -std::round(kMeanUnit / tokens_) / kMeanUnit;
    const unsigned frac = b_.op(s).frac + 12u + static_cast<unsigned>(m.halvings);
    const TensorId centred =
        b_.Add(s, scale, sum, per_column * scale, -m.bias * scale, frac, Name("centred scores"));
    const TensorId masked = b_.AddPerColumn(centred, text_, m.bias * scale, Name("masked scores"));
    const TensorId x = b_.Open(masked, 18, Name("exponents"));
    WatchExponents(x, m);

    TensorId powers = blocks_.Exp(x, m.exponent);
    TensorId u = b_.Open(powers, 18, Name("powers"));
    for (int i = 0; i < m.halvings; ++i) {
      const TensorId begin = u + 1;
      const TensorId c = CoarseInverse(powers);
      const TensorId n = b_.Mul(u, c, Name("levelled"));
      // Squares of up to (1.5 tokens)^2 must fit in an opening.
      const unsigned n_frac = std::min(18u, b_.FracThatFits(2.5 * tokens_ * tokens_) / 2);
      const TensorId levelled = b_.Open(n, n_frac, Name("levelled"));
      powers = b_.Mul(levelled, levelled, Name("squares"));
      u = b_.Open(powers, 18, Name("powers"));
      b_.KeepOnly({powers, u}, begin);
    }
    const TensorId sums = b_.RowSum(powers, Name("sums"));
    Range range = b_.WidenedPositive(sums);
    const TensorId z =
        b_.Open(sums, PlanBuilder::FracFor(range.low, kPrecision, b_.op(sums).frac), Name("sums"));
    const TensorId r = blocks_.Inverse(z, range);
    return b_.Open(b_.Mul(u, r, Name("probabilities")), 20, Name("probabilities"));
  }

  // With the pads raised again, all exponents lie around 0.
  void WatchExponents(TensorId x, const Masking& m) {
    const double bias = std::ldexp(m.bias, -m.halvings);
    const TensorId raised = b_.Add(b_.AddPerColumn(x, text_, -bias, Name("raised pads")), 1,
                                   std::nullopt, 0, bias, b_.op(x).frac, Name("raised pads"));
    blocks_.ranges().Watch(raised, blocks_.ranges().Within(raised, m.text), Name("exp range"));
  }

  // tokens / sum within a third or so.
  TensorId CoarseInverse(TensorId sharing) {
    const TensorId sums = b_.RowSum(sharing, Name("level sums"));
    const Range seen = b_.WidenedPositive(sums);
    const Range range{seen.low / 1.3, seen.high * 1.3};
    const TensorId z =
        b_.Open(sums, PlanBuilder::FracFor(range.low, 16, b_.op(sums).frac), Name("level sums"));
    return blocks_.CoarseInverse(z, range, tokens_);
  }

  void Finish(const Hidden& hidden) {
    if (config_.task == Task::kClassify) return Classify(hidden);
    const std::uint32_t heads = 1;
    blocks_.set_prefix("");
    const Reals gamma(hidden.norm->gamma.begin(), hidden.norm->gamma.end());
    const Reals beta(hidden.norm->beta.begin(), hidden.norm->beta.end());
    const TensorId state = b_.ScaleColumns(hidden.normal, gamma, beta, 16, Name("gamma, beta"));
    if (config_.pooling == Pooling::kFirst) {
      result_ = state;
    } else {  // The sum over the text's tokens: the client knows their number.
      const TensorId weights = b_.Reshape(text_, 1, tokens_, "text");
      result_ = b_.Mix(weights, state, heads, "sum over the text");
    }
    blocks_.ranges().Output(result_, "embedding");
  }

  // tanh, or DistilBERT's ReLU, between two linear maps of the first token.
  void Classify(const Hidden& hidden) {
    blocks_.set_prefix("pooler ");
    const TensorId pooled = blocks_.OpenLinear(hidden, model_.pooler, 1, "dense");
    TensorId activated;
    if (config_.family == Family::kDistilbert) {
      activated = b_.Open(Relu(b_, pooled), wire_frac(), Name("ReLU"));
      blocks_.WatchBits(pooled, Name("ReLU range"));
    } else {
      SeriesGoal goal;
      goal.function = [](double v) { return std::tanh(v); };
      goal.target = 1e-4;
      goal.out_frac = 40;
      activated = blocks_.Function(pooled, goal, Name("tanh"));
    }
    blocks_.set_prefix("");
    result_ = blocks_.Plain(activated, model_.classifier, false, "classifier");
    blocks_.ranges().Output(result_, "logits");
  }

  const FloatModel& model_;
  const ModelConfig& config_;
  const std::uint32_t tokens_;
  const CompileOptions& options_;
  PlanBuilder b_;
  Blocks blocks_;
  TensorId text_ = 0;  // Wire [tokens x 1]: 1 for text, 0 for padding.
  TensorId result_ = 0;
  double difference_ = 0;
};

std::string ArchitectureOf(const ModelConfig& config) {
  std::string name = config.family == Family::kBert      ? "bert"
                     : config.family == Family::kRoberta ? "roberta"
                                                         : "distilbert";
  if (config.task == Task::kClassify) return name + "-classifier";
  return name + (config.pooling == Pooling::kMean ? "-embedding-mean" : "-embedding-first");
}

}  // namespace

Result<Plan> CompileEncoder(const FloatModel& model, std::uint32_t tokens,
                            const std::vector<Text>& calibration, const CompileOptions& options) {
  const auto bad = [](const std::string& what) {
    return Fail(ErrorCode::kInvalidArgument, "compiling the model: " + what);
  };
  const ModelConfig& config = model.config;
  if (tokens < 2 || tokens > config.max_position_embeddings) {
    return bad("the length must be from 2 to " + std::to_string(config.max_position_embeddings));
  }
  if (calibration.empty()) return bad("needs at least one calibration text");
  for (const Text& text : calibration) {
    if (text.size() < 2 || std::any_of(text.begin(), text.end(),
                                       [&](std::uint32_t id) { return id >= config.vocab_size; })) {
      return bad("a calibration text has no [CLS] and [SEP], or ids beyond the vocabulary");
    }
  }
  Plan head;
  head.architecture = ArchitectureOf(config);
  if (options.approximation != Approximation::kExact) {
    head.architecture = Name(options.approximation) + "-" + head.architecture;
  }
  head.tokens = tokens;
  head.vocabulary = config.vocab_size;
  const auto bits = static_cast<std::uint32_t>(std::bit_width(config.vocab_size - 1));
  head.digit_bits_high = (bits + 1) / 2;
  head.digit_bits_low = bits / 2;
  head.labels = config.labels;
  const std::vector<Text> texts =
      CalibrationTexts(calibration, tokens, config.pad_token_id, options.texts_max);
  const auto compile = [&](const BuilderOptions& builder) -> Result<Compiled> {
    CompileOptions tried = options;
    tried.builder = builder;
    Compiler compiler(model, tokens, texts, tried, head);
    auto plan = compiler.Run();
    if (!plan) return tl::unexpected(plan.error());
    return Compiled{std::move(*plan), compiler.built().byte_error(), compiler.difference()};
  };
  return CompileWithinError(model, options.builder, options.weight_error, compile);
}

}  // namespace mpc
