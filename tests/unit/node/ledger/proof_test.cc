// Proofs that go with answers: good ones hold, and no part of one can be another.

#include "node/ledger/proof.h"

#include <functional>

#include <gtest/gtest.h>

#include "tests/unit/node/ledger/chain.h"
#include "tests/unit/node/ledger/long_chain.h"
#include "tests/unit/node/ledger/proofs.h"

namespace node::test {
namespace {

proto::Result<Proven> Verify(const proto::Genesis& genesis, const proto::Proof& proof) {
  const auto bytes = proto::EncodeProof(proof);
  if (!bytes) return tl::unexpected(bytes.error());
  return VerifyProof(genesis, *bytes);
}

class ProofTest : public testing::Test, protected Proofs {
 protected:
  // That each of the changes is refused, and with which words.
  void Refused(const proto::Proof& good, const std::string& words,
               const std::function<void(proto::Proof&)>& change) const {
    proto::Proof bad = good;
    change(bad);
    const auto verified = Verify(world_.genesis, bad);
    ASSERT_FALSE(verified.has_value()) << words;
    EXPECT_NE(verified.error().message.find(words), std::string::npos)
        << verified.error().message << "\ninstead of: " << words;
  }
};

TEST_F(ProofTest, RecordsAreProvedPresentAndAbsent) {
  const auto proven = Verify(world_.genesis, records_);
  ASSERT_TRUE(proven.has_value()) << proven.error().message;
  EXPECT_EQ(proven->header(), block_);
  EXPECT_EQ(proven->signed_header(), block_);
  const Snapshot state = *world_.ledger.snapshot(block_.height);
  for (const Bytes& key : keys_) EXPECT_EQ(proven->Record(key).value(), state.Get(key));
  EXPECT_EQ(proven->Find<proto::RequestRecord>(proto::RequestKey(request_))->value(),
            world_.Request(request_));
  EXPECT_EQ(proven->Find<proto::RequestRecord>(proto::RequestKey(request_ + 1)).value(),
            std::nullopt);
  const auto unsaid = proven->Record(proto::RequestKey(7));
  ASSERT_FALSE(unsaid.has_value());
  EXPECT_EQ(unsaid.error().message,
            "the proof says nothing of the record request/0000000000000007");
  EXPECT_EQ(proven->transaction(), nullptr);
  EXPECT_EQ(proven->receipts(), nullptr);
}

TEST_F(ProofTest, ATransactionIsProvedWithItsReceipt) {
  for (std::uint32_t index = 0; index < transactions_.size(); ++index) {
    proto::Proof proof = ProveBlock({block_}, Signed(block_, 4));
    AddTransaction(proof, transactions_, receipts_, index);
    const auto proven = Verify(world_.genesis, proof);
    ASSERT_TRUE(proven.has_value()) << proven.error().message;
    EXPECT_EQ(proven->transaction()->bytes, transactions_[index]);
    EXPECT_EQ(proven->transaction()->receipt, receipts_[index]);
    EXPECT_EQ(proven->transaction()->index, index);
    EXPECT_EQ(proven->transaction()->count, transactions_.size());
  }
}

TEST_F(ProofTest, TheReceiptsOfABlockAreProved) {
  const auto proven = Verify(world_.genesis, block_receipts_);
  ASSERT_TRUE(proven.has_value()) << proven.error().message;
  EXPECT_EQ(*proven->receipts(), receipts_);
}

TEST_F(ProofTest, ALaterSignedBlockProvesAnEarlierOne) {
  const auto proven = Verify(world_.genesis, late_);
  ASSERT_TRUE(proven.has_value()) << proven.error().message;
  EXPECT_EQ(proven->header(), block_);
  EXPECT_EQ(proven->signed_header(), later_[2]);
}

// The strongest statement: of the encoded form no bit is free. Only the name of an absent record
// may become that of another absent one, which is as true.
TEST_F(ProofTest, NoBitCanBeFlippedAndNoByteCutOffOrAdded) {
  const Snapshot state = *world_.ledger.snapshot(block_.height);
  for (const proto::Proof& proof : All()) {
    const Bytes good = proto::EncodeProof(proof).value();
    ASSERT_TRUE(VerifyProof(world_.genesis, good).has_value());
    std::size_t passed = 0;
    for (std::size_t i = 0; i < good.size(); ++i) {
      Bytes bad = good;
      bad[i] ^= static_cast<std::uint8_t>(1u << (i % 8));
      if (const auto verified = VerifyProof(world_.genesis, bad)) {
        ++passed;
        proto::Proof same = verified->proof();
        for (std::size_t j = 0; j < same.records.size(); ++j) {
          auto& record = same.records[j];
          if (record.key == proof.records.at(j).key) continue;
          EXPECT_FALSE(state.Get(record.key).has_value() || record.value) << "byte " << i;
          record.key = proof.records[j].key;
        }
        EXPECT_EQ(same, proof) << "byte " << i;
      }
      if (i % 7 == 0) {
        bad.resize(i);
        EXPECT_FALSE(VerifyProof(world_.genesis, bad).has_value()) << "cut to " << i;
      }
    }
    EXPECT_LT(passed, 20u);
    EXPECT_TRUE(passed == 0 || !proof.records.empty());
    Bytes longer = good;
    longer.push_back(0);
    EXPECT_FALSE(VerifyProof(world_.genesis, longer).has_value());
  }
}

TEST_F(ProofTest, EveryFieldOfEveryHeaderCounts) {
  const std::vector<std::function<void(proto::BlockHeader&)>> changes = {
      [](auto& h) { h.height += 1; },
      [](auto& h) { h.parent.bytes[0] ^= 1; },
      [](auto& h) { h.round += 1; },
      [](auto& h) { h.commit_index += 1; },
      [](auto& h) { h.leader.bytes[31] ^= 1; },
      [](auto& h) { h.transactions_root.bytes[3] ^= 1; },
      [](auto& h) { h.receipts_root.bytes[3] ^= 1; },
      [](auto& h) { h.state_root.bytes[3] ^= 1; },
      [](auto& h) { h.committee_hash.bytes[3] ^= 1; },
      [](auto& h) { h.next_committee_hash.bytes[3] ^= 1; },
  };
  for (const proto::Proof& good : All()) {
    for (std::size_t i = 0; i < good.headers.size(); ++i) {
      for (std::size_t j = 0; j < changes.size(); ++j) {
        proto::Proof bad = good;
        changes[j](bad.headers[i]);
        EXPECT_FALSE(Verify(world_.genesis, bad).has_value()) << "header " << i << " field " << j;
      }
    }
  }
}

TEST_F(ProofTest, HeadersFormAChain) {
  const std::string gap = "does not follow";
  Refused(late_, gap, [](auto& p) { p.headers.erase(p.headers.begin() + 1); });
  Refused(late_, gap, [](auto& p) { std::swap(p.headers[1], p.headers[2]); });
  Refused(late_, gap, [](auto& p) { p.headers.insert(p.headers.begin(), p.headers[0]); });
  Refused(late_, "signature of party 0", [](auto& p) { p.headers.pop_back(); });
  Refused(late_, "the transaction", [](auto& p) { p.headers.erase(p.headers.begin()); });
  Refused(late_, "no header", [](auto& p) { p.headers.clear(); });
  Refused(late_, "too many headers",
          [](auto& p) { p.headers.resize(proto::kProofHeadersMax + 1); });
}

TEST_F(ProofTest, TheSignaturesAreAQuorumOfTheCommittee) {
  for (const proto::Proof& good : All()) {
    const std::size_t spare = good.signatures.size() - 3;
    Refused(good, "needs 3",
            [&](auto& p) { p.signatures.resize(p.signatures.size() - 1 - spare); });
    Refused(good, "needs 3", [](auto& p) { p.signatures.clear(); });
    Refused(good, "not ascending", [](auto& p) { p.signatures[1] = p.signatures[0]; });
    Refused(good, "not ascending", [](auto& p) { std::swap(p.signatures[0], p.signatures[1]); });
    Refused(good, "is no validator", [](auto& p) { p.signatures.back().first = PartyId{4}; });
    for (std::size_t i = 0; i < good.signatures.size(); ++i) {
      Refused(good, "signature of party " + std::to_string(i),
              [&](auto& p) { p.signatures[i].second.bytes[40] ^= 1; });
      Refused(good, "signature of party " + std::to_string(i), [&](auto& p) {
        p.signatures[i].second = p.signatures[(i + 1) % p.signatures.size()].second;
      });
    }
    // Another's name over a true signature.
    if (spare == 0) {
      Refused(good, "signature of party 3", [](auto& p) { p.signatures[2].first = PartyId{3}; });
    }
    // A signature of another word of the same validator: on another block.
    Refused(good, "signature of party 1",
            [&](auto& p) { p.signatures[1] = SignBlock(world_, later_[0], 2)[1]; });
  }
}

TEST_F(ProofTest, AnotherCommitteeIsRefused) {
  // Four other keys sign a chain of their own; and our own keys for a chain with another fee.
  World strangers(7);
  const proto::BlockHeader header = strangers.Run({}).header;
  const auto theirs = Verify(world_.genesis, ProveBlock({header}, SignBlock(strangers, header, 7)));
  ASSERT_FALSE(theirs.has_value());
  EXPECT_EQ(theirs.error().message, "the block is signed by another committee");
  proto::ChainSpec spec = MakeSpec();
  spec.transaction_fee += 1;
  World sister(4, spec);
  const proto::BlockHeader other = sister.Run({}).header;
  const auto sisters = Verify(world_.genesis, ProveBlock({other}, SignBlock(sister, other, 4)));
  ASSERT_FALSE(sisters.has_value());
  EXPECT_EQ(sisters.error().message, "the block's signature of party 0 is not valid");
}

TEST_F(ProofTest, RecordsAreBoundToTheStateRoot) {
  for (std::size_t i = 0; i < records_.records.size(); ++i) {
    const std::string words = records_.records[i].value ? "is not what" : "is not absent";
    Refused(records_, "the record", [&](auto& p) { p.records[i].key.back() ^= 1; });
    if (records_.records[i].value) {
      for (std::size_t j = 0; j < records_.records[i].value->size(); ++j) {
        Refused(records_, words, [&](auto& p) { (*p.records[i].value)[j] ^= 1; });
      }
      Refused(records_, words, [&](auto& p) { p.records[i].value->push_back(0); });
      Refused(records_, words, [&](auto& p) { p.records[i].value->pop_back(); });
      Refused(records_, "is not absent", [&](auto& p) { p.records[i].value.reset(); });
    } else {
      Refused(records_, "is not what", [&](auto& p) { p.records[i].value = Bytes{}; });
    }
    auto& path = records_.records[i].path;
    for (std::size_t j = 0; j < path.siblings.size(); ++j) {
      Refused(records_, words, [&](auto& p) { p.records[i].path.siblings[j].bytes[9] ^= 1; });
    }
    Refused(records_, words, [&](auto& p) { p.records[i].path.siblings.pop_back(); });
    Refused(records_, words, [&](auto& p) { p.records[i].path.siblings.emplace_back(); });
    Refused(records_, words, [&](auto& p) {
      std::swap(p.records[i].path.siblings.front(), p.records[i].path.siblings.back());
    });
    Refused(records_, words, [&](auto& p) {
      p.records[i].path.siblings.push_back(p.records[i].path.siblings.back());
    });
    if (path.leaf) {
      Refused(records_, words, [&](auto& p) { p.records[i].path.leaf->path.bytes[5] ^= 1; });
      Refused(records_, words, [&](auto& p) { p.records[i].path.leaf->value_hash.bytes[5] ^= 1; });
      Refused(records_, words, [&](auto& p) { p.records[i].path.leaf.reset(); });
    } else {
      Refused(records_, words, [&](auto& p) { p.records[i].path.leaf.emplace(); });
    }
  }
  Refused(records_, "not ascending", [](auto& p) { std::swap(p.records[0], p.records[1]); });
  Refused(records_, "not ascending", [](auto& p) { p.records.push_back(p.records.back()); });
  Refused(records_, "is not what",
          [](auto& p) { std::swap(p.records[0].path, p.records[1].path); });
  Refused(records_, "too many records",
          [](auto& p) { p.records.resize(proto::kProofRecordsMax + 1); });
}

TEST_F(ProofTest, ATransactionHasOnePlace) {
  const std::string of_transaction = "from the transaction to the block";
  const std::string of_receipt = "from the receipt to the block";
  for (const proto::Proof& good : {transaction_, late_}) {
    Refused(good, of_transaction, [](auto& p) { p.transaction->bytes[7] ^= 1; });
    Refused(good, of_transaction, [](auto& p) { p.transaction->bytes.pop_back(); });
    Refused(good, of_transaction, [&](auto& p) { p.transaction->bytes = transactions_[0]; });
    Refused(good, of_receipt, [](auto& p) { p.transaction->receipt.transaction.bytes[0] ^= 1; });
    Refused(good, of_receipt, [](auto& p) { p.transaction->receipt.code = ReceiptCode::kNoFunds; });
    Refused(good, of_receipt, [](auto& p) { p.transaction->receipt.created_request = 1; });
    Refused(good, of_receipt, [](auto& p) { p.transaction->receipt.created_model.bytes[1] = 1; });
    Refused(good, of_receipt, [&](auto& p) { p.transaction->receipt = receipts_[0]; });
    for (std::uint64_t index = 0; index < 7; ++index) {
      for (std::uint64_t count = 0; count < 9; ++count) {
        if (index == good.transaction->index && count == good.transaction->count) continue;
        Refused(good, of_transaction, [&](auto& p) {
          p.transaction->index = index;
          p.transaction->count = count;
        });
      }
    }
    for (const auto& [path, words] :
         {std::pair(&proto::Proof::Transaction::path, of_transaction),
          std::pair(&proto::Proof::Transaction::receipt_path, of_receipt)}) {
      const std::size_t size = ((*good.transaction).*path).size();
      for (std::size_t i = 0; i < size; ++i) {
        Refused(good, words, [&](auto& p) { ((*p.transaction).*path)[i].bytes[3] ^= 1; });
      }
      Refused(good, words, [&](auto& p) { ((*p.transaction).*path).pop_back(); });
      Refused(good, words, [&](auto& p) { ((*p.transaction).*path).emplace_back(); });
      if (size > 1) {
        Refused(good, words, [&](auto& p) {
          std::swap(((*p.transaction).*path)[0], ((*p.transaction).*path)[1]);
        });
      }
    }
    Refused(good, of_transaction,
            [](auto& p) { std::swap(p.transaction->path, p.transaction->receipt_path); });
  }
}

TEST_F(ProofTest, ReceiptsAreAllOfTheBlocks) {
  const std::string words = "not those of block";
  for (std::size_t i = 0; i < receipts_.size(); ++i) {
    Refused(block_receipts_, words, [&](auto& p) { (*p.receipts)[i].code = ReceiptCode::kLimit; });
    Refused(block_receipts_, words,
            [&](auto& p) { p.receipts->erase(p.receipts->begin() + static_cast<int>(i)); });
  }
  Refused(block_receipts_, words, [](auto& p) { std::swap((*p.receipts)[0], (*p.receipts)[1]); });
  Refused(block_receipts_, words, [](auto& p) { p.receipts->push_back(p.receipts->back()); });
  Refused(block_receipts_, words, [](auto& p) { p.receipts->clear(); });
  Refused(block_receipts_, "too many receipts",
          [](auto& p) { p.receipts->resize(proto::kProofReceiptsMax + 1); });
}

// A message is for people: whatever a validator writes there, the proof is the same.
TEST_F(ProofTest, NothingThatIsNotCheckedIsHandedOn) {
  proto::Proof proof = transaction_;
  proof.transaction->receipt.message = "pay me again";
  const auto proven = Verify(world_.genesis, proof);
  ASSERT_TRUE(proven.has_value());
  EXPECT_EQ(proven->transaction()->receipt.message, "");
}

TEST_F(ProofTest, OneValueHasOneEncoding) {
  for (const proto::Proof& proof : All()) {
    const Bytes bytes = proto::EncodeProof(proof).value();
    const auto decoded = proto::DecodeProof(bytes);
    ASSERT_TRUE(decoded.has_value());
    EXPECT_EQ(*decoded, proof);
    EXPECT_EQ(proto::EncodeProof(*decoded).value(), bytes);
  }
}

// --- After the committee has changed. ---

// Two changes: first one more validator, then another.
struct TwoChanges : Chain {
  TwoChanges() {
    EXPECT_EQ(Join(0).code, ReceiptCode::kDone);
    links.push_back(NextEpoch());
    EXPECT_EQ(Join(1).code, ReceiptCode::kDone);
    links.push_back(NextEpoch());
    Run({});
    block.emplace(ProvenBlock{ledger.header(), Signatures(links[1].next, ledger.header()),
                              ledger.snapshot()});
    proof = ProveRecords(*block, {proto::TotalsKey(), proto::EpochKey(3), proto::EpochKey(4)});
    proof.links = links;
  }

