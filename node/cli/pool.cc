#include "node/cli/pool.h"

#include <algorithm>
#include <cstdio>

namespace node {

using nlohmann::json;
using proto::Result;

double PoolState::filled() const {
  if (full()) return 1;
  double bundles = static_cast<double>(ready);
  for (const Started& attempt : started) {
    bundles += static_cast<double>(attempt.layers_fixed) /
               static_cast<double>(std::max<std::size_t>(1, attempt.layers_needed));
  }
  return std::min(1.0, bundles / static_cast<double>(target));
}

Result<std::vector<PoolState>> ReadPools(const json& answer) {
  const auto corrupt = proto::Fail(proto::ErrorCode::kCorrupt,
                                   "the validator's answer about its pools cannot be read");
  const auto number = [](const json& object, const char* name) -> std::optional<std::uint64_t> {
    const auto value = object.find(name);
    if (value == object.end() || !value->is_number_unsigned()) return std::nullopt;
    return value->get<std::uint64_t>();
  };
  if (!answer.is_array()) return corrupt;
  std::vector<PoolState> pools;
  for (const json& entry : answer) {
    if (!entry.is_object() || !entry.contains("started") || !entry["started"].is_array()) {
      return corrupt;
    }
    const auto tokens = number(entry, "tokens");
    const auto ready = number(entry, "ready");
    const auto target = number(entry, "target");
    const auto waiting = number(entry, "waiting");
    if (!tokens || !ready || !target || !waiting) return corrupt;
    if (!entry.contains("model") || !entry["model"].is_string()) return corrupt;
    if (!entry.contains("name") || !entry["name"].is_string()) return corrupt;
    PoolState& pool = pools.emplace_back();
    pool = {entry["model"], entry["name"], *tokens, *ready, *target, *waiting, {}};
    for (const json& started : entry["started"]) {
      if (!started.is_object()) return corrupt;
      const auto attempt = number(started, "attempt");
      const auto fixed = number(started, "layers_fixed");
      const auto needed = number(started, "layers_needed");
      if (!attempt || !fixed || !needed) return corrupt;
      pool.started.push_back({*attempt, *fixed, *needed});
    }
  }
  return pools;
}

std::string Describe(const PoolState& pool) {
  char text[256];
  std::snprintf(text, sizeof text, "%.96s, %llu tokens: %zu of %zu bundles ready (%.0f %%)",
                pool.name.c_str(), static_cast<unsigned long long>(pool.tokens), pool.ready,
                pool.target, 100 * pool.filled());
  std::string line = text;
  for (const PoolState::Started& attempt : pool.started) {
    line += ", attempt " + std::to_string(attempt.attempt) + " at layer " +
            std::to_string(attempt.layers_fixed) + " of " + std::to_string(attempt.layers_needed);
  }
  if (pool.waiting > 0) line += ", " + std::to_string(pool.waiting) + " requests wait";
  return line;
}

void PoolRate::Add(const std::vector<PoolState>& pools, Time now) {
  bundles_ = wanted_ = 0;
  for (const PoolState& pool : pools) {
    bundles_ += pool.filled() * static_cast<double>(pool.target);
    wanted_ += static_cast<double>(pool.target);
  }
  if (!first_) first_ = {now, bundles_};
  seconds_ = std::chrono::duration<double>(now - first_->first).count();
}

double PoolRate::bundles_per_hour() const {
  if (!first_ || seconds_ <= 0) return 0;
  return std::max(0.0, bundles_ - first_->second) / seconds_ * 3600;
}

std::optional<double> PoolRate::seconds_left() const {
  const double rate = bundles_per_hour();
  if (rate <= 0) return std::nullopt;
  return (wanted_ - bundles_) / rate * 3600;
}

}  // namespace node
