// One member's run of one bundle attempt: from replicated keys to a verified bundle, or to nothing.
//
// Layers 0 .. D-1 open the degree reductions of the plan (mpc/preprocessing/layers.h), layers
// D .. D+V-1 the steps of their verification (compression.h). Every layer is opened and *fixed*
// before anything depends on it:
//
//   member   computes its degree-2t message vector from its keys and the c of fixed layers, signs
//            its root and the transcript, sends it to the king: the king of rank j is party
//            (attempt + j) mod n, the members of one set before the others; at first rank 0 alone,
//            to which at first the n - t members of that set send, chosen by the attempt's number
//   king     interpolates c from n - t vectors and sends it with their signed roots to the members
//            of the same set, the holders: others need no c but of a public layer (reductions.h),
//            one with squares or of the verification, which goes to all
//   member   checks form and signatures, answers an engaged king with a signed echo of c's root
//   king     n - t echoes are a certificate: PostCertificate
//   ledger   the first certificate it orders fixes the layer: OnLayerFixed. Members that hold other
//            values, or none, fetch those with the root from whoever holds them
//
// After layer D-1+s has been fixed, challenge s is tossed (challenges.h) and step s computed from
// it; after challenge V the last triple is opened to all with error correction, and each member
// posts its verdict on the transcript. n - t verdicts "pass" make the bundle (OnVerdict).
//
// The rule that keeps the secrets: NOTHING that depends on a layer's c is sent before OnLayerFixed
// has named c's root. Message vectors of degree 2t are overdetermined; two honest members with
// different c would show a king the shares they multiply (design: double dipping).
//
// Safety needs no timer. Tick is called a few times a second; after kTicksOfPatience of them
// without progress the next king is engaged as well, and from then on everybody sends to every
// engaged king, which takes whichever n - t come first and tells everybody, so that n - t can echo.
// That only adds messages: the ledger picks.
// A wrong vector or king costs the attempt, and its author is found (blame.h) and excluded from
// those that begin later. Until then, in 1 of 4 attempts (n = 4; in 1 of
// 21 for two liars at n = 7) the first set and its king are honest, and no timer lets a liar in
// while those answer.
//
// Crash and restart: an equal vector is sent again, since it follows from keys and fixed layers.
// LayerKnown comes in the Step that echoes the values: a host that stores them under their root
// before it sends the Step's messages, and gives them back with OnLayerFixed, keeps n - t members
// able to serve every fixed layer, even when all of them restart before they hear that it is fixed.
//
// Cost, all members together, a value of a layer: 2t elements to the king, which is one of the n -
// t senders, and 2t from it, of a public layer n - 1: 16 bytes each, 64 or 80 bytes at n = 4.
// PreprocessingBytes. Rounds: 3 messages and one ordering by the ledger a layer.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <set>
#include <utility>
#include <variant>
#include <vector>

#include "mpc/party.h"
#include "mpc/preprocessing/bundle.h"
#include "mpc/preprocessing/challenges.h"
#include "mpc/preprocessing/compression.h"
#include "mpc/preprocessing/fixed_layers.h"
#include "mpc/preprocessing/layer_king.h"
#include "mpc/preprocessing/preprocessor.h"
#include "mpc/sharing/shamir.h"
#include "proto/protocol.h"
#include "proto/wire/attempt_message.h"

