// An answer as it comes: decoded step by step from what each validator has computed of it
// (`request_progress`), before it stands on the ledger.
//
// Guarantee: a step is decoded from 2t + 1 shares that lie on one polynomial of degree t, each
// signed by its validator as one of this step of this request. With at most t validators wrong it
// is what the ledger's record will hold, and t that lie, are silent or send what is not theirs stop
// nothing: the n - t others suffice. The client compares the record, which is proved, with what it
// has shown.
//
// A validator's shares are taken once and in order; what it says later about the same step counts
// no more. Pure: who asks the validators, and when, is the caller's matter.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "mpc/sharing/shamir.h"
#include "node/ledger/block.h"
#include "proto/base/result.h"

namespace node {

class AnswerStream {
 public:
  // `steps` of `group` outputs each; `members` of the bundle's epoch.
  AnswerStream(Members members, const proto::Digest& chain, std::uint64_t request,
               std::uint32_t steps, std::size_t group);

  // What to ask a validator for next.
  std::uint32_t next_step(proto::PartyId party) const { return received_[Index(party)]; }
  // Its answer, for the steps from next_step(party) on. What comes before a step that is malformed,
  // of another step or request, or not signed by it is taken; then kCorrupt with the reason.
  proto::Result<> Add(proto::PartyId party, const nlohmann::json& answer);
  // The masked outputs of the steps that are decoded, from the first on.
  std::span<const mpc::Fp> decoded() const { return decoded_; }
  // Validators that gave a wrong share, ascending.
  std::vector<proto::PartyId> wrong() const;

 private:
  const Members members_;
  const proto::Digest chain_;
  const std::uint64_t request_;
  const std::size_t group_;
  std::vector<mpc::RobustDecoder> decoders_;  // By step.
  std::vector<std::uint32_t> received_;       // Steps, by party.
  std::size_t steps_decoded_ = 0;
  std::vector<mpc::Fp> decoded_;
};

}  // namespace node
