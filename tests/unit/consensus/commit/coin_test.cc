#include "consensus/commit/coin.h"

#include <set>

#include <gtest/gtest.h>

#include "tests/unit/consensus/validators.h"

namespace consensus {
namespace {

using proto::PartyId;

class CoinTest : public testing::Test {
 protected:
  bool Add(Coin& coin, std::uint64_t wave, std::uint16_t party) const {
    Header header;
    header.round = wave + kRevealDistance;
    header.author = PartyId{party};
    header.coin_share = validators_.ShareOf(party, wave);
    return coin.Add(header);
  }

  const Validators validators_{7};
  const Config config_ = validators_.ConfigOf(0);
};

TEST_F(CoinTest, FPlusOneSharesMakeTheLeaderAndFDoNot) {
  Coin coin(config_);
  EXPECT_FALSE(Add(coin, 2, 5));
  EXPECT_FALSE(Add(coin, 2, 5));  // The same again.
  EXPECT_FALSE(Add(coin, 2, 1));
  EXPECT_EQ(coin.Leader(2), std::nullopt);
  EXPECT_TRUE(Add(coin, 2, 6));
  EXPECT_TRUE(coin.Leader(2).has_value());
  EXPECT_EQ(coin.Leader(4), std::nullopt);
}

TEST_F(CoinTest, EverySubsetMakesTheSameLeader) {
  const auto leader = [&](const std::vector<std::uint16_t>& parties) {
    Coin coin(config_);
    for (const std::uint16_t party : parties) Add(coin, 6, party);
    return coin.Leader(6);
  };
  const auto expected = leader({0, 1, 2});
  EXPECT_EQ(leader({3, 4, 5}), expected);
  EXPECT_EQ(leader({6, 2, 4, 0}), expected);
}

TEST_F(CoinTest, TheLeaderIsTheCoinModuloTheCommittee) {
  std::set<PartyId> leaders;
  for (std::uint64_t wave = 2; wave <= 60; wave += 2) {
    Coin coin(config_);
    std::vector<std::pair<PartyId, proto::CoinShare>> shares;
    for (std::uint16_t i = 0; i < 3; ++i) {
      Add(coin, wave, i);
      shares.emplace_back(PartyId{i}, validators_.ShareOf(i, wave));
    }
    const proto::Digest value = proto::CombineCoin(
        config_.coin, proto::dag::CoinName(config_.chain, config_.epoch, wave), shares);
    ASSERT_TRUE(coin.Leader(wave));
    EXPECT_EQ(proto::Index(*coin.Leader(wave)), proto::GetU64(value.span().first(8)) % 7);
    leaders.insert(*coin.Leader(wave));
  }
  EXPECT_EQ(leaders.size(), 7u);
}

TEST_F(CoinTest, CollectedWavesAreForgottenAndIgnored) {
  Coin coin(config_);
  for (std::uint16_t i = 0; i < 3; ++i) Add(coin, 2, i);
  for (std::uint16_t i = 0; i < 3; ++i) Add(coin, 4, i);
  coin.Collect(2);
  EXPECT_EQ(coin.Leader(2), std::nullopt);
  EXPECT_TRUE(coin.Leader(4).has_value());
  for (std::uint16_t i = 3; i < 7; ++i) EXPECT_FALSE(Add(coin, 2, i));
  EXPECT_EQ(coin.Leader(2), std::nullopt);
}

}  // namespace
}  // namespace consensus
