// One member's online computation of one private request.
//
// Guarantee, with at most t of n >= 3t + 1 members faulty and an asynchronous network that delivers
// in the end: every honest member finishes, with the same transcript and with shares of the right
// masked output; nobody learns more than the openings, which are masked. No timer, nothing redone.
//
//   in each round (mpc/plan/schedule.h)
//     one exchange: send the shares of all that the round opens to all;
//       or two, if it is opened in batches (mpc/sharing/batch.h): send each member its combinations
//       of them, then what they decode to to all
//     decode from the first vectors that suffice, by online error correction (mpc/sharing)
//     extend the transcript by the opened values, go on locally to the next round
//   after the last round       output Finished
//
// An exchange's vectors are numbered, Opening(k, values), their root signed, for the receiver where
// that is one. All members find the same exchanges from the plan. It makes no difference to the
// transcript which rounds are opened in batches.
//
// Shares of the masked output are there step by step (output_shares), for who may have them. A
// session `until_end` opens besides, with the round after a token, whether it was an end token, and
// is over after the first that was: what is opened decides, so all honest members stop after the
// same step, and one that starts again or lags stops there, too.
//
// Exchange k + 1 begins when 2t + 1 elements agree in every position of exchange k. A member whose
// element lies off the polynomial is accused, whatever it told others. A value that one party alone
// vouches for is never used.
//
// Openings are taken from whom the link says they are from (node/net). Their signatures are checked
// where one is held against its author: what lies on the polynomial is the right vector, whoever
// signed it. A second vector of an exchange that is decoded is not looked at.
//
// Getting lost openings back: a member asks with AskProgress when it starts and when a peer's
// connection comes back. The answer comes after all that its sender had sent before, so what it
// counts and is not here was lost: that is asked for with ResendOpenings, as is what a member had
// to drop, when it reaches that exchange. An answer covers kExchangesAhead exchanges and says how
// far its sender is. Openings are a function of (bundle, masked tokens), so a member that starts
// again sends the same bytes; a second, different one is accused. A network that reorders costs
// bytes.
//
// Cost: each member sends n - 1 times 16 bytes an opened value and one signature a round; in
// batches 2 / (t + 1) of that and n + 1 signatures, with one message delay more. Papers: Ben-Or,
// Canetti, Goldreich 1993 (decoding); HoneyBadgerMPC, Lu et al. 2019 (batches); Turbospeedz 2019,
// ABY2.0 2021 (wires).
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <set>
#include <vector>

#include "mpc/online/client.h"
#include "mpc/online/evaluator.h"
#include "mpc/online/own_opening.h"
#include "mpc/party.h"
#include "mpc/sharing/batch.h"
#include "mpc/sharing/shamir.h"
#include "proto/protocol.h"
#include "proto/wire/session.h"

namespace mpc {

class Session {
 public:
  // Openings of later exchanges kept until their turn; those beyond are asked for again.
  static constexpr std::uint32_t kExchangesAhead = 4;
  // Exchanges behind whose late openings are still checked, to accuse who lied in them.
  static constexpr std::uint32_t kExchangesBehind = 2;
  // How often a peer is sent the same opening again, until it connects again.
  static constexpr std::uint8_t kResendsMax = 64;

  struct Finished {
    proto::Digest transcript;       // Equal at all honest members.
    std::vector<Fp> output_shares;  // Of the steps that were computed.
    std::uint32_t steps = 0;
    std::vector<proto::PartyId> accused;  // Ascending; members may differ in it.
    std::uint32_t rounds = 0;
    std::uint32_t exchanges = 0;
    std::uint64_t bytes_sent = 0;
  };

  using Message = proto::SessionMessage;
  using Output = Finished;
  using Step = proto::Step<Message, Output>;

  // Requirements as of Evaluator. `context` outlives the session. `batch_saving_min`: of
  // OpensInBatches, the same at all members.
  Session(const PartyContext& context, std::shared_ptr<const Plan> plan, Bundle bundle,
          std::uint64_t request, std::vector<std::uint32_t> masked_tokens, bool until_end = false,
          std::uint64_t batch_saving_min = kBatchSavingMin);

