// A committee on dealt bundles that answers one request with a plan of every kind of operation, for
// tests that deliver, lie and restart as they like.
#pragma once

#include <cmath>
#include <functional>
#include <memory>
#include <vector>

#include <gtest/gtest.h>

#include "mpc/online/client.h"
#include "mpc/online/session.h"
#include "proto/crypto/merkle.h"
#include "tests/sim/network.h"
#include "tests/unit/mpc/dealer.h"
#include "tests/unit/mpc/every_kind_plan.h"
#include "tests/unit/mpc/plain.h"

namespace mpc::online_test {

inline constexpr std::uint64_t kRequest = 42;
inline constexpr std::uint32_t kRounds = 7;  // Of EveryKindPlan.
inline constexpr double kTolerance = 2e-2;   // Truncation, units of 2^-16, grown by the plan.

// A session that may stop after some messages, miss some, and start again from its bundle.
class Member {
 public:
  using Message = Session::Message;
  using Output = Session::Output;
  using Step = Session::Step;
  using Make = std::function<std::unique_ptr<Session>()>;

  explicit Member(Make make, int stop_after = -1, int misses = 0)
      : make_(std::move(make)), stop_after_(stop_after), misses_(misses) {}

  Step Start() {
    session_ = make_();
    return session_->Start();
  }
  Step Handle(proto::PartyId from, Message message) {
    // As on the wire.
    message = *proto::DecodeSessionMessage(proto::Encode(message));
    if (stop_after_ >= 0 && stop_after_-- == 0) session_.reset();
    if (session_ == nullptr) return misses_-- == 0 ? Start() : Step{};
    return session_->Handle(from, std::move(message));
  }
  bool running() const { return session_ != nullptr; }
  Session& session() { return *session_; }

 private:
  Make make_;
  std::unique_ptr<Session> session_;
  int stop_after_;
  int misses_;
};
static_assert(proto::Protocol<Member>);
using Network = ::sim::Network<Member>;

class Fixture {
 public:
  // `batch_saving_min` as of Session: 1 opens in batches wherever that saves an element.
  Fixture(std::uint16_t n, std::uint64_t seed, std::uint64_t batch_saving_min = kBatchSavingMin)
      : dealer_(n, seed),
        plan_(std::make_shared<Plan>(EveryKindPlan())),
        batch_saving_min_(batch_saving_min),
        dealt_(dealer_.Deal(*plan_)) {
    for (std::uint32_t i = 0; i < plan_->tokens; ++i) {
      ids_.push_back(static_cast<std::uint32_t>(dealer_.random()() % plan_->vocabulary));
    }
    masked_ = *MaskTokens(ids_, dealt_.token_masks, plan_->vocabulary_padded());
    Evaluator evaluator(plan_, dealt_.bundles[0], masked_, dealer_.sets().count());
    for (std::uint32_t round = 0; round < evaluator.rounds(); ++round) {
      const std::size_t size = evaluator.RoundSize(round);
      const bool batches = OpensInBatches(dealer_.committee(), size, batch_saving_min);
      exchanges_.push_back({round, size, batches, false});
      if (batches) exchanges_.push_back({round, size, true, true});
    }
  }

  Dealer& dealer() { return dealer_; }
  const Plan& plan() const { return *plan_; }
  std::uint16_t n() const { return dealer_.committee().size(); }
  std::uint16_t t() const { return dealer_.committee().max_faulty(); }
  std::uint32_t exchanges() const { return static_cast<std::uint32_t>(exchanges_.size()); }
  // Whether an exchange brings each member vectors of its own.
  bool IsPersonal(std::uint32_t exchange) const {
    return exchanges_[exchange].batches && !exchanges_[exchange].values;
  }
  Member::Make Maker(std::uint16_t party) const {
    return [this, party] {
      return std::make_unique<Session>(dealer_.context(party), plan_, dealt_.bundles[party],
                                       kRequest, masked_, false, batch_saving_min_);
    };
  }

