#include "node/cli/evaluation.h"

#include <algorithm>
#include <cmath>

#include <nlohmann/json.hpp>

#include "mpc/model/compile.h"
#include "mpc/sharing/replicated.h"
#include "proto/base/check.h"

namespace node {

using nlohmann::json;

namespace {

constexpr std::size_t kSampledTexts = 8;
constexpr std::size_t kSampledTextsOfLarge = 2;  // Of a model that is read from its files.

std::size_t Best(const std::vector<double>& values) {
  return static_cast<std::size_t>(std::ranges::max_element(values) - values.begin());
}

// By how much the best exceeds the second.
double GapOf(std::vector<double> values) {
  if (values.size() < 2) return INFINITY;
  std::partial_sort(values.begin(), values.begin() + 2, values.end(), std::greater<>());
  return values[0] - values[1];
}

// Their cosine.
double CompareVectors(const std::vector<double>& got, const std::vector<double>& want,
                      Agreement& agreement) {
  CHECK(got.size() == want.size());
  double sum = 0, dot = 0, got_square = 0, want_square = 0;
  for (std::size_t i = 0; i < got.size(); ++i) {
    const double difference = std::abs(got[i] - want[i]);
    agreement.worst_difference = std::max(agreement.worst_difference, difference);
    sum += difference;
    dot += got[i] * want[i];
    got_square += got[i] * got[i];
    want_square += want[i] * want[i];
  }
  const auto texts = static_cast<double>(agreement.texts);
  agreement.mean_difference +=
      (sum / static_cast<double>(got.size()) - agreement.mean_difference) / texts;
  const double cosine = dot / std::sqrt(got_square * want_square);
  agreement.least_cosine = std::min(agreement.least_cosine, cosine);
  return cosine;
}

void CompareTokens(const LocalModel& model, const std::vector<std::uint32_t>& ids,
                   const std::vector<double>& got, Agreement& agreement) {
  const mpc::Continuation want = mpc::ContinueGreedily(model.reference, ids, got.size());
  for (std::size_t i = 0; i < got.size(); ++i) {
    if (want.gaps[i] <= Agreement::kGap) break;
    ++agreement.tokens;
    if (got[i] != want.ids[i]) return;
    ++agreement.tokens_same;
    const auto& ends = model.reference.config.eos_token_ids;
    if (std::ranges::find(ends, want.ids[i]) != ends.end()) break;
  }
  ++agreement.same;
}

}  // namespace

json ToJson(const Agreement& a) {
  json out = {{"texts", a.texts}, {"same", a.same}};
  if (a.labelled > 0) {
    out["accuracy"] = static_cast<double>(a.right) / static_cast<double>(a.labelled);
    out["float_accuracy"] = static_cast<double>(a.right_float) / static_cast<double>(a.labelled);
  }
  if (a.tokens > 0) {
    out["tokens"] = a.tokens;
    out["tokens_same"] = a.tokens_same;
  } else {
    out["worst_difference"] = a.worst_difference;
    out["mean_difference"] = a.mean_difference;
    out["least_cosine"] = a.least_cosine;
  }
  out["flagged"] = a.flagged;
  out["flagged_wrong"] = a.flagged_wrong;
  return out;
}

namespace {

void CompareAnswer(const LocalModel& model, const std::vector<std::uint32_t>& ids,
                   std::optional<std::uint32_t> label, std::vector<double> outputs,
                   Agreement& agreement) {
  ++agreement.texts;
  const mpc::ModelConfig& config = model.reference.config;
  if (config.decoder()) return CompareTokens(model, ids, outputs, agreement);
  if (config.task == mpc::Task::kEmbed && config.pooling == mpc::Pooling::kMean) {
    for (double& value : outputs) value /= static_cast<double>(ids.size());
  }
  const std::vector<double> want = model.reference.Logits(ids);
  const double cosine = CompareVectors(outputs, want, agreement);
  if (config.task == mpc::Task::kEmbed) {
    agreement.same += cosine >= Agreement::kCosine ? 1 : 0;
    return;
  }
  const std::size_t best = Best(outputs), float_best = Best(want);
  agreement.same += best == float_best || GapOf(want) <= Agreement::kGap ? 1 : 0;
  if (!label) return;
  ++agreement.labelled;
  agreement.right += best == *label ? 1 : 0;
  agreement.right_float += float_best == *label ? 1 : 0;
}

}  // namespace

void Compare(const LocalModel& model, const std::vector<std::uint32_t>& ids,
             std::optional<std::uint32_t> label, std::vector<double> outputs, bool in_range,
             Agreement& agreement) {
  const std::size_t same = agreement.same;
  CompareAnswer(model, ids, label, std::move(outputs), agreement);
  if (in_range) return;
  ++agreement.flagged;
  agreement.flagged_wrong += agreement.same == same ? 1 : 0;
}

mpc::FixedEvaluation EvaluateHere(const LocalModel& model, const mpc::Plan& plan,
                                  const std::vector<std::uint32_t>& ids, std::uint16_t validators,
                                  std::uint64_t seed) {
  const mpc::ReplicatedSets sets{proto::Committee(validators)};
  const mpc::ModelConfig& config = model.reference.config;
  const auto padded = mpc::PadText(ids, plan.tokens, mpc::PadToken(config), config.decoder());
  CHECK(padded.has_value());
  return mpc::EvaluateFixed(plan, *padded, seed, static_cast<unsigned>(sets.count()));
}

Agreement ExpectedError(const LocalModel& model, const mpc::Plan& plan, std::uint16_t validators) {
  Agreement agreement;
  const std::size_t texts = model.reference.words_source ? kSampledTextsOfLarge : kSampledTexts;
  const std::size_t step = std::max<std::size_t>(1, model.calibration.size() / texts);
  for (std::size_t i = 0; i < model.calibration.size(); i += step) {
    std::vector<std::uint32_t> ids = model.tokenizer.Encode(model.calibration[i]);
    if (ids.size() > plan.tokens) ids.resize(plan.tokens);
    if (ids.empty()) continue;
    mpc::FixedEvaluation got = EvaluateHere(model, plan, ids, validators, i);
    const bool in_range = mpc::InRange(got.flags);
    Compare(model, ids, std::nullopt, std::move(got.outputs), in_range, agreement);
  }
  return agreement;
}

}  // namespace node
