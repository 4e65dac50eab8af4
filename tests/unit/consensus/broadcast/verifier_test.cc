// Each check that a header, vote or certificate must pass, by something that fails it alone.

#include "consensus/broadcast/verifier.h"

#include <functional>

#include <gtest/gtest.h>

#include "tests/unit/consensus/validators.h"

namespace consensus {
namespace {

using proto::FaultKind;
using proto::PartyId;

class VerifierTest : public testing::Test {
 protected:
  // What is wrong with the header of that round by validator 1, after a change and a new signature.
  std::optional<FaultKind> Fault(std::uint64_t round,
                                 const std::function<void(HeaderFields&)>& change) {
    HeaderFields fields = validators_.Fields(round, 1, Parents(round));
    change(fields);
    Verifier verifier(config_);
    return verifier.Check(validators_.Sign(std::move(fields)));
  }
  std::vector<Reference> Parents(std::uint64_t round, std::uint16_t count = 3) const {
    std::vector<Reference> parents;
    for (std::uint16_t i = 0; round > 1 && i < count; ++i) {
      parents.push_back({round - 1, PartyId{i}, proto::Hasher("test/parent").Add(i).Finish()});
    }
    return parents;
  }

  const Validators validators_;
  const Config config_ = validators_.ConfigOf(0);
  static constexpr FaultKind kMalformed = FaultKind::kMalformed;
};

TEST_F(VerifierTest, RightHeadersPass) {
  for (std::uint64_t round = 1; round <= 6; ++round) {
    EXPECT_EQ(Fault(round, [](HeaderFields&) {}), std::nullopt) << round;
  }
  EXPECT_EQ(Fault(5, [&](HeaderFields& h) { h.parents = Parents(5, 4); }), std::nullopt);
}

TEST_F(VerifierTest, AHeaderIsOfThisChainAndEpoch) {
  EXPECT_EQ(Fault(3, [](HeaderFields& h) { h.chain = proto::Hash("other", {}); }), kMalformed);
  EXPECT_EQ(Fault(3, [](HeaderFields& h) { h.epoch = 2; }), kMalformed);
  EXPECT_EQ(Fault(1, [](HeaderFields& h) { h.round = 0; }), kMalformed);
}

TEST_F(VerifierTest, ParentsAreAQuorumOfDistinctAuthorsOfTheRoundBefore) {
  EXPECT_EQ(Fault(3, [&](HeaderFields& h) { h.parents = Parents(3, 2); }), kMalformed);
  EXPECT_EQ(Fault(3, [](HeaderFields& h) { h.parents[1] = h.parents[0]; }), kMalformed);
  for (const std::uint8_t byte : {std::uint8_t{0x00}, std::uint8_t{0xff}}) {  // Either order.
    EXPECT_EQ(Fault(3,
                    [&](HeaderFields& h) {
                      h.parents[1].author = h.parents[0].author;
                      h.parents[1].digest.bytes.fill(byte);
                    }),
              kMalformed);
  }
  EXPECT_EQ(Fault(3, [](HeaderFields& h) { std::swap(h.parents[0], h.parents[1]); }), kMalformed);
  EXPECT_EQ(Fault(3, [](HeaderFields& h) { h.parents[2].round = 1; }), kMalformed);
  EXPECT_EQ(Fault(3, [](HeaderFields& h) { h.parents[2].round = 3; }), kMalformed);
  EXPECT_EQ(Fault(3, [](HeaderFields& h) { h.parents[2].author = PartyId{4}; }), kMalformed);
  EXPECT_EQ(Fault(1, [&](HeaderFields& h) { h.parents = Parents(2); }), kMalformed);
}

TEST_F(VerifierTest, WeakLinksAreOlderThanParents) {
  const Reference old{2, PartyId{3}, {}};
  EXPECT_EQ(Fault(5, [&](HeaderFields& h) { h.weak = {old}; }), std::nullopt);
  EXPECT_EQ(Fault(5, [&](HeaderFields& h) { h.weak = {old, old}; }), kMalformed);
  // A weak link to the round before would be a vote in disguise.
  EXPECT_EQ(Fault(5, [](HeaderFields& h) { h.weak = {{4, PartyId{3}, {}}}; }), kMalformed);
  EXPECT_EQ(Fault(5, [](HeaderFields& h) { h.weak = {{0, PartyId{3}, {}}}; }), kMalformed);
  EXPECT_EQ(Fault(5, [](HeaderFields& h) { h.weak = {{2, PartyId{4}, {}}}; }), kMalformed);
}

TEST_F(VerifierTest, TheCoinShareIsThereExactlyWhenDueAndRight) {
  EXPECT_EQ(Fault(4, [](HeaderFields& h) { h.coin_share.reset(); }), kMalformed);
  EXPECT_EQ(Fault(5, [&](HeaderFields& h) { h.coin_share = validators_.ShareOf(1, 4); }),
            kMalformed);
  EXPECT_EQ(Fault(2, [&](HeaderFields& h) { h.coin_share = validators_.ShareOf(1, 2); }),
            kMalformed);
  const auto with = [&](const proto::CoinShare& share) {
    return Fault(4, [&](HeaderFields& h) { h.coin_share = share; });
  };
  EXPECT_EQ(with(validators_.ShareOf(1, 2)), std::nullopt);
  EXPECT_EQ(with(validators_.ShareOf(1, 4)), FaultKind::kWrongShare);  // Another wave's.
  EXPECT_EQ(with(validators_.ShareOf(2, 2)), FaultKind::kWrongShare);  // Another validator's.
  const auto elsewhere = proto::MakeCoinShare(validators_.coin_secret(1), PartyId{1},
                                              proto::dag::CoinName(config_.chain, 2, 2));
  EXPECT_EQ(with(elsewhere), FaultKind::kWrongShare);  // Another epoch's.
}

TEST_F(VerifierTest, BatchesAreDistinctAndWithinThePayload) {
  const BatchReference batch{proto::Hash("batch", {}), 10};
  EXPECT_EQ(Fault(3, [&](HeaderFields& h) { h.batches = {batch}; }), std::nullopt);
  EXPECT_EQ(Fault(3, [&](HeaderFields& h) { h.batches = {batch, batch}; }), kMalformed);
  EXPECT_EQ(Fault(3,
                  [&](HeaderFields& h) {
                    for (std::uint64_t i = 0; i < 9; ++i) {
                      h.batches.push_back({proto::Hasher("batch").Add(i).Finish(), 512 << 10});
                    }
                  }),
            kMalformed);
}

TEST_F(VerifierTest, BlockVotesAreTheAuthorsOwn) {
  const proto::Digest block = proto::Hash("block", {});
  const auto with = [&](const std::vector<BlockVote>& votes) {
    return Fault(3, [&](HeaderFields& h) { h.block_votes = votes; });
  };
  const BlockVote vote = validators_.SignBlock(1, 7, block);
  EXPECT_EQ(with({vote}), std::nullopt);
  EXPECT_EQ(with({vote, vote}), kMalformed);
  EXPECT_EQ(with({validators_.SignBlock(2, 7, block)}), FaultKind::kBadSignature);
  EXPECT_EQ(with({BlockVote{8, block, vote.signature}}), FaultKind::kBadSignature);
}

TEST_F(VerifierTest, AHeaderIsSignedByItsAuthor) {
  Verifier verifier(config_);
  const Header header = validators_.MakeHeader(3, 1, Parents(3));
  Header forged = header;
  forged.signature = validators_.secret(2).Sign(header.digest);
  EXPECT_EQ(verifier.Check(forged), FaultKind::kBadSignature);
  EXPECT_EQ(verifier.Check(header), std::nullopt);
  EXPECT_EQ(verifier.Check(forged), FaultKind::kBadSignature);  // Also when the digest is known.
}

TEST_F(VerifierTest, AHeaderIsCheckedOnce) {
  Verifier verifier(config_);
  const Header header = validators_.MakeHeader(4, 1, Parents(4));
  EXPECT_EQ(verifier.Check(header), std::nullopt);
  const std::uint64_t checks = verifier.signature_checks();
  EXPECT_EQ(verifier.Check(header), std::nullopt);
  EXPECT_EQ(verifier.signature_checks(), checks);
  EXPECT_EQ(verifier.share_checks(), 1u);
  verifier.Collect(4);
  EXPECT_EQ(verifier.Check(header), std::nullopt);
  EXPECT_EQ(verifier.share_checks(), 2u);
}

TEST_F(VerifierTest, VotesAreSignedAsTheySay) {
  Verifier verifier(config_);
  const Vote vote = validators_.MakeVote(validators_.MakeHeader(3, 1, Parents(3)), 2);
  EXPECT_EQ(verifier.Check(vote), std::nullopt);
  const auto with = [&](const std::function<void(Vote&)>& change) {
    Vote changed = vote;
    change(changed);
    return verifier.Check(changed);
  };
  EXPECT_EQ(with([](Vote& v) { v.voter = PartyId{3}; }), FaultKind::kBadSignature);
  EXPECT_EQ(with([](Vote& v) { v.round = 4; }), FaultKind::kBadSignature);
  EXPECT_EQ(with([](Vote& v) { v.author = PartyId{0}; }), FaultKind::kBadSignature);
  EXPECT_EQ(with([](Vote& v) { v.header = {}; }), FaultKind::kBadSignature);
  EXPECT_EQ(with([](Vote& v) { v.epoch = 2; }), kMalformed);
  EXPECT_EQ(with([](Vote& v) { v.voter = PartyId{4}; }), kMalformed);
}

TEST_F(VerifierTest, ACertificateHasAQuorumOfDistinctVoters) {
  const Header header = validators_.MakeHeader(3, 1, Parents(3));
  const auto check = [&](const Certificate& certificate) {
    return Verifier(config_).Check(certificate);
  };
  EXPECT_EQ(check(validators_.Certify(header, {0, 2, 3})), std::nullopt);
  EXPECT_EQ(check(validators_.Certify(header, {0, 2})), kMalformed);
  EXPECT_EQ(check(validators_.Certify(header, {})), kMalformed);
  EXPECT_EQ(check(validators_.Certify(header, {0, 2, 2})), kMalformed);
  EXPECT_EQ(check(validators_.Certify(header, {2, 0, 3})), kMalformed);
  EXPECT_EQ(check(validators_.Certify(header, {0, 1, 2, 3})), kMalformed);  // Exactly n - f.

  Certificate certificate = validators_.Certify(header, {0, 2, 3});
  certificate.votes[1].second = certificate.votes[0].second;
  EXPECT_EQ(check(certificate), FaultKind::kBadSignature);
  certificate = validators_.Certify(header, {0, 2, 3});
  certificate.votes[2].first = PartyId{4};
  EXPECT_EQ(check(certificate), kMalformed);
  certificate = validators_.Certify(header, {0, 2, 3});
  certificate.header = validators_.MakeHeader(3, 2, Parents(3));  // Votes for another header.
  EXPECT_EQ(check(certificate), FaultKind::kBadSignature);
  certificate = validators_.Certify(header, {0, 2, 3});
  certificate.header.signature = {};
  EXPECT_EQ(check(certificate), FaultKind::kBadSignature);
}

TEST_F(VerifierTest, AnOwnVoteIsNotCheckedButAnotherInItsNameIs) {
  Verifier verifier(config_);
  const Header header = validators_.MakeHeader(3, 1, Parents(3));
  EXPECT_EQ(verifier.Check(header), std::nullopt);
  const Certificate certificate = validators_.Certify(header, {0, 2, 3});
  verifier.Trust(validators_.MakeVote(header, 0));
  const std::uint64_t before = verifier.signature_checks();
  EXPECT_EQ(verifier.Check(certificate), std::nullopt);
  EXPECT_EQ(verifier.signature_checks() - before, config_.committee.quorum() - 1);
  // The vote of this round for this header alone, in the own name alone.
  const auto refused = [&](const Header& other, std::size_t place, const proto::Signature& vote) {
    Certificate forged = validators_.Certify(other, {0, 2, 3});
    forged.votes[place].second = vote;
    return verifier.Check(forged) == FaultKind::kBadSignature;
  };
  const proto::Signature own = certificate.votes[0].second;
  EXPECT_TRUE(refused(header, 1, own));
  EXPECT_TRUE(refused(header, 0, certificate.votes[1].second));
  EXPECT_TRUE(refused(validators_.MakeHeader(3, 2, Parents(3)), 0, own));
}

TEST_F(VerifierTest, ACertificateCostsAQuorumOfChecksAndOneMadeHereNone) {
  Verifier verifier(config_);
  const Certificate certificate = validators_.Certify(validators_.MakeHeader(3, 1, Parents(3)));
  EXPECT_EQ(verifier.Check(certificate.header), std::nullopt);
  std::uint64_t before = verifier.signature_checks();
  EXPECT_EQ(verifier.Check(certificate), std::nullopt);
  EXPECT_EQ(verifier.signature_checks() - before, config_.committee.quorum());
  verifier.Trust(certificate);
  before = verifier.signature_checks();
  EXPECT_EQ(verifier.Check(certificate), std::nullopt);
  EXPECT_EQ(verifier.signature_checks(), before);
}

TEST_F(VerifierTest, ACertificateMadeHereIsNotTrustedWithOtherVotes) {
  Verifier verifier(config_);
  const Header header = validators_.MakeHeader(3, 1, Parents(3));
  EXPECT_EQ(verifier.Check(header), std::nullopt);
  verifier.Trust(validators_.Certify(header, {0, 1, 2}));
  EXPECT_EQ(verifier.Check(validators_.Certify(header, {1, 2, 3})), std::nullopt);
  EXPECT_EQ(verifier.Check(validators_.Certify(header, {0, 1})), kMalformed);
  Certificate forged = validators_.Certify(header, {0, 1, 2});
  forged.votes[1].second.bytes[9] ^= 1;
  EXPECT_EQ(verifier.Check(forged), FaultKind::kBadSignature);
  forged = validators_.Certify(header, {0, 1, 2});
  forged.header.signature.bytes[9] ^= 1;
  EXPECT_EQ(verifier.Check(forged), FaultKind::kBadSignature);
}

}  // namespace
}  // namespace consensus
