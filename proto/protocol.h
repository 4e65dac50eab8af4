// The sans-IO contract that every protocol of this repository obeys.
//
// A protocol is a value. It is given inputs and messages, and answers each with a Step: what to
// send, what it has decided, and who misbehaved. It owns no socket, clock, thread, file or source
// of entropy; the host (node/ in production, tests/sim/ in tests) supplies those and carries the
// Steps. Equal inputs in equal order give equal Steps, so a run is reproduced from its seed.
//
// Host's duty: deliver each message of a Step to its target with the sender authenticated, a
// message to kEveryone also to the sender itself.
#pragma once

#include <concepts>
#include <optional>
#include <utility>
#include <vector>

#include "proto/committee.h"

namespace proto {

enum class FaultKind : unsigned char {
  kMalformed,
  kDuplicate,
  kEquivocation,
  kUnexpectedSender,
  kWrongShare,
  kBadSignature,
  kLimit,        // Beyond a named limit.
  kInconsistent,  // Contradicts what is certified.
};

struct Fault {
  PartyId party;
  FaultKind kind;
};

struct Target {
  std::optional<PartyId> party;

  bool Includes(PartyId candidate) const { return !party || *party == candidate; }
};

inline constexpr Target kEveryone{};

template <class Message>
struct Outgoing {
  Target target;
  Message message;
};

template <class MessageT, class OutputT>
struct [[nodiscard]] Step {
  using Message = MessageT;
  using Output = OutputT;

  std::vector<Outgoing<Message>> messages;
  std::vector<Output> outputs;
  std::vector<Fault> faults;

  void Send(Target target, Message message) { messages.push_back({target, std::move(message)}); }
  void Blame(PartyId party, FaultKind kind) { faults.push_back({party, kind}); }

  // Takes over a child protocol's faults and, wrapped, its messages; returns its outputs.
  template <class Child, class Wrap>
  std::vector<typename Child::Output> Absorb(Child child, Wrap wrap) {
    for (auto& [target, message] : child.messages) Send(target, wrap(std::move(message)));
    faults.insert(faults.end(), child.faults.begin(), child.faults.end());
    return std::move(child.outputs);
  }
};

template <class P>
concept Protocol = requires(P protocol, PartyId from, typename P::Message message) {
  typename P::Output;
  {
    protocol.Handle(from, std::move(message))
    } -> std::same_as<Step<typename P::Message, typename P::Output>>;
};

}  // namespace proto
