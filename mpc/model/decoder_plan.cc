#include "mpc/model/decoder_plan.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <map>
#include <utility>

#include "mpc/functions/noise.h"
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

constexpr unsigned kShareFrac = 24;  // Of w_i.
constexpr unsigned kAngleFrac = 14;
constexpr unsigned kNoiseFrac = 16;
constexpr unsigned kRotationHeadroom = kAngleFrac + 2;

// What of softmax depends on the calibration, by layer.
struct Softening {
  double bias = 0;   // By how much the scores of pads are lowered.
  int halvings = 0;  // Of the exponents.
  Range text;        // Exponents after halving, before pads are lowered,
  Range exponent;    // and after.
};
using Softenings = std::map<std::string, Softening>;

struct Cache {
  TensorId keys = 0, values = 0;
};

class Compiler {
 public:
  Compiler(const FloatModel& model, const Length& length, const CompileOptions& options,
           PlanBuilder& builder, Softenings softenings)
      : model_(model),
        config_(model.config),
        tokens_(length.tokens),
        generated_(length.generated),
        positions_(length.tokens + length.generated - 1),
        options_(options),
        b_(builder),
        blocks_(builder, options),
        softenings_(std::move(softenings)) {}

  const Softenings& softenings() const { return softenings_; }

  // All positions at once, no choices.
  void Calibrate() {
    Prepare(positions_);
    Begin("embedding ");
    Logits(Layers(Embedded(words_, 0, positions_), 0, positions_, generated_));
    if (b_.ok()) difference_ = ResultDifference(model_, b_, logits_);
  }
  // Of the calibrated logits from the float model's.
  double difference() const { return difference_; }

  void Generate() {
    Prepare(tokens_);
    Begin("embedding ");
    TensorId next = Choose(Layers(Embedded(words_, 0, tokens_), 0, tokens_, 1), 0);
    blocks_.ranges().EndStep(next);
    std::vector<std::uint32_t> ends = config_.eos_token_ids;
    std::ranges::sort(ends);
    ends.erase(std::unique(ends.begin(), ends.end()), ends.end());
    for (std::uint32_t step = 1; step < generated_ && b_.ok(); ++step) {
      const std::uint32_t at = tokens_ + step - 1;
      const TensorId row = b_.Lookup(
          next, words_, static_cast<unsigned>(std::bit_width(config_.vocab_size)), "next word");
      if (!ends.empty()) b_.Ends(next, row, ends);
      Begin("embedding ");
      next = Choose(Layers(Embedded(row, at, 1), at, 1, 1), step);
      blocks_.ranges().EndStep(next);
    }
    Begin("");
    blocks_.ranges().Output("text");
  }

 private:
  unsigned wire_frac() const { return options_.builder.wire_frac; }
  std::string Name(const char* what) const { return blocks_.Name(what); }
  void Begin(const std::string& scope) {
    b_.Begin(scope);
    blocks_.set_prefix(scope);
  }

  // The words, t, and what is a linear map of t. In a calibration all rows are given at once.
  void Prepare(std::uint32_t rows) {
    Begin("prompt ");
    const auto table = [this] {
      const Floats words = model_.Words();
      return Reals(words->begin(), words->end());
    };
    words_ = b_.Embed(table(), config_.hidden_size, 20, Name("words"));
    const TensorId pads = b_.TokenIs(PadToken(config_), Name("pads"));
    TensorId text = b_.Open(b_.Add(pads, -1, std::nullopt, 0, 1, 0, Name("no pads")), 0, Name("t"));
    if (rows > tokens_) text = b_.Rows(text, 0, tokens_, Name("t"));
    const TensorId one = b_.Add(b_.Rows(text, 0, 1, "one"), 0, std::nullopt, 0, 1, 0, "one");
    b_.SetBits(one, 1);
    std::vector<TensorId> all(positions_ - tokens_ + 1, one);
    all[0] = text;
    text_ = all.size() == 1 ? text : b_.Concat(all, "all t");
    const TensorId row = b_.Reshape(text, 1, tokens_, "t");
    shares_ = b_.Reshape(b_.Open(b_.Linear(
                                     row, [this] { return Shares(); }, {}, "shares"),
                                 kShareFrac, "shares"),
                         positions_, 1, "shares");
    if (!config_.llama()) AddPositions(row);
  }

