// A computing member's side of an epoch's key ceremony (the ledger's: node/ledger/key_ceremony.h).
//
//   Announce    to everyone: the ephemeral key that parts for me are sealed to
//   Contribute  to who announced: my commitments, and the parts that it may know, sealed
//   (ledger)    acknowledgement of a contribution that I hold whole and stored
//   Fetch       to everyone: I am in a set whose winner I lack
//   Forward     to who fetches: the author's commitments, and those of its parts that we both may
//               know, sealed
//
// Asynchronous: no message is waited for, and t members may be silent or lie. Whoever holds the
// winners of all its sets has its keys; K_A = H(context, A, part). A part travels only to members
// of its set, under an ephemeral key that is erased when its owner has all keys; the ledger holds
// hashes alone. A member that is killed goes on from what it stored, with a new ephemeral key.
//
// Cost, n members: n - 1 contributions each way, of 32 (C(n - 1, t) + C(n - 2, t)) bytes at most:
// 26 kB at n = 13.
#pragma once

#include <map>
#include <optional>
#include <set>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "node/ceremony/contribution.h"
#include "node/ledger/key_ceremony.h"
#include "proto/protocol.h"

namespace node {

namespace key_ceremony {

struct Announce {
  proto::PublicKey ephemeral;
  bool operator==(const Announce&) const = default;
};
struct Contribute {
  std::vector<proto::Digest> commitments;  // By set that holds the author.
  proto::Bytes sealed;
  bool operator==(const Contribute&) const = default;
};
struct Fetch {
  KeyAcknowledgement contribution;
  proto::PublicKey ephemeral;  // The answer is sealed to it.
  bool operator==(const Fetch&) const = default;
};
struct Forward {
  proto::PartyId author;
  std::vector<proto::Digest> commitments;
  proto::Bytes sealed;
  bool operator==(const Forward&) const = default;
};
using Message = std::variant<Announce, Contribute, Fetch, Forward>;

proto::Bytes Encode(const Message& message);
// kInvalidArgument unless the bytes are Encode's of a message within any ceremony's limits.
proto::Result<Message> Decode(proto::ByteSpan bytes);

// What a root is the hash of.
proto::Digest RootOf(const proto::Digest& context, proto::PartyId author,
                     const std::vector<proto::Digest>& commitments);

// Before anything else of its Step: replace what is stored (secret) by these bytes.
struct Store {
  proto::Bytes bytes;
};
// To be posted, and again by whoever finds that the ledger lacks it.
struct Acknowledge {
  KeyAcknowledgement acknowledgement;
};
// All keys of this member, by set; once.
struct Complete {
  std::vector<std::optional<KeyPart>> keys;
};
using Output = std::variant<Store, Acknowledge, Complete>;

}  // namespace key_ceremony

class KeyMember {
 public:
  using Message = key_ceremony::Message;
  using Output = key_ceremony::Output;
  using Step = proto::Step<Message, Output>;

  struct Setup {
    proto::Digest context;  // Binds chain and epoch.
    std::uint16_t members;
    proto::PartyId self;
    proto::Bytes entropy;  // 32 secret bytes, fresh with each process.
    proto::Bytes stored;   // The last Store's, of this context; empty at the first time.
  };
  // kCorrupt when what was stored is not of this ceremony.
  static proto::Result<KeyMember> Open(Setup setup);
  KeyMember(KeyMember&&) noexcept = default;
  ~KeyMember();

  Step Start();  // Once, first.
  Step Handle(proto::PartyId from, Message message);
  Step PeerConnected(proto::PartyId peer);
  // After each block in which the ledger's ceremony changed, and after Start.
  Step OnLedger(const KeyCeremony& ceremony);
  bool complete() const { return complete_; }

 private:
  // What is held of one contribution: its commitments fix the parts. Erased.
  struct Held {
    std::vector<proto::Digest> commitments;
    std::map<mpc::SetIndex, KeyPart> parts;
    bool whole = false;  // All parts that we may know.

    Held(std::vector<proto::Digest> list, std::map<mpc::SetIndex, KeyPart> some, bool all)
        : commitments(std::move(list)), parts(std::move(some)), whole(all) {}
    Held(Held&&) noexcept = default;
    Held& operator=(Held&&) noexcept = default;
    ~Held();
  };

  KeyMember(Setup setup, proto::Bytes seed);
  void SendContribution(Step& step, proto::PartyId to);
  void OnContribute(Step& step, proto::PartyId from, const key_ceremony::Contribute& message);
  void OnFetch(Step& step, proto::PartyId from, const key_ceremony::Fetch& message);
  void OnForward(Step& step, proto::PartyId from, const key_ceremony::Forward& message);
  // Parts of `what` for `sets`, from its author or a holder.
  void Receive(Step& step, proto::PartyId from, const KeyAcknowledgement& what,
               const std::vector<proto::Digest>& commitments, const proto::Bytes& sealed,
               const std::vector<mpc::SetIndex>& sets);
  // Adds parts that all fit the commitments; else none, and false.
  bool Keep(Held& held, proto::PartyId author, const std::vector<mpc::SetIndex>& sets,
            const std::vector<KeyPart>& parts) const;
  bool Fits(proto::PartyId author, const std::vector<proto::Digest>& commitments) const;
  void Acknowledge(Step& step, const KeyAcknowledgement& what);
  void Follow(Step& step);
  proto::Bytes EncodeStored() const;
  proto::Result<> DecodeStored(proto::ByteSpan bytes);
  proto::Bytes Entropy(std::string_view purpose, const KeyAcknowledgement& what,
                       const proto::PublicKey& key) const;

  proto::Digest context_;
  proto::PartyId self_;
  mpc::ReplicatedSets sets_;
  proto::Bytes entropy_;
  proto::Bytes seed_;  // Of the own contribution.
  Contribution own_;
  proto::Digest own_root_;
  std::optional<proto::SecretKey> ephemeral_;  // Until complete.
  std::map<proto::PartyId, proto::PublicKey> announced_;
  // Of each author the first contribution that came whole, and winners: at most 1 + C(n, t).
  std::map<KeyAcknowledgement, Held> held_;
  std::map<proto::PartyId, proto::Digest> acknowledged_;
  std::optional<KeyCeremony> ledger_;
  std::set<KeyAcknowledgement> fetching_;  // Winners of our sets that we lack.
  bool complete_ = false;
};

}  // namespace node