namespace mpc {

// Ticks without progress before more is tried. When the first king opened a layer after all, from
// its first senders, it was only slow (a layer may take seconds to compute): the others are let go
// and patience doubles, so many times in an attempt.
inline constexpr std::uint32_t kTicksOfPatience = 20;
inline constexpr std::uint32_t kSecondChancesMax = 2;
// A king's layers looked at for one layer (a king that restarts makes another), and the different
// values kept of them.
inline constexpr std::uint32_t kKingLayersMax = 16;
inline constexpr std::size_t kKingValuesMax = 2;
// Answers to one party about one layer, until it reconnects.
inline constexpr std::uint32_t kAnswersMax = 4;
// Vectors beyond the first that a king compares with what their sender signed before.
inline constexpr std::uint32_t kRepetitionsMax = 4;

// Layers that the attempt for each segment takes, products and verification, where a plan is cut
// into segments of so many values.
std::vector<std::uint32_t> SegmentLayers(const Plan& plan, const proto::Committee& committee,
                                         std::uint64_t values);
// The number of opened values of each layer of an attempt for a whole plan: products first.
std::vector<std::size_t> LayerSizes(const Plan& plan, const proto::Committee& committee);
std::vector<std::size_t> LayerSizes(const Layers& layers);
// What all members together send for them when nobody is slow, signatures and headers aside.
std::uint64_t PreprocessingBytes(const Layers& layers, const proto::Committee& committee);
// -log2 of the statistical distance that the truncated products leak: the sum over their claims of
// 2^(2 phase_bits + 2 - W), as LeakageBits counts kOpen.
double PreprocessingLeakageBits(const Plan& plan, const proto::Committee& committee);
// The same of a whole inference: of its preprocessing and of its openings online (LeakageBits).
double InferenceLeakageBits(const Plan& plan, const proto::Committee& committee);
// Whether a committee may serve a plan in segments of so many values. kExhausted when a layer's
// vector would exceed what a message carries (an Attempt is never started for such a plan:
// CHECKed); kInvalidArgument, with the distance, when an inference would leak more than
// 2^-kLeakageBitsMin.
proto::Result<> CheckPreprocessing(const Plan& plan, const proto::Committee& committee,
                                   std::uint64_t segment_values = kKeptValuesMax);

struct PostCertificate {
  proto::LayerCertificate certificate;
};

struct PostVerdict {
  proto::Digest transcript;
  bool pass = false;
};

// Values echoed or fixed: to be durable before the Step's messages are sent.
struct LayerKnown {
  std::uint32_t layer = 0;
  proto::Digest root;  // One layer may be known with several until one of them is fixed.
  proto::Bytes values;
};

// The list that a king showed with values echoed: to be as durable. Should the attempt die, it
// says who sent what (mpc/preprocessing/blame.h).
struct SendersKnown {
  std::uint32_t layer = 0;
  proto::Digest digest;  // SendersDigest
  std::vector<proto::SignedRoot> senders;
};

// A member signed two vectors for one place: evidence by itself, whatever becomes of the attempt.
struct Equivocation {
  Place place;
  proto::SignedRoot first, second;
};

struct BundleReady {
  Bundle bundle;
};

// The kings by rank: party (attempt + j) mod n for j = 0 .. n - 1, holders before the others,
// without the excluded.
std::vector<proto::PartyId> KingsOf(const ReplicatedSets& sets, std::uint64_t attempt,
                                    const std::vector<proto::PartyId>& excluded = {});

class Attempt {
 public:
  using Message = proto::AttemptMessage;
  using Output = std::variant<PostCertificate, PostVerdict, LayerKnown, SendersKnown, Equivocation,
                              BundleReady>;
  using Step = proto::Step<Message, Output>;

  // `context` outlives this; n = 3t + 1. `known_layers`: values of fixed layers, from 0 on, as
  // LayerKnown gave them; what does not match its root is fetched again. `excluded`: at most t
  // parties that may neither send nor be king, as the ledger says of this attempt.
  Attempt(const PartyContext& context, std::shared_ptr<const Plan> plan, proto::Digest plan_digest,
          std::uint64_t attempt, std::vector<proto::Bytes> known_layers,
          const Segment& segment = {}, const std::vector<proto::PartyId>& excluded = {});
  ~Attempt();

  // Once, before everything but OnLayerFixed.
  Step Start();
  Step Handle(proto::PartyId from, Message message);
  // The ledger fixed a layer: each exactly once, in order, also after a restart. `known`: what
  // LayerKnown gave under this root before a restart, if it is not among the known_layers.
  Step OnLayerFixed(std::uint32_t layer, proto::Digest root, proto::ByteSpan known = {});
  // The ledger's verdict, once. Certified: BundleReady comes in this Step or, when layers must be
  // fetched, in a later one; the run then only serves fetches and may be destroyed. Dead: all is
  // erased and nothing more happens here; Blame takes over.
  Step OnVerdict(bool certified);
  Step Tick();
  // Sends again what the party may lack.
  Step PeerConnected(proto::PartyId party);

 private:
  enum class State : std::uint8_t { kRunning, kCertified, kDead };
  // What belongs to the first layer that is not fixed.
  struct Round {
    struct FromKing {
      std::uint32_t layers = 0;
      std::vector<proto::Digest> roots;
    };
    std::unique_ptr<LayerKing> king;           // This member as king.
    std::optional<proto::LayerVector> vector;  // Its own.
    proto::Digest vector_root;
    std::map<proto::PartyId, FromKing> kings;
    std::map<proto::Digest, std::vector<Fp>> candidates;  // By root.
    std::optional<proto::Digest> first_choice;  // What the first king made of its first senders.
    std::vector<proto::Echo> echoes;            // Sent.
    std::map<proto::PartyId, proto::SignedRoot> signed_roots;  // The first seen of each.
    std::set<proto::PartyId> equivocators;
    std::map<proto::PartyId, std::uint32_t> repetitions;  // Of vectors, looked at as king.
  };
  // The newest messages for layers not reached yet, or from kings not engaged yet.
  struct Held {
    std::optional<proto::LayerVector> vector;
    std::optional<proto::KingLayer> layer;
  };

