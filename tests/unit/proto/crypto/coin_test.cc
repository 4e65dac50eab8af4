#include "proto/crypto/coin.h"

#include <algorithm>
#include <ostream>
#include <set>

#include <gtest/gtest.h>

#include "proto/crypto/hash.h"

namespace proto {
namespace {

Digest Name(std::string_view name) {
  return Hash("waxseal/test/coin", {AsBytes(name)});
}

struct Setting {
  std::uint16_t parties;
  std::uint16_t threshold;
};

std::ostream& operator<<(std::ostream& out, const Setting& setting) {
  return out << setting.parties << " parties, threshold " << setting.threshold;
}

class CoinOf : public testing::TestWithParam<Setting> {
 protected:
  using Shares = std::vector<std::pair<PartyId, CoinShare>>;

  CoinOf()
      : keys_(DealCoin(Committee(GetParam().parties), GetParam().threshold,
                       Sha256(AsBytes("coin test")).span())) {}

  Shares AllShares(const Digest& name) const {
    Shares shares;
    for (std::uint16_t i = 0; i < GetParam().parties; ++i) {
      shares.emplace_back(PartyId{i}, MakeCoinShare(keys_.secrets[i], PartyId{i}, name));
    }
    return shares;
  }

  CoinKeys keys_;
};

TEST_P(CoinOf, AllSubsetsAgree) {
  const Shares all = AllShares(Name("wave 2"));
  for (const auto& [party, share] : all) {
    EXPECT_TRUE(VerifyCoinShare(keys_.public_key, party, Name("wave 2"), share));
  }
  std::set<Digest> values;
  for (std::uint32_t members = 0; members < (1u << all.size()); ++members) {
    if (__builtin_popcount(members) != GetParam().threshold) continue;
    Shares subset;
    for (std::size_t i = 0; i < all.size(); ++i) {
      if ((members >> i) & 1) subset.push_back(all[i]);
    }
    values.insert(CombineCoin(keys_.public_key, Name("wave 2"), subset));
    std::reverse(subset.begin(), subset.end());
    values.insert(CombineCoin(keys_.public_key, Name("wave 2"), subset));
  }
  EXPECT_EQ(values.size(), 1u);
}

TEST_P(CoinOf, TooFewSharesInterpolateToSomethingElse) {
  const std::uint16_t fewer = static_cast<std::uint16_t>(GetParam().threshold - 1);
  const Shares all = AllShares(Name("wave 2"));
  CoinPublicKey lowered = keys_.public_key;
  lowered.threshold = fewer;
  EXPECT_NE(CombineCoin(lowered, Name("wave 2"), all),
            CombineCoin(keys_.public_key, Name("wave 2"), all));
}

TEST_P(CoinOf, NamesGiveUnrelatedCoins) {
  std::set<Digest> values;
  for (const char* name : {"wave 2", "wave 4", "wave 6", "epoch 2 wave 2"}) {
    values.insert(CombineCoin(keys_.public_key, Name(name), AllShares(Name(name))));
  }
  EXPECT_EQ(values.size(), 4u);
}

TEST_P(CoinOf, ASharePassesForItsPartyAndNameAlone) {
  const Shares all = AllShares(Name("wave 2"));
  const CoinShare& share = all[1].second;
  EXPECT_TRUE(VerifyCoinShare(keys_.public_key, PartyId{1}, Name("wave 2"), share));
  EXPECT_FALSE(VerifyCoinShare(keys_.public_key, PartyId{1}, Name("wave 4"), share));
  EXPECT_FALSE(VerifyCoinShare(keys_.public_key, PartyId{0}, Name("wave 2"), share));
  EXPECT_FALSE(
      VerifyCoinShare(keys_.public_key, PartyId{GetParam().parties}, Name("wave 2"), share));
  // A party cannot prove with another's secret, nor under another's index.
  EXPECT_FALSE(VerifyCoinShare(keys_.public_key, PartyId{1}, Name("wave 2"),
                               MakeCoinShare(keys_.secrets[0], PartyId{1}, Name("wave 2"))));
  EXPECT_FALSE(VerifyCoinShare(keys_.public_key, PartyId{1}, Name("wave 2"),
                               MakeCoinShare(keys_.secrets[1], PartyId{0}, Name("wave 2"))));
}

TEST_P(CoinOf, ForgedSharesAreRefused) {
  const Digest name = Name("wave 2");
  const CoinShare share = MakeCoinShare(keys_.secrets[0], PartyId{0}, name);
  const auto refused = [&](const CoinShare& forged) {
    return !VerifyCoinShare(keys_.public_key, PartyId{0}, name, forged);
  };
  for (std::size_t bit = 0; bit < 8 * share.point.size(); ++bit) {
    CoinShare forged = share;
    forged.point[bit / 8] ^= static_cast<std::uint8_t>(1u << (bit % 8));
    EXPECT_TRUE(refused(forged)) << "bit " << bit << " of the point";
  }
  for (std::size_t bit = 0; bit < 8 * share.proof.size(); ++bit) {
    CoinShare forged = share;
    forged.proof[bit / 8] ^= static_cast<std::uint8_t>(1u << (bit % 8));
    EXPECT_TRUE(refused(forged)) << "bit " << bit << " of the proof";
  }
  // A true point with another name's proof, and the other way round.
  const CoinShare other = MakeCoinShare(keys_.secrets[0], PartyId{0}, Name("wave 4"));
  EXPECT_TRUE(refused({share.point, other.proof}));
  EXPECT_TRUE(refused({other.point, share.proof}));
  EXPECT_TRUE(refused({}));
}

// Scalars that are zero or not below the group order, and points in no canonical encoding.
TEST_P(CoinOf, EncodingsThatAreNotCanonicalAreRefused) {
  const Digest name = Name("wave 2");
  const CoinShare share = MakeCoinShare(keys_.secrets[0], PartyId{0}, name);
  for (const std::size_t half : {0u, 32u}) {
    for (const std::uint8_t filler : Bytes{0x00, 0xff}) {
      CoinShare forged = share;
      std::fill_n(forged.proof.begin() + static_cast<std::ptrdiff_t>(half), 32, filler);
      EXPECT_FALSE(VerifyCoinShare(keys_.public_key, PartyId{0}, name, forged));
    }
  }
  for (const std::uint8_t prefix : Bytes{0x00, 0x01, 0x04, 0x06, 0x07, 0xff}) {
    CoinShare forged = share;
    forged.point[0] = prefix;
    EXPECT_FALSE(VerifyCoinShare(keys_.public_key, PartyId{0}, name, forged));
  }
}

TEST_P(CoinOf, DealingAndProvingAreDeterministic) {
  const CoinKeys again = DealCoin(Committee(GetParam().parties), GetParam().threshold,
                                  Sha256(AsBytes("coin test")).span());
  EXPECT_EQ(again.public_key, keys_.public_key);
  const CoinKeys other = DealCoin(Committee(GetParam().parties), GetParam().threshold,
                                  Sha256(AsBytes("another seed")).span());
  EXPECT_NE(other.public_key.verification, keys_.public_key.verification);
  EXPECT_EQ(MakeCoinShare(again.secrets[0], PartyId{0}, Name("wave 2")),
            MakeCoinShare(keys_.secrets[0], PartyId{0}, Name("wave 2")));
}

INSTANTIATE_TEST_SUITE_P(Committees, CoinOf,
                         testing::Values(Setting{4, 2}, Setting{4, 3}, Setting{7, 3}, Setting{7, 5},
                                         Setting{10, 4}));

// A committee that tolerates nobody: each share is the coin.
TEST(Coin, OneShareSufficesWhenTheThresholdIsOne) {
  const CoinKeys keys = DealCoin(Committee(2), 1, Bytes(32, 1));
  std::set<Digest> values;
  for (const PartyId party : {PartyId{0}, PartyId{1}}) {
    const CoinShare share = MakeCoinShare(keys.secrets[Index(party)], party, Name("wave 2"));
    EXPECT_TRUE(VerifyCoinShare(keys.public_key, party, Name("wave 2"), share));
    values.insert(CombineCoin(keys.public_key, Name("wave 2"), {{party, share}}));
  }
  EXPECT_EQ(values.size(), 1u);
}

TEST(CoinDeathTest, CombiningNeedsDistinctPartiesEnough) {
  const CoinKeys keys = DealCoin(Committee(4), 2, Bytes(32, 1));
  const CoinShare share = MakeCoinShare(keys.secrets[0], PartyId{0}, Name("wave 2"));
  const std::pair one{PartyId{0}, share};
  EXPECT_DEATH(CombineCoin(keys.public_key, Name("wave 2"), {one}), "CHECK");
  EXPECT_DEATH(CombineCoin(keys.public_key, Name("wave 2"), {one, one}), "CHECK");
}

TEST(CoinSecret, AcceptsScalarsAlone) {
  EXPECT_TRUE(CoinSecret::From(Bytes(32, 1)).has_value());
  for (const Bytes& bad : {Bytes(31, 1), Bytes(33, 1), Bytes(), Bytes(32, 0), Bytes(32, 0xff)}) {
    const auto secret = CoinSecret::From(bad);
    ASSERT_FALSE(secret.has_value());
    EXPECT_EQ(secret.error().code, ErrorCode::kInvalidArgument);
  }
}

TEST(CoinSecret, MovesAndClones) {
  CoinSecret secret = std::move(CoinSecret::From(Bytes(32, 1)).value());
  const CoinSecret copy = secret.Clone();
  const CoinSecret moved = std::move(secret);
  EXPECT_TRUE(std::ranges::equal(copy.secret_bytes(), Bytes(32, 1)));
  EXPECT_TRUE(std::ranges::equal(moved.secret_bytes(), Bytes(32, 1)));
  // NOLINTNEXTLINE(bugprone-use-after-move): that nothing is left behind is the point.
  EXPECT_TRUE(std::ranges::equal(secret.secret_bytes(), Bytes(32, 0)));
}

}  // namespace
}  // namespace proto