  // Column i of w: 1 / (i - s + 1) for a text that begins at s <= i, 1 for pads. As t_j - t_(j-1)
  // says whether j = s, w_i is the sum over j of t_j (w_i(s = j) - w_i(s = j + 1)).
  Affine Shares() const {
    Affine map{Reals(std::size_t{tokens_} * positions_), Reals(positions_)};
    for (std::uint32_t i = 0; i < positions_; ++i) {
      const auto share = [i, this](std::uint32_t s) {
        return s >= tokens_ ? 0.0 : s <= i ? 1.0 / (i - s + 1) : 1.0;
      };
      for (std::uint32_t j = 0; j < tokens_; ++j) {
        map.weight[std::size_t{j} * positions_ + i] = share(j) - share(j + 1);
      }
    }
    return map;
  }

  // Learned positions, likewise: row i is that of position i - s.
  void AddPositions(TensorId row) {
    const std::size_t width = config_.hidden_size;
    const auto most = static_cast<std::uint32_t>(kSideMax / width);
    std::vector<TensorId> parts;
    for (std::uint32_t begin = 0; begin < positions_; begin += most) {
      const std::uint32_t count = std::min(most, positions_ - begin);
      const auto affine = [&] {
        Affine map{Reals(tokens_ * count * width), Reals(count * width)};
        for (std::uint32_t i = begin; i < begin + count; ++i) {
          const auto position = [&](std::uint32_t s, std::size_t c) {
            if (s >= tokens_) return 0.0;
            return double{model_.positions[(s <= i ? i - s : 0) * width + c]};
          };
          for (std::uint32_t j = 0; j < tokens_; ++j) {
            for (std::size_t c = 0; c < width; ++c) {
              map.weight[(std::size_t{j} * count + (i - begin)) * width + c] =
                  position(j, c) - position(j + 1, c);
            }
          }
        }
        return map;
      };
      const std::string name = "positions " + std::to_string(begin);
      parts.push_back(b_.Reshape(b_.Linear(row, affine, {}, name), count,
                                 static_cast<std::uint32_t>(width), name));
    }
    places_ = parts.size() == 1 ? parts[0] : b_.Concat(parts, "positions");
  }

  // Wire of the residual stream: rows [first, first + rows).
  TensorId Embedded(TensorId words, std::uint32_t first, std::uint32_t rows) {
    TensorId sum = words;
    if (!config_.llama()) {
      const TensorId places = b_.Rows(places_, first, rows, "position");
      const unsigned frac = std::max(b_.op(words).frac, b_.op(places).frac);
      sum = b_.Add(words, 1, places, 1, 0, frac, Name("sum"));
    }
    return OpenResidual(sum);
  }

  // As many fraction bits as the squares' sums, over a row, leave.
  TensorId OpenResidual(TensorId sum) {
    double largest = 1e-9;
    for (std::size_t t = 0; t < b_.texts().size(); ++t) {
      const Reals values = b_.Values(sum, t);
      double squares = 0;
      for (std::size_t i = 0; i < values.size(); ++i) {
        if (i % config_.hidden_size == 0) squares = 0;
        squares += values[i] * values[i];
        largest = std::max(largest, squares);
      }
    }
    const double margin = options_.builder.margin;
    if (!config_.llama()) largest *= config_.hidden_size;
    const int room = static_cast<int>(options_.builder.open_bits_max) - 2 -
                     std::ilogb(largest * margin * margin);
    const int most = config_.llama() ? 20 : static_cast<int>(wire_frac());
    return b_.Open(sum, static_cast<unsigned>(std::clamp(room / 2, 4, most)), Name("residual"));
  }

