#include "mpc/model/bert_plan.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>
#include <numeric>
#include <utility>

#include "proto/base/check.h"

namespace mpc {

namespace {

using proto::ErrorCode;
using proto::Fail;
using proto::Result;
using Text = std::vector<std::uint32_t>;
using Reals = std::vector<double>;

// Bits by which a wire's smallest value exceeds its unit where relative precision counts.
constexpr int kPrecision = 21;
constexpr int kHalvingsMax = 8;

// A hidden state before LayerNorm's gamma and beta: gamma * normal + beta.
struct Hidden {
  TensorId normal = 0;
  const NormWeights* norm = nullptr;
};

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
        b_(std::move(head), std::move(texts), options.builder) {}

  Result<Plan> Run() {
    Hidden hidden = Embed();
    for (std::size_t i = 0; i < model_.layers.size() && b_.ok(); ++i) {
      layer_ = "layer " + std::to_string(i) + " ";
      hidden = Layer(hidden, model_.layers[i], i + 1 == model_.layers.size());
    }
    if (b_.ok()) Classify(hidden);
    return b_.Finish();
  }

 private:
  unsigned wire_frac() const { return options_.builder.wire_frac; }
  std::string Name(const char* what) const { return layer_ + what; }

  Hidden Embed() {
    const Embeddings tables = ScaledEmbeddings(model_, tokens_);
    layer_ = "embedding ";
    const TensorId words = b_.Embed(tables.words, config_.hidden_size, wire_frac(), Name("words"));
    const TensorId sum = b_.AddConstant(words, tables.positions, Name("positions"));
    const TensorId pads = b_.TokenIs(config_.pad_token_id, Name("pads"));
    const TensorId text = b_.Add(pads, -1, std::nullopt, 0, 1, 0, Name("no pads"));
    text_ = b_.Open(text, 0, Name("text"));
    return Normalise(sum, &model_.embeddings_norm, tables.epsilon, tables.variance);
  }

  // LayerNorm of the rows of a sharing. `variance`: its range where it is known.
  Hidden Normalise(TensorId sharing, const NormWeights* norm, double epsilon,
                   std::optional<Range> variance) {
    const double width = b_.op(sharing).cols;
    const TensorId x = b_.Open(sharing, wire_frac(), Name("residual"));
    const TensorId sum = b_.RowSum(x, Name("row sums"));
    const unsigned frac = b_.op(x).frac;
    const TensorId centred = b_.Add(x, width, sum, -1, 0, frac, Name("centred"));
    const TensorId squares = b_.RowDot(x, x, Name("squares"));
    const TensorId square = b_.Mul(sum, sum, Name("squared sums"));
    const TensorId spread =
        b_.Add(squares, width, square, -1, epsilon * width * width, 2 * frac, Name("variances"));
    Range range = b_.WidenedPositive(spread);
    if (variance) range = {variance->low * width * width, variance->high * width * width};
    const TensorId z =
        b_.Open(spread, PlanBuilder::FracFor(range.low, kPrecision, 2 * frac), Name("variance"));
    const TensorId root = InverseRoot(z, range);
    const TensorId normal = b_.Mul(centred, root, Name("normalised"));
    return {b_.Open(normal, wire_frac(), Name("normal")), norm};
  }

  SeriesGoal RowGoal(Range range, double largest) const {
    SeriesGoal goal;
    goal.interval = range;
    goal.target = options_.inverse_error;
    goal.harmonics_min = 8;
    goal.out_frac = std::min(60u, b_.FracThatFits(largest));
    return goal;
  }

  TensorId InverseRoot(TensorId z, Range range) {
    SeriesGoal goal = RowGoal(range, 1 / std::sqrt(range.low));
    goal.function = [](double x) { return 1 / std::sqrt(x); };
    goal.weight = [](double x) { return std::sqrt(x); };
    goal.error_max = 0.2;
    const unsigned frac =
        PlanBuilder::FracFor(1 / std::sqrt(range.high), kPrecision, goal.out_frac);
    const TensorId rough = b_.Series(z, goal, Name("1/sqrt"));
    TensorId r = b_.Open(rough, frac, Name("inverse root"));
    // An error e becomes 3/2 e^2 by r (3 - z r^2) / 2.
    for (double error = b_.SeriesError(rough); Improve(error); error = 1.5 * error * error) {
      const TensorId zr = b_.Open(b_.Mul(z, r, Name("z r")), 24, Name("root"));
      const TensorId zrr = b_.Mul(zr, r, Name("z r^2"));
      const TensorId rest =
          b_.Add(zrr, -0.5, std::nullopt, 0, 1.5, b_.op(zrr).frac + 1u, Name("Newton"));
      const TensorId factor = b_.Open(rest, 24, Name("Newton factor"));
      r = b_.Open(b_.Mul(r, factor, Name("Newton step")), frac, Name("inverse root"));
    }
    return r;
  }

