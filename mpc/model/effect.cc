#include "mpc/model/effect.h"

#include <algorithm>
#include <cmath>

#include "mpc/model/compile.h"

namespace mpc {

namespace {

constexpr std::size_t kTexts = 16;
constexpr std::size_t kTextsOfLarge = 1;  // Of a model that is read from its files.
constexpr unsigned kTriesMax = 2;
constexpr double kShy = 0.8;  // The next try aims at so much of what is allowed.

}  // namespace

double ResultDifference(const FloatModel& model, const PlanBuilder& built, TensorId result) {
  const ModelConfig& config = model.config;
  const std::uint32_t pad = PadToken(config);
  const std::size_t count = model.words_source ? kTextsOfLarge : kTexts;
  const std::size_t step = std::max<std::size_t>(1, built.texts().size() / count);
  double differences = 0, squares = 0, elements = 0;
  for (std::size_t text = 0; text < built.texts().size(); text += step) {
    std::vector<std::uint32_t> ids = built.texts()[text];
    while (!config.decoder() && ids.size() > 1 && ids.back() == pad) ids.pop_back();
    if (config.decoder()) std::erase(ids, pad);
    const bool sum = config.task == Task::kEmbed && config.pooling == Pooling::kMean;
    const double parts = sum ? static_cast<double>(ids.size()) : 1;
    const std::vector<double> want = model.Logits(ids);
    const std::vector<double> got = built.Values(result, text);
    const std::size_t first = got.size() - want.size();
    for (std::size_t i = 0; i < want.size(); ++i) {
      const double difference = got[first + i] / parts - want[i];
      differences += difference * difference;
      squares += want[i] * want[i];
    }
    elements += static_cast<double>(want.size());
  }
  return std::sqrt(differences / (config.task == Task::kEmbed ? squares : elements));
}

std::optional<double> NextByteError(const FloatModel& model, const PlanBuilder& built,
                                    double difference, double most, unsigned tries) {
  if (built.byte_error() == 0 || difference <= most) return std::nullopt;
  // A large model leaves as much in its file at each try.
  return tries < kTriesMax && !model.words_source ? built.byte_error() * kShy * most / difference
                                                  : 0;
}

}  // namespace mpc
