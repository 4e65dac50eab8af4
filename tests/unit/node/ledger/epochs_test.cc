// Committees that change: stake, the next epoch's members and keys, and who can follow them.

#include "node/ledger/epochs.h"

#include <gtest/gtest.h>

#include "node/ledger/key_ceremony.h"
#include "node/ledger/light_client.h"
#include "tests/unit/node/ledger/chain.h"

namespace node::test {
namespace {

TEST(Epochs, EndOnlyWhenTheNextKeyIsDealt) {
  Chain chain;
  chain.UntilDecided();
  for (int i = 0; i < 20; ++i) chain.Run({});
  EXPECT_EQ(chain.ledger.snapshot().epoch()->record.number, 1u);
  const proto::EpochLink link = chain.NextEpoch();
  EXPECT_EQ(link.header.next_committee_hash, proto::CommitteeHash(link.next));
  EXPECT_EQ(link.next.first_height, link.header.height + 1);
  EXPECT_EQ(chain.Run({}).header.committee_hash, proto::CommitteeHash(link.next));
  EXPECT_EQ(chain.ledger.header().next_committee_hash, Digest{});
}

TEST(Epochs, TheCoinsKeyIsSharedAmongTheNextMembers) {
  Chain chain;
  EXPECT_EQ(chain.Join(0).code, ReceiptCode::kDone);
  chain.NextEpoch();
  const auto epoch = chain.ledger.snapshot().epoch();
  ASSERT_EQ(epoch->validators.committee.size(), 5);
  const auto dealings = chain.ledger.snapshot().dealings(2);
  const auto name = MakeDigest("a coin");
  std::vector<std::pair<PartyId, proto::CoinShare>> shares;
  for (std::uint16_t i = 0; i < 5; ++i) {
    const auto secret = EpochCoinSecret(chain.ledger.chain().id, *epoch, *dealings,
                                        chain.KeyOf(epoch->validators.keys[i]));
    ASSERT_TRUE(secret.has_value()) << secret.error().message;
    shares.emplace_back(PartyId{i}, proto::MakeCoinShare(*secret, PartyId{i}, name));
    EXPECT_TRUE(
        proto::VerifyCoinShare(epoch->record.coin_key(), PartyId{i}, name, shares.back().second));
  }
  const auto key = epoch->record.coin_key();
  const Digest coin = proto::CombineCoin(key, name, {shares[0], shares[1]});
  EXPECT_EQ(proto::CombineCoin(key, name, {shares[4], shares[2]}), coin);
  // Who computes counts anew; the shares stay where they are.
  const auto computing = proto::ComputingCoin(epoch->record);
  const auto second = epoch->record.computing.at(1);
  const auto last = epoch->record.computing.at(3);
  EXPECT_EQ(proto::CombineCoin(computing, name,
                               {{PartyId{1}, shares[Index(second)].second},
                                {PartyId{3}, shares[Index(last)].second}}),
            coin);
}

TEST(Epochs, AWrongDealingCountsForNobodyAndBlocksNothing) {
  Chain chain;
  chain.UntilDecided();
  const proto::Turn turn = chain.ledger.snapshot().turn();
  const auto& liar = turn.validators[0].key;
  // Another's dealing, and a spoilt one, under the liar's name.
  const auto stolen = chain.Dealing(turn.validators[1].key);
  EXPECT_EQ(chain.One(chain.Sign(chain.KeyOf(liar), 0, stolen)).code, ReceiptCode::kInvalid);
  EXPECT_EQ(chain.Deal(liar).code, ReceiptCode::kDuplicate);
  auto spoilt = std::get<proto::DealCoinKey>(chain.Dealing(turn.validators[1].key));
  spoilt.dealing[spoilt.dealing.size() / 2] ^= 1;
  EXPECT_EQ(chain.One(chain.Sign(chain.KeyOf(turn.validators[1].key), 0, spoilt)).code,
            ReceiptCode::kInvalid);
  EXPECT_EQ(chain.From(chain.clients[0], chain.Dealing(liar)).code, ReceiptCode::kNotValidator);
  EXPECT_EQ(chain.Deal(turn.validators[2].key).code, ReceiptCode::kDone);
  EXPECT_EQ(chain.ledger.snapshot().epoch()->record.number, 1u);
  EXPECT_EQ(chain.Deal(turn.validators[3].key).code, ReceiptCode::kDone);
  EXPECT_EQ(chain.ledger.snapshot().epoch()->record.number, 2u);
  // Too late, and for no epoch that is decided.
  auto late = spoilt;
  EXPECT_EQ(chain.One(chain.Sign(chain.KeyOf(liar), 0, late)).code, ReceiptCode::kTooLate);
}

TEST(Validators, JoinWithStakeAndOnlyOnce) {
  Chain chain;
  EXPECT_EQ(chain.Join(0, kStake - 1).code, ReceiptCode::kBadValidator);
  EXPECT_EQ(chain.Join(0, kFunds).code, ReceiptCode::kNoFunds);
  auto card = chain.Card(chain.clients[0], "x");
  card.name = chain.genesis.validators[2].name;
  EXPECT_EQ(chain.From(chain.clients[0], proto::JoinValidators{card, kStake}).code,
            ReceiptCode::kBadValidator);
  card = chain.Card(chain.clients[1], "x");
  EXPECT_EQ(chain.From(chain.clients[0], proto::JoinValidators{card, kStake}).code,
            ReceiptCode::kBadValidator);
  EXPECT_EQ(chain.Join(0).code, ReceiptCode::kDone);
  EXPECT_FALSE(chain.IsMember(chain.clients[0].public_key()));
  EXPECT_EQ(chain.Join(0, 5).code, ReceiptCode::kDone);  // More stake.
  EXPECT_EQ(chain.ledger.snapshot().validator(chain.clients[0].public_key())->stake, kStake + 5);
  chain.NextEpoch();
  chain.NextEpoch();  // The first was decided before.
  EXPECT_TRUE(chain.IsMember(chain.clients[0].public_key()));
}

TEST(Validators, LeaveWithTheirEpochAndArePaidOutLater) {
  Chain chain;
  EXPECT_EQ(chain.From(chain.clients[0], proto::LeaveValidators{}).code, ReceiptCode::kWrongState);
  EXPECT_EQ(chain.Join(0).code, ReceiptCode::kDone);
  chain.NextEpoch();
  const auto& leaver = chain.clients[0];
  EXPECT_EQ(chain.From(leaver, proto::LeaveValidators{}).code, ReceiptCode::kDone);
  EXPECT_EQ(chain.Join(0).code, ReceiptCode::kWrongState);
  // Four must stay.
  chain.From(chain.clients[1], proto::Transfer{chain.validators[0].public_key(), 100});
  EXPECT_EQ(chain.From(chain.validators[0], proto::LeaveValidators{}).code, ReceiptCode::kLimit);
  chain.NextEpoch();
  EXPECT_FALSE(chain.IsMember(leaver.public_key()));
  EXPECT_EQ(chain.ledger.snapshot().totals().unbonding, kStake);
  const std::uint64_t before = chain.Balance(leaver.public_key());
  const std::uint64_t end = chain.ledger.header().round + kUnbonding;
  while (chain.ledger.header().round + 2 < end) chain.Run({});
  EXPECT_EQ(chain.Balance(leaver.public_key()), before);
  chain.Run({});
  EXPECT_EQ(chain.Balance(leaver.public_key()), before + kStake);
  EXPECT_EQ(chain.ledger.snapshot().totals().unbonding, 0u);
}

TEST(Validators, ChangeTheirKeyBetweenEpochs) {
  Chain chain;
  const proto::SecretKey fresh = MakeKey("fresh");
  chain.keys.push_back(fresh.Clone());
  const auto old_key = chain.validators[1].public_key();
  chain.From(chain.clients[1], proto::Transfer{old_key, 100});
  proto::RotateValidator rotate{chain.Card(fresh, "validator-1"), {}};
  rotate.consent = chain.validators[1].Sign(
      proto::RotationDigest(chain.ledger.chain().id, old_key, fresh.public_key()));
  EXPECT_EQ(chain.From(chain.validators[1], rotate).code, ReceiptCode::kBadValidator);
  rotate.consent =
      fresh.Sign(proto::RotationDigest(chain.ledger.chain().id, old_key, fresh.public_key()));
  EXPECT_EQ(chain.From(chain.validators[1], rotate).code, ReceiptCode::kDone);
  EXPECT_TRUE(chain.IsMember(old_key));
  chain.NextEpoch();
  EXPECT_FALSE(chain.IsMember(old_key));
  EXPECT_TRUE(chain.IsMember(fresh.public_key()));
  EXPECT_EQ(chain.ledger.snapshot().validator(fresh.public_key())->stake, kStake);
  // Another set of members has no keys to compute with.
  EXPECT_TRUE(chain.ledger.snapshot().epoch()->computing.has_value());
  EXPECT_FALSE(chain.ledger.snapshot().computes());
}

// The next epoch's committee has its new key already: whatever becomes of it in the present one,
// the record of its stake follows to that key.
class ChangesItsKey : public testing::Test {
 protected:
  // Client 0 is a member, and the next epoch is decided with its new key.
  ChangesItsKey() {
    chain_.keys.push_back(fresh_.Clone());
    EXPECT_EQ(chain_.Join(0).code, ReceiptCode::kDone);
    chain_.NextEpoch();
    proto::RotateValidator rotate{chain_.Card(fresh_, "joined-0"), {}};
    rotate.consent =
        fresh_.Sign(proto::RotationDigest(chain_.ledger.chain().id, old_key_, new_key_));
    EXPECT_EQ(chain_.From(old_, rotate).code, ReceiptCode::kDone);
    chain_.UntilDecided();
    EXPECT_EQ(std::ranges::count(chain_.ledger.snapshot().turn().validators, new_key_,
                                 &proto::ValidatorSpec::key),
              1);
  }
  proto::Receipt Equivocates() {
    const auto epoch = chain_.ledger.snapshot().epoch();
    proto::dag::BlockVotePair pair{epoch->record.number, *epoch->validators.Find(old_key_), {}, {}};
    for (proto::dag::BlockVote* vote : {&pair.first, &pair.second}) {
      *vote = {7, MakeDigest(vote == &pair.first ? "a" : "b"), {}};
      vote->signature = old_.Sign(
          proto::CheckpointDigest(chain_.ledger.chain().id, epoch->record.number, 7, vote->block));
    }
    return chain_.Validator(0, proto::ReportEvidence{proto::dag::EncodeEvidence(pair)});
  }
  std::optional<proto::ValidatorRecord> Record(const proto::PublicKey& key) const {
    return chain_.ledger.snapshot().validator(key);
  }
  // Its fees are divided among the members: each of them must have a record.
  void PayAFee() {
    chain_.From(chain_.clients[1], proto::Transfer{chain_.clients[2].public_key(), 1});
  }