  TensorId Inverse(TensorId z, Range range) {
    SeriesGoal goal = RowGoal(range, 1 / range.low);
    goal.function = [](double x) { return 1 / x; };
    goal.weight = [](double x) { return x; };
    goal.error_max = 0.3;
    const unsigned frac = PlanBuilder::FracFor(1 / range.high, kPrecision, goal.out_frac);
    const TensorId rough = b_.Series(z, goal, Name("1/sum"));
    TensorId r = b_.Open(rough, frac, Name("inverse sum"));
    // An error e becomes e^2 by r (2 - z r).
    for (double error = b_.SeriesError(rough); Improve(error); error *= error) {
      const TensorId zr = b_.Mul(z, r, Name("z r"));
      const TensorId rest = b_.Add(zr, -1, std::nullopt, 0, 2, b_.op(zr).frac, Name("Newton"));
      const TensorId factor = b_.Open(rest, 24, Name("Newton factor"));
      r = b_.Open(b_.Mul(r, factor, Name("Newton step")), frac, Name("inverse sum"));
    }
    return r;
  }

  // Newton steps are worth their rounds while the error is clearly beyond the target.
  bool Improve(double error) const { return b_.ok() && error > 3 * options_.inverse_error; }

  // weight' = diag(gamma) weight * scale, bias' = (bias + beta weight) * scale: a linear map of a
  // hidden state, as a map of its normal wire.
  TensorId Linear(const Hidden& hidden, const DenseWeights& dense, double scale, bool opened,
                  const char* name) {
    Reals weight(dense.weight.size());
    Reals bias(dense.bias.begin(), dense.bias.end());
    for (std::size_t i = 0; i < dense.in; ++i) {
      for (std::size_t o = 0; o < dense.out; ++o) {
        const double w = dense.weight[i * dense.out + o];
        weight[i * dense.out + o] = hidden.norm->gamma[i] * w * scale;
        bias[o] += hidden.norm->beta[i] * w;
      }
    }
    for (double& value : bias) value *= scale;
    return b_.Linear(hidden.normal, weight, bias, opened, Name(name));
  }
  TensorId Plain(TensorId x, const DenseWeights& dense, bool opened, const char* name) {
    return b_.Linear(x, Reals(dense.weight.begin(), dense.weight.end()),
                     Reals(dense.bias.begin(), dense.bias.end()), opened, Name(name));
  }
  TensorId OpenLinear(const Hidden& hidden, const DenseWeights& dense, double scale,
                      const char* name) {
    return b_.Open(Linear(hidden, dense, scale, true, name), wire_frac(), Name(name));
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

  Hidden Layer(const Hidden& in, const BertLayerWeights& weights, bool last) {
    const double root = 1 / std::sqrt(config_.hidden_size / config_.num_attention_heads);
    Hidden queries = in;
    if (last) queries.normal = b_.Rows(in.normal, 0, 1, Name("[CLS]"));
    const TensorId q = OpenLinear(queries, weights.query, root, "query");
    const TensorId all_keys = OpenLinear(in, weights.key, 1, "key");
    const TensorId v = OpenLinear(in, weights.value, 1, "value");
    const TensorId k =
        b_.Open(b_.Mul(all_keys, text_, Name("keys")), wire_frac(), Name("text keys"));
    const TensorId s = b_.Scores(q, k, config_.num_attention_heads, Name("scores"));
    b_.KeepOnly({text_, queries.normal, s, v});
    const TensorId p = Softmax(s);
    const TensorId mixed = b_.Mix(p, v, config_.num_attention_heads, Name("mix"));
    const TensorId attended = Plain(mixed, weights.attention_output, true, "attention output");
    const TensorId sum = Residual(attended, queries);
    b_.KeepOnly({text_, sum});
    layer_ += "attention norm ";
    const Hidden middle = Normalise(sum, &weights.attention_norm, config_.layer_norm_eps, {});
    layer_.resize(layer_.size() - std::string_view("attention norm ").size());
    b_.KeepOnly({text_, middle.normal});
    const TensorId inner = OpenLinear(middle, weights.intermediate, 1, "intermediate");
    const TensorId activated = Gelu(inner);
    const TensorId out = Plain(activated, weights.output, true, "output");
    const TensorId end = Residual(out, middle);
    b_.KeepOnly({text_, end});
    layer_ += "output norm ";
    const Hidden hidden = Normalise(end, &weights.output_norm, config_.layer_norm_eps, {});
    b_.KeepOnly({text_, hidden.normal});
    return hidden;
  }

  TensorId Gelu(TensorId x) {
    SeriesGoal goal;
    goal.function = [](double v) { return 0.5 * v * (1 + std::erf(v / std::sqrt(2.0))); };
    goal.interval = b_.Widened(x);
    // A single row is cheap enough for a better fit.
    goal.target = options_.gelu_error * (b_.op(x).rows == 1 ? 0.05 : 1);
    goal.error_max = 2e-2;
    goal.harmonics_max = 20;
    // Few fraction bits must do for phases and for their online factors: larger committees' noise
    // is met halfway.
    goal.phase_bits = 22 + static_cast<unsigned>(std::bit_width(options_.builder.sets / 4)) / 2;
    goal.out_frac = std::min(38u, options_.builder.open_bits_max - 19);
    return b_.Series(x, goal, Name("GELU"));
  }

  struct Masking {
    double bias = 0;   // By how much the scores of pads are lowered.
    int halvings = 0;  // Of the exponents.
    Range exponent;    // After halving.
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
    m.exponent = {std::ldexp(deviation.low * margin - m.bias, -m.halvings),
                  std::ldexp(deviation.high * margin, -m.halvings)};
    return m;
  }

  TensorId Softmax(TensorId s) {
    const Masking m = MaskingFor(s);
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

    SeriesGoal goal;
    goal.function = [](double v) { return std::exp(v); };
    goal.weight = [](double v) { return 1 / std::max(std::exp(v), 1.0); };
    goal.interval = m.exponent;
    goal.target = options_.exp_error;
    goal.harmonics_max = 16;
    goal.out_frac = std::min(48u, b_.FracThatFits(std::exp(m.exponent.high)));
    TensorId powers = b_.Series(x, goal, Name("exp"));
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
    const TensorId r = Inverse(z, range);
    return b_.Open(b_.Mul(u, r, Name("probabilities")), 20, Name("probabilities"));
  }

  // tokens / sum within a third or so.
  TensorId CoarseInverse(TensorId sharing) {
    const TensorId sums = b_.RowSum(sharing, Name("level sums"));
    const Range seen = b_.WidenedPositive(sums);
    const Range range{seen.low / 1.3, seen.high * 1.3};
    const TensorId z =
        b_.Open(sums, PlanBuilder::FracFor(range.low, 16, b_.op(sums).frac), Name("level sums"));
    SeriesGoal goal;
    const double tokens = tokens_;
    goal.function = [tokens](double v) { return tokens / v; };
    goal.weight = [tokens](double v) { return v / tokens; };
    goal.interval = range;
    goal.target = 0.2;
    goal.error_max = 0.6;
    goal.out_frac = std::min(52u, b_.FracThatFits(tokens / range.low));
    const unsigned frac = PlanBuilder::FracFor(tokens / range.high, 12, goal.out_frac);
    return b_.Open(b_.Series(z, goal, Name("coarse 1/sum")), frac, Name("level"));
  }

  void Classify(const Hidden& hidden) {
    layer_ = "pooler ";
    const TensorId pooled = OpenLinear(hidden, model_.pooler, 1, "dense");
    SeriesGoal goal;
    goal.function = [](double v) { return std::tanh(v); };
    goal.interval = b_.Widened(pooled);
    goal.target = 1e-4;
    goal.out_frac = 40;
    const TensorId activated = b_.Series(pooled, goal, Name("tanh"));
    layer_ = "";
    b_.Output(Plain(activated, model_.classifier, false, "classifier"), "logits");
  }

  const FloatModel& model_;
  const BertConfig& config_;
  const std::uint32_t tokens_;
  const CompileOptions& options_;
  PlanBuilder b_;
  TensorId text_ = 0;  // Wire [tokens x 1]: 1 for text, 0 for padding.
  std::string layer_;  // What the names of operations begin with.
};

}  // namespace

Result<Plan> CompileClassifier(const FloatModel& model, std::uint32_t tokens,
                               const std::vector<Text>& calibration,
                               const CompileOptions& options) {
  const auto bad = [](const std::string& what) {
    return Fail(ErrorCode::kInvalidArgument, "compiling the model: " + what);
  };
  const BertConfig& config = model.config;
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
  head.architecture = "bert-classifier";
  head.tokens = tokens;
  head.vocabulary = config.vocab_size;
  const auto bits = static_cast<std::uint32_t>(std::bit_width(config.vocab_size - 1));
  head.digit_bits_high = (bits + 1) / 2;
  head.digit_bits_low = bits / 2;
  head.labels = config.labels;
  std::vector<Text> texts =
      CalibrationTexts(calibration, tokens, config.pad_token_id, options.texts_max);
  return Compiler(model, tokens, std::move(texts), options, std::move(head)).Run();
}

Result<Text> PadText(const Text& ids, std::uint32_t tokens, std::uint32_t pad) {
  if (ids.size() > tokens) {
    return Fail(ErrorCode::kInvalidArgument,
                "the text has " + std::to_string(ids.size()) + " tokens, more than the " +
                    std::to_string(tokens) + " that the model's length allows");
  }
  Text padded = ids;
  padded.resize(tokens, pad);
  return padded;
}

}  // namespace mpc
