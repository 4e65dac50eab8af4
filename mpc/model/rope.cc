#include "mpc/model/rope.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numbers>

#include "mpc/model/json.h"

namespace mpc {

namespace {

using nlohmann::json;
using proto::Fail;

// `otherwise` where the field is absent; no number, where it is none.
double Number(const json& from, const char* name, double otherwise) {
  const json& value = JsonField(from, name);
  if (value.is_null()) return otherwise;
  return value.is_number() ? value.get<double>() : std::numeric_limits<double>::quiet_NaN();
}

// Frequencies of few turns within the original length are divided by the factor, those of many
// stay, and between them the change is smooth.
void ScaleLlama3(double low, double high, double factor, double original, std::vector<double>& f) {
  for (double& frequency : f) {
    const double turns = original * frequency / (2 * std::numbers::pi);
    const double smooth = std::clamp((turns - low) / (high - low), 0.0, 1.0);
    frequency *= (1 - smooth) / factor + smooth;
  }
}

void ScaleYarn(double fast, double slow, bool truncate, double theta, double factor,
               double original, std::vector<double>& f) {
  const double width = 2 * static_cast<double>(f.size());
  const auto pair_of = [&](double turns) {
    return width * std::log(original / (turns * 2 * std::numbers::pi)) / (2 * std::log(theta));
  };
  double low = pair_of(fast);
  double high = pair_of(slow);
  if (truncate) {
    low = std::floor(low);
    high = std::ceil(high);
  }
  low = std::max(low, 0.0);
  high = std::min(high, width - 1);
  if (low == high) high += 0.001;
  for (std::size_t i = 0; i < f.size(); ++i) {
    const double ramp = std::clamp((static_cast<double>(i) - low) / (high - low), 0.0, 1.0);
    f[i] *= ramp / factor + (1 - ramp);
  }
}

}  // namespace

proto::Result<Rope> ParseRope(const json& config, std::uint32_t head_width,
                              std::uint32_t positions) {
  const auto bad = [](const std::string& what) {
    return Fail(proto::ErrorCode::kInvalidArgument, what);
  };
  json scaling = json::object();
  for (const char* name : {"rope_scaling", "rope_parameters"}) {
    const json& found = JsonField(config, name);
    if (found.is_null()) continue;
    if (!found.is_object()) return bad(std::string(name) + " is no object");
    scaling = found;
  }
  const double theta = Number(scaling, "rope_theta", Number(config, "rope_theta", 10000));
  if (!(theta > 1 && theta < 1e12)) return bad("rope_theta is out of range");
  if (Number(config, "partial_rotary_factor", 1) != 1 ||
      Number(scaling, "partial_rotary_factor", 1) != 1) {
    return bad("partial_rotary_factor is not supported (supported: 1)");
  }
  Rope rope;
  for (std::uint32_t i = 0; i < head_width / 2; ++i) {
    rope.frequencies.push_back(std::pow(theta, -2.0 * i / head_width));
  }
  std::string kind = "default";
  for (const char* name : {"type", "rope_type"}) {
    const json& found = JsonField(scaling, name);
    if (found.is_null()) continue;
    if (!found.is_string()) return bad("rope_scaling's type is no text");
    kind = found.get<std::string>();
  }
  const double factor = Number(scaling, "factor", 1);
  if (!(factor >= 1 && factor < 1e6)) return bad("rope_scaling's factor is out of range");
  const double original =
      Number(scaling, "original_max_position_embeddings", static_cast<double>(positions));
  if (!(original >= 1 && original < 1e9)) {
    return bad("original_max_position_embeddings is out of range");
  }
  if (kind == "linear") {
    for (double& frequency : rope.frequencies) frequency /= factor;
  } else if (kind == "llama3") {
    const double low = Number(scaling, "low_freq_factor", 1);
    const double high = Number(scaling, "high_freq_factor", 4);
    if (!(low > 0 && high > low && high < 1e6)) {
      return bad("low_freq_factor and high_freq_factor are out of range");
    }
    ScaleLlama3(low, high, factor, original, rope.frequencies);
  } else if (kind == "yarn") {
    const double fast = Number(scaling, "beta_fast", 32), slow = Number(scaling, "beta_slow", 1);
    if (!(slow > 0 && fast >= slow && fast < 1e6)) {
      return bad("beta_fast and beta_slow are out of range");
    }
    ScaleYarn(fast, slow, JsonField(scaling, "truncate") != false, theta, factor, original,
              rope.frequencies);
    const double usual = factor <= 1 ? 1 : 0.1 * std::log(factor) + 1;
    rope.scale = Number(scaling, "attention_factor", usual);
    if (!(rope.scale > 0 && rope.scale < 100)) return bad("attention_factor is out of range");
    if (scaling.contains("mscale") || scaling.contains("mscale_all_dim")) {
      return bad("rope_scaling mscale is not supported");
    }
  } else if (kind != "default" && kind != "dynamic") {
    return bad("rope_scaling " + kind.substr(0, 64) +
               " is not supported (supported: default, linear, dynamic, llama3, yarn)");
  }
  return rope;
}

}  // namespace mpc
