// pool, pool fill: the preprocessed bundles of each model. The committee fills its pools by itself;
// `fill` waits for it, and says how far it is.
#include <algorithm>
#include <cstdio>
#include <memory>
#include <optional>
#include <string>

#include <CLI/CLI.hpp>

#include "node/cli/commands.h"
#include "node/cli/pool.h"

namespace node {
namespace {

using nlohmann::json;
using proto::Result;

struct PoolOptions {
  Access access;
  std::string model;  // Name or id; empty: all.
  int minutes = 24 * 60;
  bool as_json = false;
};

// The pools of the chosen model.
Result<std::vector<PoolState>> Pools(const Client& client, const std::string& model) {
  const auto answer = client.Any("pool", json::object());
  if (!answer) return tl::unexpected(answer.error());
  auto pools = ReadPools(*answer);
  if (!pools) return pools;
  std::erase_if(*pools, [&](const PoolState& pool) {
    return !model.empty() && pool.name != model && pool.model != model;
  });
  if (pools->empty()) {
    return proto::Fail(proto::ErrorCode::kNotFound,
                       model.empty() ? "no model is registered" : "no model is called " + model);
  }
  return pools;
}

json ToJson(const std::vector<PoolState>& pools) {
  json out = json::array();
  for (const PoolState& pool : pools) {
    out.push_back({{"model", pool.model},
                   {"name", pool.name},
                   {"tokens", pool.tokens},
                   {"ready", pool.ready},
                   {"target", pool.target},
                   {"waiting", pool.waiting},
                   {"in_progress", pool.started.size()},
                   {"filled", pool.filled()}});
  }
  return out;
}

Result<> ShowPools(const PoolOptions& options) {
  const auto client = options.access.Open();
  if (!client) return tl::unexpected(client.error());
  const auto pools = Pools(*client, options.model);
  if (!pools) return tl::unexpected(pools.error());
  if (options.as_json) {
    PrintJson(ToJson(*pools));
    return {};
  }
  for (const PoolState& pool : *pools) std::printf("%s\n", Describe(pool).c_str());
  return {};
}

Result<> FillPools(const PoolOptions& options) {
  const auto client = options.access.Open();
  if (!client) return tl::unexpected(client.error());
  PoolRate rate;
  std::string shown;
  const auto full = client->WaitFor(
      "full pools", std::chrono::minutes(options.minutes), [&]() -> Result<std::optional<json>> {
        const auto pools = Pools(*client, options.model);
        if (!pools) return tl::unexpected(pools.error());
        rate.Add(*pools, std::chrono::steady_clock::now());
        std::string lines;
        for (const PoolState& pool : *pools) {
          if (!pool.full()) lines += (lines.empty() ? "" : "\n") + Describe(pool);
        }
        if (lines.empty()) return std::optional(ToJson(*pools));
        if (lines != shown) {
          SayProgress(lines);
          if (const auto left = rate.seconds_left()) {
            char text[96];
            std::snprintf(text, sizeof text, "  %.1f bundles an hour, %.0f s left",
                          rate.bundles_per_hour(), *left);
            SayProgress(text);
          }
        }
        shown = std::move(lines);
        return std::nullopt;
      });
  if (!full) return tl::unexpected(full.error());
  if (options.as_json) {
    PrintJson({{"pools", *full},
               {"seconds", rate.seconds()},
               {"bundles_per_hour", rate.bundles_per_hour()}});
  } else {
    std::printf("all pools are full; %.1f s, %.1f bundles an hour\n", rate.seconds(),
                rate.bundles_per_hour());
  }
  return {};
}

void AddOptions(CLI::App& command, PoolOptions& options) {
  options.access.AddTo(command);
  command.add_option("--model", options.model, "Name or id of a model; else all");
  command.add_flag("--json", options.as_json, "Print one JSON value");
}

}  // namespace

void AddPoolCommand(CLI::App& app, Command& run) {
  CLI::App* pool = app.add_subcommand("pool", "Show the preprocessed bundles of each model");
  const auto shown = std::make_shared<PoolOptions>();
  AddOptions(*pool, *shown);
  pool->callback([&run, shown, pool] {
    if (pool->get_subcommands().empty()) run = [shown] { return ShowPools(*shown); };
  });
  CLI::App* fill = pool->add_subcommand("fill", "Wait until the pools are full");
  const auto filled = std::make_shared<PoolOptions>();
  AddOptions(*fill, *filled);
  fill->add_option("--minutes", filled->minutes, "How long to wait at most")
      ->capture_default_str()
      ->check(CLI::Range(1, 30 * 24 * 60));
  fill->callback([&run, filled] { run = [filled] { return FillPools(*filled); }; });
}

}  // namespace node
