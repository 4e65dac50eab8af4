// What a plan costs: the reader that only counts.
#pragma once

#include <cstdint>
#include <vector>

#include "mpc/plan/plan.h"
#include "mpc/sharing/batch.h"
#include "proto/committee.h"

namespace mpc {

struct Cost {
  std::uint64_t openings = 0;      // Values opened online, the output's not counted.
  std::uint32_t rounds = 0;        // Online rounds.
  std::uint32_t exchanges = 0;     // Message delays online: one a round, two of one in batches.
  std::uint64_t online_bytes = 0;  // All members together, elements only.
  // Values opened in preprocessing, by layer; its verification comes on top (a few values).
  std::vector<std::uint64_t> products;
  std::uint64_t products_total = 0;
  std::uint64_t preprocessing_bytes = 0;  // All members together: n - t vectors to one king and its
                                          // answer to all.
  std::uint64_t bundle_bytes = 0;         // One member's shares at rest.
  double leakage_bits = 0;                // LeakageBits under the committee's masks.
};

// What one round of openings takes: all that its operations open, in one vector or in batches.
OpeningCost CostOfRound(const Plan& plan, const std::vector<TensorId>& round,
                        const proto::Committee& committee,
                        std::uint64_t batch_saving_min = kBatchSavingMin);

// `plan` must be valid. Without the bits of a run to its end (Plan::ends), one a step at most.
Cost CountCost(const Plan& plan, const proto::Committee& committee,
               std::uint64_t batch_saving_min = kBatchSavingMin);

}  // namespace mpc
