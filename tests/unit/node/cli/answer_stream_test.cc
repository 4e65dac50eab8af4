// An answer as it comes, against validators that lie, are silent, or send what is not theirs.

#include "node/cli/answer_stream.h"

#include <gtest/gtest.h>

#include "mpc/sharing/shamir.h"
#include "node/inference/answer_step.h"
#include "proto/crypto/hash.h"

namespace node {
namespace {

using mpc::Fp;
using nlohmann::json;
using proto::Digest;
using proto::PartyId;

constexpr std::uint64_t kRequest = 7;
constexpr std::uint32_t kSteps = 5;
constexpr std::size_t kGroup = 2;

class AnswerStreams : public testing::TestWithParam<std::uint16_t> {
 protected:
  void SetUp() override {
    n_ = GetParam();
    t_ = proto::Committee(n_).max_faulty();
    std::vector<proto::PublicKey> publics;
    for (std::uint16_t i = 0; i < n_; ++i) {
      const Digest seed = proto::Hash("test", {proto::AsBytes(std::to_string(i))});
      keys_.push_back(*proto::SecretKey::From(seed.span()));
      publics.push_back(keys_.back().public_key());
    }
    stream_.emplace(Members(1, publics), chain_, kRequest, kSteps, kGroup);
  }

  // Output j of a step: 100 step + j, on a polynomial of degree t.
  static Fp Value(std::uint32_t step, std::size_t j) {
    return Fp(100 * std::int64_t{step} + static_cast<std::int64_t>(j));
  }
  proto::Bytes Shares(std::uint16_t party, std::uint32_t step, std::int64_t wrong = 0) const {
    std::vector<Fp> shares;
    for (std::size_t j = 0; j < kGroup; ++j) {
      Fp share;
      for (std::size_t degree = t_; degree > 0; --degree) {
        share = (share + Fp(static_cast<std::int64_t>(1000 * degree + 10 * step + j))) *
                mpc::Point(PartyId{party});
      }
      shares.push_back(share + Value(step, j) + Fp(wrong));
    }
    return mpc::EncodeElements(shares);
  }
  json Step(std::uint16_t party, const proto::Bytes& shares, std::uint32_t signed_step,
            std::uint64_t request = kRequest) const {
    const auto signature =
        keys_[party].Sign(AnswerStepDigest(chain_, request, signed_step, shares));
    return {{"shares", proto::ToHex(shares)}, {"signature", proto::ToHex(signature.span())}};
  }
  // Steps [from, to) as an honest validator tells them.
  json Answer(std::uint16_t party, std::uint32_t from, std::uint32_t to,
              std::int64_t wrong = 0) const {
    json steps = json::array();
    for (std::uint32_t step = from; step < to; ++step) {
      steps.push_back(Step(party, Shares(party, step, wrong), step));
    }
    return {{"steps", std::move(steps)}};
  }
  bool Add(std::uint16_t party, const json& answer) {
    return stream_->Add(PartyId{party}, answer).has_value();
  }
  // The first `steps` steps are decoded, and right.
  void ExpectDecoded(std::uint32_t steps) const {
    const auto decoded = stream_->decoded();
    ASSERT_EQ(decoded.size(), steps * kGroup);
    for (std::uint32_t step = 0; step < steps; ++step) {
      for (std::size_t j = 0; j < kGroup; ++j) {
        EXPECT_EQ(decoded[step * kGroup + j], Value(step, j));
      }
    }
  }

