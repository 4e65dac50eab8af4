// A ledger whose epochs are short, and what its validators do about them.
#pragma once

#include <gtest/gtest.h>

#include "proto/crypto/dealing.h"
#include "tests/unit/node/ledger/world.h"

namespace node::test {

inline constexpr std::uint64_t kStake = 1000;
inline constexpr std::uint64_t kUnbonding = 30;

inline proto::ChainSpec ShortEpochs() {
  proto::ChainSpec spec = MakeSpec();
  spec.epoch_commits = 3;
  spec.stake_min = kStake;
  spec.unbonding_rounds = kUnbonding;
  return spec;
}

struct Chain : World {
  explicit Chain(const proto::ChainSpec& spec = ShortEpochs()) : World(4, spec) {
    for (const auto& key : validators) keys.push_back(key.Clone());
    for (const auto& key : clients) keys.push_back(key.Clone());
  }

  const proto::SecretKey& KeyOf(const proto::PublicKey& key) const {
    return *std::ranges::find(keys, key, &proto::SecretKey::public_key);
  }
  proto::ValidatorSpec Card(const proto::SecretKey& key, const std::string& name) const {
    proto::ValidatorSpec card;
    card.name = name;
    card.key = key.public_key();
    card.certificate = "certificate of " + name;
    card.certificate_signature = key.Sign(proto::CertificateDigest(card.certificate));
    card.peer_address = name + ":1";
    card.rpc_address = name + ":2";
    return card;
  }
  proto::Receipt From(const proto::SecretKey& key, proto::Payload payload) {
    const std::uint64_t nonce = ledger.snapshot().account(key.public_key()).nonce;
    return One(Sign(key, nonce, std::move(payload)));
  }
  // Client `client` becomes a validator.
  proto::Receipt Join(std::size_t client, std::uint64_t stake = kStake) {
    return From(
        clients[client],
        proto::JoinValidators{Card(clients[client], "joined-" + std::to_string(client)), stake});
  }
  void UntilDecided() {
    for (int i = 0; i < 10 && ledger.snapshot().turn().epoch == 0; ++i) Run({});
    ASSERT_NE(ledger.snapshot().turn().epoch, 0u);
  }
  proto::Payload Dealing(const proto::PublicKey& dealer) const {
    const proto::Turn turn = ledger.snapshot().turn();
    std::vector<proto::PublicKey> recipients;
    for (const auto& card : turn.validators) recipients.push_back(card.key);
    const proto::Committee next(static_cast<std::uint16_t>(recipients.size()));
    const auto context = proto::CoinDealingContext(ledger.chain().id, turn.epoch, dealer);
    const auto dealing = proto::Deal(context, recipients, next.validity(), MakeDigest("e").span());
    return proto::DealCoinKey{turn.epoch, proto::EncodeDealing(dealing)};
  }
  proto::Receipt Deal(const proto::PublicKey& dealer) {
    return One(Sign(KeyOf(dealer), 0, Dealing(dealer)));
  }
  // To the next epoch: two of its members deal. The link that leads there.
  proto::EpochLink NextEpoch() {
    UntilDecided();
    const proto::EpochRecord before = ledger.snapshot().epoch()->record;
    const proto::Turn turn = ledger.snapshot().turn();
    EXPECT_EQ(Deal(turn.validators[0].key).code, ReceiptCode::kDone);
    EXPECT_EQ(ledger.header().next_committee_hash, Digest{});
    EXPECT_EQ(Deal(turn.validators[1].key).code, ReceiptCode::kDone);
    EXPECT_EQ(ledger.snapshot().epoch()->record.number, before.number + 1);
    return {ledger.header(), Signatures(before, ledger.header()),
            ledger.snapshot().epoch()->record};
  }
  proto::BlockSignatures Signatures(const proto::EpochRecord& epoch,
                                    const proto::BlockHeader& header) const {
    proto::BlockSignatures signatures;
    for (std::uint16_t i = 0; i < epoch.committee().quorum(); ++i) {
      signatures.emplace_back(
          PartyId{i},
          KeyOf(epoch.validators[i].key)
              .Sign(proto::CheckpointDigest(ledger.chain().id, epoch.number, header.commit_index,
                                            proto::BlockDigest(header))));
    }
    return signatures;
  }
  // The computing members acknowledge each other's contributions until there are keys.
  void MakeKeys() {
    const auto epoch = ledger.snapshot().epoch();
    const std::uint64_t number = epoch->record.number;
    for (std::uint16_t author = 0; author < epoch->computing->committee.size(); ++author) {
      for (const proto::PublicKey& member : epoch->computing->keys) {
        if (ledger.snapshot().computes()) return;
        const proto::AcknowledgeKeys payload{number, PartyId{author}, MakeDigest("contribution")};
        EXPECT_EQ(One(Sign(KeyOf(member), 0, payload)).code, ReceiptCode::kDone);
      }
    }
  }
  bool IsMember(const proto::PublicKey& key) const {
    return ledger.snapshot().epoch()->validators.Find(key).has_value();
  }

  std::vector<proto::SecretKey> keys;
};

}  // namespace node::test
