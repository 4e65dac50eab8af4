// The simulated client: a vendor that registers a model, and then its user, who asks it in private
// and believes nothing that is not proved. Every validator it turns to may be down or lying.
#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <set>
#include <vector>

#include "mpc/plan/plan.h"
#include "mpc/sharing/shamir.h"
#include "node/ledger/snapshot.h"
#include "proto/crypto/signature.h"
#include "proto/wire/ledger.h"

namespace sim {

class World;

class Client {
 public:
  Client(World& world, proto::SecretKey key);

  // A few times a second.
  void Poll();
  bool done() const;
  // Who gave wrong shares of masks to it.
  const std::set<proto::PartyId>& wrong() const { return wrong_; }
  // In the order of opening; 0 while the ledger has not given the number.
  std::vector<std::uint64_t> requests() const;
  const proto::PublicKey& account() const { return key_.public_key(); }

 private:
  enum class Stage : std::uint8_t { kOpening, kWaiting, kMasks, kSubmitting, kComputing, kDone };
  struct Question {
    std::vector<std::uint32_t> ids;
    Stage stage = Stage::kOpening;
    std::uint64_t request = 0;
    std::uint64_t attempt = 0;
    std::uint64_t asked_since = 0;
    std::optional<mpc::RobustDecoder> masks;
    std::set<proto::PartyId> answered;
    std::vector<std::uint32_t> masked;
  };
  struct Pending {
    proto::Bytes bytes;
    proto::Digest id;
    std::uint64_t nonce = 0;
    std::optional<std::size_t> question;
    std::optional<std::uint64_t> sent;
  };

  void MakePackage();
  void Enqueue(proto::Payload payload, std::optional<std::size_t> question);
  void PushTransactions();
  void UploadFiles(const node::Snapshot& ledger);
  void Gather(std::size_t index);
  void Finish(Question& question);

  World& world_;
  const proto::SecretKey key_;
  mpc::Plan plan_;
  proto::Manifest manifest_;
  proto::Digest model_;
  std::vector<proto::Bytes> files_;
  std::uint64_t nonce_ = 0;
  std::uint64_t uploads_ = 0;
  std::uint64_t upload_at_ = 0;
  bool opened_ = false;
  std::deque<Pending> pending_;  // One at a time is under way.
  std::vector<Question> questions_;
  std::set<proto::PartyId> wrong_;
};

}  // namespace sim
