// Random histories with liars in them: money is conserved, two ledgers agree, and one restored from
// what was stored goes on as if it had never stopped.

#include <random>

#include <gtest/gtest.h>

#include "tests/unit/node/ledger/world.h"

namespace node::test {
namespace {

// Makes transactions of all kinds, most of them sensible, some not.
class Chaos {
 public:
  Chaos(World& world, std::uint64_t seed) : world_(world), random_(seed) {}

  std::vector<Bytes> Block() {
    std::vector<Bytes> block;
    for (std::uint64_t i = Below(10); i > 0; --i) {
      Bytes transaction = Below(4) == 0 ? FromClient() : FromValidator();
      if (Below(40) == 0) transaction[Below(transaction.size())] ^= 4;
      if (Below(20) == 0 && !block.empty()) transaction = block[Below(block.size())];
      block.push_back(std::move(transaction));
    }
    return block;
  }
  std::uint64_t Below(std::uint64_t bound) { return random_() % bound; }

 private:
  Digest SomeModel() {
    const auto models = world_.ledger.snapshot().models(1, 10);
    return models.empty() || Below(30) == 0 ? MakeDigest("?") : models[Below(models.size())];
  }
  std::uint64_t Recent(std::uint64_t last) {
    return last - Below(std::min<std::uint64_t>(last + 1, 4));
  }

  // Most often one that is in this state (and, if opened, has a bundle).
  std::uint64_t SomeRequest(proto::RequestStatus status) {
    const auto snapshot = world_.ledger.snapshot();
    std::vector<std::uint64_t> found;
    for (std::uint64_t i = 1; i <= snapshot.totals().requests; ++i) {
      const auto record = snapshot.request(i);
      if (record->status == status && record->attempt != 0) found.push_back(i);
    }
    if (found.empty() || Below(8) == 0) return Recent(snapshot.totals().requests);
    return found[Below(found.size())];
  }

