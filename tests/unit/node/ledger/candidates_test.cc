// Who is in the next committee, and what a validator under a new key answers for.

#include <gtest/gtest.h>

#include "node/ledger/epochs.h"
#include "tests/unit/node/ledger/chain.h"

namespace node::test {
namespace {

// A committee of at most four.
struct FourSeats : Chain {
  FourSeats() {
    genesis.spec.validators_max = 4;
    ledger = *Ledger::FromGenesis(genesis);
    stored.clear();
    Store(Ledger::GenesisState(genesis));
  }
  std::vector<proto::PublicKey> Decided() {
    UntilDecided();
    std::vector<proto::PublicKey> decided;
    for (const auto& card : ledger.snapshot().turn().validators) decided.push_back(card.key);
    return decided;
  }
  bool HasSeat(const proto::PublicKey& key) { return std::ranges::count(Decided(), key) == 1; }
};

TEST(NextCommittee, HasTheLargestStakesWithinItsLimit) {
  FourSeats chain;
  EXPECT_EQ(chain.Join(0, kStake + 1).code, ReceiptCode::kDone);
  EXPECT_EQ(chain.Decided().size(), 4u);
  EXPECT_TRUE(chain.HasSeat(chain.clients[0].public_key()));
}

TEST(NextCommittee, OfEqualStakesKeepsThoseThatCompute) {
  FourSeats chain;
  EXPECT_EQ(chain.Join(0).code, ReceiptCode::kDone);
  EXPECT_EQ(chain.Join(1).code, ReceiptCode::kDone);
  EXPECT_EQ(chain.Decided(), chain.ledger.snapshot().epoch()->validators.keys);
}

std::string Equivocation(const Chain& chain, const proto::EpochRecord& epoch,
                         const proto::SecretKey& key) {
  const auto party = *Members(epoch.number, epoch.keys()).Find(key.public_key());
  proto::dag::BlockVotePair pair{epoch.number, party, {}, {}};
  for (proto::dag::BlockVote* vote : {&pair.first, &pair.second}) {
    *vote = {7, MakeDigest(vote == &pair.first ? "a" : "b"), {}};
    vote->signature =
        key.Sign(proto::CheckpointDigest(chain.ledger.chain().id, epoch.number, 7, vote->block));
  }
  return std::string(proto::AsText(proto::dag::EncodeEvidence(pair)));
}

proto::ReportEvidence Report(const std::string& evidence) {
  const auto bytes = proto::AsBytes(evidence);
  return {Bytes(bytes.begin(), bytes.end())};
}

// Three honest validators cannot go on without the fourth.
TEST(NextCommittee, StaysWhileFewerThanFourCouldBeInIt) {
  Chain chain;
  const auto epoch = chain.ledger.snapshot().epoch();
  const auto evidence = Equivocation(chain, epoch->record, chain.validators[1]);
  EXPECT_EQ(chain.Validator(0, Report(evidence)).code, ReceiptCode::kDone);
  chain.NextEpoch();
  EXPECT_EQ(chain.ledger.snapshot().epoch()->validators.keys, epoch->validators.keys);
  EXPECT_EQ(chain.Join(0).code, ReceiptCode::kDone);
  chain.NextEpoch();
  EXPECT_TRUE(chain.IsMember(chain.clients[0].public_key()));
  EXPECT_FALSE(chain.IsMember(chain.validators[1].public_key()));
}

// Clients 0 and 1 are members.
class Joined : public testing::Test {
 protected:
  Joined() {
    chain_.keys.push_back(fresh_.Clone());
    EXPECT_EQ(chain_.Join(0).code, ReceiptCode::kDone);
    EXPECT_EQ(chain_.Join(1).code, ReceiptCode::kDone);
    chain_.NextEpoch();
  }
  proto::Receipt Rotate(std::size_t client, const proto::SecretKey& next) {
    const auto& old = chain_.clients[client];
    proto::RotateValidator rotate{chain_.Card(next, "joined-" + std::to_string(client)), {}};
    rotate.consent = next.Sign(
        proto::RotationDigest(chain_.ledger.chain().id, old.public_key(), next.public_key()));
    return chain_.From(old, rotate);
  }

  Chain chain_;
  const proto::SecretKey fresh_ = MakeKey("fresh");
};

TEST_F(Joined, TwoDoNotGetOneKey) {
  EXPECT_EQ(Rotate(0, fresh_).code, ReceiptCode::kDone);
  proto::RotateValidator same{chain_.Card(fresh_, "joined-1"), {}};
  same.card.peer_address = "elsewhere:1";
  same.card.certificate += "'s other";
  same.card.certificate_signature = fresh_.Sign(proto::CertificateDigest(same.card.certificate));
  same.consent = fresh_.Sign(proto::RotationDigest(
      chain_.ledger.chain().id, chain_.clients[1].public_key(), fresh_.public_key()));
  EXPECT_EQ(chain_.From(chain_.clients[1], same).code, ReceiptCode::kBadValidator);
  EXPECT_EQ(Rotate(1, chain_.validators[0]).code, ReceiptCode::kBadValidator);
}

TEST_F(Joined, ANewKeyIsNotReplacedOnceTheNextEpochIsDecidedWithIt) {
  EXPECT_EQ(Rotate(0, fresh_).code, ReceiptCode::kDone);
  EXPECT_EQ(Rotate(0, MakeKey("better")).code, ReceiptCode::kDone) << "not decided yet";
  EXPECT_EQ(Rotate(0, fresh_).code, ReceiptCode::kDone);
  chain_.UntilDecided();
  EXPECT_EQ(Rotate(0, MakeKey("better")).code, ReceiptCode::kWrongState);
  chain_.NextEpoch();
  EXPECT_TRUE(chain_.IsMember(fresh_.public_key()));
  EXPECT_TRUE(chain_.ledger.snapshot().validator(fresh_.public_key()).has_value());
}

TEST_F(Joined, ANewKeyAnswersForTheOldOne) {
  const auto old_epoch = chain_.ledger.snapshot().epoch()->record;
  EXPECT_EQ(Rotate(0, fresh_).code, ReceiptCode::kDone);
  chain_.NextEpoch();
  const std::uint64_t round = chain_.ledger.header().round;
  const auto evidence = Equivocation(chain_, old_epoch, chain_.clients[0]);
  EXPECT_EQ(chain_.Validator(0, Report(evidence)).code, ReceiptCode::kDone);
  EXPECT_EQ(chain_.ledger.header().round, round + 2) << "rounds go on over the epochs";
  const auto record = chain_.ledger.snapshot().validator(fresh_.public_key());
  EXPECT_TRUE(record->evidence.has_value());
  EXPECT_EQ(record->stake, 0u);
}

TEST_F(Joined, ALeaverOfADecidedEpochStaysForIt) {
  chain_.UntilDecided();
  EXPECT_EQ(chain_.From(chain_.clients[0], proto::LeaveValidators{}).code, ReceiptCode::kDone);
  chain_.NextEpoch();
  const auto key = chain_.clients[0].public_key();
  EXPECT_TRUE(chain_.IsMember(key));
  EXPECT_EQ(chain_.ledger.snapshot().validator(key)->stake, kStake) << "it can still be slashed";
  chain_.NextEpoch();
  EXPECT_FALSE(chain_.IsMember(key));
  EXPECT_EQ(chain_.ledger.snapshot().totals().unbonding, kStake);
}

}  // namespace
}  // namespace node::test