  const Digest chain_ = proto::Hash("test chain", {});
  std::uint16_t n_ = 0;
  std::uint16_t t_ = 0;
  std::vector<proto::SecretKey> keys_;
  std::optional<AnswerStream> stream_;
};

TEST_P(AnswerStreams, DecodesFromAsManyAsAgree) {
  const auto last = static_cast<std::uint16_t>(2 * t_);
  for (std::uint16_t i = 0; i < last; ++i) EXPECT_TRUE(Add(i, Answer(i, 0, 2)));
  ExpectDecoded(0);
  EXPECT_TRUE(Add(last, Answer(last, 0, 1)));
  ExpectDecoded(1);
  EXPECT_EQ(stream_->next_step(PartyId{last}), 1u);
  EXPECT_TRUE(Add(last, Answer(last, 1, 2)));
  ExpectDecoded(2);
  // The rest, with t silent from here on.
  for (std::uint16_t i = t_; i < n_; ++i) {
    EXPECT_TRUE(Add(i, Answer(i, stream_->next_step(PartyId{i}), kSteps)));
  }
  ExpectDecoded(kSteps);
  EXPECT_TRUE(stream_->wrong().empty());
}

TEST_P(AnswerStreams, LiarsNeitherStopNorFalsifyIt) {
  // They are first, agree with each other, and claim steps that nobody has computed yet.
  for (std::uint16_t i = 0; i < t_; ++i) EXPECT_TRUE(Add(i, Answer(i, 0, kSteps, 5)));
  for (std::uint16_t i = t_; i + 1 < n_; ++i) EXPECT_TRUE(Add(i, Answer(i, 0, 3)));
  ExpectDecoded(0);
  const auto last = static_cast<std::uint16_t>(n_ - 1);
  EXPECT_TRUE(Add(last, Answer(last, 0, 3)));
  ExpectDecoded(3);
  std::vector<PartyId> liars;
  for (std::uint16_t i = 0; i < t_; ++i) liars.push_back(PartyId{i});
  EXPECT_EQ(stream_->wrong(), liars);
}

TEST_P(AnswerStreams, TakesNothingButTheNextStepOfThisRequestByItsAuthor) {
  const proto::Bytes first = Shares(0, 0), second = Shares(0, 1);
  const auto refused = [&](const json& step) {
    EXPECT_FALSE(Add(0, {{"steps", {step}}})) << step;
    EXPECT_EQ(stream_->next_step(PartyId{0}), 0u);
  };
  refused(Step(0, second, 1));               // A future step's share.
  refused(Step(0, first, 0, kRequest + 1));  // Another request's.
  refused(Step(1, Shares(1, 0), 0));         // Another validator's.
  json changed = Step(0, first, 0);
  changed["shares"] = proto::ToHex(Shares(0, 0, 1));
  refused(changed);
  proto::Bytes longer = first;
  longer.resize(longer.size() + Fp::kBytes);
  refused(Step(0, longer, 0));
  refused(Step(0, proto::Bytes(kGroup * Fp::kBytes, 0xff), 0));  // No field elements.
  for (const json& malformed : {json(), json(3), json::object(), json::array(),
                                json{{"shares", "zz"}, {"signature", "00"}}}) {
    refused(malformed);
  }
  for (const json& answer : {json(), json(1), json::object(), json{{"steps", 1}}}) {
    EXPECT_FALSE(Add(0, answer));
  }
  // A step sent again is no second one: it is not signed as the next.
  EXPECT_TRUE(Add(0, Answer(0, 0, 1)));
  EXPECT_FALSE(Add(0, Answer(0, 0, 1)));
  EXPECT_EQ(stream_->next_step(PartyId{0}), 1u);
  // What comes before a bad step counts; more steps than there are do not.
  json mixed = Answer(0, 1, 2);
  mixed["steps"].push_back(Step(0, first, 0));
  EXPECT_FALSE(Add(0, mixed));
  EXPECT_EQ(stream_->next_step(PartyId{0}), 2u);
  EXPECT_FALSE(Add(0, Answer(0, 2, kSteps + 1)));
  EXPECT_EQ(stream_->next_step(PartyId{0}), kSteps);
}

INSTANTIATE_TEST_SUITE_P(Sizes, AnswerStreams, testing::Values(4, 7));

}  // namespace
}  // namespace node