  Bytes FromClient() {
    std::size_t client = Below(kClients);
    const auto snapshot = world_.ledger.snapshot();
    proto::Payload payload;
    switch (Below(8)) {
      case 0:
        payload = proto::Transfer{world_.clients[Below(kClients)].public_key(), Below(200'000)};
        break;
      case 1: {
        auto manifest = world_.MakeManifest(client, "model-" + std::to_string(Below(3)));
        manifest.buckets[0].pool_target = static_cast<std::uint32_t>(Below(4));
        payload = proto::RegisterModel{proto::EncodeManifest(manifest)};
        break;
      }
      case 2:
      case 3:
        payload = proto::OpenRequest{SomeModel(), Below(20) == 0 ? 1u : 0u};
        break;
      default: {
        const std::uint64_t number = SomeRequest(proto::RequestStatus::kOpened);
        const auto request = snapshot.request(number);
        for (std::size_t i = 0; i < kClients && request && Below(20) != 0; ++i) {
          if (world_.clients[i].public_key() == request->owner) client = i;
        }
        std::vector<std::uint32_t> tokens(4, static_cast<std::uint32_t>(Below(66)));
        payload = proto::SubmitInference{number, std::move(tokens)};
      }
    }
    // Clients do not wait for their transactions: some come too early.
    return world_.FromClient(client, std::move(payload), Below(6) == 0 ? 1 : 0);
  }

  Bytes FromValidator() {
    const std::size_t sender = Below(world_.committee.size());
    const auto snapshot = world_.ledger.snapshot();
    const std::uint64_t attempt = Recent(snapshot.totals().attempts);
    std::vector<PartyId> accused;
    if (Below(10) == 0) accused.push_back(static_cast<PartyId>(Below(world_.committee.size())));
    switch (Below(7)) {
      case 0:
        return world_.FromValidator(sender, proto::ModelReady{SomeModel()});
      case 1:
      case 2: {
        const auto record = snapshot.attempt(attempt);
        const auto layer = record ? static_cast<std::uint32_t>(record->layers.size()) : 0;
        return world_.FromValidator(
            sender, proto::FixLayer{world_.Certify(attempt, layer, world_.committee.quorum())});
      }
      case 3: {
        const auto record = snapshot.attempt(attempt);
        const bool pass = Below(20) != 0;
        return world_.FromValidator(
            sender, proto::Verdict{attempt, record ? record->transcript : Digest{}, pass});
      }
      case 4:
      case 5:
        return world_.FromValidator(
            sender, proto::Attest{SomeRequest(proto::RequestStatus::kSubmitted),
                                  MakeDigest(Below(15) == 0 ? "other" : "run"), accused});
      default: {
        auto shares = world_.Shares(sender);
        if (Below(8) == 0) shares[Below(2)][Below(15)] ^= 1;
        return world_.FromValidator(sender,
                                    proto::PostOutput{SomeRequest(proto::RequestStatus::kComputed),
                                                      std::move(shares), accused});
      }
    }
  }

  World& world_;
  std::mt19937_64 random_;
};

class Histories : public testing::TestWithParam<std::uint64_t> {};

TEST_P(Histories, ConserveMoneyAndAgree) {
  const std::uint64_t seed = GetParam();
  SCOPED_TRACE("seed " + std::to_string(seed));
  proto::ChainSpec spec = MakeSpec();
  spec.open_deadline_rounds = seed % 2 == 0 ? 6 : 60;
  World world(seed % 3 == 0 ? 7 : 4, spec);
  Chaos chaos(world, seed);
  Ledger twin = *Ledger::FromGenesis(world.genesis);
  std::map<Bytes, Bytes> twin_stored = world.stored;
  std::size_t done = 0;
  for (int step = 0; step < 300; ++step) {
    const std::vector<Bytes> transactions = chaos.Block();
    const std::uint64_t rounds = chaos.Below(3);
    const BlockResult result = world.Run(transactions, rounds);  // Checks the money.
    ASSERT_EQ(result.receipts.size(), transactions.size());
    for (const auto& receipt : result.receipts) done += receipt.code == ReceiptCode::kDone;

    if (chaos.Below(10) == 0) {  // The twin crashes and restarts from what was stored.
      twin =
          *Ledger::Restore(world.genesis, {twin_stored.begin(), twin_stored.end()}, twin.header());
    }
    std::vector<proto::CheckedTransaction> checked;
    for (const Bytes& bytes : transactions) checked.push_back(twin.Check(bytes));
    const BlockResult same = twin.Execute(
        {result.header.commit_index, result.header.round, result.header.leader}, checked);
    for (const KeyWrite& change : same.changes) twin_stored[change.key] = *change.value;
    ASSERT_EQ(same.header, result.header);
    ASSERT_EQ(same.events, result.events);
    ASSERT_EQ(same.receipts, result.receipts);
    ASSERT_EQ(same.changes.size(), result.changes.size());
    for (std::size_t i = 0; i < same.changes.size(); ++i) {
      ASSERT_EQ(same.changes[i].key, result.changes[i].key);
      ASSERT_EQ(same.changes[i].value, result.changes[i].value);
    }
  }
  // The history was worth the name.
  EXPECT_GT(done, 100u);
  EXPECT_FALSE(world.All<AttemptCertified>().empty());
  EXPECT_FALSE(world.All<RequestSubmitted>().empty());
  EXPECT_FALSE(world.All<RequestCompleted>().empty() && world.All<RequestExpired>().empty());
  std::uint64_t escrow = 0;
  std::uint64_t opened = 0;
  for (std::uint64_t i = 1; i <= world.ledger.snapshot().totals().requests; ++i) {
    const auto record = world.Request(i);
    if (record.status < proto::RequestStatus::kCompleted) escrow += record.price;
    opened += record.status == proto::RequestStatus::kOpened ? 1 : 0;
    if (record.status == proto::RequestStatus::kCompleted) {
      EXPECT_EQ(record.output, World::Outputs());
    }
  }
  EXPECT_EQ(world.ledger.snapshot().totals().escrow, escrow);
  EXPECT_EQ(world.ledger.snapshot().totals().opened, opened);
}

INSTANTIATE_TEST_SUITE_P(Seeds, Histories, testing::Range<std::uint64_t>(1, 11));

TEST(Restore, RefusesWhatDoesNotFit) {
  World world;
  world.Activate();
  std::vector<std::pair<Bytes, Bytes>> stored(world.stored.begin(), world.stored.end());
  const proto::BlockHeader last = world.ledger.header();
  ASSERT_TRUE(Ledger::Restore(world.genesis, stored, last).has_value());
  auto torn = stored;
  torn[3].second[0] ^= 1;
  EXPECT_FALSE(Ledger::Restore(world.genesis, torn, last).has_value());
  torn = stored;
  torn.pop_back();
  EXPECT_FALSE(Ledger::Restore(world.genesis, torn, last).has_value());
  proto::BlockHeader older = last;
  older.state_root = MakeDigest("older");
  EXPECT_FALSE(Ledger::Restore(world.genesis, stored, older).has_value());
  EXPECT_FALSE(Ledger::Restore(MakeGenesis(7), stored, last).has_value());
}

TEST(Snapshots, StayWhatTheyWereAndTheLastAreKept) {
  World world;
  const proto::PublicKey key = world.clients[0].public_key();
  std::vector<Snapshot> all{world.ledger.snapshot()};
  for (std::uint64_t i = 1; i <= 80; ++i) {
    world.Client(0, proto::Transfer{key, 0});
    all.push_back(world.ledger.snapshot());
  }
  for (std::uint64_t i = 0; i <= 80; ++i) {
    EXPECT_EQ(all[i].account(key).nonce, i);
    EXPECT_EQ(all[i].header().height, i);
    const auto kept = world.ledger.snapshot(i);
    ASSERT_EQ(kept.has_value(), i > 80 - kSnapshotsMax);
    if (kept) {
      EXPECT_EQ(kept->header(), all[i].header());
    }
    const auto proof = all[i].Prove(proto::AccountKey(key));
    EXPECT_TRUE(VerifyStateProof(all[i].header().state_root, proto::AccountKey(key),
                                 all[i].Get(proto::AccountKey(key)), proof));
  }
  EXPECT_FALSE(world.ledger.snapshot(81).has_value());
}

TEST(Blocks, FormAChain) {
  World world;
  proto::BlockHeader last = world.ledger.header();
  EXPECT_EQ(last.height, 0u);
  EXPECT_EQ(last.parent, Digest{});
  for (int i = 0; i < 5; ++i) {
    const proto::BlockHeader next = world.Run({}).header;
    EXPECT_EQ(next.parent, proto::BlockDigest(last));
    EXPECT_EQ(next.height, last.height + 1);
    EXPECT_EQ(next.state_root, last.state_root);  // An empty block changes nothing.
    last = next;
  }
}

}  // namespace
}  // namespace node::test
