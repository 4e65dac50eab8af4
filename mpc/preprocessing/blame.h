// Who spoiled a dead attempt: found by every member alike, from signed messages.
//
// Given that the ledger ordered the attempt dead, for good, nothing of it is secret any more:
//
//   member -> all   its keys of the attempt                                     KeyReveal
//   member          takes a set's key once t + 1 of the set's members reveal the same
//   member          goes through the fixed layers from the first on. Keys, the fixed layers before
//                   and the coins that they name leave a sender no choice: it computes the vector
//                   that each sender on the certificate's list had to send. A signed root of
//                   another vector proves that its author lied. If all signed what they had to,
//                   the values must be what the vectors interpolate to, or the king lied, for n - t
//                   members echoed what that king said
//   member -> ledger the first layer where something differs                    Finding
//
// The ledger checks the signatures, counts t + 1 equal findings (proto/attempt.h,
// node/ledger/attempts.h) and excludes whom they convict.
//
// Guarantee, with at most t of n = 3t + 1 members Byzantine and a verdict that an honest member
// voted for: every honest member finds the same, something is found, and never against an honest
// member.
//   - Keys: a set has n - t members, t + 1 of them honest: their key is revealed t + 1 times, and
//     another at most t times.
//   - Something differs: were all layers what they had to be, the claims of the verification would
//     be true and its last triple a product, and no honest member votes against that.
//   - No honest sender signs another root for a place: its vector is a function of what the place
//     names. An honest king opens what the vectors with the signed roots say.
// What was revealed opens nothing else: the keys of an attempt are hashes of the epoch's
// (ReplicatedKeys::ForAttempt). A bundle that could still be used is never opened: keys leave only
// in Start, which the host calls when `dead` is ordered.
//
// The segments of a bundle share the masks of its wires: the keys of the masks are revealed with
// the segment's own, and the ledger burns the whole bundle, certified segments too, in the instant
// in which one of them is dead.
//
// When weights are private some day, products with their masks must not be revealed: such an
// attempt is to be made again with another king and other senders instead (design 3.5).
//
// Cost: n - t times a member's work on the attempt up to the layer in question; C(n-1, t) keys of
// 32 bytes from each member to each.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <vector>

#include "mpc/party.h"
#include "mpc/preprocessing/challenges.h"
#include "mpc/preprocessing/compression.h"
#include "mpc/preprocessing/fixed_layers.h"
#include "mpc/preprocessing/preprocessor.h"
#include "mpc/preprocessing/transcript.h"
#include "proto/protocol.h"
#include "proto/wire/attempt_message.h"

namespace mpc {

// Ticks between two questions for a layer that is missing, each to another member.
inline constexpr std::uint32_t kBlameTicks = 8;
// Layers given to one party, each, until it reconnects.
inline constexpr std::uint32_t kBlameAnswersMax = 4;

// A fixed layer as the ledger knows it, and what this member's disk has of it.
struct BlamedLayer {
  proto::Digest root;
  proto::PartyId king{};
  proto::Digest senders;                      // SendersDigest of the king's list.
  proto::Bytes values;                        // Empty, or those with the root.
  std::vector<proto::SignedRoot> signatures;  // Empty, or the list.
};

class Blame {
 public:
  using Message = proto::AttemptMessage;
  using Output = proto::Finding;
  using Step = proto::Step<Message, Output>;

  // `context` outlives this. Not before the ledger has ordered `dead`. `segment`, `excluded`: as of
  // Attempt.
  Blame(const PartyContext& context, std::shared_ptr<const Plan> plan, std::uint64_t attempt,
        std::vector<BlamedLayer> layers, std::vector<proto::PartyId> excluded,
        const Segment& segment = {});

  // Once, first. Reveals the keys.
  Step Start();
  // The finding comes once.
  Step Handle(proto::PartyId from, Message message);
  Step Tick();
  Step PeerConnected(proto::PartyId party);

  bool found() const { return found_; }

 private:
  // What one party had to do.
  struct Party {
    std::unique_ptr<Preprocessor> preprocessor;
    std::unique_ptr<Compression> compression;
  };

  void On(proto::PartyId from, const proto::KeyReveal& message, Step& step);
  void On(proto::PartyId from, const proto::FetchLayer& message, Step& step);
  void On(proto::PartyId from, const proto::LayerValues& message, Step& step);
  void On(proto::PartyId from, const proto::LayerSenders& message, Step& step);
  void On(proto::PartyId from, const proto::CoinShareMessage& message, Step& step);
  // What an attempt still under way elsewhere says comes too late.
  template <class Late>
  void On(proto::PartyId, const Late&, Step&) {}

  void Say(proto::Target target, Step& step) const;
  // The revealed keys, in the order in which they are said.
  struct Revealed {
    std::vector<std::map<ReplicatedKeys::Key, std::uint16_t>> tallies;  // By set.
    std::vector<std::optional<ReplicatedKeys::Key>> keys;               // That count.
  };
  void TakeKeys(proto::PartyId from, proto::ByteSpan said, Revealed& revealed) const;
  // What a party holds of them.
  ReplicatedKeys KeysOf(proto::PartyId party, const Revealed& revealed) const;
  void MakeParties();
  // Examines as many layers as there is everything for.
  void Advance(Step& step);
  bool Ready() const;
  std::optional<proto::Finding> Examine();
  std::vector<Fp> Expected(proto::PartyId party);
  Place PlaceOf(std::uint32_t layer) const;
  std::uint32_t product_layers() const { return plan_layers_.depth(); }

  const PartyContext& context_;
  const std::shared_ptr<const Plan> plan_;
  const std::uint64_t attempt_;
  const std::vector<proto::PartyId> excluded_;
  const Segment segment_;
  const Layers plan_layers_;
  std::vector<BlamedLayer> layers_;
  FixedLayers fixed_;
  Challenges challenges_;
  proto::KeyReveal own_;
  std::vector<bool> heard_;     // By party: whose keys are here.
  Revealed own_keys_;           // Of the attempt.
  Revealed mask_keys_;          // Of another's, if the segment's masks are.
  std::vector<Party> parties_;  // Once all keys count.
  std::uint32_t next_ = 0;      // The layer to examine.
  bool found_ = false;
  std::uint32_t ticks_ = 0;
  std::uint16_t asked_ = 0;
  std::map<std::pair<proto::PartyId, std::uint32_t>, std::uint32_t> answers_;
};

static_assert(proto::Protocol<Blame>);

}  // namespace mpc
