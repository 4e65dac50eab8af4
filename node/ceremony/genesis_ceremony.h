// The genesis ceremony: n machines make a network's first keys, and no dealer knows them.
//
//   1 Opening     everyone: a nonce and the nonces heard; together they name the session
//   2 Commitment  everyone: hashes of a dealing of the coin and of the parts of the replicated
//   keys,
//                 and an ephemeral key; signed
//   3 Echo        everyone: the commitments heard; now all have heard the same
//   4 Showing     everyone: the dealing; to each member: the parts that it may know, sealed
//   5 Agreement   everyone: signature of the genesis document that follows
//
// The coin's key is the sum of all n dealings (proto/crypto/dealing.h), the key of a set A the hash
// of the parts of A's members. Nothing is shown before everything is committed to, so nobody's
// choice depends on another's; one honest machine (in A) makes the key (of A) random and unknown to
// who should not know it.
//
// All must take part: it is complete when all n signed one document, and any machine that is wrong,
// contradicts itself or gives up ends it for all, with its name and the reason. Who only is silent
// is waited for, by name; the host's patience decides. There is no partial state: the host stores
// the keys before the signature leaves (kPrepared), adopts them when all have signed (kAgreed), and
// runs the ceremony again otherwise. One who was stopped between the two says in its opening what
// it signed: when all have signed it, only the signatures are exchanged again; when one has not,
// nobody can have adopted it, and it is forgotten.
//
// Cost, n machines: n dealings to verify each (README), 5 rounds.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "node/ceremony/contribution.h"
#include "node/ceremony/genesis_message.h"
#include "proto/crypto/coin.h"
#include "proto/crypto/dealing.h"
#include "proto/protocol.h"
#include "proto/spec.h"

namespace node::genesis {

// Before anything else of its Step: store these keys and the document where a crash leaves them.
struct Prepared {
  proto::Genesis genesis;
  proto::CoinSecret coin;
  std::vector<std::optional<KeyPart>> replicated;  // By set; present where a member.
};
// The stored keys are those of the network; with everyone's signature of AgreementDigest.
struct Agreed {
  proto::Genesis genesis;
  std::vector<proto::Signature> signatures;
};
// What was stored for an earlier ceremony can never be agreed on: erase it.
struct Forgotten {};
// The ceremony has ended without result.
struct Failed {
  std::optional<proto::PartyId> culprit;
  std::string reason;
};
using Output = std::variant<Prepared, Agreed, Forgotten, Failed>;

struct Setup {
  proto::Genesis proposal;  // Validators without coin keys; the threshold is the committee's f + 1.
  proto::PartyId self;
  proto::SecretKey key;
  std::uint16_t members;  // The first so many validators compute (MPC); at most 13.
  proto::Bytes entropy;   // 32 secret bytes, fresh.
  std::optional<proto::Genesis> signed_before;  // What an earlier run prepared,
  bool adopted = false;                         // or completed: it is never forgotten then.
};

class Ceremony {
 public:
  using Message = genesis::Message;
  using Output = genesis::Output;
  using Step = proto::Step<Message, Output>;

  explicit Ceremony(Setup setup);
  ~Ceremony();

  Step Start();  // Once, first.
  Step Handle(proto::PartyId from, Message message);
  // The peer reads a new stream of ours: everything said to it, again.
  Step PeerConnected(proto::PartyId peer);
  // It sent bytes that are no message.
  Step Malformed(proto::PartyId peer);
  // Ends it for everyone: our operator, or our patience.
  Step GiveUp(const std::string& reason);

  // For people: what is awaited and from whom, "commitments of node2, node3"; empty at the end.
  std::string waiting_for() const;
  // Everyone confirmed to have the complete document.
  bool everyone_knows() const;

 private:
  enum class Stage { kOpening, kCommitting, kEchoing, kShowing, kAgreeing, kAgreed, kFailed };
  // What a party said, each at most once.
  struct Heard {
    std::optional<Opening> opening;
    std::optional<Commitment> commitment;
    std::optional<Echo> echo;
    std::optional<Showing> showing;
    std::optional<SealedParts> parts;
    std::optional<Agreement> agreement;
    bool certified = false;
  };

  void Say(Step& step, proto::Target target, Message message);
  template <class T>
  void Note(Step& step, proto::PartyId from, std::optional<T>& slot, T message);
  void OnOpening(Step& step, proto::PartyId from, Opening opening);
  void OnCertificate(Step& step, proto::PartyId from, const Certificate& certificate);
  void OnRefusal(Step& step, proto::PartyId from, const Refusal& refusal);
  // Does what follows from all that was heard; each of the next goes one stage on, or fails.
  void Advance(Step& step);
  void SayOpening(Step& step);
  void Begin(Step& step);
  void Commit(Step& step);
  void EchoCommitments(Step& step);
  void Show(Step& step);
  void CheckShown(Step& step);
  void CheckDealing(Step& step, proto::PartyId from);
  void CheckParts(Step& step, proto::PartyId from);
  void Prepare(Step& step);
  void Agree(Step& step, proto::Genesis genesis);
  void Complete(Step& step, std::vector<proto::Signature> signatures);
  void Fail(Step& step, std::optional<proto::PartyId> culprit, std::string reason);
  template <class T>
  bool AllSaid(std::optional<T> Heard::*slot) const;
  bool AllOpen() const;
  void EraseSecrets();

  const std::string& name(proto::PartyId party) const;
  bool is_member(proto::PartyId party) const { return Index(party) < members_; }
  std::vector<proto::PartyId> parties() const;
  proto::Bytes Derive(std::string_view purpose, std::uint64_t index = 0) const;
  proto::Digest DealingContext(proto::PartyId dealer) const;
  proto::Digest PartsContext() const;

  const proto::Genesis proposal_;
  const proto::Digest proposal_id_;
  const proto::Committee committee_;
  const proto::PartyId self_;
  const proto::SecretKey key_;
  const std::uint16_t members_;
  const std::vector<proto::PublicKey> keys_;
  const std::optional<proto::Genesis> signed_before_;
  const bool adopted_;
  mpc::ReplicatedSets sets_;

  Stage stage_ = Stage::kOpening;
  std::vector<Heard> heard_;
  std::vector<proto::Outgoing<Message>> said_;
  std::uint64_t version_ = 0;
  proto::Digest session_;

  proto::Bytes entropy_;  // These four erased at the end.
  std::optional<proto::SecretKey> ephemeral_;
  std::optional<Contribution> contribution_;
  std::map<proto::PartyId, std::vector<KeyPart>> parts_;  // Checked; by author.
  proto::Bytes dealing_;
  std::map<proto::PartyId, proto::Dealing> dealings_;  // Checked; by dealer.
  std::optional<proto::Genesis> agreed_;               // What we signed.
};

// The document that all agree on before the ceremony, in its canonical form.
proto::Digest ProposalId(const proto::Genesis& proposal);

}  // namespace node::genesis
