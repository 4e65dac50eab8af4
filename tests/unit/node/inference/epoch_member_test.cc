// The keys of a later epoch, made by its members through the ledger: with one of four silent,
// lying, or killed and restarted at any time, messages in any order.

#include "node/inference/epoch_member.h"

#include <random>

#include <gtest/gtest.h>

#include "node/inference/names.h"
#include "node/ledger/epochs.h"
#include "node/store/memory.h"
#include "tests/unit/node/ledger/chain.h"

namespace node::test {
namespace {

enum class Bad : std::uint8_t { kNothing, kSilent, kLies, kSendsOthersThings };

class Ceremony {
 public:
  Ceremony(std::uint64_t seed, Bad bad) : random_(seed), bad_(bad) {
    chain_.Activate();
    chain_.NextEpoch();
    for (std::uint16_t i = 0; i < size(); ++i) Open(i);
    for (std::uint16_t i = 0; i < size(); ++i) {
      for (std::uint16_t j = 0; j < size(); ++j) {
        Carry(i, members_[i]->PeerConnected(PartyId{j}, 0));
      }
    }
  }

  static constexpr std::uint16_t size() { return 4; }
  static constexpr std::uint16_t kBad = 3;
  Chain& chain() { return chain_; }
  EpochMember& member(std::uint16_t i) { return *members_[i]; }
  MemoryFiles& files(std::uint16_t i) { return files_[i]; }

  void Open(std::uint16_t i) {
    const Snapshot snapshot = chain_.ledger.snapshot();
    const auto epoch = snapshot.epoch();
    const proto::SecretKey& key = chain_.KeyOf(epoch->computing->keys[i]);
    auto coin = EpochCoinSecret(chain_.ledger.chain().id, *epoch, *snapshot.dealings(2), key);
    ASSERT_TRUE(coin.has_value());
    const proto::Digest entropy = MakeDigest("entropy" + std::to_string(random_()));
    auto member = EpochMember::Open({epoch->record,
                                     key.Clone(),
                                     chain_.ledger.chain().id,
                                     std::move(*coin),
                                     {},
                                     Bytes(entropy.bytes.begin(), entropy.bytes.end())},
                                    files_[i]);
    ASSERT_TRUE(member.has_value()) << member.error().message;
    members_[i] = std::move(*member);
    Carry(i, members_[i]->Resume(snapshot, 0));
  }
  void Restart(std::uint16_t i) {
    members_[i].reset();
    Open(i);
    for (std::uint16_t j = 0; j < size(); ++j) {
      Carry(i, members_[i]->PeerConnected(PartyId{j}, 0));
      Carry(j, members_[j]->PeerConnected(PartyId{i}, 0));
    }
  }

  // One message or transaction, of all that are under way.
  bool Step() {
    if (under_way_.empty()) return false;
    std::swap(under_way_[random_() % under_way_.size()], under_way_.back());
    const Message message = std::move(under_way_.back());
    under_way_.pop_back();
    if (message.transaction) {
      const BlockResult result = chain_.Run({*message.transaction});
      for (std::uint16_t i = 0; i < size(); ++i) {
        Carry(i, members_[i]->OnEvents(chain_.ledger.snapshot(), result.events, 0));
      }
    } else {
      const auto decoded = DecodeInferenceMessage(message.bytes);
      EXPECT_TRUE(decoded.has_value());
      Carry(message.to, members_[message.to]->Handle(PartyId{message.from}, *decoded, 0));
    }
    return true;
  }
  std::size_t WithKeys() const {
    std::size_t count = 0;
    for (const auto& member : members_) count += member->service() != nullptr ? 1 : 0;
    return count;
  }

 private:
  struct Message {
    std::uint16_t from = 0;
    std::uint16_t to = 0;
    Bytes bytes;
    std::optional<Bytes> transaction;
  };

