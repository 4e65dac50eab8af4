// The library that others link needs nothing of a node: here a chain of two epochs is made by hand
// from proto alone, and its proofs are checked.

#include <algorithm>
#include <optional>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "node/ledger/proof.h"
#include "node/ledger/state_tree.h"
#include "proto/checkpoint.h"
#include "proto/crypto/coin.h"
#include "proto/crypto/hash.h"
#include "proto/wire/records.h"

namespace {

using proto::Bytes;
using proto::Digest;

Digest Named(const std::string& name) {
  return proto::Hash("waxseal/test", {proto::AsBytes(name)});
}

struct Committee {
  Committee(const std::string& name, std::uint16_t n) {
    for (std::uint16_t i = 0; i < n; ++i) {
      keys.push_back(*proto::SecretKey::From(Named(name + std::to_string(i)).span()));
    }
    std::ranges::sort(keys, {}, &proto::SecretKey::public_key);
    const proto::Committee committee(n);
    const auto coin = proto::DealCoin(committee, committee.validity(), Named(name).span());
    for (std::uint16_t i = 0; i < n; ++i) {
      const std::string certificate = "certificate of " + name + std::to_string(i) + "\n";
      validators.push_back({name + std::to_string(i), keys[i].public_key(),
                            coin.public_key.verification[i], certificate,
                            keys[i].Sign(proto::CertificateDigest(certificate)), "127.0.0.1:1",
                            "127.0.0.1:2"});
    }
  }
  proto::BlockSignatures Sign(const Digest& chain, std::uint64_t epoch,
                              const proto::BlockHeader& header) const {
    proto::BlockSignatures signatures;
    const std::uint16_t quorum = proto::Committee(static_cast<std::uint16_t>(keys.size())).quorum();
    for (std::uint16_t i = 0; i < quorum; ++i) {
      signatures.emplace_back(
          proto::PartyId{i}, keys[i].Sign(proto::CheckpointDigest(chain, epoch, header.commit_index,
                                                                  proto::BlockDigest(header))));
    }
    return signatures;
  }

  std::vector<proto::SecretKey> keys;
  std::vector<proto::ValidatorSpec> validators;
};

// Block 1 is the last of the first epoch, block 2 the first of the next, whose validators are
// others.
class WaxsealLight : public testing::Test {
 protected:
  WaxsealLight() : first_("first ", 4), second_("second ", 7) {
    genesis_.spec.name = "by hand";
    genesis_.validators = first_.validators;
    genesis_.coin_threshold = 2;
    chain_ = proto::ChainId(genesis_);
    key_ = proto::AccountKey(first_.keys[0].public_key());
    const Bytes value = proto::Encode(proto::Account{5, 7});
    tree_ = node::StateTree().Apply({{key_, value}, {proto::TotalsKey(), Bytes{1, 2}}});

    proto::EpochLink link;
    link.next.number = 2;
    link.next.first_height = 2;
    link.next.coin_threshold = 3;
    link.next.validators = second_.validators;
    link.header.height = link.header.commit_index = 1;
    link.header.committee_hash = proto::CommitteeHash(proto::FirstEpoch(genesis_));
    link.header.next_committee_hash = proto::CommitteeHash(link.next);
    link.signatures = first_.Sign(chain_, 1, link.header);

    proto::BlockHeader header;
    header.height = header.commit_index = 2;
    header.parent = proto::BlockDigest(link.header);
    header.state_root = tree_.root();
    header.committee_hash = proto::CommitteeHash(link.next);
    proof_.links = {link};
    proof_.headers = {header};
    proof_.signatures = second_.Sign(chain_, 2, header);
    proof_.records = {{key_, value, tree_.Prove(key_)}};
  }
  proto::Result<node::Proven> Verify(const proto::Proof& proof) const {
    const auto bytes = proto::EncodeProof(proof);
    if (!bytes) return tl::unexpected(bytes.error());
    return node::VerifyProof(genesis_, *bytes);
  }

  Committee first_;
  Committee second_;
  proto::Genesis genesis_;
  Digest chain_;
  Bytes key_;
  node::StateTree tree_;
  proto::Proof proof_;
};

TEST_F(WaxsealLight, BelievesAProofOfALaterEpoch) {
  const auto proven = Verify(proof_);
  ASSERT_TRUE(proven.has_value()) << proven.error().message;
  EXPECT_EQ(proven->Find<proto::Account>(key_).value(), (proto::Account{5, 7}));
}

TEST_F(WaxsealLight, BelievesNobodyElse) {
  const auto refused = [&](auto change) {
    proto::Proof bad = proof_;
    change(bad);
    return !Verify(bad).has_value();
  };
  EXPECT_TRUE(refused([](auto& p) { p.links.clear(); }));
  EXPECT_TRUE(refused([&](auto& p) { p.signatures = first_.Sign(chain_, 2, p.headers[0]); }));
  EXPECT_TRUE(refused([&](auto& p) { p.signatures = second_.Sign(chain_, 1, p.headers[0]); }));
  EXPECT_TRUE(refused([&](auto& p) { p.signatures = second_.Sign(Digest(), 2, p.headers[0]); }));
  EXPECT_TRUE(refused([](auto& p) { p.signatures.pop_back(); }));
  EXPECT_TRUE(refused(
      [&](auto& p) { p.links[0].signatures = second_.Sign(chain_, 1, p.links[0].header); }));
  EXPECT_TRUE(refused([](auto& p) { p.records[0].value->back() ^= 1; }));
  EXPECT_TRUE(refused([](auto& p) { p.records[0].value.reset(); }));
  proto::Genesis other = genesis_;
  other.spec.transaction_fee += 1;
  EXPECT_FALSE(node::VerifyProof(other, proto::EncodeProof(proof_).value()).has_value());
}

}  // namespace
