// The verification's challenges: one threshold coin a step, named by what the ledger has fixed.
//
// A member releases its share of step s only once the layers that the coin's name covers are on the
// ledger. With a threshold above t no coalition of t knows the coin before, so what is fixed cannot
// depend on it; and nobody can hold it back, for n - t honest shares are enough.
#pragma once

#include <map>
#include <optional>
#include <vector>

#include "mpc/party.h"
#include "proto/protocol.h"
#include "proto/wire/attempt_message.h"

namespace mpc {

class Challenges {
 public:
  // Steps 0 .. count - 1.
  Challenges(const PartyContext& context, std::uint64_t attempt, std::uint32_t count);

  std::uint32_t count() const { return static_cast<std::uint32_t>(steps_.size()); }
  // The steps named so far, in order.
  std::uint32_t named() const { return static_cast<std::uint32_t>(own_.size()); }
  // Names the next step's coin and makes this member's share. Faults of those who had sent a wrong
  // one are reported.
  void Name(const proto::Digest& name, std::vector<proto::Fault>& faults);
  // This member's shares, by step.
  const std::vector<proto::CoinShareMessage>& own() const { return own_; }

  // A party's share, verified once its step is named. Its step is below count() (CHECKed).
  void Add(proto::PartyId from, const proto::CoinShareMessage& message,
           std::vector<proto::Fault>& faults);
  const std::optional<proto::Digest>& coin(std::uint32_t step) const { return steps_[step].coin; }

 private:
  struct StepState {
    proto::Digest name;
    std::map<proto::PartyId, proto::CoinShare> waiting;  // Until the step is named.
    std::map<proto::PartyId, proto::CoinShare> verified;
    std::optional<proto::Digest> coin;
  };
  void Check(StepState& state, proto::PartyId from, const proto::CoinShare& share,
             std::vector<proto::Fault>& faults);

  const PartyContext& context_;
  const std::uint64_t attempt_;
  std::vector<StepState> steps_;
  std::vector<proto::CoinShareMessage> own_;
};

}  // namespace mpc