  // Positions [first, first + rows) through all layers; of the last layer's result the last `kept`
  // rows, normalised.
  Hidden Layers(TensorId x, std::uint32_t first, std::uint32_t rows, std::uint32_t kept) {
    caches_.resize(model_.layers.size());
    for (std::size_t i = 0; i < model_.layers.size() && b_.ok(); ++i) {
      Begin("layer " + std::to_string(i) + " ");
      const bool last = i + 1 == model_.layers.size();
      x = Layer(x, model_.layers[i], first, rows, last ? std::min(kept, rows) : rows, caches_[i]);
    }
    Begin("final ");
    return blocks_.NormOf(x, &model_.final_norm, config_.layer_norm_eps, config_.llama());
  }

  TensorId Layer(TensorId x, const LayerWeights& weights, std::uint32_t first, std::uint32_t rows,
                 std::uint32_t kept, Cache& cache) {
    const double epsilon = config_.layer_norm_eps;
    const std::string prefix = blocks_.prefix();
    blocks_.set_prefix(prefix + "attention norm ");
    Hidden in = blocks_.NormOf(x, &weights.attention_norm, epsilon, config_.llama());
    // The angles need the bits of the product.
    if (!config_.rope.frequencies.empty()) in = blocks_.Opened(in);
    blocks_.set_prefix(prefix);
    const TensorId own_keys = Keys(in, weights, first, rows);
    const TensorId own_values = blocks_.OpenLinear(in, weights.value, 1, "value");
    cache.keys = first == 0 ? own_keys : b_.Concat({cache.keys, own_keys}, "keys");
    cache.values = first == 0 ? own_values : b_.Concat({cache.values, own_values}, "values");

    Hidden queries = in;
    if (kept < rows) {
      queries.normal = b_.Rows(in.normal, rows - kept, kept, "last rows");
      x = b_.Rows(x, rows - kept, kept, "last rows");
    }
    const double root = 1 / std::sqrt(static_cast<double>(config_.head_width));
    const std::uint32_t begin = first + rows - kept;
    const TensorId q =
        Turned(queries, weights.query, root, config_.num_attention_heads, begin, kept, "query");
    const TensorId s = b_.Scores(q, cache.keys, config_.num_attention_heads, Name("scores"));
    Keep({x, s, cache.values});
    const TensorId p = Softmax(s, begin, kept, first + rows);
    const TensorId mixed = b_.Mix(p, cache.values, config_.num_attention_heads, Name("mix"),
                                  config_.num_attention_heads * config_.head_width);
    x = Residual(blocks_.Plain(mixed, weights.attention_output, true, "attention output"), x);
    Keep({x});

    blocks_.set_prefix(prefix + "output norm ");
    const Hidden middle = blocks_.NormOf(x, &weights.output_norm, epsilon, config_.llama());
    blocks_.set_prefix(prefix);
    const TensorId inner = FeedForward(middle, weights);
    x = Residual(blocks_.Plain(inner, weights.output, true, "output"), x);
    Keep({x});
    return x;
  }

  // Of calibration values, what is still needed.
  void Keep(std::vector<TensorId> ids) {
    ids.insert(ids.end(), {text_, shares_});
    if (!config_.llama()) ids.push_back(places_);
    b_.KeepOnly(ids);
  }

  TensorId FeedForward(const Hidden& in, const LayerWeights& weights) {
    if (weights.gate.in == 0) {
      return blocks_.Activate(config_.activation,
                              blocks_.OpenActivated(in, weights.intermediate, "intermediate"));
    }
    const TensorId gate = blocks_.OpenActivated(in, weights.gate, "gate");
    const TensorId up = blocks_.OpenLinear(in, weights.intermediate, 1, "up");
    const TensorId active =
        b_.Open(blocks_.Activate(config_.activation, gate), wire_frac(), Name("active"));
    const TensorId product = b_.Mul(active, up, Name("gated"));
    // A sharing of 32 fraction bits would leave the next map too few.
    return b_.Open(product, wire_frac(), Name("gated"));
  }