  Chain chain_;
  const proto::SecretKey fresh_ = MakeKey("fresh");
  const proto::SecretKey& old_ = chain_.clients[0];
  const proto::PublicKey old_key_ = old_.public_key();
  const proto::PublicKey new_key_ = fresh_.public_key();
};

TEST_F(ChangesItsKey, AndDealsUnderTheNewOne) {
  const Bytes dealing = chain_.Sign(fresh_, 0, chain_.Dealing(new_key_));
  const auto admitted = chain_.ledger.Admit(dealing);
  EXPECT_TRUE(admitted.has_value()) << admitted.error().message;
  EXPECT_EQ(chain_.One(dealing).code, ReceiptCode::kDone);
  const proto::SecretKey stranger = MakeKey("stranger");
  EXPECT_FALSE(chain_.ledger.Admit(chain_.Sign(stranger, 0, chain_.Dealing(new_key_))).has_value());
}

TEST_F(ChangesItsKey, AndLeavesOneEpochLater) {
  EXPECT_EQ(chain_.From(old_, proto::LeaveValidators{}).code, ReceiptCode::kDone);
  chain_.NextEpoch();
  EXPECT_TRUE(chain_.IsMember(new_key_));
  ASSERT_TRUE(Record(new_key_).has_value());
  EXPECT_EQ(Record(new_key_)->status, proto::ValidatorStatus::kLeaving);
  EXPECT_EQ(Record(new_key_)->stake, kStake);
  EXPECT_EQ(chain_.ledger.snapshot().totals().unbonding, 0u) << "a member's stake is bonded";
  PayAFee();
  chain_.NextEpoch();
  EXPECT_FALSE(chain_.IsMember(new_key_));
  EXPECT_EQ(Record(new_key_)->status, proto::ValidatorStatus::kLeft);
  EXPECT_EQ(chain_.ledger.snapshot().totals().unbonding, kStake);
  PayAFee();
}

TEST_F(ChangesItsKey, AndIsConvictedUnderBoth) {
  EXPECT_EQ(Equivocates().code, ReceiptCode::kDone);
  chain_.NextEpoch();
  EXPECT_TRUE(chain_.IsMember(new_key_)) << "decided before";
  ASSERT_TRUE(Record(new_key_).has_value());
  EXPECT_TRUE(Record(old_key_)->evidence && Record(new_key_)->evidence);
  EXPECT_EQ(Record(new_key_)->stake, 0u);
  const std::uint64_t before = chain_.Balance(new_key_);
  PayAFee();
  EXPECT_EQ(chain_.Balance(new_key_), before) << "it earns nothing";
  chain_.NextEpoch();
  EXPECT_FALSE(chain_.IsMember(new_key_));
  PayAFee();
}

TEST(Validators, LoseTheirStakeForEarlierEpochsToo) {
  Chain chain;
  EXPECT_EQ(chain.Join(0).code, ReceiptCode::kDone);
  chain.NextEpoch();
  const auto epoch = chain.ledger.snapshot().epoch();
  const auto offender = chain.clients[0].public_key();
  EXPECT_EQ(chain.From(chain.clients[0], proto::LeaveValidators{}).code, ReceiptCode::kDone);
  chain.NextEpoch();
  proto::dag::BlockVotePair pair{2, *epoch->validators.Find(offender), {}, {}};
  for (proto::dag::BlockVote* vote : {&pair.first, &pair.second}) {
    *vote = {7, MakeDigest(vote == &pair.first ? "a" : "b"), {}};
    vote->signature =
        chain.clients[0].Sign(proto::CheckpointDigest(chain.ledger.chain().id, 2, 7, vote->block));
  }
  const proto::ReportEvidence report{proto::dag::EncodeEvidence(pair)};
  EXPECT_EQ(chain.Validator(0, report).code, ReceiptCode::kDone);
  EXPECT_EQ(chain.ledger.snapshot().totals().unbonding, 0u);
  EXPECT_EQ(chain.Validator(0, report).code, ReceiptCode::kDuplicate);
  EXPECT_EQ(chain.Join(0).code, ReceiptCode::kWrongState);
}

TEST(Epochs, EndBundlesThatNoRequestHas) {
  Chain chain;
  chain.Activate();
  ASSERT_EQ(chain.ledger.snapshot().attempt(1)->epoch, 1u);
  chain.NextEpoch();
  EXPECT_FALSE(chain.All<AttemptDead>().empty());
  EXPECT_EQ(chain.ledger.snapshot().attempt(1)->status, proto::AttemptStatus::kBurnt);
  chain.MakeKeys();
  chain.Run({});
  const auto totals = chain.ledger.snapshot().totals();
  EXPECT_EQ(chain.ledger.snapshot().attempt(totals.attempts)->epoch, 2u);
}

// Of 4 members, one says nothing: the others' acknowledgements make the keys of all sets.
TEST(Epochs, NothingIsComputedBeforeTheirKeysAreMade) {
  Chain chain;
  chain.Activate();
  chain.NextEpoch();
  const auto members = chain.ledger.snapshot().epoch()->computing->keys;
  const auto attempts = chain.ledger.snapshot().totals().attempts;
  const auto acknowledge = [&](std::size_t member, std::uint16_t author, std::uint64_t epoch = 2,
                               const char* what = "right") {
    return chain
        .One(chain.Sign(chain.KeyOf(members[member]), 0,
                        proto::AcknowledgeKeys{epoch, PartyId{author}, MakeDigest(what)}))
        .code;
  };
  EXPECT_EQ(acknowledge(0, 0, 3), ReceiptCode::kTooEarly);
  EXPECT_EQ(acknowledge(0, 0, 1), ReceiptCode::kTooLate);
  EXPECT_EQ(acknowledge(0, 4), ReceiptCode::kInvalid);
  EXPECT_EQ(chain
                .One(chain.Sign(chain.clients[0], 0,
                                proto::AcknowledgeKeys{2, PartyId{0}, MakeDigest("right")}))
                .code,
            ReceiptCode::kNotValidator);
  EXPECT_EQ(acknowledge(1, 0, 2, "wrong"), ReceiptCode::kDone);
  EXPECT_EQ(acknowledge(1, 0), ReceiptCode::kDuplicate);
  for (std::uint16_t author = 0; author < 3; ++author) {
    for (std::size_t member = 0; member < 3 && !chain.ledger.snapshot().computes(); ++member) {
      EXPECT_EQ(chain.ledger.snapshot().totals().attempts, attempts);
      acknowledge(member, author);
    }
  }
  EXPECT_TRUE(chain.ledger.snapshot().computes());
  EXPECT_EQ(chain.All<KeysMade>(), std::vector{KeysMade{2}});
  EXPECT_EQ(acknowledge(2, 2), ReceiptCode::kTooLate);
  chain.Run({});
  EXPECT_GT(chain.ledger.snapshot().totals().attempts, attempts);
}

TEST(Epochs, TheLedgerIsRestoredInAnyOfThem) {
  Chain chain;
  chain.Join(0);
  chain.NextEpoch();
  for (int i = 0; i < 2; ++i) {
    std::vector<std::pair<Bytes, Bytes>> state(chain.stored.begin(), chain.stored.end());
    auto restored = Ledger::Restore(chain.genesis, std::move(state), chain.ledger.header());
    ASSERT_TRUE(restored.has_value()) << restored.error().message;
    EXPECT_EQ(restored->snapshot().epoch()->record, chain.ledger.snapshot().epoch()->record);
    chain.Run({});
  }
}

TEST(LightClient, FollowsCommitteesFromGenesis) {
  Chain chain;
  LightClient client(chain.genesis);
  chain.Join(0);
  for (int i = 0; i < 3; ++i) {
    const proto::EpochLink link = chain.NextEpoch();
    const auto header = chain.Run({}).header;
    const auto signatures = chain.Signatures(link.next, header);
    EXPECT_FALSE(client.VerifyHeader(header, signatures).has_value());
    const auto followed = client.Follow(*proto::DecodeLink(proto::EncodeLink(link)));
    ASSERT_TRUE(followed.has_value()) << followed.error().message;
    EXPECT_TRUE(client.VerifyHeader(header, signatures).has_value());
    EXPECT_TRUE(client.Follow(link).has_value());  // Again.
    // Of the epoch before.
    EXPECT_TRUE(client.VerifyHeader(link.header, link.signatures).has_value());
  }
}

TEST(LightClient, RefusesEveryTamperedPartOfALink) {
  Chain chain;
  chain.Join(0);
  const proto::EpochLink link = chain.NextEpoch();
  const auto refuses = [&](const auto& change) {
    proto::EpochLink other = link;
    change(other);
    return !LightClient(chain.genesis).Follow(other).has_value();
  };
  EXPECT_FALSE(refuses([](proto::EpochLink&) {}));
  const Bytes header = proto::EncodeBlockHeader(link.header);
  for (std::size_t i = 0; i < header.size(); ++i) {
    EXPECT_TRUE(refuses([&](proto::EpochLink& l) {
      Bytes bytes = header;
      bytes[i] ^= 1;
      l.header = *proto::DecodeBlockHeader(bytes);
    })) << i;
  }
  // The set of signatures: too few, one twice, moved to others, a stranger's, changed.
  EXPECT_TRUE(refuses([](proto::EpochLink& l) { l.signatures.clear(); }));
  EXPECT_TRUE(refuses([](proto::EpochLink& l) { l.signatures.pop_back(); }));
  EXPECT_TRUE(refuses([](proto::EpochLink& l) { l.signatures[1] = l.signatures[0]; }));
  EXPECT_TRUE(refuses([](proto::EpochLink& l) { l.signatures.push_back(l.signatures[0]); }));
  for (std::size_t i = 0; i < link.signatures.size(); ++i) {
    EXPECT_TRUE(refuses([&](proto::EpochLink& l) { l.signatures[i].first = PartyId{3}; })) << i;
    EXPECT_TRUE(refuses([&](proto::EpochLink& l) { l.signatures[i].first = PartyId{4}; })) << i;
    for (std::size_t byte = 0; byte < 64; ++byte) {
      EXPECT_TRUE(refuses([&](proto::EpochLink& l) { l.signatures[i].second.bytes[byte] ^= 1; }))
          << i << " " << byte;
    }
  }
  // Every field of the record.
  EXPECT_TRUE(refuses([](proto::EpochLink& l) { l.next.number += 1; }));
  EXPECT_TRUE(refuses([](proto::EpochLink& l) { l.next.number -= 1; }));
  EXPECT_TRUE(refuses([](proto::EpochLink& l) { l.next.first_height += 1; }));
  EXPECT_TRUE(refuses([](proto::EpochLink& l) { l.next.first_round += 1; }));
  EXPECT_TRUE(refuses([](proto::EpochLink& l) { l.next.coin_threshold += 1; }));
  EXPECT_TRUE(refuses([](proto::EpochLink& l) { l.next.computing.clear(); }));
  EXPECT_TRUE(refuses([&](proto::EpochLink& l) {
    for (PartyId party : {PartyId{0}, PartyId{1}, PartyId{2}, PartyId{3}, PartyId{4}}) {
      if (std::ranges::count(link.next.computing, party) == 0) l.next.computing[0] = party;
    }
  }));
  EXPECT_TRUE(refuses([](proto::EpochLink& l) { l.next.validators.pop_back(); }));
  EXPECT_TRUE(
      refuses([](proto::EpochLink& l) { l.next.validators.push_back(l.next.validators.back()); }));
  EXPECT_TRUE(
      refuses([](proto::EpochLink& l) { std::swap(l.next.validators[0], l.next.validators[1]); }));
  // And of each validator in it.
  for (std::size_t i = 0; i < link.next.validators.size(); ++i) {
    const auto refuses_card = [&](const auto& change) {
      return refuses([&](proto::EpochLink& l) { change(l.next.validators[i]); });
    };
    EXPECT_TRUE(refuses_card([](proto::ValidatorSpec& v) { v.name += "x"; }));
    EXPECT_TRUE(refuses_card([](proto::ValidatorSpec& v) { v.key.bytes[9] ^= 1; }));
    EXPECT_TRUE(refuses_card([](proto::ValidatorSpec& v) { v.coin_key[9] ^= 1; }));
    EXPECT_TRUE(refuses_card([](proto::ValidatorSpec& v) { v.certificate += "x"; }));
    EXPECT_TRUE(
        refuses_card([](proto::ValidatorSpec& v) { v.certificate_signature.bytes[9] ^= 1; }));
    EXPECT_TRUE(refuses_card([](proto::ValidatorSpec& v) { v.peer_address += "1"; }));
    EXPECT_TRUE(refuses_card([](proto::ValidatorSpec& v) { v.rpc_address += "1"; }));
  }
  // A whole committee of somebody's own, signed by itself.
  EXPECT_TRUE(refuses([&](proto::EpochLink& l) {
    for (auto& validator : l.next.validators) validator.name += "x";
    l.header.next_committee_hash = proto::CommitteeHash(l.next);
    l.signatures = chain.Signatures(link.next, l.header);
  }));
}

}  // namespace
}  // namespace node::test
