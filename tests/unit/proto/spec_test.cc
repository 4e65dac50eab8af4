// The chain spec and the genesis document: what is refused, and what the chain's id depends on.

#include "proto/spec.h"

#include <algorithm>
#include <fstream>
#include <iterator>

#include <gtest/gtest.h>

#include "proto/crypto/hash.h"

namespace proto {
namespace {

Genesis MakeGenesis() {
  Genesis genesis;
  genesis.spec = {"test", 50, 262144, 10, 1000, 20, 2, 8, 3, 1'000'000};
  genesis.coin_threshold = 2;
  const CoinKeys coin = DealCoin(Committee(4), 2, Hash("waxseal/test", {AsBytes("coin")}).span());
  std::vector<SecretKey> keys;
  for (int i = 0; i < 4; ++i) {
    const std::string name = "validator " + std::to_string(i);
    keys.push_back(*SecretKey::From(Hash("waxseal/test", {AsBytes(name)}).span()));
  }
  std::ranges::sort(keys, {}, &SecretKey::public_key);
  for (std::size_t i = 0; i < 4; ++i) {
    const std::string name = "validator-" + std::to_string(i);
    const std::string pem = "certificate of " + name + "\n";
    genesis.validators.push_back({name, keys[i].public_key(), coin.public_key.verification[i], pem,
                                  keys[i].Sign(CertificateDigest(pem)),
                                  "127.0.0.1:" + std::to_string(7000 + i),
                                  "[::1]:" + std::to_string(8000 + i)});
  }
  genesis.accounts = {{keys[1].public_key(), 500}, {keys[2].public_key(), kGenesisBytesMax}};
  return genesis;
}

std::string Replaced(std::string text, std::string_view from, std::string_view to) {
  const auto at = text.find(from);
  EXPECT_NE(at, std::string::npos) << from;
  return text.replace(at, from.size(), to);
}

std::string WhyNot(const std::string& text) {
  const auto genesis = ParseGenesis(text);
  return genesis ? "" : genesis.error().message;
}

TEST(Genesis, ComesBackAsItWent) {
  const Genesis genesis = MakeGenesis();
  const auto parsed = ParseGenesis(FormatGenesis(genesis));
  ASSERT_TRUE(parsed.has_value()) << parsed.error().message;
  EXPECT_EQ(*parsed, genesis);
  EXPECT_EQ(ChainId(*parsed), ChainId(genesis));
  EXPECT_EQ(parsed->committee().size(), 4);
  EXPECT_EQ(parsed->coin_key().threshold, 2);
  EXPECT_EQ(parsed->keys()[3], genesis.validators[3].key);
}

TEST(Genesis, IsNamedByEveryValueAndNotByItsForm) {
  const Genesis genesis = MakeGenesis();
  std::string spaced = FormatGenesis(genesis);
  for (std::size_t i = 0; (i = spaced.find('\n', i)) != std::string::npos; i += 3) {
    spaced.insert(i, "  ");
  }
  EXPECT_EQ(ChainId(*ParseGenesis(spaced)), ChainId(genesis));
  const auto differs = [&](const auto& change) {
    Genesis other = genesis;
    change(other);
    return ChainId(other) != ChainId(genesis);
  };
  EXPECT_TRUE(differs([](Genesis& g) { g.spec.name = "other"; }));
  EXPECT_TRUE(differs([](Genesis& g) { g.spec.gc_depth += 1; }));
  EXPECT_TRUE(differs([](Genesis& g) { g.coin_threshold = 3; }));
  EXPECT_TRUE(differs([](Genesis& g) { g.validators[2].rpc_address = "localhost:1"; }));
  EXPECT_TRUE(differs([](Genesis& g) { g.accounts[0].balance += 1; }));
}

TEST(Genesis, ErrorsNameTheField) {
  const std::string good = FormatGenesis(MakeGenesis());
  const std::string in = "in the genesis document, ";
  EXPECT_EQ(WhyNot(""), "the genesis document is not JSON");
  EXPECT_EQ(WhyNot("{"), "the genesis document is not JSON");
  EXPECT_EQ(WhyNot("[]"), in + " must be an object");
  EXPECT_EQ(WhyNot(good + "x"), "the genesis document is not JSON");
  EXPECT_EQ(WhyNot(std::string(100'000, '[')), "the genesis document is nested too deeply");
  EXPECT_EQ(WhyNot(std::string(kGenesisBytesMax + 1, ' ')),
            "the genesis document is longer than 4 MB");
  EXPECT_EQ(WhyNot(Replaced(good, "\"gc_depth\"", "\"gc_deepth\"")),
            in + "spec.gc_depth is missing");
  EXPECT_EQ(WhyNot(Replaced(good, "\"gc_depth\": 50", "\"gc_depth\": 50, \"colour\": 1")),
            in + "spec.colour is not a known field");
  EXPECT_EQ(WhyNot(Replaced(good, "\"gc_depth\": 50", "\"gc_depth\": 50, \"gc_depth\": 50")),
            "the genesis document has the field gc_depth twice");
  for (const char* bad : {"\"50\"", "-50", "50.5", "5e3", "3", "1001", "null", "[50]", "true",
                          "99999999999999999999999"}) {
    EXPECT_EQ(WhyNot(Replaced(good, "\"gc_depth\": 50", std::string("\"gc_depth\": ") + bad)),
              in + "spec.gc_depth must be a whole number from 4 to 1000")
        << bad;
  }
  EXPECT_EQ(WhyNot(Replaced(good, "127.0.0.1:7001", "127.0.0.1")),
            in + "validators[1].peer_address must be host:port");
  EXPECT_EQ(WhyNot(Replaced(good, "127.0.0.1:7001", "127.0.0.1:70010")),
            in + "validators[1].peer_address must be host:port");
  EXPECT_EQ(WhyNot(Replaced(good, "127.0.0.1:7001", "127.0.0.1:7000")),
            in + "validators share a peer_address");
  EXPECT_EQ(WhyNot(Replaced(good, "validator-2\"", "validator-1\"")),
            in + "validators share a name");
  EXPECT_EQ(WhyNot(Replaced(good, "\"coin_threshold\": 2", "\"coin_threshold\": 1")),
            in + "coin_threshold must be a whole number from 2 to 3");
  EXPECT_EQ(WhyNot(Replaced(good, "certificate of validator-0", "certificate of validator-9")),
            in + "validators[0].certificate_signature is not the validator's over its certificate");
}

TEST(Genesis, KeysAreCheckedAndAscending) {
  const std::string in = "in the genesis document, ";
  Genesis genesis = MakeGenesis();
  std::swap(genesis.validators[0], genesis.validators[1]);
  EXPECT_EQ(WhyNot(FormatGenesis(genesis)), in + "validators must be ascending by public_key");
  genesis = MakeGenesis();
  genesis.validators[2].coin_key[0] = 4;
  EXPECT_EQ(WhyNot(FormatGenesis(genesis)),
            in + "validators[2].coin_key is no compressed point of the curve");
  genesis = MakeGenesis();
  genesis.validators[3].key.bytes.fill(0xff);
  EXPECT_EQ(WhyNot(FormatGenesis(genesis)), in + "validators[3].public_key is no public key");
  genesis = MakeGenesis();
  genesis.validators.pop_back();
  EXPECT_EQ(WhyNot(FormatGenesis(genesis)), in + "validators must be a list of 4 to 64");
  genesis = MakeGenesis();
  std::swap(genesis.accounts[0], genesis.accounts[1]);
  EXPECT_EQ(WhyNot(FormatGenesis(genesis)), in + "accounts must be ascending by public_key");
  genesis = MakeGenesis();
  genesis.accounts[0].balance =
      (std::uint64_t{1} << 62) - genesis.validators.size() * genesis.spec.stake_min;
  EXPECT_NE(WhyNot(FormatGenesis(genesis)).find("accounts[1].balance must be"), std::string::npos);
}

TEST(ChainSpec, TheShippedOnesAreRead) {
  std::ifstream file(std::string(SOURCE_DIR) + "/chain-spec/devnet.json");
  const std::string text{std::istreambuf_iterator<char>(file), {}};
  const auto spec = ParseChainSpec(text);
  ASSERT_TRUE(spec.has_value()) << spec.error().message;
  EXPECT_EQ(spec->name, "devnet");
  EXPECT_EQ(FormatChainSpec(*spec), text);
}

TEST(ChainSpec, ErrorsNameTheField) {
  const auto spec = ParseChainSpec("{\"name\": \"x\"}");
  ASSERT_FALSE(spec.has_value());
  EXPECT_EQ(spec.error().message, "in the chain spec, gc_depth is missing");
}

}  // namespace
}  // namespace proto