  void On(proto::PartyId from, proto::LayerVector message, Step& step);
  void On(proto::PartyId from, proto::KingLayer message, Step& step);
  void On(proto::PartyId from, const proto::Echo& message, Step& step);
  void On(proto::PartyId from, const proto::FetchLayer& message, Step& step);
  void On(proto::PartyId from, proto::LayerValues message, Step& step);
  void On(proto::PartyId from, const proto::CoinShareMessage& message, Step& step);
  void On(proto::PartyId from, const proto::VerifyOpening& message, Step& step);
  // Words about a dead attempt are for Blame.
  void On(proto::PartyId, const proto::KeyReveal&, Step&) {}
  void On(proto::PartyId, const proto::LayerSenders&, Step&) {}

  // A place's own step: what can be done now is done.
  void Advance(Step& step);
  void BeginRound(Step& step);
  void ReleaseChallenges(Step& step);
  void Compress();
  void SendVector(Step& step);
  void OpenTriple(Step& step);
  void CheckOpening(proto::PartyId from, const proto::VerifyOpening& opening, Step& step);
  void ServeAsKing(Step& step);
  void AcceptKingLayer(proto::PartyId king, proto::KingLayer message, Step& step);
  void TakeHeld(proto::PartyId from, Step& step);
  void ForgiveFirstKing(const proto::Digest& fixed_root);
  void OnHeld(std::uint32_t layer, Step& step);
  void MakeBundle(Step& step);
  void Fetch(std::uint32_t layer, Step& step);
  void FetchMissing(Step& step);
  // All that `party` may lack of what this member has said in the present round.
  void SendAgain(proto::PartyId party, Step& step);

  std::uint32_t product_layers() const { return preprocessor_.layers().depth(); }
  // Whether everybody gets a layer's values.
  bool Public(std::uint32_t layer) const {
    return layer >= product_layers() || preprocessor_.layers().Public(layer);
  }
  // Whether this member lacks values that it still has a use for.
  bool Lacks(std::uint32_t layer) const {
    return layers_.Lacks(layer) && (state_ == State::kRunning || layer < product_layers());
  }
  void SendKingLayer(Step& step) const;
  Place PlaceOf(std::uint32_t layer) const;
  proto::PartyId KingOf(std::uint32_t rank) const;
  bool Engaged(proto::PartyId king) const;
  // Whether this member's vector goes to a king now.
  bool SendsTo(proto::PartyId king) const;
  bool SendersVouch(const proto::KingLayer& message) const;
  proto::Digest RootOf(const proto::Bytes& values) const;
  // Compares what a party signed with what it signed before.
  void Witness(const proto::SignedRoot& signed_root, Step& step);
  void Erase();

  const PartyContext& context_;
  const std::shared_ptr<const Plan> plan_;
  const proto::Digest plan_digest_;
  const std::uint64_t attempt_;
  const Preprocessor preprocessor_;
  std::unique_ptr<KeptShares> kept_;  // None where they would be too many.

  State state_ = State::kRunning;
  bool started_ = false;
  std::vector<proto::Bytes> known_;  // From disk, until fixed again.
  FixedLayers layers_;
  Round round_;
  std::map<proto::PartyId, Held> held_;
  std::vector<proto::PartyId> kings_;  // By rank: all but the excluded.
  std::vector<bool> trusted_;          // By party: not excluded.
  std::uint32_t engaged_ = 1;          // Kings of ranks 0 .. engaged - 1.
  std::vector<bool> first_senders_;    // The holders, who send to the king of rank 0 at first.
  std::vector<bool> senders_allowed_;  // Whose vectors this member takes as king.
  std::uint32_t second_chances_ = 0;   // Given to the first king.
  std::uint32_t idle_ticks_ = 0;
  bool progress_ = false;

  // Fetches: of whom a missing layer was asked last, who waits for one, who got how many answers.
  std::map<std::uint32_t, proto::PartyId> asked_;
  std::map<std::uint32_t, std::vector<proto::PartyId>> waiting_;
  std::map<std::pair<proto::PartyId, std::uint32_t>, std::uint32_t> answers_;

  Challenges challenges_;
  std::unique_ptr<Compression> compression_;
  std::map<proto::PartyId, proto::VerifyOpening> openings_;  // Not yet checked.
  std::optional<proto::VerifyOpening> opening_;              // Its own, once sent.
  std::vector<bool> opened_by_;                              // Whose opening is in the decoder.
  RobustDecoder triple_;
  bool judged_ = false;
  bool bundle_made_ = false;
};

static_assert(proto::Protocol<Attempt>);

}  // namespace mpc
