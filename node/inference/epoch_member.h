// A node's part in the MPC of one epoch: the ceremony of its keys, then the Service that they are
// for.
//
//   epoch begins           KeyMember; its acknowledgements become transactions
//   the ledger has enough  this member's keys, from what it holds or fetches; Service
//   epoch over, requests   EraseBefore: the keys, and what they could be made from again
//   finished
//
// The first epoch's keys are there already. What a ceremony must remember is in one file, sealed to
// the validator's own key: a member that is killed makes the same keys of it again, and can still
// forward parts to those that lack them.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "node/ceremony/key_member.h"
#include "node/inference/service.h"
#include "node/ledger/block.h"

namespace node {

// Ticks after which an acknowledgement that is not on the ledger is posted again.
inline constexpr std::uint32_t kAcknowledgeAgainTicks = 40;

class EpochMember {
 public:
  using Step = Service::Step;
  using Keys = std::vector<std::optional<mpc::ReplicatedKeys::Key>>;

  struct Setup {
    proto::EpochRecord epoch;
    proto::SecretKey key;  // Of one of its computing members (CHECKed).
    proto::Digest chain;
    proto::CoinSecret coin;
    Keys keys;             // The first epoch's; of later ones empty.
    proto::Bytes entropy;  // 32 secret bytes, fresh with each process.
  };
  // `files` outlives the member.
  static proto::Result<std::unique_ptr<EpochMember>> Open(Setup setup, BulkStore& files);
  ~EpochMember();

  // As Service's. All messages are this epoch's, between its computing members.
  Step Resume(const Snapshot& snapshot, std::uint64_t now_us);
  Step OnEvents(const Snapshot& snapshot, const std::vector<Event>& events, std::uint64_t now_us);
  Step Handle(proto::PartyId from, InferenceMessage message, std::uint64_t now_us);
  Step Tick(std::uint64_t now_us);
  Step PeerConnected(proto::PartyId party, std::uint64_t now_us);

  const Epoch& epoch() const { return epoch_; }
  const Members& members() const { return *epoch_.computing; }
  proto::PartyId self() const { return context_.self; }
  const proto::SecretKey& key() const { return key_; }
  // None while the keys are made.
  Service* service() { return service_.get(); }
  const Service* service() const { return service_.get(); }
  // The epoch is over here and no request needs its keys any more.
  bool IsDone() const;
  // Erases what the keys of all epochs before `epoch` were made from. The keys themselves go with
  // their objects.
  static proto::Result<> EraseBefore(std::uint64_t epoch, BulkStore& files);

 private:
  struct Early {
    proto::PartyId from;
    InferenceMessage message;
  };

  EpochMember(Setup setup, BulkStore& files);
  proto::Result<> OpenMaker();
  void FollowLedger(Step& step);
  void Absorb(KeyMember::Step child, Step& step);
  void Begin(Keys keys, Step& step);
  proto::Digest CeremonyContext() const;
  proto::Result<> Store(const proto::Bytes& secret);

  const Epoch epoch_;
  const proto::SecretKey key_;
  const proto::CoinSecret coin_;
  const mpc::ReplicatedSets sets_;
  proto::Bytes entropy_;
  BulkStore& files_;
  std::optional<mpc::ReplicatedKeys> replicated_;
  mpc::PartyContext context_;
  std::optional<KeyMember> maker_;
  std::unique_ptr<Service> service_;
  std::optional<Snapshot> snapshot_;  // The newest seen.
  proto::Bytes ceremony_;             // The ledger's, as the maker has it.
  std::vector<KeyAcknowledgement> posted_;
  std::vector<Early> early_;  // For the service.
  std::size_t early_bytes_ = 0;
  std::uint64_t sealed_ = 0;  // How often.
  std::uint32_t ticks_ = 0;
  std::uint64_t now_us_ = 0;
};

}  // namespace node