  // An opening of an exchange with those values, for `to` where it is for one.
  proto::Opening Sign(std::uint16_t party, std::uint16_t to, std::uint32_t exchange,
                      const std::vector<Fp>& values) const {
    proto::Opening opening{kRequest, exchange, exchange, EncodeElements(values), {}, {}};
    if (IsPersonal(exchange)) opening.receiver = proto::PartyId{to};
    Resign(party, opening);
    return opening;
  }
  void Resign(std::uint16_t party, proto::Opening& opening) const {
    const PartyContext& context = dealer_.context(party);
    opening.signature = context.key->Sign(
        OpeningDigest(context.chain, opening, proto::MerkleRootOfBytes(opening.values)));
  }

  // What `party` would send to `to` in every exchange, were it honest.
  std::vector<std::vector<Fp>> Openings(std::uint16_t party, std::uint16_t to) {
    Evaluate();
    std::vector<std::vector<Fp>> openings;
    for (const auto& [round, size, batches, values] : exchanges_) {
      const Batch batch(dealer_.committee(), size);
      const std::vector<Fp>& shares = shares_[party][round];
      openings.push_back(!batches ? shares
                         : values ? batch.For(proto::PartyId{party}, values_[round])
                                  : batch.For(proto::PartyId{to}, shares));
    }
    return openings;
  }

  // All of `parties` finished once, alike, and with shares of the right output.
  void ExpectDone(Network& network, const std::vector<std::uint16_t>& parties) {
    RobustDecoder decoder(dealer_.committee(), plan_->ops.back().size());
    const proto::Digest& transcript = network.outputs(proto::PartyId{parties[0]}).at(0).transcript;
    for (const std::uint16_t party : parties) {
      const auto& outputs = network.outputs(proto::PartyId{party});
      ASSERT_FALSE(outputs.empty()) << "party " << party;
      for (const Session::Finished& finished : outputs) {  // A second one after a restart.
        EXPECT_TRUE(finished.transcript == transcript);
        EXPECT_EQ(finished.rounds, kRounds);
        EXPECT_EQ(finished.exchanges, exchanges());
      }
      decoder.Add(proto::PartyId{party}, outputs.front().output_shares);
    }
    ASSERT_TRUE(decoder.decoded());
    EXPECT_TRUE(decoder.wrong().empty());
    const auto values = UnmaskOutput(decoder.values(), dealt_.output_masks);
    const auto expected = PlainValues(*plan_, ids_).back();
    for (std::size_t i = 0; i < values.size(); ++i) {
      const double value = static_cast<double>(values[i]) / std::exp2(plan_->ops.back().frac);
      EXPECT_NEAR(value, expected[i], kTolerance);
    }
  }

 private:
  struct Exchange {
    std::uint32_t round;
    std::size_t size;  // Of the round.
    bool batches;
    bool values;  // Of the batches, not shares of them.
  };

  void Evaluate() {
    if (!shares_.empty()) return;
    std::vector<Evaluator> evaluators;
    for (std::uint16_t i = 0; i < n(); ++i) {
      evaluators.emplace_back(plan_, dealt_.bundles[i], masked_, dealer_.sets().count());
    }
    shares_.resize(n());
    for (std::size_t round = 0; round < evaluators[0].rounds(); ++round) {
      std::vector<std::vector<Fp>> shares;
      for (std::uint16_t i = 0; i < n(); ++i) {
        shares.push_back(*evaluators[i].Advance());
        shares_[i].push_back(shares.back());
      }
      values_.push_back(dealer_.Open(shares));
      for (Evaluator& evaluator : evaluators) evaluator.Opened(values_.back());
    }
  }

  Dealer dealer_;
  std::shared_ptr<const Plan> plan_;
  std::uint64_t batch_saving_min_;
  Dealer::Dealt dealt_;
  std::vector<std::uint32_t> ids_;
  std::vector<std::uint32_t> masked_;
  std::vector<Exchange> exchanges_;
  std::vector<std::vector<std::vector<Fp>>> shares_;  // By party and round.
  std::vector<std::vector<Fp>> values_;               // By round.
};

inline std::vector<std::uint16_t> Range(std::uint16_t first, std::uint16_t end) {
  std::vector<std::uint16_t> range;
  for (; first < end; ++first) range.push_back(first);
  return range;
}

}  // namespace mpc::online_test
