// Random histories of joining, leaving, changing keys and being convicted, at any moment of an
// epoch. A ledger that cannot go on ends the process; besides, after every block (World counts the
// money): each member of the present and of the decided epoch has a record of its stake, whoever is
// convicted has none left, a member's stake is not paid out, and nobody is there twice.

#include <algorithm>
#include <random>
#include <set>

#include <gtest/gtest.h>

#include "tests/unit/node/ledger/chain.h"

namespace node::test {
namespace {

using proto::PublicKey;
using proto::ValidatorStatus;

class Memberships : public testing::TestWithParam<std::uint64_t> {
 protected:
  Memberships() : random_(GetParam()) {
    for (int i = 0; i < 4; ++i) Fresh();
  }

  std::size_t Below(std::size_t bound) { return random_() % bound; }
  template <class List>
  auto& OneOf(List& list) {
    return list[Below(list.size())];
  }
  // A key that nobody has seen.
  const proto::SecretKey& Fresh() {
    return chain_.keys.emplace_back(MakeKey("key " + std::to_string(chain_.keys.size())));
  }
  // The fee, and sometimes enough for a stake.
  void Fund(const PublicKey& key) {
    chain_.From(chain_.clients[0], proto::Transfer{key, Below(2) == 0 ? kStake + 50 : 50});
  }
  void Equivocates(const proto::EpochRecord& epoch) {
    const PartyId offender{static_cast<std::uint16_t>(Below(epoch.validators.size()))};
    const auto& key = chain_.KeyOf(epoch.validators[Index(offender)].key);
    proto::dag::BlockVotePair pair{epoch.number, offender, {}, {}};
    for (proto::dag::BlockVote* vote : {&pair.first, &pair.second}) {
      *vote = {7, MakeDigest(vote == &pair.first ? "a" : "b"), {}};
      vote->signature =
          key.Sign(proto::CheckpointDigest(chain_.ledger.chain().id, epoch.number, 7, vote->block));
    }
    const auto present = chain_.ledger.snapshot().epoch();
    chain_.One(chain_.Sign(chain_.KeyOf(OneOf(present->validators.keys)), 0,
                           proto::ReportEvidence{proto::dag::EncodeEvidence(pair)}));
  }
  void Act() {
    const auto snapshot = chain_.ledger.snapshot();
    const std::vector<PublicKey> bonded = snapshot.staking().bonded;
    const proto::SecretKey& anybody = OneOf(chain_.keys);
    const proto::SecretKey& staker = chain_.KeyOf(OneOf(bonded));
    switch (Below(8)) {
      case 0:
      case 1: {
        Fund(anybody.public_key());
        const auto card = chain_.Card(anybody, "n" + anybody.public_key().hex().substr(0, 12));
        chain_.From(anybody, proto::JoinValidators{card, kStake + Below(3)});
        break;
      }
      case 2:
      case 3:
        Fund(staker.public_key());
        chain_.From(staker, proto::LeaveValidators{});
        break;
      case 4:
      case 5: {
        Fund(staker.public_key());
        const std::string name = snapshot.validator(staker.public_key())->card.name;
        const auto old_key = staker.public_key();
        const proto::SecretKey& next = Below(4) == 0 ? OneOf(chain_.keys) : Fresh();
        proto::RotateValidator rotate{chain_.Card(next, name), {}};
        rotate.consent =
            next.Sign(proto::RotationDigest(chain_.ledger.chain().id, old_key, next.public_key()));
        chain_.From(chain_.KeyOf(old_key), rotate);
        break;
      }
      case 6: {
        const std::uint64_t newest = snapshot.epoch()->record.number;
        if (Below(2) == 0) Equivocates(*snapshot.epoch(1 + Below(newest)));
        break;
      }
      default:
        chain_.Run({}, 1 + Below(5));
    }
  }
  void Turn() {
    const proto::Turn turn = chain_.ledger.snapshot().turn();
    if (turn.epoch == 0 || Below(4) != 0) return;
    const PublicKey dealer = turn.validators[Below(turn.validators.size())].key;
    const Bytes dealing = chain_.Sign(chain_.KeyOf(dealer), 0, chain_.Dealing(dealer));
    EXPECT_TRUE(chain_.ledger.Admit(dealing));
    chain_.One(dealing);
  }
  void Check() {
    const auto snapshot = chain_.ledger.snapshot();
    std::set<PublicKey> seen;
    std::set<std::string> names;
    const auto has_stake = [&](const PublicKey& key, const char* which) {
      EXPECT_TRUE(seen.insert(key).second) << which;
      const auto record = snapshot.validator(key);
      ASSERT_TRUE(record.has_value()) << which << " without a record";
      EXPECT_NE(record->status, ValidatorStatus::kLeft) << which;
      if (record->evidence) {
        EXPECT_EQ(record->stake, 0u) << which;
      }
    };
    for (const PublicKey& key : snapshot.epoch()->validators.keys) has_stake(key, "a member");
    EXPECT_GE(seen.size(), proto::kValidatorsMin);
    for (const auto& record : snapshot.validators()) {
      EXPECT_TRUE(names.insert(record.card.name).second) << "a name twice";
      EXPECT_EQ(record.stake >= kStake, !record.evidence) << "bonded with less than a stake";
    }
    seen.clear();
    for (const proto::ValidatorSpec& card : snapshot.turn().validators) {
      EXPECT_TRUE(seen.insert(card.key).second) << "a member of the next epoch";
    }
  }

  Chain chain_;
  std::mt19937_64 random_;
};

TEST_P(Memberships, TheLedgerGoesOn) {
  SCOPED_TRACE("seed " + std::to_string(GetParam()));
  for (int step = 0; step < 100 && !HasFailure(); ++step) {
    Act();
    Check();
    Turn();
    Check();
  }
  EXPECT_GE(chain_.ledger.snapshot().epoch()->record.number, 3u);
  std::vector<std::pair<Bytes, Bytes>> state(chain_.stored.begin(), chain_.stored.end());
  const auto restored = Ledger::Restore(chain_.genesis, std::move(state), chain_.ledger.header());
  EXPECT_TRUE(restored.has_value());
}

INSTANTIATE_TEST_SUITE_P(Seeds, Memberships, testing::Range<std::uint64_t>(1, 4));

}  // namespace
}  // namespace node::test