  TensorId Residual(TensorId sharing, TensorId x) {
    const unsigned frac = b_.op(sharing).frac;
    if (frac < b_.op(x).frac) b_.Refuse(Name("residual: the weights are too large"));
    if (!b_.ok()) return x;
    return OpenResidual(b_.Add(sharing, 1, x, 1, 0, frac, Name("residual sum")));
  }

  // Wire of queries or keys, turned by their positions.
  TensorId Turned(const Hidden& in, const DenseWeights& dense, double scale, std::uint32_t heads,
                  std::uint32_t first, std::uint32_t rows, const char* name) {
    const Rope& rope = config_.rope;
    if (rope.frequencies.empty()) return blocks_.OpenLinear(in, dense, scale, name);
    const std::size_t pairs = rope.frequencies.size();
    // The weights take a power of two, which costs them nothing; the angles the rest.
    const double power = std::exp2(std::ilogb(scale));
    Reals angles;
    for (std::uint32_t i = first; i < first + rows; ++i) {
      for (std::size_t j = 0; j < 2 * pairs; ++j) {
        const double angle = i * rope.frequencies[j % pairs];
        angles.push_back(rope.scale * scale / power *
                         (j < pairs ? std::cos(angle) : std::sin(angle)));
      }
    }
    const TensorId plain = blocks_.Linear(in, dense, power, kRotationHeadroom, name);
    const TensorId turned =
        b_.Rotate(plain, heads, angles, rows, kAngleFrac, Name(name) + " turned");
    return b_.Open(turned, wire_frac(), Name(name));
  }

  TensorId Keys(const Hidden& in, const LayerWeights& weights, std::uint32_t first,
                std::uint32_t rows) {
    const TensorId keys =
        Turned(in, weights.key, 1, config_.num_key_value_heads, first, rows, "key");
    if (first > 0) return keys;  // No pads after the prompt.
    const TensorId text = b_.Rows(text_, 0, rows, "t");
    return b_.Open(b_.Mul(keys, text, Name("keys")), wire_frac(), Name("text keys"));
  }

  // Rows [first, first + rows) of every head see the columns up to themselves.
  Reals Mask(std::uint32_t first, std::uint32_t rows, std::uint32_t cols, bool own,
             bool earlier) const {
    Reals mask(std::size_t{rows} * cols);
    for (std::uint32_t i = 0; i < rows; ++i) {
      for (std::uint32_t j = 0; j < cols; ++j) {
        mask[std::size_t{i} * cols + j] = j == first + i ? own : j < first + i ? earlier : false;
      }
    }
    return mask;
  }

