// What one member of the committee brings to every MPC protocol of an epoch: who it is, its keys,
// and everybody's public ones. The referenced objects outlive the protocols.
#pragma once

#include <cstdint>
#include <vector>

#include "mpc/sharing/replicated.h"
#include "proto/committee.h"
#include "proto/crypto/coin.h"
#include "proto/crypto/signature.h"

namespace mpc {

struct PartyContext {
  proto::Committee committee;
  proto::PartyId self{};
  const proto::SecretKey* key = nullptr;
  std::vector<proto::PublicKey> keys;  // By party.
  proto::Digest chain;
  std::uint64_t epoch = 0;
  const ReplicatedSets* sets = nullptr;
  const ReplicatedKeys* replicated = nullptr;
  // The consensus coin's key serves here too, under names of another tag.
  proto::CoinPublicKey coin;
  const proto::CoinSecret* coin_secret = nullptr;
};

}  // namespace mpc
