#include "mpc/model/effect.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "mpc/model/compile.h"

namespace mpc {

namespace {

constexpr std::size_t kTexts = 16;
constexpr std::size_t kTextsOfLarge = 1;  // Of a model that is read from its files.
constexpr double kShy = 0.8;              // The next try aims at so much of what is allowed.

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

proto::Result<Plan> CompileWithinError(
    const FloatModel& model, const BuilderOptions& options, double weight_error,
    const std::function<proto::Result<Compiled>(const BuilderOptions&)>& compile) {
  auto first = compile(options);
  if (!first) return tl::unexpected(first.error());
  if (first->byte_error == 0 || first->difference <= weight_error) return std::move(first->plan);
  BuilderOptions other = options;
  other.byte_error = 0;
  auto without = compile(other);
  if (!without) return tl::unexpected(without.error());
  // Of the weights, as errors of weights and functions are independent.
  const auto effect = [&](const Compiled& compiled) {
    const double difference = compiled.difference, functions = without->difference;
    return std::sqrt(std::max(0.0, difference * difference - functions * functions));
  };
  if (effect(*first) <= weight_error) return std::move(first->plan);
  if (!model.words_source) {
    other.byte_error = first->byte_error * kShy * weight_error / effect(*first);
    auto fewer = compile(other);
    if (!fewer) return tl::unexpected(fewer.error());
    if (effect(*fewer) <= weight_error) return std::move(fewer->plan);
  }
  return std::move(without->plan);
}

}  // namespace mpc