  TensorId Softmax(TensorId scores, std::uint32_t first, std::uint32_t rows, std::uint32_t cols) {
    const bool masked = rows > 1;
    const auto see = [&](TensorId x, bool own, bool earlier, const char* name) {
      return masked ? b_.ScaleAll(x, Mask(first, rows, cols, own, earlier), rows, 0, Name(name))
                    : x;
    };
    const TensorId s = see(scores, true, true, "seen scores");
    const std::vector<TensorId> heads(config_.num_attention_heads,
                                      b_.Rows(shares_, first, rows, "shares"));
    const TensorId w = b_.Concat(heads, "shares");
    const TensorId sum = b_.Open(b_.RowSum(s, Name("score sums")), wire_frac(), Name("score sums"));
    const TensorId mean = b_.Mul(sum, w, Name("means"));
    if (!b_.replays()) Soften(s, mean, first, rows, cols);
    const Softening m = softenings_[blocks_.prefix()];

    const double scale = std::exp2(-m.halvings);
    const unsigned frac =
        std::max<unsigned>(b_.op(s).frac, b_.op(mean).frac) + static_cast<unsigned>(m.halvings);
    const TensorId centred = b_.Add(s, scale, mean, -scale, 0, frac, Name("centred scores"));
    const TensorId text = b_.Rows(text_, 0, cols, "t");
    const TensorId lowered =
        b_.Add(b_.AddPerColumn(centred, text, m.bias * scale, Name("lowered pads")), 1,
               std::nullopt, 0, -m.bias * scale, frac, Name("lowered pads"));
    TensorId exponents = see(lowered, false, true, "exponents before");
    if (masked) {  // A pad sees itself, too.
      const TensorId own = see(centred, true, false, "own exponents");
      exponents = b_.Add(exponents, 1, own, 1, 0, frac, Name("all exponents"));
    }
    const TensorId x = b_.Open(exponents, 18, Name("exponents"));
    WatchExponents(x, m, text, see);

    TensorId powers = see(blocks_.Exp(x, m.exponent, positions_), true, true, "seen powers");
    TensorId u = b_.Open(powers, 18, Name("powers"));
    for (int i = 0; i < m.halvings; ++i) {
      const TensorId begin = u + 1;
      const TensorId z = MeanOf(powers, w);
      const TensorId c = blocks_.CoarseInverse(z, Loosened(z), 1);
      const TensorId n = b_.Mul(u, c, Name("levelled"));
      const unsigned n_frac = std::min(18u, b_.FracThatFits(2.5 * positions_ * positions_) / 2);
      const TensorId levelled = b_.Open(n, n_frac, Name("levelled"));
      powers = b_.Mul(levelled, levelled, Name("squares"));
      u = b_.Open(powers, 18, Name("powers"));
      if (!b_.replays()) b_.KeepOnly({powers, u, w}, begin);
    }
    const TensorId z = MeanOf(powers, w);
    const TensorId r = blocks_.Inverse(z, b_.WidenedPositive(z));
    const TensorId share = b_.Open(b_.Mul(r, w, Name("shares")), 24, Name("shares"));
    return b_.Open(b_.Mul(u, share, Name("probabilities")), 20, Name("probabilities"));
  }

  // With the pads raised again, where they were lowered, all exponents lie around 0.
  template <class See>
  void WatchExponents(TensorId x, const Softening& m, TensorId text, See see) {
    const double bias = std::ldexp(m.bias, -m.halvings);
    const unsigned frac = b_.op(x).frac;
    const TensorId level = b_.Add(x, 0, std::nullopt, 0, bias, frac, Name("raised pads"));
    const TensorId pads =
        see(b_.AddPerColumn(level, text, -bias, Name("raised pads")), false, true, "raised pads");
    const TensorId raised = b_.Add(x, 1, pads, 1, 0, frac, Name("raised pads"));
    blocks_.ranges().Watch(raised, blocks_.ranges().Within(raised, m.text), Name("exp range"));
  }

  Range Loosened(TensorId z) const {
    const Range seen = b_.WidenedPositive(z);
    return {seen.low / 1.3, seen.high * 1.3};
  }

  // w * the rows' sums: a fresh wire.
  TensorId MeanOf(TensorId powers, TensorId w) {
    const TensorId sums = b_.RowSum(powers, Name("sums"));
    const TensorId wire = b_.Open(sums, 20, Name("sums"));
    return b_.Open(b_.Mul(wire, w, Name("means of powers")), 20, Name("means of powers"));
  }

