#include "mpc/model/calibration.h"

#include <algorithm>

namespace mpc {

namespace {

using Text = std::vector<std::uint32_t>;

constexpr std::size_t kBeginningMax = 5;  // Words of a text's beginning.

// Of decoders, and how much may be computed for them in the clear and for the words that the model
// itself continues them with: weights times tokens.
constexpr std::size_t kTextsMin = 24, kTextsMax = 96;
constexpr double kCalibrationWork = 2e10, kContinuationWork = 5e9;

// Texts of exactly `length` tokens, of which the first `tokens` may be padded, by all amounts in
// turn; the samples are joined and cut.
std::vector<Text> SampleTexts(const std::vector<Text>& from, std::uint32_t tokens,
                              std::uint32_t length, std::uint32_t pad, std::size_t at_most) {
  std::vector<Text> texts;
  const std::size_t count = std::min(at_most, std::max<std::size_t>(2 * from.size(), 8));
  for (std::size_t i = 0; i < count; ++i) {
    const auto pads = static_cast<std::size_t>(i % 3 == 0   ? 0
                                               : i % 3 == 1 ? tokens - 1 - i / 3 % tokens
                                                            : i * 7 % tokens);
    Text text(pads, pad);
    for (std::size_t j = i; text.size() < length; ++j) {
      const Text& next = from[j % from.size()];
      text.insert(text.end(), next.begin(), next.end());
    }
    text.resize(length);
    texts.push_back(std::move(text));
  }
  return texts;
}

double WeightsOf(const FloatModel& model) {
  double weights = 0;
  for (const LayerWeights& layer : model.layers) {
    for (const DenseWeights* const dense :
         {&layer.query, &layer.key, &layer.value, &layer.attention_output, &layer.gate,
          &layer.intermediate, &layer.output}) {
      weights += static_cast<double>(dense->in) * static_cast<double>(dense->out);
    }
  }
  return weights;
}

void ContinueTexts(const FloatModel& model, std::uint32_t tokens, std::uint32_t pad,
                   std::vector<Text>& texts) {
  if (model.words_source) return;
  const auto& ends = model.config.eos_token_ids;
  const double weights = WeightsOf(model);
  double work = kContinuationWork;
  for (std::size_t i = 1; i < texts.size(); i += 2) {
    Text& text = texts[i];
    const std::size_t steps = text.size() - tokens;
    work -= weights * static_cast<double>(steps * text.size());
    if (work < 0) return;
    const auto begin = std::ranges::find_if(text, [pad](std::uint32_t id) { return id != pad; });
    const Text prompt(begin, text.begin() + tokens);
    const Continuation own = ContinueGreedily(model, prompt, steps);
    for (std::size_t j = 0; j < steps; ++j) {
      if (std::ranges::find(ends, own.ids[j]) != ends.end()) break;
      text[tokens + j] = own.ids[j];
    }
  }
}

}  // namespace

std::vector<Text> EncoderTexts(const std::vector<Text>& from, std::uint32_t tokens,
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
    if (const std::size_t words = 1 + i % kBeginningMax; from[i].size() > words + 2) {
      Text beginning(from[i].begin(), from[i].begin() + static_cast<std::ptrdiff_t>(1 + words));
      beginning.push_back(from[i].back());
      add(std::move(beginning));
    }
  }
  add({from[0][0], from[0].back()});  // As short as a text can be.
  // The first is always kept, and shows what a pad's row is.
  if (texts[0].back() != pad) {
    Text shorter = texts[0];
    shorter[tokens - 2] = shorter.back();
    shorter.back() = pad;
    texts.insert(texts.begin(), std::move(shorter));
  }
  return texts;
}

std::vector<Text> DecoderTexts(const FloatModel& model, const std::vector<Text>& samples,
                               std::uint32_t tokens, std::uint32_t length, std::uint32_t pad,
                               std::size_t at_most) {
  const double affordable = kCalibrationWork / (WeightsOf(model) * length);
  const auto most = static_cast<std::size_t>(
      std::clamp<double>(affordable, double{kTextsMin}, double{kTextsMax}));
  std::vector<Text> texts = SampleTexts(samples, tokens, length, pad, std::min(at_most, most));
  ContinueTexts(model, tokens, pad, texts);
  return texts;
}

}  // namespace mpc
