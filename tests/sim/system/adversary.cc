#include "tests/sim/system/adversary.h"

#include "mpc/online/session.h"
#include "mpc/preprocessing/transcript.h"
#include "proto/base/check.h"
#include "proto/checkpoint.h"
#include "proto/crypto/merkle.h"

namespace sim {

using proto::Bytes;
using proto::PartyId;

namespace {

// Another element of the field at one or all places.
void Alter(std::mt19937_64& random, Bytes& values) {
  auto elements = mpc::DecodeElements(values);
  CHECK(elements.has_value() && !elements->empty());
  const auto shift = [&] { return mpc::Fp(static_cast<std::int64_t>(1 + random() % 1000)); };
  if (random() % 2 == 0) {
    (*elements)[random() % elements->size()] += shift();
  } else {
    for (mpc::Fp& element : *elements) element += shift();
  }
  values = mpc::EncodeElements(*elements);
}

// Where an honest member with this ledger is in its attempt, as of the layer.
mpc::Place PlaceOf(const Adversary::Position& at, std::uint64_t attempt, std::uint32_t layer) {
  mpc::Place place{at.context.chain, at.context.epoch, attempt, layer, {}};
  const auto record = at.ledger.attempt(attempt);
  CHECK(record && record->layers.size() >= layer);
  for (std::uint32_t i = 0; i < layer; ++i) {
    place.transcript = proto::ExtendTranscript(place.transcript, i, record->layers[i]);
  }
  return place;
}

template <class T>
T* Find(node::InferenceMessage& message) {
  if (auto* const attempt = std::get_if<proto::AttemptMessage>(&message)) {
    return std::get_if<T>(attempt);
  }
  return nullptr;
}

}  // namespace

Adversary::Control Adversary::Say(const Position&, PartyId, proto::dag::Message message) {
  Control said;
  said.push_back(std::move(message));
  return said;
}

Adversary::Bulk Adversary::Send(const Position&, PartyId, node::InferenceMessage message) {
  Bulk sent;
  sent.push_back(std::move(message));
  return sent;
}

Adversary::Bulk LiesInOpenings::Send(const Position& at, PartyId to,
                                     node::InferenceMessage message) {
  auto* const session = std::get_if<proto::SessionMessage>(&message);
  auto* const opening = session ? std::get_if<proto::Opening>(session) : nullptr;
  if (opening && to != at.context.self) {
    Alter(at.random, opening->values);
    opening->signature = at.context.key->Sign(
        mpc::OpeningDigest(at.context.chain, *opening, proto::MerkleRootOfBytes(opening->values)));
  }
  return Adversary::Send(at, to, std::move(message));
}

Adversary::Payloads LiesInOutput::Post(const Position& at, proto::Payload payload) {
  if (auto* const post = std::get_if<proto::PostOutput>(&payload)) {
    auto& share = post->shares[at.random() % post->shares.size()];
    (*mpc::Fp::FromBytes(share) + mpc::Fp(1)).ToBytes(share);
  }
  return {std::move(payload)};
}

bool LiesToClient::TellMasks(const Position& at, std::vector<mpc::Fp>& shares) {
  shares[at.random() % shares.size()] += mpc::Fp(static_cast<std::int64_t>(1 + at.random() % 7));
  return true;
}

Adversary::Bulk SilentInMpc::Send(const Position& at, PartyId to, node::InferenceMessage message) {
  if (to != at.context.self) return {};
  return Adversary::Send(at, to, std::move(message));
}

Adversary::Control Silent::Say(const Position& at, PartyId to, proto::dag::Message message) {
  if (to != at.context.self) return {};
  return Adversary::Say(at, to, std::move(message));
}

Adversary::Control Equivocates::Say(const Position& at, PartyId to, proto::dag::Message message) {
  const auto* const header = std::get_if<proto::dag::Header>(&message);
  if (!header || header->author != at.context.self || Index(to) != header->round % 2) {
    return Adversary::Say(at, to, std::move(message));
  }
  const std::uint64_t round = header->round;
  if (!others_.count(round)) {
    Bytes transaction(40);
    for (auto& byte : transaction) byte = static_cast<std::uint8_t>(at.random());
    proto::dag::Batch batch = proto::dag::MakeBatch({transaction});
    proto::dag::HeaderFields fields = *header;
    fields.batches = {{batch.digest, static_cast<std::uint32_t>(batch.bytes.size())}};
    others_.emplace(round, proto::dag::SignHeader(std::move(fields), *at.context.key));
    batches_.emplace(round, std::move(batch));
  }
  Control said;
  said.push_back(batches_.at(round));
  said.push_back(others_.at(round));
  return said;
}

bool LiesInVectors::Spares(const Position& at, std::uint64_t attempt) const {
  if (later_parts_ && at.ledger.attempt(attempt).value_or(proto::AttemptRecord{}).segment == 0) {
    return true;
  }
  return sparing_ != 0 && attempt % sparing_ == 0;
}

Adversary::Bulk LiesInVectors::Send(const Position& at, PartyId to,
                                    node::InferenceMessage message) {
  if (auto* const vector = Find<proto::LayerVector>(message);
      vector && !Spares(at, vector->attempt)) {
    Alter(at.random, vector->values);
    vector->signature = at.context.key->Sign(mpc::VectorDigest(
        PlaceOf(at, vector->attempt, vector->layer), proto::MerkleRootOfBytes(vector->values)));
  }
  if (auto* const opening = Find<proto::VerifyOpening>(message); opening) {
    Alter(at.random, opening->values);
    const auto record = at.ledger.attempt(opening->attempt);
    CHECK(record);
    opening->signature = at.context.key->Sign(mpc::OpeningDigest(
        PlaceOf(at, opening->attempt, static_cast<std::uint32_t>(record->layers.size())),
        opening->values));
  }
  return Adversary::Send(at, to, std::move(message));
}

Adversary::Payloads LiesInVectors::Post(const Position&, proto::Payload payload) {
  if (auto* const verdict = std::get_if<proto::Verdict>(&payload)) verdict->pass = false;
  return {std::move(payload)};
}

Adversary::Bulk LiesAsKing::Send(const Position& at, PartyId to, node::InferenceMessage message) {
  if (auto* const layer = Find<proto::KingLayer>(message)) Alter(at.random, layer->values);
  return Adversary::Send(at, to, std::move(message));
}

Adversary::Payloads AttestsAnother::Post(const Position&, proto::Payload payload) {
  if (auto* const attest = std::get_if<proto::Attest>(&payload)) attest->transcript.bytes[7] ^= 1;
  return {std::move(payload)};
}

std::vector<Bytes> SendsGarbage::Inject(const Position& at, const Bytes& heard) {
  auto& random = at.random;
  if (heard_.size() < 256) {
    heard_.push_back(heard);
  } else {
    heard_[random() % heard_.size()] = heard;
  }
  if (random() % 4 != 0) return {};
  Bytes bytes = heard_[random() % heard_.size()];
  switch (random() % 4) {
    case 0:  // As it was.
      break;
    case 1:
      bytes.resize(random() % (bytes.size() + 1));
      break;
    case 2:
      for (int flips = 0; flips < 3 && !bytes.empty(); ++flips) {
        bytes[random() % bytes.size()] ^= static_cast<std::uint8_t>(1 << random() % 8);
      }
      break;
    default:
      bytes.resize(random() % 300);
      for (auto& byte : bytes) byte = static_cast<std::uint8_t>(random());
  }
  return {std::move(bytes)};
}

bool LiesInChunks::Serve(const Position& at, proto::sync::Message& message) {
  auto* const answer = std::get_if<proto::sync::ChunkAnswer>(&message);
  if (!answer) return true;
  answer->outcome = proto::sync::ChunkOutcome::kGiven;
  auto& entries = answer->chunk.entries;
  if (entries.empty()) {
    entries.push_back({{1}, {2}});
  } else if (at.random() % 2 == 0) {
    entries.pop_back();
  } else {
    entries[at.random() % entries.size()].second.push_back(0);
  }
  return true;
}

bool LiesInOffers::Serve(const Position& at, proto::sync::Message& message) {
  auto* const offer = std::get_if<proto::sync::SnapshotOffer>(&message);
  if (!offer) return true;
  offer->header.height += 1000;
  offer->header.state_root.bytes[0] ^= 1;
  for (auto& [party, signature] : offer->signatures) {
    const auto digest =
        proto::CheckpointDigest(at.context.chain, proto::kFirstEpoch, offer->header.commit_index,
                                proto::BlockDigest(offer->header));
    signature = at.context.key->Sign(digest);
  }
  return true;
}

bool ServesNothing::Serve(const Position&, proto::sync::Message& message) {
  return std::holds_alternative<proto::sync::WordQuery>(message) ||
         std::holds_alternative<proto::sync::SnapshotQuery>(message) ||
         std::holds_alternative<proto::sync::ChunkQuery>(message);
}

}  // namespace sim
