// What a block changed that others act upon: the MPC service, subscriptions, people. In the order
// in which it happened; a pure function of the block and the state before it.
#pragma once

#include <cstdint>
#include <variant>
#include <vector>

#include "proto/base/bytes.h"
#include "proto/committee.h"
#include "proto/crypto/signature.h"

namespace node {

struct ModelRegistered {
  proto::Digest model;
  bool operator==(const ModelRegistered&) const = default;
};
struct ModelActive {
  proto::Digest model;
  bool operator==(const ModelActive&) const = default;
};
struct AttemptStarted {
  std::uint64_t attempt = 0;
  proto::Digest model;
  std::uint32_t bucket = 0;
  bool operator==(const AttemptStarted&) const = default;
};
struct LayerFixed {
  std::uint64_t attempt = 0;
  std::uint32_t layer = 0;
  proto::Digest root;
  proto::PartyId king{};
  bool operator==(const LayerFixed&) const = default;
};
struct AttemptCertified {
  std::uint64_t attempt = 0;
  bool operator==(const AttemptCertified&) const = default;
};
struct AttemptDead {
  std::uint64_t attempt = 0;
  bool operator==(const AttemptDead&) const = default;
};
struct AttemptBlamed {  // The culprits of a dead attempt are known.
  std::uint64_t attempt = 0;
  bool operator==(const AttemptBlamed&) const = default;
};
struct RequestAssigned {
  std::uint64_t request = 0;
  std::uint64_t attempt = 0;
  proto::PublicKey owner;
  bool operator==(const RequestAssigned&) const = default;
};
struct RequestSubmitted {
  std::uint64_t request = 0;
  std::uint64_t attempt = 0;
  proto::Digest model;
  std::uint32_t bucket = 0;
  proto::Digest submission;  // SubmissionDigest
  std::vector<std::uint32_t> masked_tokens;
  bool operator==(const RequestSubmitted&) const = default;
};
struct RequestComputed {
  std::uint64_t request = 0;
  proto::Digest transcript;
  bool operator==(const RequestComputed&) const = default;
};
struct RequestCompleted {
  std::uint64_t request = 0;
  std::uint64_t attempt = 0;
  bool operator==(const RequestCompleted&) const = default;
};
struct RequestExpired {
  std::uint64_t request = 0;
  std::uint64_t attempt = 0;
  bool operator==(const RequestExpired&) const = default;
};
// The members of the next epoch are decided: they deal its coin's key.
struct KeysMade {  // The computing members of the epoch have, or can fetch, their keys.
  std::uint64_t epoch = 0;
  bool operator==(const KeysMade&) const = default;
};
struct EpochDecided {
  std::uint64_t epoch = 0;
  bool operator==(const EpochDecided&) const = default;
};
// This was the epoch's last block.
struct EpochEnded {
  std::uint64_t epoch = 0;
  bool operator==(const EpochEnded&) const = default;
};

using Event =
    std::variant<ModelRegistered, ModelActive, AttemptStarted, LayerFixed, AttemptCertified,
                 AttemptDead, AttemptBlamed, RequestAssigned, RequestSubmitted, RequestComputed,
                 RequestCompleted, RequestExpired, EpochDecided, EpochEnded, KeysMade>;

}  // namespace node
