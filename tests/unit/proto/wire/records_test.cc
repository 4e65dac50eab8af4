// Headers, receipts, proofs and state records in their canonical bytes.

#include "proto/wire/records.h"

#include <algorithm>
#include <random>
#include <set>

#include <gtest/gtest.h>

#include "proto/crypto/hash.h"
#include "proto/wire/block.h"

namespace proto {
namespace {

Digest Name(std::string_view name) {
  return Hash("waxseal/test", {AsBytes(name)});
}

PublicKey Key(std::string_view name) {
  return PublicKey{Name(name).bytes};
}

BlockHeader MakeHeader() {
  return {5,         Name("parent"), 12,        5,         Name("leader"),
          Name("t"), Name("r"),      Name("s"), Name("c"), Name("n")};
}

RequestRecord MakeRequest() {
  RequestRecord record;
  record.owner = Key("owner");
  record.model = Name("model");
  record.bucket = 1;
  record.status = RequestStatus::kCompleted;
  record.price = 100;
  record.opened_round = 2;
  record.attempt = 3;
  record.deadline_round = 50;
  record.submitted_round = 4;
  record.completed_round = 8;
  record.submission = Name("submission");
  record.masked_tokens = {1, 2, 60000};
  record.attestations = {{PartyId{2}, Name("transcript"), 7}, {PartyId{0}, Name("other"), 8}};
  record.transcript = Name("transcript");
  record.posts = {{PartyId{1}, {ShareBytes{1}, ShareBytes{2}}}, {PartyId{0}, {}}};
  record.output = {ShareBytes{9}, ShareBytes{8}};
  record.accusations = {{PartyId{0}, PartyId{3}}, {PartyId{1}, PartyId{3}}};
  record.named = {{PartyId{0}, Misdeed::kOtherTranscript}, {PartyId{3}, Misdeed::kAccused}};
  record.paid = {PartyId{2}, PartyId{1}};
  record.until_end = true;
  record.steps = 7;
  record.charged = 90;
  return record;
}

AttemptRecord MakeAttempt() {
  return {9,
          Name("model"),
          2,
          AttemptStatus::kAssigned,
          1,
          76,
          {78, 79},
          14,
          {Name("a"), Name("b")},
          Name("transcript"),
          {PartyId{1}, PartyId{0}},
          {PartyId{3}},
          77,
          {{PartyId{2}, Name("senders")}, {PartyId{0}, Name("others")}},
          {PartyId{4}},
          {{PartyId{1}, Name("finding")}},
          {{PartyId{3}, Lie::kVector}, {PartyId{5}, Lie::kLayer}}};
}

ValidatorSpec MakeCard(std::string_view name) {
  ValidatorSpec card;
  card.name = name;
  card.key = Key(name);
  card.certificate = "certificate";
  card.certificate_signature.bytes[3] = 7;
  card.peer_address = "a:1";
  card.rpc_address = "a:2";
  return card;
}

EpochRecord MakeEpoch() {
  EpochRecord epoch{3, 100, 250, 2, {}, {PartyId{0}, PartyId{1}, PartyId{2}, PartyId{3}}};
  for (const char* name : {"a", "b", "c", "d", "e"}) {
    epoch.validators.push_back(MakeCard(name));
    epoch.validators.back().coin_key[0] = 2;
  }
  std::ranges::sort(epoch.validators, {}, &ValidatorSpec::key);
  return epoch;
}

// What decodes to something else than it came from, or not at all, is what a changed byte must
// give; what decodes encodes to the same bytes again.
template <class T, class Encoder, class Decoder>
void ExpectCanonical(const T& value, Encoder encode, Decoder decode) {
  const Bytes bytes = encode(value);
  const auto back = decode(bytes);
  ASSERT_TRUE(back.has_value()) << back.error().message;
  EXPECT_EQ(*back, value);
  for (std::size_t size = 0; size < bytes.size(); ++size) {
    const auto part = decode(ByteSpan(bytes).first(size));
    ASSERT_FALSE(part.has_value()) << "first " << size;
    EXPECT_EQ(part.error().code, ErrorCode::kCorrupt);
  }
  Bytes longer = bytes;
  longer.push_back(0);
  EXPECT_FALSE(decode(longer).has_value());
  for (std::size_t bit = 0; bit < 8 * bytes.size(); ++bit) {
    Bytes changed = bytes;
    changed[bit / 8] ^= static_cast<std::uint8_t>(1u << (bit % 8));
    const auto other = decode(changed);
    if (other.has_value()) {
      ASSERT_EQ(encode(*other), changed) << "bit " << bit;
    }
  }
  std::mt19937_64 random(bytes.size());
  for (int i = 0; i < 200; ++i) {
    Bytes noise(random() % (bytes.size() + 20));
    for (auto& byte : noise) byte = static_cast<std::uint8_t>(random() % 4);
    const auto other = decode(noise);
    if (other.has_value()) {
      ASSERT_EQ(encode(*other), noise);
    }
  }
}

template <class T>
void ExpectCanonicalRecord(const T& record) {
  ExpectCanonical(
      record, [](const T& value) { return Encode(value); },
      [](ByteSpan bytes) { return DecodeRecord<T>(bytes); });
}

TEST(Records, AreCanonical) {
  ExpectCanonicalRecord(Account{5, 6});
  ExpectCanonicalRecord(ValidatorRecord{MakeCard("v"), ValidatorStatus::kBonded, 5, {}, {}, {}});
  ExpectCanonicalRecord(ValidatorRecord{MakeCard("v"), ValidatorStatus::kLeft, 0, Name("evidence"),
                                        MakeCard("w"), Key("w")});
  ExpectCanonicalRecord(Staking{{Key("a")}, {{Key("b"), 5, 6}, {Key("a"), 7, 8}}});
  ExpectCanonicalRecord(
      Turn{2, {MakeCard("v")}, {PartyId{0}, PartyId{2}}, {{PartyId{1}, {}}, {PartyId{0}, {7}}}});
  ExpectCanonicalRecord(Dealings{{Key("a"), Key("b")}, {{1, 2}, {3}}});
  ExpectCanonicalRecord(EpochKeys{true, {1, 2}});
  ExpectCanonicalRecord(MakeEpoch());
  ExpectCanonicalRecord(ModelRecord{3, ModelStatus::kActive, {1, 2, 3}, {Key("a"), Key("b")}});
  ExpectCanonicalRecord(MakeAttempt());
  ExpectCanonicalRecord(Pool{{4, 16, 1 << 15, 2, {14, 9}, 3, 100, 60}, {1}, {2, 3}, {4, 5, 6}});
  ExpectCanonicalRecord(MakeRequest());
  ExpectCanonicalRecord(Totals{1, 2, 3, 4, 5, 6, 7, 8, 9, 10});
  ExpectCanonicalRecord(Active{{{Name("a"), 0}, {Name("b"), 1}}, 1});
  ExpectCanonicalRecord(Opened{{{1, 20}, {2, 30}}});
}

TEST(Blocks, AreCanonical) {
  ExpectCanonical(MakeHeader(), EncodeBlockHeader, DecodeBlockHeader);
  ExpectCanonical(Receipt{Name("t"), ReceiptCode::kNoFunds, Name("m"), 4, ""}, EncodeReceipt,
                  DecodeReceipt);
  ExpectCanonical(StateProof{{Name("a"), Name("b")}, {{Name("p"), Name("v")}}}, EncodeStateProof,
                  DecodeStateProof);
  ExpectCanonical(StateProof{{}, std::nullopt}, EncodeStateProof, DecodeStateProof);
}

TEST(Epochs, LinksAreCanonical) {
  ExpectCanonical(
      EpochLink{MakeHeader(), {{PartyId{1}, Signature{}}, {PartyId{3}, Signature{}}}, MakeEpoch()},
      EncodeLink, DecodeLink);
}

TEST(Epochs, AreNamedByEveryValue) {
  const EpochRecord epoch = MakeEpoch();
  const auto differs = [&](const auto& change) {
    EpochRecord other = epoch;
    change(other);
    return CommitteeHash(other) != CommitteeHash(epoch);
  };
  EXPECT_TRUE(differs([](EpochRecord& e) { e.number += 1; }));
  EXPECT_TRUE(differs([](EpochRecord& e) { e.first_height += 1; }));
  EXPECT_TRUE(differs([](EpochRecord& e) { e.first_round += 1; }));
  EXPECT_TRUE(differs([](EpochRecord& e) { e.coin_threshold += 1; }));
  EXPECT_TRUE(differs([](EpochRecord& e) { e.validators[1].key.bytes[0] ^= 1; }));
  EXPECT_TRUE(differs([](EpochRecord& e) { e.validators[1].coin_key[5] ^= 1; }));
  EXPECT_TRUE(differs([](EpochRecord& e) { e.validators[1].rpc_address += "1"; }));
  EXPECT_TRUE(differs([](EpochRecord& e) { e.validators.pop_back(); }));
  EXPECT_TRUE(differs([](EpochRecord& e) { e.computing.clear(); }));
}

TEST(Blocks, AReceiptsWordsAreNotHashed) {
  const Receipt plain{Name("t"), ReceiptCode::kNoFunds, {}, 0, ""};
  Receipt wordy = plain;
  wordy.message = "the account is empty";
  EXPECT_EQ(ReceiptLeaf(plain), ReceiptLeaf(wordy));
}

TEST(Records, LongListsAreRefused) {
  // A count beyond the limit is refused before anything is allocated for it.
  Bytes bytes = Encode(Opened{});
  bytes.assign({0xff, 0xff, 0xff, 0xff});
  EXPECT_FALSE(DecodeRecord<Opened>(bytes).has_value());
  StateProof proof;
  proof.siblings.resize(kStatePathMax);
  EXPECT_TRUE(DecodeStateProof(EncodeStateProof(proof)).has_value());
  Bytes deep = EncodeStateProof(proof);
  deep[0] = 1;  // 257
  EXPECT_FALSE(DecodeStateProof(deep).has_value());
}

TEST(Keys, AreDistinctAndSortByNumber) {
  const std::set<Bytes> keys{AccountKey(Key("a")),
                             ValidatorKey(Key("a")),
                             EpochKey(1),
                             DealingsKey(1),
                             EpochKeysKey(1),
                             StakingKey(),
                             TurnKey(),
                             ModelKey(Name("a")),
                             ModelNumberKey(1),
                             AttemptKey(1),
                             RequestKey(1),
                             PoolKey(Name("a"), 0),
                             PoolKey(Name("a"), 1),
                             TotalsKey(),
                             ActiveKey(),
                             OpenedKey()};
  EXPECT_EQ(keys.size(), 16u);
  EXPECT_LT(RequestKey(255), RequestKey(256));
  EXPECT_LT(AttemptKey(1), AttemptKey(std::uint64_t{1} << 40));
}

TEST(Codes, HaveNames) {
  std::set<std::string_view> names;
  for (std::uint8_t i = 1; i <= static_cast<std::uint8_t>(kReceiptCodeLast); ++i) {
    const auto name = ReceiptCodeName(static_cast<ReceiptCode>(i));
    EXPECT_NE(name, "unknown");
    EXPECT_TRUE(names.insert(name).second);
  }
  EXPECT_EQ(ReceiptCodeName(ReceiptCode::kDone), "done");
  EXPECT_EQ(ReceiptCodeName(ReceiptCode::kInvalid), "invalid");
  EXPECT_EQ(ReceiptCodeName(ReceiptCode::kNoFunds), "no_funds");
  EXPECT_EQ(ReceiptCodeName(ReceiptCode::kBadRecipient), "bad_recipient");
  EXPECT_EQ(ReceiptCodeName(ReceiptCode::kBadValidator), "bad_validator");
  EXPECT_EQ(ReceiptCodeName(ReceiptCode{0}), "unknown");
  EXPECT_TRUE(IsExecuted(ReceiptCode::kDone));
  EXPECT_FALSE(IsExecuted(ReceiptCode::kInvalid));
  EXPECT_TRUE(IsExecuted(ReceiptCode::kNoFunds));
}

}  // namespace
}  // namespace proto
