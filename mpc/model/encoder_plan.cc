#include "mpc/model/encoder_plan.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>
#include <numeric>
#include <optional>
#include <utility>

#include "mpc/model/approximations.h"
#include "mpc/model/blocks.h"
#include "mpc/model/calibration.h"
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

constexpr int kGammaFracMin = 8;
constexpr int kPadFracMax = 17;
constexpr unsigned kLengthFrac = 20;  // Of the inverse.
// Of pads' values nothing is left but noise; their weights may be e^3 times the text's.
constexpr double kPadWeightMax = 3;
// Exponents that need no halving, and how far their sums may lie apart.
constexpr double kPlainExponentMax = 5;
constexpr double kPlainSumRatio = 64;
// Sums that far apart leave the bits that the next map's weights need.
constexpr double kMixedSumRatio = 128;

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
    TensorId sum = b_.AddConstant(words, tables.positions, Name("positions"));
    const TensorId pads = b_.TokenIs(config_.pad_token_id, Name("pads"));
    if (weighs()) sum = SamePositions(sum, pads, tables.positions);
    const TensorId text = b_.Add(pads, -1, std::nullopt, 0, 1, 0, Name("no pads"));
    text_ = b_.Open(text, 0, Name("text"));
    if (weighs()) {
      inverse_length_ = InverseLength();
      b_.Pin(inverse_length_);
    }
    return blocks_.LayerNorm(sum, &model_.embeddings_norm, tables.epsilon, tables.variance);
  }

  // Whether pads are left out of attention by weights: not in the published approximations.
  bool weighs() const {
    return options_.approximation == Approximation::kExact && !config_.quad_softmax;
  }

  // Wire of 1 / n for a text of n tokens, which come first: the sum of 1/j - 1/(j - 1) over them.
  TensorId InverseLength() {
    const auto affine = [this] {
      Affine map{Reals(tokens_), Reals(1)};
      for (std::uint32_t j = 0; j < tokens_; ++j) {
        map.weight[j] = 1.0 / (j + 1) - (j == 0 ? 0 : 1.0 / j);
      }
      return map;
    };
    const TensorId row = b_.Reshape(text_, 1, tokens_, Name("text"));
    return b_.Open(b_.Linear(row, affine, std::nullopt, Name("1/length")), kLengthFrac,
                   Name("1/length"));
  }

  // All pads get the last position.
  TensorId SamePositions(TensorId sum, TensorId pads, const Reals& positions) {
    const std::size_t width = config_.hidden_size;
    const auto ones = [&] { return Affine{Reals(width, 1.0), Reals(width)}; };
    pads_ = b_.Linear(pads, ones, std::nullopt, Name("pads' rows"));
    b_.Pin(pads_);
    Reals change = positions;
    for (std::size_t i = 0; i < change.size(); ++i) {
      change[i] = positions[positions.size() - width + i % width] - positions[i];
    }
    const unsigned frac = b_.op(sum).frac;
    const TensorId moved = b_.ScaleAll(pads_, change, tokens_, frac, Name("pads' positions"));
    const unsigned both = b_.op(moved).frac;
    return b_.Add(sum, 1, moved, 1, 0, both, Name("positions"));
  }

  // A linear map's sharing plus the hidden state itself.
  TensorId Residual(TensorId sharing, const Hidden& hidden) {
    const TensorId scaled = WithGamma(hidden, b_.op(sharing).frac);
    const unsigned frac = std::max(b_.op(sharing).frac, b_.op(scaled).frac);
    return b_.Add(sharing, 1, scaled, 1, 0, frac, Name("residual sum"));
  }

  // The hidden state itself, of about so many fraction bits.
  TensorId WithGamma(const Hidden& hidden, unsigned frac) {
    Reals gamma(hidden.norm->gamma.begin(), hidden.norm->gamma.end());
    for (double& value : gamma) value *= hidden.scale;
    const Reals beta(hidden.norm->beta.begin(), hidden.norm->beta.end());
    const int room = static_cast<int>(frac) - b_.op(hidden.normal).frac;
    return b_.ScaleColumns(hidden.normal, gamma, beta,
                           static_cast<unsigned>(std::clamp(room, kGammaFracMin, 16)),
                           Name("gamma, beta"));
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
    TensorId k = OpenText(in, weights.key, "key");
    if (!weighs()) k = b_.Open(b_.Mul(k, text_, Name("keys")), wire_frac(), Name("text keys"));
    const TensorId v = OpenText(in, weights.value, "value");
    const TensorId s = b_.Scores(q, k, config_.num_attention_heads, Name("scores"));
    b_.KeepOnly({text_, queries.normal, s, v});
    const TensorId mixed =
        weighs() ? Attended(s, v) : b_.Mix(Approximated(s), v, heads(), Name("mix"));
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

  std::uint32_t heads() const { return config_.num_attention_heads; }

  // Wire of keys or values. A pad's are those of every other pad and text, so they are taken off.
  TensorId OpenText(const Hidden& in, const DenseWeights& dense, const char* name) {
    TensorId x = blocks_.Linear(in, dense, 1, kResidualHeadroom, name);
    if (weighs() && b_.ok()) {
      Reals pad = PadRow(x);
      for (double& value : pad) value = -value;
      const auto weight_frac = static_cast<unsigned>(
          std::clamp<int>(int{b_.op(x).frac} - b_.op(pads_).frac, 0, kPadFracMax));
      const TensorId off = b_.ScaleAll(pads_, pad, 1, weight_frac, Name("pads' ") + name);
      const unsigned frac = std::max(b_.op(x).frac, b_.op(off).frac);
      x = b_.Add(x, 1, off, 1, 0, frac, Name("text's ") + name);
    }
    return b_.Open(x, wire_frac(), Name(name));
  }

  Reals PadRow(TensorId x) const {
    const Reals values = b_.Values(x, 0);
    return {values.end() - b_.op(x).cols, values.end()};
  }

  struct Masking {
    double bias = 0;   // By how much the scores of pads are lowered.
    int halvings = 0;  // Of the exponents.
    Range text;        // Exponents after halving, before pads are lowered,
    Range exponent;    // and after.
  };

  // `mean` of the text's scores, a column; none: of all.
  Masking MaskingFor(TensorId s, std::optional<TensorId> means) {
    double pads = -std::numeric_limits<double>::infinity();  // Log of pads' weight over the text's.
    Range deviation{0, 0};
    Range sums{std::numeric_limits<double>::infinity(), 0};
    for (std::size_t text = 0; text < b_.texts().size(); ++text) {
      const Text& ids = b_.texts()[text];
      const Reals values = b_.Values(s, text);
      const Reals known = means ? b_.Values(*means, text) : Reals();
      const std::size_t rows = values.size() / tokens_ / heads();
      for (std::size_t row = 0; row < values.size(); row += tokens_) {
        double mean = means ? known[row / tokens_] : 0, of_text = 0, of_pads = 0;
        for (std::size_t j = 0; !means && j < tokens_; ++j) mean += values[row + j] / tokens_;
        for (std::size_t j = 0; j < tokens_; ++j) {
          const double x = values[row + j] - mean;
          (ids[j] == config_.pad_token_id ? of_pads : of_text) += std::exp(x);
          deviation.low = std::min(deviation.low, x);
          deviation.high = std::max(deviation.high, x);
        }
        sums = {std::min(sums.low, of_text), std::max(sums.high, of_text)};
        if (ids[row / tokens_ % rows] == config_.pad_token_id) continue;
        if (of_pads > 0) pads = std::max(pads, std::log(of_pads / of_text));
      }
    }
    const double margin = options_.builder.margin;
    Masking m;
    m.bias = std::max(0.0, weighs() ? std::ceil(pads * margin - kPadWeightMax)
                                    : std::ceil(std::log(1e6) + std::max(pads, 0.0) * margin));
    // A halving costs two openings a score; without one, all must be small.
    const bool plain = weighs() && deviation.high * margin <= kPlainExponentMax &&
                       sums.high < kPlainSumRatio * sums.low;
    m.halvings = plain ? 0 : 1;
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

  // Wire of probabilities, as published.
  TensorId Approximated(TensorId s) {
    if (options_.approximation == Approximation::kMpcformer || config_.quad_softmax) {
      return QuadSoftmax(b_, blocks_, s, text_, Name("2Quad"));
    }
    return PumaSoftmax(b_, blocks_, s, text_, MaskingFor(s, {}).bias, Name("softmax"));
  }

  // Sharing of the values' mean by the weights exp(s); of a pad's row, 0.
  TensorId Attended(TensorId s, TensorId v) {
    // x = (s - mean of the text's - bias * pad) / 2^halvings. The mean cancels, so it may be off.
    const TensorId sum = b_.Open(b_.RowSum(s, Name("score sums")), wire_frac(), Name("score sums"));
    const TensorId length =
        b_.Add(sum, 0, inverse_length_, 1, 0, b_.op(inverse_length_).frac, Name("1/length"));
    const TensorId mean = b_.Mul(sum, length, Name("means"));
    const Masking m = MaskingFor(s, mean);
    const double scale = std::exp2(-m.halvings);
    const unsigned frac =
        std::max(b_.op(s).frac, b_.op(mean).frac) + static_cast<unsigned>(m.halvings);
    const TensorId centred =
        b_.Add(s, scale, mean, -scale, -m.bias * scale, frac, Name("centred scores"));
    const TensorId masked = b_.AddPerColumn(centred, text_, m.bias * scale, Name("masked scores"));
    const TensorId x = b_.Open(masked, 18, Name("exponents"));
    WatchExponents(x, m);

    TensorId powers = blocks_.Exp(x, m.exponent);
    TensorId u = b_.Open(powers, 18, Name("powers"));
    for (int i = 0; i < m.halvings; ++i) {
      const TensorId begin = u + 1;
      const TensorId c = CoarseInverse(u);
      const TensorId n = b_.Mul(u, c, Name("levelled"));
      // Squares of up to (1.5 tokens)^2 must fit in an opening, and those of pads.
      const double most = std::max<double>(tokens_, b_.ok() ? b_.Seen(n).high : 0);
      const unsigned n_frac = std::min(18u, b_.FracThatFits(2.5 * most * most) / 2);
      const TensorId levelled = b_.Open(n, n_frac, Name("levelled"));
      powers = b_.Mul(levelled, levelled, Name("squares"));
      u = b_.Open(powers, 18, Name("powers"));
      b_.KeepOnly({powers, u}, begin);
    }
    return MixesFirst(u, v) ? MixedThenDivided(u, v) : DividedThenMixed(u, v);
  }

  // Whether it costs less to divide what was mixed, and leaves the next map's weights their bits.
  bool MixesFirst(TensorId u, TensorId v) const {
    if (!b_.ok() || tokens_ <= config_.head_width) return false;
    Range sums{std::numeric_limits<double>::infinity(), 0};
    for (std::size_t text = 0; text < b_.texts().size(); ++text) {
      const Text& ids = b_.texts()[text];
      const Reals values = b_.Values(u, text);
      for (std::size_t row = 0; row < values.size(); row += tokens_) {
        double weight = 0;
        for (std::size_t j = 0; j < tokens_; ++j) {
          if (ids[j] != config_.pad_token_id) weight += values[row + j];
        }
        sums = {std::min(sums.low, weight), std::max(sums.high, weight)};
      }
    }
    const Range seen = b_.Seen(v);
    const double largest = std::max(std::abs(seen.low), std::abs(seen.high)) * sums.high;
    const double margin = options_.builder.margin;
    return b_.FracThatFits(largest) >= unsigned{b_.op(u).frac} + b_.op(v).frac + 1 &&
           sums.high * margin * margin < kMixedSumRatio * sums.low;
  }

  // Wire of 1 / z for the sums of text's weights.
  TensorId InverseOf(TensorId sums, int precision) {
    const Range range = b_.WidenedPositive(sums);
    const TensorId z =
        b_.Open(sums, PlanBuilder::FracFor(range.low, kPrecision, b_.op(sums).frac), Name("sums"));
    return blocks_.Inverse(z, range, precision);
  }

  // By rows (token, head).
  TensorId MixedThenDivided(TensorId u, TensorId v) {
    const std::uint32_t width = config_.head_width, rows = b_.op(u).rows / heads();
    const TensorId sums = b_.Mix(u, text_, heads(), Name("sums"), heads());
    const Range range = b_.WidenedPositive(sums);
    TensorId r = InverseOf(sums, kRowPrecision);
    if (rows == tokens_) {
      const TensorId text = b_.Add(r, 0, text_, 1, 0, 0, Name("text"));
      r = b_.Open(b_.Mul(r, text, Name("text's")), b_.op(r).frac, Name("text's"));
    }
    const TensorId mix = b_.Mix(u, v, heads(), Name("mix"));
    const TensorId mixed =
        b_.Open(mix, PlanBuilder::FracFor(range.low, kRowPrecision, b_.op(mix).frac), Name("mix"));
    const TensorId divided = b_.Mul(b_.Reshape(mixed, rows * heads(), width, Name("mix")),
                                    b_.Reshape(r, rows * heads(), 1, Name("mix")), Name("mixed"));
    return b_.Reshape(divided, rows, heads() * width, Name("mixed"));
  }

  // By rows (head, token).
  TensorId DividedThenMixed(TensorId u, TensorId v) {
    TensorId r = InverseOf(TextSums(u, "sums"), kPrecision);
    if (b_.op(u).rows == heads() * tokens_) {
      const TensorId all = b_.Concat(std::vector<TensorId>(heads(), text_), Name("text"));
      r = b_.Open(b_.Mul(r, all, Name("text's")), b_.op(r).frac, Name("text's"));
    }
    const TensorId p = b_.Open(b_.Mul(u, r, Name("probabilities")), 20, Name("probabilities"));
    return b_.Mix(p, v, heads(), Name("mix"));
  }

  // With the pads raised again, all exponents lie around 0.
  void WatchExponents(TensorId x, const Masking& m) {
    const double bias = std::ldexp(m.bias, -m.halvings);
    const TensorId raised = b_.Add(b_.AddPerColumn(x, text_, -bias, Name("raised pads")), 1,
                                   std::nullopt, 0, bias, b_.op(x).frac, Name("raised pads"));
    blocks_.ranges().Watch(raised, blocks_.ranges().Within(raised, m.text), Name("exp range"));
  }

  // Of each row of weights, (head, token), the sum over text.
  TensorId TextSums(TensorId u, const char* name) {
    return b_.Scores(u, b_.Reshape(text_, 1, tokens_, Name("text")), 1, Name(name));
  }

  // tokens / sum within a third or so.
  TensorId CoarseInverse(TensorId u) {
    const TensorId sums = TextSums(u, "level sums");
    const Range seen = b_.WidenedPositive(sums);
    const Range range{seen.low / 1.3, seen.high * 1.3};
    const TensorId z =
        b_.Open(sums, PlanBuilder::FracFor(range.low, 16, b_.op(sums).frac), Name("level sums"));
    return blocks_.CoarseInverse(z, range, tokens_);
  }

  void Finish(const Hidden& hidden) {
    if (config_.task == Task::kClassify) return Classify(hidden);
    blocks_.set_prefix("");
    const TensorId state = WithGamma(hidden, b_.op(hidden.normal).frac + 16u);
    if (config_.pooling == Pooling::kFirst) {
      result_ = state;
    } else {  // The sum over the text's tokens: the client knows their number.
      const TensorId weights = b_.Reshape(text_, 1, tokens_, "text");
      const TensorId wire = b_.Open(state, wire_frac(), "state");
      result_ = b_.Mix(weights, wire, 1, "sum over the text");
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
  TensorId text_ = 0;            // Wire [tokens x 1]: 1 for text, 0 for padding.
  TensorId inverse_length_ = 0;  // Wire of one element.
  TensorId pads_ = 0;            // Sharing [tokens x hidden]: rows of 1 for padding, 0 for text.
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
      EncoderTexts(calibration, tokens, config.pad_token_id, options.texts_max);
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