  std::vector<proto::EpochLink> links;
  std::optional<ProvenBlock> block;
  proto::Proof proof;
};

TEST(ProofOfLaterEpochs, IsCheckedFromGenesis) {
  const TwoChanges chain;
  const auto proven = Verify(chain.genesis, chain.proof);
  ASSERT_TRUE(proven.has_value()) << proven.error().message;
  EXPECT_EQ(proven->Find<proto::EpochRecord>(proto::EpochKey(3)).value(), chain.links[1].next);
  EXPECT_EQ(chain.links[1].next.validators.size(), 6u);
  // A client that has followed needs no links, and keeps what links it was given.
  LightClient client(chain.genesis);
  const Bytes whole = proto::EncodeProof(chain.proof).value();
  proto::Proof bare = chain.proof;
  bare.links.clear();
  const Bytes without = proto::EncodeProof(bare).value();
  EXPECT_FALSE(VerifyProof(client, without).has_value());
  EXPECT_TRUE(VerifyProof(client, whole).has_value());
  EXPECT_TRUE(VerifyProof(client, without).has_value());
  EXPECT_TRUE(VerifyProof(client, whole).has_value());
}

TEST(ProofOfLaterEpochs, NeedsEveryLinkAndEveryFieldOfIt) {
  const TwoChanges chain;
  const auto refused = [&](const std::string& what, const auto& change) {
    proto::Proof bad = chain.proof;
    change(bad);
    EXPECT_FALSE(Verify(chain.genesis, bad).has_value()) << what;
  };
  refused("none", [](auto& p) { p.links.clear(); });
  refused("the first is missing", [](auto& p) { p.links.erase(p.links.begin()); });
  refused("the last is missing", [](auto& p) { p.links.pop_back(); });
  refused("order", [](auto& p) { std::swap(p.links[0], p.links[1]); });
  refused("twice", [](auto& p) { p.links.push_back(p.links[1]); });
  for (std::size_t i = 0; i < 2; ++i) {
    const auto with = [&](const std::string& what, const auto& change) {
      refused(what + " of link " + std::to_string(i), [&](auto& p) { change(p.links[i]); });
    };
    with("number", [](auto& l) { l.next.number += 1; });
    with("first height", [](auto& l) { l.next.first_height += 1; });
    with("first round", [](auto& l) { l.next.first_round += 1; });
    with("coin threshold", [](auto& l) { l.next.coin_threshold += 1; });
    with("a key", [](auto& l) { l.next.validators[0].key.bytes[3] ^= 1; });
    with("a coin key", [](auto& l) { l.next.validators[1].coin_key[5] ^= 1; });
    with("a name", [](auto& l) { l.next.validators[2].name += "x"; });
    with("an address", [](auto& l) { l.next.validators[2].rpc_address += "1"; });
    with("a member", [](auto& l) { l.next.validators.pop_back(); });
    with("who computes", [](auto& l) { l.next.computing.clear(); });
    with("the header", [](auto& l) { l.header.state_root.bytes[0] ^= 1; });
    with("the next committee", [](auto& l) { l.header.next_committee_hash.bytes[0] ^= 1; });
    with("a signature", [](auto& l) { l.signatures[1].second.bytes[9] ^= 1; });
    with("a signer", [](auto& l) { l.signatures[1].first = PartyId{3}; });
    with("too few", [](auto& l) { l.signatures.pop_back(); });
  }
  // The committee before the change has nothing to say after it, nor the one of the change before.
  for (const auto& epoch : {proto::FirstEpoch(chain.genesis), chain.links[0].next}) {
    refused("an earlier committee's signatures",
            [&](auto& p) { p.signatures = chain.Signatures(epoch, chain.block->header); });
  }
}

TEST(ProofOfLaterEpochs, LeadsThroughHundredsOfThem) {
  const World world;
  proto::Proof proof;
  proof.links = LinksOf(world, 500);
  const proto::EpochRecord& newest = proof.links.back().next;
  proof.headers = {HeaderIn(world, newest, newest.first_height)};
  proof.signatures = SignAs(world, newest.number, proof.headers.back());
  const auto proven = Verify(world.genesis, proof);
  EXPECT_TRUE(proven.has_value()) << proven.error().message;
  proof.links.erase(proof.links.begin() + 250);
  EXPECT_FALSE(Verify(world.genesis, proof).has_value());
}

// No bit of it is free either, links and all.
TEST(ProofOfLaterEpochs, HasNoFreeBit) {
  const TwoChanges chain;
  proto::Proof proof = ProveBlock({chain.block->header}, chain.block->signatures);
  proof.links = chain.links;
  const Bytes good = proto::EncodeProof(proof).value();
  ASSERT_TRUE(VerifyProof(chain.genesis, good).has_value());
  for (std::size_t i = 0; i < good.size(); ++i) {
    Bytes bad = good;
    bad[i] ^= static_cast<std::uint8_t>(1u << (i % 8));
    EXPECT_FALSE(VerifyProof(chain.genesis, bad).has_value()) << "byte " << i;
  }
}

}  // namespace
}  // namespace node::test