  // Only in a calibration, which has all rows.
  void Soften(TensorId s, TensorId mean, std::uint32_t first, std::uint32_t rows,
              std::uint32_t cols) {
    double pads = 0;  // The most by which a pad's score exceeds the log of the text's weight.
    Range deviation{0, 0};
    for (std::size_t t = 0; t < b_.texts().size(); ++t) {
      const Text& ids = b_.texts()[t];
      const Reals scores = b_.Values(s, t), means = b_.Values(mean, t);
      for (std::size_t row = 0; row < means.size(); ++row) {
        const std::size_t i = first + row % rows;
        if (ids[i] == PadToken(config_)) continue;
        double weight = 0;
        for (std::size_t j = 0; j <= i; ++j) {
          if (ids[j] == PadToken(config_)) continue;
          const double x = scores[row * cols + j] - means[row];
          deviation.low = std::min(deviation.low, x);
          deviation.high = std::max(deviation.high, x);
          weight += std::exp(x);
        }
        pads = std::max(pads, -means[row] - std::log(weight));
        deviation.low = std::min(deviation.low, -means[row]);
      }
    }
    const double margin = options_.builder.margin;
    Softening m;
    m.bias = std::ceil(std::log(1e6) + pads * margin);
    m.halvings = 1;
    while (m.halvings < kHalvingsMax &&
           std::ldexp(deviation.high * margin, -m.halvings) > options_.exponent_max) {
      ++m.halvings;
    }
    if (m.halvings == kHalvingsMax) b_.Refuse(Name("scores: too large for a softmax"));
    // Scores near 0 alike lie in the middle, not at an end, where they would raise the flag.
    m.text = {std::ldexp(deviation.low * margin - 0.5, -m.halvings),
              std::ldexp(deviation.high * margin + 0.5, -m.halvings)};
    m.exponent = {m.text.low - std::ldexp(m.bias, -m.halvings), m.text.high};
    softenings_[blocks_.prefix()] = m;
  }

  TensorId Logits(const Hidden& hidden) {
    Begin("logits ");
    TensorId logits = blocks_.Linear(hidden, model_.classifier, 1,
                                     kResidualHeadroom + NoiseWholeBits(), "logits");
    logits_ = logits;
    if (options_.temperature > 0) logits = WithNoise(logits);
    // A difference of two must fit a comparison.
    const unsigned whole =
        static_cast<unsigned>(std::max(0, int{b_.op(logits).bits} - int{b_.op(logits).frac}));
    if (whole + 4 > kSelectBits) b_.Refuse("the logits are too large to be compared");
    const unsigned frac = kSelectBits - 3 - std::min(whole, kSelectBits - 3);
    const TensorId wire = b_.Open(logits, std::min(16u, frac), Name("logits"));
    blocks_.WatchBits(wire, Name("logits range"));
    return wire;
  }

  const std::vector<double>& Quantiles() {
    if (quantiles_.empty()) {
      quantiles_ = GumbelPartQuantiles(options_.builder.sets, std::size_t{1} << kNoiseBitsMax);
      for (double& quantile : quantiles_) quantile *= options_.temperature;
    }
    return quantiles_;
  }

  // What noise may need above logits that have no whole bit, the sum's carry included.
  unsigned NoiseWholeBits() {
    if (options_.temperature == 0) return 0;
    double largest = 0;
    for (const double quantile : Quantiles()) largest = std::max(largest, std::abs(quantile));
    return static_cast<unsigned>(std::max(0, std::ilogb(largest * options_.builder.sets) + 1)) + 1;
  }

  // The greatest of the sums is token i with probability softmax(logits / temperature)_i.
  TensorId WithNoise(TensorId logits) {
    const Op& op = b_.op(logits);
    const TensorId noise = b_.Noise(Quantiles(), op.rows, op.cols, kNoiseFrac, "noise");
    const unsigned frac = std::max<unsigned>(b_.op(logits).frac, kNoiseFrac);
    const unsigned bits = std::max(b_.op(logits).bits + frac - b_.op(logits).frac,
                                   b_.op(noise).bits + frac - kNoiseFrac);
    const TensorId sum = b_.Add(logits, 1, noise, 1, 0, frac, "noisy logits");
    b_.SetBits(sum, bits + 1);
    return sum;
  }

