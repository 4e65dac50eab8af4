// Members of a World that lie in ways that leave traces: signed vectors that are wrong, layers that
// are not what the vectors say.
#pragma once

#include <functional>
#include <map>

#include "proto/crypto/merkle.h"
#include "tests/unit/mpc/preprocessing/world.h"

namespace mpc {

inline Place PlaceIn(const World& world, const PartyContext& context, std::uint64_t attempt,
                     std::uint32_t layer) {
  Place place{context.chain, context.epoch, attempt, layer, {}};
  for (std::uint32_t l = 0; l < layer; ++l) {
    place.transcript = proto::ExtendTranscript(place.transcript, l, world.roots()[l]);
  }
  return place;
}

// Another vector, as properly signed as the right one.
inline void Resign(const World& world, const PartyContext& context, proto::LayerVector& vector,
                   std::size_t position, std::uint8_t change = 1) {
  vector.values[position * Fp::kBytes] ^= change;
  const Place place = PlaceIn(world, context, vector.attempt, vector.layer);
  vector.signature =
      context.key->Sign(VectorDigest(place, proto::MerkleRootOfBytes(vector.values)));
}

// Sends wrong vectors of one layer: one value is changed.
inline void LieAsSender(World& world, const PartyContext& context, std::uint32_t layer,
                        std::size_t position) {
  const auto lie = [&world, &context, layer, position](proto::PartyId, proto::PartyId,
                                                       proto::AttemptMessage& message) {
    auto* vector = std::get_if<proto::LayerVector>(&message);
    if (vector != nullptr && vector->layer == layer) Resign(world, context, *vector, position);
    return true;
  };
  world.Corrupt(Index(context.self), lie);
}

// A king that lies in one layer, and gathers the echoes of its lie.
class LyingKing {
 public:
  LyingKing(World& world, const PartyContext& context, std::uint64_t attempt, std::uint32_t layer,
            bool to_each_another)
      : world_(world),
        context_(context),
        attempt_(attempt),
        layer_(layer),
        to_each_another_(to_each_another) {
    world.Corrupt(
        Index(context.self),
        [this](proto::PartyId, proto::PartyId to, World::Message& message) {
          return Send(to, message);
        },
        [this](proto::PartyId from, proto::PartyId, World::Message& message) {
          return Get(from, message);
        });
  }
  LyingKing(const LyingKing&) = delete;
  LyingKing& operator=(const LyingKing&) = delete;

 private:
  bool Send(proto::PartyId to, World::Message& message) {
    auto* opened = std::get_if<proto::KingLayer>(&message);
    if (opened == nullptr || opened->layer != layer_) return true;
    opened->values[0] ^= static_cast<std::uint8_t>(to_each_another_ ? 1 + Index(to) : 1);
    root_ = proto::MerkleRootOfBytes(opened->values);
    senders_ = SendersDigest(opened->senders);
    return true;
  }
  bool Get(proto::PartyId from, World::Message& message) {
    const auto* echo = std::get_if<proto::Echo>(&message);
    if (echo == nullptr || echo->layer != layer_ || echo->root != root_) return true;
    const proto::Digest digest = proto::EchoDigest(context_.chain, context_.epoch, attempt_, layer_,
                                                   context_.self, root_, senders_);
    if (!Verify(context_.keys[Index(from)], digest, echo->signature)) return true;
    echoes_[from] = echo->signature;
    if (echoes_.size() != context_.committee.quorum()) return true;
    proto::LayerCertificate certificate{attempt_, layer_, context_.self, root_, senders_, {}};
    certificate.echoes.assign(echoes_.begin(), echoes_.end());
    world_.Post(Index(context_.self), {certificate});
    return true;
  }

  World& world_;
  const PartyContext& context_;
  const std::uint64_t attempt_;
  const std::uint32_t layer_;
  const bool to_each_another_;
  proto::Digest root_;
  proto::Digest senders_;
  std::map<proto::PartyId, proto::Signature> echoes_;
};

}  // namespace mpc
