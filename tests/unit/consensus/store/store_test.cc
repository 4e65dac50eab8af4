// Batches live as long as a round that names them, however they are named.

#include "consensus/store/store.h"

#include <gtest/gtest.h>

#include "tests/sim/consensus/disk.h"
#include "tests/unit/consensus/validators.h"

namespace consensus {
namespace {

using proto::PartyId;

class StoreTest : public testing::Test {
 protected:
  // A vertex of that round by validator 1 that names the batch is stored.
  void Certify(std::uint64_t round) {
    HeaderFields fields = validators_.Fields(round, 1, {});
    fields.batches = {reference_};
    store_.Put(validators_.Certify(validators_.Sign(std::move(fields))));
  }
  void Flush() {
    Step step;
    store_.Flush(step);
    disk_.Apply(step.writes, step.sync);
  }

  const Validators validators_;
  sim::Disk disk_;
  Store store_{proto::Committee(4), disk_};
  const Transactions batch_ = proto::dag::MakeBatch({{1, 2, 3}});
  const BatchReference reference_{batch_.digest, static_cast<std::uint32_t>(batch_.bytes.size())};
};

TEST_F(StoreTest, ABatchGoesWithTheLastRoundThatNamesIt) {
  store_.Put(batch_, 1);
  Certify(1);
  store_.Refer(reference_, 3);
  Certify(3);
  Flush();
  store_.Prune(1);
  store_.Prune(2);
  Flush();
  EXPECT_TRUE(store_.HasBatch(reference_));
  EXPECT_EQ(store_.FindBatch(batch_.digest)->bytes, batch_.bytes);
  store_.Prune(3);
  Flush();
  EXPECT_FALSE(store_.HasBatch(batch_.digest));
  EXPECT_FALSE(store_.FindBatch(batch_.digest));
}

TEST_F(StoreTest, AnOlderRoundThatNamesABatchAgainDoesNotShortenItsLife) {
  store_.Put(batch_, 3);
  store_.Refer(reference_, 1);
  Certify(1);
  Certify(3);
  store_.Prune(1);
  EXPECT_TRUE(store_.HasBatch(reference_));
  store_.Prune(3);
  EXPECT_FALSE(store_.HasBatch(reference_));
}

// A batch is stored for a vote; no certificate of that header need ever come.
TEST_F(StoreTest, ABatchOfAHeaderThatGotOnlyAVoteGoesWithIt) {
  store_.Put(batch_, 2);
  store_.Put(2, PartyId{1}, VoteRecord{proto::Hash("header", {}), {batch_.digest}});
  store_.Prune(1);
  EXPECT_TRUE(store_.HasBatch(reference_));
  store_.Prune(2);
  EXPECT_FALSE(store_.HasBatch(reference_));
}

}  // namespace
}  // namespace consensus
