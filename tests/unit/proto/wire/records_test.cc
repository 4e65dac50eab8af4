// Headers, receipts, proofs and state records in their canonical bytes.

#include "proto/wire/records.h"

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
  return {5, Name("parent"), 12, 5, Name("leader"), Name("t"), Name("r"), Name("s"), Name("c")};
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
  record.attestations = {{PartyId{2}, Name("transcript")}, {PartyId{0}, Name("other")}};
  record.transcript = Name("transcript");
  record.posts = {{PartyId{1}, {ShareBytes{1}, ShareBytes{2}}}, {PartyId{0}, {}}};
  record.output = {ShareBytes{9}, ShareBytes{8}};
  record.accusations = {{PartyId{0}, PartyId{3}}, {PartyId{1}, PartyId{3}}};
  record.named = {{PartyId{0}, Misdeed::kOtherTranscript}, {PartyId{3}, Misdeed::kAccused}};
  record.paid = {PartyId{2}, PartyId{1}};
  return record;
}

AttemptRecord MakeAttempt() {
  return {Name("model"),
          2,
          AttemptStatus::kAssigned,
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
  ExpectCanonicalRecord(ValidatorRecord{Key("v"), std::nullopt});
  ExpectCanonicalRecord(ValidatorRecord{Key("v"), Name("evidence")});
  ExpectCanonicalRecord(ModelRecord{3, ModelStatus::kActive, {1, 2, 3}, {PartyId{2}, PartyId{0}}});
  ExpectCanonicalRecord(MakeAttempt());
  ExpectCanonicalRecord(Pool{{16, 1 << 15, 2, 14, 3, 100, 60}, {1}, {2, 3}, {4, 5, 6}});
  ExpectCanonicalRecord(MakeRequest());
  ExpectCanonicalRecord(Totals{1, 2, 3, 4, 5, 6, 7});
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
                             ValidatorKey(PartyId{1}),
                             ModelKey(Name("a")),
                             ModelNumberKey(1),
                             AttemptKey(1),
                             RequestKey(1),
                             PoolKey(Name("a"), 0),
                             PoolKey(Name("a"), 1),
                             TotalsKey(),
                             ActiveKey(),
                             OpenedKey()};
  EXPECT_EQ(keys.size(), 11u);
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
  EXPECT_EQ(ReceiptCodeName(ReceiptCode{0}), "unknown");
  EXPECT_TRUE(IsExecuted(ReceiptCode::kDone));
  EXPECT_FALSE(IsExecuted(ReceiptCode::kInvalid));
  EXPECT_TRUE(IsExecuted(ReceiptCode::kNoFunds));
}

}  // namespace
}  // namespace proto