  void Carry(std::uint16_t i, EpochMember::Step step) {
    for (const proto::Fault& fault : step.faults) EXPECT_EQ(Index(fault.party), kBad);
    const bool is_bad = i == kBad && bad_ != Bad::kNothing;
    if (is_bad && bad_ == Bad::kSilent) return;
    for (auto& [target, message] : step.messages) {
      for (std::uint16_t to = 0; to < size(); ++to) {
        if (!target.Includes(PartyId{to}) || to == i) continue;
        InferenceMessage sent = message;
        if (is_bad) Spoil(sent, to);
        under_way_.push_back({i, to, Encode(sent), std::nullopt});
      }
    }
    const auto& key = members_[i] ? members_[i]->key() : chain_.validators[i];
    for (auto& payload : step.outputs) {
      if (auto* what = std::get_if<proto::AcknowledgeKeys>(&payload); what && is_bad) {
        what->root.bytes[0] ^= 1;
      }
      under_way_.push_back({i, 0, {}, chain_.Sign(key, 0, payload)});
    }
  }
  void Spoil(InferenceMessage& message, std::uint16_t to) {
    auto* const keys = std::get_if<key_ceremony::Message>(&message);
    if (keys == nullptr) return;
    auto* const contribution = std::get_if<key_ceremony::Contribute>(keys);
    if (contribution == nullptr) return;
    if (bad_ == Bad::kLies && to % 2 == 0) contribution->sealed[40] ^= 1;
    if (bad_ == Bad::kSendsOthersThings) {
      contribution->commitments[to % contribution->commitments.size()].bytes[3] ^= 1;
    }
  }

  Chain chain_;
  std::mt19937_64 random_;
  const Bad bad_;
  MemoryFiles files_[4];
  std::unique_ptr<EpochMember> members_[4];
  std::vector<Message> under_way_;
};

void MakesKeys(Bad bad, std::size_t least) {
  for (std::uint64_t seed = 1; seed <= 2; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    Ceremony ceremony(seed, bad);
    EXPECT_FALSE(ceremony.chain().ledger.snapshot().computes());
    const auto attempts = ceremony.chain().ledger.snapshot().totals().attempts;
    while (ceremony.WithKeys() < least && ceremony.Step()) continue;
    EXPECT_TRUE(ceremony.chain().ledger.snapshot().computes());
    EXPECT_GE(ceremony.WithKeys(), least);
    EXPECT_GT(ceremony.chain().ledger.snapshot().totals().attempts, attempts);
  }
}

TEST(EpochMember, AllMakeKeys) {
  MakesKeys(Bad::kNothing, 4);
}
TEST(EpochMember, OneIsSilent) {
  MakesKeys(Bad::kSilent, 3);
}
TEST(EpochMember, OneLies) {
  MakesKeys(Bad::kLies, 3);
}
TEST(EpochMember, OneSendsEachOtherCommitments) {
  MakesKeys(Bad::kSendsOthersThings, 3);
}

TEST(EpochMember, OneIsKilledAgainAndAgain) {
  for (std::uint64_t seed = 1; seed <= 2; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    Ceremony ceremony(seed, Bad::kNothing);
    for (std::uint64_t step = 0; ceremony.WithKeys() < 4 && ceremony.Step(); ++step) {
      if (step < 200 && step % 20 == seed) ceremony.Restart(static_cast<std::uint16_t>(step % 4));
    }
    EXPECT_EQ(ceremony.WithKeys(), 4u);
  }
}

// What is on disk is sealed, is used again after a restart, and is gone when it is erased.
TEST(EpochMember, KeepsWhatItNeedsAndErasesIt) {
  Ceremony ceremony(1, Bad::kNothing);
  while (ceremony.WithKeys() < 4 && ceremony.Step()) continue;
  ASSERT_EQ(ceremony.WithKeys(), 4u);
  EXPECT_TRUE(ceremony.files(0).Has(CeremonyName(2)));
  ceremony.Open(0);  // It asks nobody.
  EXPECT_NE(ceremony.member(0).service(), nullptr);
  EXPECT_FALSE(ceremony.member(0).IsDone());
  ASSERT_TRUE(EpochMember::EraseBefore(2, ceremony.files(0)).has_value());
  EXPECT_TRUE(ceremony.files(0).Has(CeremonyName(2)));
  ASSERT_TRUE(EpochMember::EraseBefore(3, ceremony.files(0)).has_value());
  EXPECT_FALSE(ceremony.files(0).Has(CeremonyName(2)));
  ceremony.chain().NextEpoch();
  ceremony.member(1).OnEvents(ceremony.chain().ledger.snapshot(), {}, 0);
  EXPECT_TRUE(ceremony.member(1).IsDone());
}

}  // namespace
}  // namespace node::test