  TensorId Choose(const Hidden& hidden, std::uint32_t step) {
    const TensorId logits = Logits(hidden);
    const TensorId column = b_.Reshape(logits, config_.vocab_size, 1, "logits");
    Begin("token " + std::to_string(step) + " ");
    return Argmax(b_, column, b_.replays() ? "next" : "none");
  }

  const FloatModel& model_;
  const ModelConfig& config_;
  const std::uint32_t tokens_, generated_;
  const std::uint32_t positions_;  // All that are computed.
  const CompileOptions& options_;
  PlanBuilder& b_;
  Blocks blocks_;
  Softenings softenings_;
  std::vector<Cache> caches_;
  std::vector<double> quantiles_;  // Of a part of the noise, times the temperature.
  TensorId words_ = 0;
  TensorId text_ = 0;    // Wire [positions x 1]: 1 for text, 0 for padding.
  TensorId shares_ = 0;  // Wire [positions x 1]: w.
  TensorId places_ = 0;  // Sharing [positions x hidden]: learned positions.
  TensorId logits_ = 0;
  double difference_ = 0;
};

Plan HeadOf(const ModelConfig& config, std::uint32_t tokens) {
  Plan head;
  head.architecture = config.llama() ? "llama-generator" : "gpt2-generator";
  head.tokens = tokens;
  head.vocabulary = config.vocab_size;
  const auto bits = static_cast<std::uint32_t>(std::bit_width(config.vocab_size));  // And the pad.
  head.digit_bits_high = (bits + 1) / 2;
  head.digit_bits_low = bits / 2;
  return head;
}

}  // namespace

Result<Plan> CompileDecoder(const FloatModel& model, const Length& length,
                            const std::vector<Text>& calibration, const CompileOptions& options) {
  const auto bad = [](const std::string& what) {
    return Fail(ErrorCode::kInvalidArgument, "compiling the model: " + what);
  };
  const ModelConfig& config = model.config;
  const std::uint64_t positions = std::uint64_t{length.tokens} + length.generated - 1;
  if (length.tokens < 1 || length.generated < 1 || positions > config.max_position_embeddings) {
    return bad("prompt and answer must have at least a token each, and together at most " +
               std::to_string(config.max_position_embeddings + 1));
  }
  if (!(options.temperature >= 0 && options.temperature <= 100)) {
    return bad("the temperature must be from 0 to 100");
  }
  if (options.temperature > 0 && options.builder.sets > kNoisePartsMax) {
    return bad("sampling is for committees of 4 or 7 members");
  }
  if (calibration.empty()) return bad("needs at least one calibration text");
  for (const Text& text : calibration) {
    if (text.empty() ||
        std::ranges::any_of(text, [&](std::uint32_t id) { return id >= config.vocab_size; })) {
      return bad("a calibration text is empty, or has ids beyond the vocabulary");
    }
  }
  const auto all = static_cast<std::uint32_t>(positions);
  const std::vector<Text> texts =
      DecoderTexts(model, calibration, length.tokens, all, PadToken(config), options.texts_max);
  const auto compile = [&](const BuilderOptions& tried) -> Result<Compiled> {
    CompileOptions with = options;
    with.builder = tried;
    PlanBuilder measured(HeadOf(config, all), texts, tried);
    Compiler calibrating(model, length, with, measured, {});
    calibrating.Calibrate();
    if (!measured.ok()) return tl::unexpected(measured.Finish().error());
    PlanBuilder builder(HeadOf(config, length.tokens), measured.decisions(), measured.maps(),
                        tried);
    Compiler compiling(model, length, with, builder, calibrating.softenings());
    compiling.Generate();
    auto plan = builder.Finish();
    if (!plan) return tl::unexpected(plan.error());
    return Compiled{std::move(*plan), measured.byte_error(), calibrating.difference()};
  };
  return CompileWithinError(model, options.builder, options.weight_error, compile);
}

}  // namespace mpc