  Step Start();  // Once, before all else.
  Step Handle(proto::PartyId from, Message message);
  // The connection to a peer is there (again): what was under way may be lost.
  Step PeerConnected(proto::PartyId peer);

  bool finished() const { return finished_; }
  std::uint32_t exchange() const { return exchange_; }        // The one under way.
  std::uint32_t round() const { return RoundOf(exchange_); }  // The round being opened.
  std::uint32_t RoundOf(std::uint32_t exchange) const;
  std::uint32_t exchanges() const { return static_cast<std::uint32_t>(exchanges_.size()); }
  // Of the output's steps that are computed so far; grows by whole steps (Plan::steps).
  const std::vector<Fp>& output_shares() const { return evaluator_.output(); }
  // Whom this member has found lying so far; grows after the end, too.
  const std::set<proto::PartyId>& accused() const { return accused_; }

 private:
  enum class Kind : std::uint8_t { kShares, kBatchShares, kBatchValues };
  struct Exchange {
    Kind kind;
    std::uint32_t round;
    std::size_t size;  // Elements of a vector.
  };
  struct Received {
    // The first of each party; without values once they are decoded.
    std::map<proto::PartyId, proto::Opening> openings;
    std::optional<RobustDecoder> decoder;  // Once the exchange is reached.
  };

  static std::vector<Exchange> Exchanges(const Evaluator& evaluator,
                                         const proto::Committee& committee,
                                         std::uint64_t batch_saving_min);

  void OnOpening(proto::PartyId from, proto::Opening opening, Step& step);
  // Another opening of an exchange.
  void OnSecond(proto::PartyId from, const proto::Opening& first, const proto::Opening& second,
                Step& step);
  void OnResend(proto::PartyId from, const proto::ResendOpenings& message, Step& step);
  void OnProgress(proto::PartyId from, const proto::Progress& message, Step& step);
  // Adds a party's vector to the exchange's decoder and convicts whom it shows to be wrong.
  void Decode(Received& received, proto::PartyId from, Step& step);
  // Drops what is not held against anybody any more.
  static void Settle(Received& received);
  // Passes all exchanges that are decoded.
  void PassExchanges(Step& step);
  // Computes up to the next round and begins to open it, or finishes.
  void Advance(Step& step);
  // Begins the exchange that has been reached.
  void Begin(OwnOpening own, Step& step);
  Batch BatchOf(std::uint32_t round) const;
  void Send(proto::Target target, proto::Opening opening, Step& step);
  void Ask(proto::PartyId peer, std::uint32_t from_exchange, Step& step);
  bool IsSigned(proto::PartyId party, const proto::Opening& opening) const;
  // Accuses the party of an opening that is its own by its signature; else of sending it.
  void Convict(proto::PartyId party, const proto::Opening& opening, proto::FaultKind kind,
               Step& step);

  const PartyContext& context_;
  const std::uint64_t request_;
  proto::Digest transcript_;
  Evaluator evaluator_;
  const std::vector<Exchange> exchanges_;

  bool started_ = false;
  bool finished_ = false;
  std::uint32_t exchange_ = 0;
  // From exchange_ - kExchangesBehind to exchange_ + kExchangesAhead.
  std::map<std::uint32_t, Received> received_;
  std::vector<OwnOpening> own_;  // By exchange.
  std::set<proto::PartyId> accused_;
  std::uint64_t bytes_sent_ = 0;

  struct Peer {
    std::uint32_t latest = 0;           // The newest exchange it is known to have begun.
    std::uint32_t asked_until = 0;      // Those below were asked for: no answer lost or dropped.
    std::vector<std::uint8_t> resends;  // By exchange.
  };
  std::vector<Peer> peers_;
};

static_assert(proto::Protocol<Session>);

}  // namespace mpc
