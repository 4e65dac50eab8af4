// What leaves a corrupt validator. The honest code runs inside it; the adversary holds its keys and
// replaces, forges, withholds or adds what it says, to each receiver as it likes.
#pragma once

#include <cstdint>
#include <map>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "mpc/field/fp.h"
#include "mpc/party.h"
#include "node/inference/message.h"
#include "node/ledger/snapshot.h"
#include "proto/wire/consensus.h"
#include "proto/wire/ledger.h"
#include "proto/wire/sync.h"

namespace sim {

class Adversary {
 public:
  // What the corrupt validator knows: its keys, and its own ledger.
  struct Position {
    const mpc::PartyContext& context;
    const node::Snapshot& ledger;
    std::mt19937_64& random;
  };
  using Control = std::vector<proto::dag::Message>;
  using Bulk = std::vector<node::InferenceMessage>;
  using Payloads = std::vector<proto::Payload>;

  virtual ~Adversary() = default;

  // What is sent to `to` in place of the message; for Send also when `to` is the liar itself.
  virtual Control Say(const Position&, proto::PartyId to, proto::dag::Message message);
  virtual Bulk Send(const Position&, proto::PartyId to, node::InferenceMessage message);
  virtual Payloads Post(const Position&, proto::Payload payload) { return {std::move(payload)}; }
  // False: the client gets no answer.
  virtual bool TellMasks(const Position&, std::vector<mpc::Fp>&) { return true; }
  // Its part in others' synchronisation. False: it says nothing.
  virtual bool Serve(const Position&, proto::sync::Message&) { return true; }
  // More to send, as encoded, whenever an honest validator has said something.
  virtual std::vector<proto::Bytes> Inject(const Position&, const proto::Bytes& /*heard*/) {
    return {};
  }
};

// Other values in every opening, to each receiver others, all properly signed.
class LiesInOpenings : public Adversary {
 public:
  Bulk Send(const Position& at, proto::PartyId to, node::InferenceMessage message) override;
};

class LiesInOutput : public Adversary {
 public:
  Payloads Post(const Position& at, proto::Payload payload) override;
};

class LiesToClient : public Adversary {
 public:
  bool TellMasks(const Position& at, std::vector<mpc::Fp>& shares) override;
};

// Follows consensus, and says nothing in MPC.
class SilentInMpc : public Adversary {
 public:
  Bulk Send(const Position& at, proto::PartyId to, node::InferenceMessage message) override;
  Payloads Post(const Position&, proto::Payload) override { return {}; }
  bool TellMasks(const Position&, std::vector<mpc::Fp>&) override { return false; }
};

class Silent final : public SilentInMpc {
 public:
  Control Say(const Position& at, proto::PartyId to, proto::dag::Message message) override;
};

// Two signed headers a round: one for party 0 or 1, the other for the rest.
class Equivocates : public Adversary {
 public:
  Control Say(const Position& at, proto::PartyId to, proto::dag::Message message) override;

 private:
  std::map<std::uint64_t, proto::dag::Header> others_;
  std::map<std::uint64_t, proto::dag::Batch> batches_;
};

// In preprocessing: wrong vectors for every king, itself among them (so that it certifies a wrong
// layer as king); wrong shares of the last triple; a verdict "fail" on everything. Attempts whose
// number is a multiple of `sparing` are spared, if it is not 0; those for a bundle's first part,
// too, if `later_parts`.
class LiesInVectors : public Adversary {
 public:
  explicit LiesInVectors(std::uint64_t sparing = 0, bool later_parts = false)
      : sparing_(sparing), later_parts_(later_parts) {}
  Bulk Send(const Position& at, proto::PartyId to, node::InferenceMessage message) override;
  Payloads Post(const Position& at, proto::Payload payload) override;

 private:
  bool Spares(const Position& at, std::uint64_t attempt) const;
  const std::uint64_t sparing_;
  const bool later_parts_;
};

// As king, another layer for each member.
class LiesAsKing : public Adversary {
 public:
  Bulk Send(const Position& at, proto::PartyId to, node::InferenceMessage message) override;
};

class AttestsAnother : public Adversary {
 public:
  Payloads Post(const Position& at, proto::Payload payload) override;
};

// Sends what anybody said again under its own name, and cut, flipped and made-up bytes.
class SendsGarbage : public Adversary {
 public:
  std::vector<proto::Bytes> Inject(const Position& at, const proto::Bytes& heard) override;

 private:
  std::vector<proto::Bytes> heard_;
};

// Serves snapshots whose chunks hold other records, lack some, or belong elsewhere.
class LiesInChunks : public Adversary {
 public:
  bool Serve(const Position& at, proto::sync::Message& message) override;
};

// Offers a newer block than there is, with signatures of its own making.
class LiesInOffers : public Adversary {
 public:
  bool Serve(const Position& at, proto::sync::Message& message) override;
};

// Answers no question about snapshots or words.
class ServesNothing : public Adversary {
 public:
  bool Serve(const Position& at, proto::sync::Message& message) override;
};

}  // namespace sim
