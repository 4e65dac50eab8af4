// A whole committee on one machine, for the benches: a process a member, joined by sockets, each
// with its own memory and its own keys from a dealer.
//
// Members run mpc::Attempt and mpc::Session as a validator does; what they send is encoded, carried
// and decoded, and counted. The parent plays the ledger: it fixes the first certificate of each
// layer it sees and passes the verdict; a dead attempt is made again. Ordering itself costs nothing
// here: consensus has a bench of its own.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "mpc/plan/plan.h"
#include "mpc/preprocessing/attempt.h"
#include "proto/base/result.h"

namespace node {

struct CommitteeOptions {
  std::uint16_t members = 4;
  // The last member lies: its keys are not the others'. In preprocessing until an attempt leaves
  // it out, online in every opening.
  bool lie = false;
  std::uint32_t delay_ms = 0;      // Of every message between members and of the ledger's.
  std::uint32_t input_rounds = 0;  // Online rounds before the clock starts.
  // Opened values that an attempt prepares at most, about: more take several attempts.
  std::uint64_t segment_values = mpc::kKeptValuesMax;
  // Of every member's heap, touched before the clocks start.
  std::uint64_t warm_bytes = 0;
  // Where a member keeps the bundle of several attempts, in a file that is gone with its process.
  std::string directory = "/tmp";
};

struct MemberFigures {
  double cpu_preprocessing_s = 0;
  double cpu_online_s = 0;                // After the input's rounds.
  std::uint64_t preprocessing_bytes = 0;  // Sent.
  std::uint64_t input_bytes = 0;          // Sent online in the input's rounds.
  std::uint64_t online_bytes = 0;         // Sent online after them.
  std::uint64_t memory_bytes = 0;         // The largest resident set, without mapped files.
};

struct CommitteeFigures {
  double preprocessing_s = 0;
  double online_s = 0;
  std::uint32_t attempts = 0;  // Dead ones included.
  std::uint32_t segments = 0;  // Of the plan, prepared one after the other (mpc::CutPlan).
  std::uint32_t layers = 0;    // Fixed for the bundle.
  std::uint32_t rounds = 0;
  std::vector<MemberFigures> members;
  std::vector<double> outputs;  // In real units, row-major.
  std::vector<std::uint16_t> accused;
};

// Runs one bundle and one request over it.
proto::Result<CommitteeFigures> RunCommittee(std::shared_ptr<const mpc::Plan> plan,
                                             const std::vector<std::uint32_t>& ids,
                                             const CommitteeOptions& options);

}  // namespace node
