// Pools of preprocessed bundles as people see them, from the answers of the RPC method `pool`.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <nlohmann/json.hpp>

#include "proto/base/result.h"

namespace node {

// The stock of one model at one length.
struct PoolState {
  std::string model;
  std::string name;
  std::uint64_t tokens = 0;
  std::size_t ready = 0;
  std::size_t target = 0;
  std::size_t waiting = 0;  // Requests without a bundle.
  struct Started {
    std::uint64_t attempt = 0;
    std::size_t layers_fixed = 0;
    std::size_t layers_needed = 0;
  };
  std::vector<Started> started;

  bool full() const { return ready >= target; }
  // Of all layers that a full pool takes, the part that is fixed; from 0 to 1.
  double filled() const;
};

// kCorrupt where a validator's answer is not of this form.
proto::Result<std::vector<PoolState>> ReadPools(const nlohmann::json& answer);

// "sentiment, 32 tokens: 2 of 8 bundles ready (31 %), attempt 3 at layer 4 of 9".
std::string Describe(const PoolState& pool);

// How fast bundles come, from what is ready and fixed at two times.
class PoolRate {
 public:
  using Time = std::chrono::steady_clock::time_point;
  // What `pools` hold at `now`; the first call starts the measurement.
  void Add(const std::vector<PoolState>& pools, Time now);
  double seconds() const { return seconds_; }
  // Bundles an hour since the first call, layers of attempts in progress counted; bundles that were
  // used meanwhile are not. 0 while nothing has come.
  double bundles_per_hour() const;
  // Until all pools are full at that rate; none while there is no rate.
  std::optional<double> seconds_left() const;

 private:
  std::optional<std::pair<Time, double>> first_;
  double seconds_ = 0;
  double bundles_ = 0;  // In stock, parts counted.
  double wanted_ = 0;
};

}  // namespace node
