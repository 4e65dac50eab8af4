// Subscribes with the validators to what they compute of an answer, until stopped.
//
// A thread each, so that one that is slow or silent holds up nobody; they may outlive the watch.
#pragma once

#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "node/cli/answer_stream.h"
#include "node/cli/masks.h"

namespace node {

class AnswerWatch {
 public:
  // Masked outputs of the step that follows those given before. Called from other threads, by one
  // at a time, and not after Stop.
  using OnStep = std::function<void(std::span<const mpc::Fp>)>;

  AnswerWatch(const Computing& computing, const proto::Digest& chain, std::uint64_t request,
              std::uint32_t steps, std::size_t group, OnStep on_step);
  ~AnswerWatch();
  AnswerWatch(const AnswerWatch&) = delete;
  AnswerWatch& operator=(const AnswerWatch&) = delete;

  struct Seen {
    std::vector<mpc::Fp> masked;        // Of the steps that were given.
    std::vector<proto::PartyId> wrong;  // Who gave a wrong share.
  };
  Seen Stop();

 private:
  struct Shared;
  static bool Follow(Shared& shared, proto::PartyId party, const std::string& address,
                     std::uint64_t request, std::uint32_t& next, std::uint32_t steps);
  std::shared_ptr<Shared> shared_;
};

}  // namespace node
